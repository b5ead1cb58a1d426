//! Laws of projections, and of the rules of organisations.

use contract::{EventId, ProductId, session::SessionId};
use friction::{
    owner::{Owner, Position},
    rules::RuleSet,
};

use super::{
    moments::{minute, owner, session},
    ok,
    sample::{id, org},
    there,
};
use crate::{
    projections::{Projected, Projection, Projections, SaveOutcome},
    reference::Subject,
    rules::RuleBook,
};

fn session_id(owner: &Owner, start: i64) -> SessionId {
    session(owner, minute(start)).session.session_id
}

/// A context as it is to be saved over `version`.
fn context(version: u64, session: SessionId, last: EventId) -> Projection {
    let state = format!(r#"{{"concepts":{{"s\u00e4ume":[1,"{last}"]}},"evidence":{version}}}"#);
    Projection {
        version,
        session: Some(session),
        last: Position { at: minute(1), id: last },
        state,
    }
}

/// "Saves what replaces the projection of `projection.version`."
pub async fn a_projection_is_saved_over_the_version_that_was_loaded<W: Projections>(world: W) {
    let anna = owner("acme", "anna");
    let about = Projected::Context(anna.clone());
    assert_eq!(ok(world.load(&about).await), None);
    let mut version = 0;
    for number in 0..4 {
        let new = context(version, session_id(&anna, 0), id(number));
        assert_eq!(ok(world.save(&about, new.clone()).await), SaveOutcome::Saved);
        let loaded = there(ok(world.load(&about).await), "the projection that was saved");
        assert!(loaded.version > version, "a version that does not grow");
        version = loaded.version;
        assert_eq!(loaded, Projection { version, ..new });
    }
}

/// "`Stale`: somebody else saved meanwhile, nothing was written." "Repeating a save answers `Stale` and changes nothing."
pub async fn a_stale_projection_is_not_saved<W: Projections>(world: W) {
    let anna = owner("acme", "anna");
    let about = Projected::Context(anna.clone());
    let new = |version, number| context(version, session_id(&anna, 0), id(number));
    // Of something that is not there.
    assert_eq!(ok(world.save(&about, new(7, 1)).await), SaveOutcome::Stale);
    assert_eq!(ok(world.load(&about).await), None);
    assert_eq!(ok(world.save(&about, new(0, 1)).await), SaveOutcome::Saved);
    let first = there(ok(world.load(&about).await), "a projection");
    // Two begin at once, or one repeats itself.
    for number in [1, 2] {
        assert_eq!(ok(world.save(&about, new(0, number)).await), SaveOutcome::Stale);
    }
    assert_eq!(ok(world.load(&about).await), Some(first.clone()));
    // Two go on from the same.
    assert_eq!(ok(world.save(&about, new(first.version, 3)).await), SaveOutcome::Saved);
    let second = ok(world.load(&about).await);
    assert_eq!(ok(world.save(&about, new(first.version, 4)).await), SaveOutcome::Stale);
    assert_eq!(ok(world.load(&about).await), second);
}

/// "The context of a session of `org`, and whose it is; nothing when its owner's newest session is another."
pub async fn a_context_is_found_by_its_session<W: Projections>(world: W) {
    let (anna, ben) = (owner("acme", "anna"), owner("acme", "ben"));
    let [first, second] = [0, 60].map(|start| session_id(&anna, start));
    let of_ben = session_id(&ben, 0);
    for (owner, session) in [(&anna, &first), (&ben, &of_ben)] {
        let new = context(0, session.clone(), id(1));
        let about = Projected::Context(owner.clone());
        assert_eq!(ok(world.save(&about, new).await), SaveOutcome::Saved);
    }
    let find = async |tenant: &str, session: &SessionId| {
        let found = ok(world.context(&org(tenant), session).await);
        found.map(|(owner, projection)| (owner, projection.last.id))
    };
    assert_eq!(find("acme", &first).await, Some((anna.clone(), id(1))));
    assert_eq!(find("acme", &of_ben).await, Some((ben, id(1))));
    assert_eq!(find("acme", &second).await, None);
    assert_eq!(find("globex", &first).await, None, "of another tenant");
    // The next session takes the place of the one before.
    let about = Projected::Context(anna.clone());
    let version = there(ok(world.load(&about).await), "a projection").version;
    let next = context(version, second.clone(), id(2));
    assert_eq!(ok(world.save(&about, next).await), SaveOutcome::Saved);
    assert_eq!(find("acme", &first).await, None);
    assert_eq!(find("acme", &second).await, Some((anna.clone(), id(2))));
    let (_, found) = there(ok(world.context(&anna.org, &second).await), "the context");
    assert_eq!(ok(world.load(&about).await), Some(found), "another one than is loaded");
}

/// What is said of a session and of a person under one token, of products and of tenants.
pub async fn projections_are_kept_apart<W: Projections>(world: W) {
    let anna = owner("acme", "anna");
    let athena = there(ProductId::parse("athena").ok(), "a product");
    let subject = |owner: &Owner| Subject {
        org: owner.org.clone(),
        product: owner.product.clone(),
        actor: owner.token.clone(),
    };
    let owners = [
        anna.clone(),
        owner("acme", "ann"),
        owner("globex", "anna"),
        Owner { product: athena, ..anna },
    ];
    let contexts = owners.iter().cloned().map(Projected::Context);
    let preferences = owners.iter().map(|owner| Projected::Preferences(subject(owner)));
    let persons = owners.iter().cloned().map(Projected::Persons);
    let all: Vec<_> = contexts.chain(preferences).chain(persons).collect();
    for (number, about) in all.iter().enumerate() {
        assert_eq!(ok(world.load(about).await), None, "{about:?}");
        let session = match about {
            Projected::Context(owner) => Some(session_id(owner, 0)),
            Projected::Preferences(_) | Projected::Persons(_) => None,
        };
        let last = Position { at: minute(1), id: id(number) };
        let new = Projection { version: 0, session, last, state: format!("[{number}]") };
        assert_eq!(ok(world.save(about, new).await), SaveOutcome::Saved);
    }
    for (number, about) in all.iter().enumerate() {
        let loaded = there(ok(world.load(about).await), "a projection");
        assert_eq!((loaded.last.id, loaded.state), (id(number), format!("[{number}]")));
    }
}

fn rules(version: u32, gap_ms: u32) -> RuleSet {
    let text = format!(
        r#"{{"version":{version},"rules":{{"rage_click":{{"gapMs":{gap_ms}}}}},"products":{{"crm":{{"rules":{{"loop":{{"enabled":false}}}}}}}}}}"#
    );
    there(RuleSet::parse(&text).ok(), "rules")
}

/// "The rules of `org`; nothing when it has none of its own." What is read may be a minute old: each organisation is asked
/// about once.
pub async fn rules_are_read_as_they_were_put<W: RuleBook>(world: W) {
    let third = there(RuleSet::parse(r#"{"version":9}"#).ok(), "rules");
    let plain = [("acme", rules(2, 800)), ("globex", rules(7, 700)), ("initech", third)];
    for (name, rules) in &plain {
        assert!(ok(world.put_rules(&org(name), rules).await), "{name}");
    }
    for (name, rules) in plain {
        assert_eq!(ok(world.rules(&org(name)).await), Some(rules), "{name}");
    }
    assert_eq!(ok(world.rules(&org("acme-eu")).await), None);
}

/// "Puts the rules of `org` if its version is above that of those it has (of 1 when it has none)." "Putting the same again
/// answers false and changes nothing." Of two changes at once one is noticed.
pub async fn rules_are_put_under_a_higher_version_alone<W: RuleBook>(world: W) {
    let acme = org("acme");
    assert!(!ok(world.put_rules(&acme, &RuleSet::default()).await), "the built-in rules");
    let steps = [
        (rules(2, 800), true),
        (rules(2, 800), false),
        (rules(4, 700), true),
        (rules(4, 600), false),
        (rules(3, 500), false),
    ];
    for (rules, put) in steps {
        assert_eq!(ok(world.put_rules(&acme, &rules).await), put, "{rules:?}");
    }
    assert_eq!(ok(world.rules(&acme).await), Some(rules(4, 700)));
    assert!(ok(world.put_rules(&org("globex"), &rules(2, 600)).await));
}
