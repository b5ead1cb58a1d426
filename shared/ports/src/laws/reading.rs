//! Laws of organisations, reference data, keys, announcements, and of finding an event.

use contract::{OrgId, ProductId, Timestamp, event::Assignment};
use domain::{api_key::Scope, pseudonym::Kind as Identifier};

use super::{
    ok,
    sample::{Kind, batch_of, chunk, event, formed, id, lease, now, org, row},
    there,
};
use crate::{
    accounts::Accounts,
    bus::{Announcement, AnnouncementKind, Bus},
    delivery::{Forming, Leases, Outbox, Settlement},
    keys::{ApiKeyRecord, ApiKeys, PseudonymKeys},
    ledger::Ledger,
    reference::{Organisations, Reference, Subject},
    staging::Staging,
};

/// "Creating an existing one changes nothing and answers false." "All organisations, by name."
pub async fn an_organisation_is_created_once_and_listed_by_name<W: Organisations>(world: W) {
    for (name, created) in [("globex", true), ("acme", true), ("globex", false), ("acme", false)] {
        assert_eq!(ok(world.create(&org(name)).await), created, "{name}");
    }
    assert_eq!(ok(world.list().await), [org("acme"), org("globex")]);
}

fn subject(actor: &str) -> Subject {
    Subject { org: org("acme"), product: ProductId::default(), actor: actor.to_owned() }
}

fn assignment(variant: &str, at: Timestamp) -> Assignment {
    let text = format!(r#"{{"experimentId":"exp","variantId":"{variant}","assignedAt":"{at}"}}"#);
    there(serde_json::from_str(&text).ok(), "an assignment")
}

/// "The assignment of each subject, or nothing."
pub async fn assignments_come_in_the_order_of_the_question<W: Reference>(world: W) {
    let (one, other) = (assignment("a", now()), assignment("b", now()));
    let known = [(subject("u1"), one.clone()), (subject("u2"), other.clone())];
    ok(world.assign(&known).await);
    let foreign = Subject { org: org("globex"), ..subject("u1") };
    let asked = [subject("u2"), subject("u9"), subject("u1"), foreign, subject("u2")];
    let expected = [Some(other.clone()), None, Some(one), None, Some(other)];
    assert_eq!(ok(world.assignments(&asked).await), expected);
    assert_eq!(ok(world.assignments(&[]).await), []);
}

/// "Recording the same again changes nothing; a later one replaces an earlier one."
pub async fn a_later_assignment_replaces_an_earlier_one<W: Reference>(world: W) {
    let (first, second) = (assignment("a", now().plus_ms(-60_000)), assignment("b", now()));
    for assigned in [&first, &second, &second] {
        ok(world.assign(&[(subject("u1"), assigned.clone())]).await);
    }
    assert_eq!(ok(world.assignments(&[subject("u1")]).await), [Some(second)]);
}

fn api_key(name: &str, minutes: i64) -> ApiKeyRecord {
    ApiKeyRecord {
        key_id: name.to_owned(),
        secret_hash: [u8::try_from(minutes).unwrap_or(0); 32],
        orgs: vec![org("acme"), org("globex")],
        scopes: vec![Scope::Ingest, Scope::Read],
        created_at: now().plus_ms(minutes * 60_000),
        revoked_at: None,
    }
}

/// "The key under `key_id`, revoked or not." "Creates or replaces a key."
pub async fn a_key_is_found_as_it_was_put_revoked_or_not<W: ApiKeys>(world: W) {
    assert_eq!(ok(world.find("k1").await), None);
    let key = api_key("k1", 1);
    let revoked = ApiKeyRecord { revoked_at: Some(now()), ..key.clone() };
    for put in [&key, &key, &revoked] {
        ok(world.put(put).await);
        assert_eq!(ok(world.find("k1").await).as_ref(), Some(put));
    }
    assert_eq!(ok(world.list().await), [revoked]);
}

/// "Every key, oldest first."
pub async fn keys_are_listed_oldest_first<W: ApiKeys>(world: W) {
    let keys = [api_key("b", 3), api_key("c", 1), api_key("a", 2)];
    for key in &keys {
        ok(world.put(key).await);
    }
    let [b, c, a] = keys;
    assert_eq!(ok(world.list().await), [c, a, b]);
}

/// Equal identifiers get equal tokens within an organisation, and different ones across.
pub async fn pseudonyms_are_stable_and_apart_by_organisation<W: PseudonymKeys + Organisations>(
    world: W,
) {
    let mut tokens = Vec::new();
    for name in ["acme", "globex", "acme", "globex"] {
        let org = org(name);
        ok(world.create(&org).await);
        let pseudonymiser = there(ok(world.pseudonymiser(&org).await), "a pseudonymiser");
        assert_eq!(*pseudonymiser.org(), org);
        tokens.push(pseudonymiser.token(Identifier::User, "someone").as_str().to_owned());
    }
    let [acme, globex, acme_again, globex_again] = tokens.as_slice() else { panic!("four tokens") };
    assert_eq!((acme, globex), (acme_again, globex_again));
    assert_ne!(acme, globex);
}

/// "Nothing for an organisation that does not exist."
pub async fn an_unknown_organisation_has_no_pseudonyms<W: PseudonymKeys>(world: W) {
    assert!(ok(world.pseudonymiser(&org("nobody")).await).is_none());
}

/// "The key under which quarantined bytes are sealed."
pub async fn the_seal_key_opens_what_it_sealed<W: PseudonymKeys>(world: W) {
    let sealed = ok(world.seal_key().await).seal("a/b", b"raw");
    assert_eq!(ok(world.seal_key().await).open("a/b", &sealed), Some(b"raw".to_vec()));
    assert_eq!(ok(world.seal_key().await).open("a/c", &sealed), None);
}

/// "At least once: listeners recognise a repeat by its id."
pub async fn an_announcement_may_be_repeated<W: Bus>(world: W) {
    let announcement = |name: &str| Announcement {
        id: format!("org.urgent/{name}"),
        kind: AnnouncementKind::OrgUrgent,
        org: org(name),
        at: now(),
        detail: None,
    };
    ok(world.publish(&[]).await);
    for _ in 0..2 {
        ok(world.publish(&[announcement("acme"), announcement("globex")]).await);
    }
}

async fn state<W: Accounts>(world: &W, org: Option<&OrgId>) -> Vec<(String, String)> {
    let found = ok(world.whereabouts(&id(1), org).await);
    found
        .into_iter()
        .map(|place| {
            assert_eq!(place.event_id, id(1).to_string());
            assert!(!place.stations.is_empty(), "an event that passed no station");
            (place.org, place.state)
        })
        .collect()
}

/// "Where an event is, in each organisation that knows the id (or in `org` alone)."
pub async fn an_event_is_found_at_every_station<
    W: Staging + Leases + Forming + Outbox + Ledger + Accounts,
>(
    world: W,
) {
    let (acme, globex, at) = (org("acme"), org("globex"), now().plus_ms(-60_000));
    assert_eq!(state(&world, None).await, []);
    let click = event(&globex, 1, Kind::Click, at);
    let counting = chunk(&world, &[click]).await;
    ok(world.commit(counting).await);
    let friction = row(&event(&acme, 1, Kind::Friction, at));
    let is = |state: &str| vec![("acme".to_owned(), state.to_owned())];
    ok(world.stage(std::slice::from_ref(&friction)).await);
    assert_eq!(state(&world, Some(&acme)).await, is("pending"));
    let (held, batch) = formed(&world, &[friction]).await;
    assert_eq!(state(&world, Some(&acme)).await, is("batched"));
    assert_eq!(batch_of(ok(world.head(&acme).await)), Some(batch.clone()));
    let delivered = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };
    ok(world.settle(&held, &batch.seq, delivered, now()).await);
    assert_eq!(state(&world, Some(&acme)).await, is("delivered"));
    let mut everywhere = state(&world, None).await;
    everywhere.sort();
    let counted = ("globex".to_owned(), "counted".to_owned());
    assert_eq!(everywhere, [is("delivered"), vec![counted]].concat());
    ok(world.release(&held, held.breaker).await);
    lease(&world, &acme).await;
}
