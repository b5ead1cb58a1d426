//! Laws of committing sweeps, and of the notices that they leave.

use std::collections::BTreeMap;

use contract::{ProductId, incident::Rule, session::SessionId};
use friction::{
    cells::{self, Cell, CellKey, CellKind, Cells},
    change::{Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::Owner,
};

use super::{
    moments::{
        MINUTE_MS, always, cell, cell_key, commit, incident, incident_ids, minute, notice, owner,
        post, session, session_ids, store, sweep,
    },
    ok, there,
};
use crate::{
    bus::AnnouncementKind,
    chance::Chance,
    sessions::{
        Heads, IncidentQuery, Lane, Notices, Sessions, Stored, Sums, SweepOutcome, Understanding,
    },
};

async fn everything<W: Sessions>(world: &W, owner: &Owner) -> Stored {
    ok(world.stored(owner, contract::Timestamp::from_ms(0)).await)
}

async fn every_cell<W: Sums>(world: &W, tenant: &str) -> Cells {
    let mut all = BTreeMap::new();
    for kind in CellKind::ALL {
        all.extend(ok(world.cells(&always(tenant), kind).await));
    }
    all
}

/// What a sweep may hold, all of it.
async fn full<W: Heads>(world: &W, owner: &Owner) -> Sweep {
    let [first, second] = [0, 60].map(|start| session(owner, minute(start)));
    let open = StoredSession { state: SessionState::Open, revision: 0, ..second };
    let key = cell_key(owner, CellKind::Screen, "/answers");
    Sweep {
        incidents: vec![incident(&first, 1, Rule::RageClick)],
        cells: BTreeMap::from([(key, cell(1, first.actor_slot))]),
        notices: vec![notice(&first)],
        dirty_from: Some(minute(60)),
        due_at: Some(minute(105)),
        sessions: vec![first, open],
        ..sweep(world, owner).await
    }
}

/// "Commits a sweep: sessions, incidents, cells, notices and the head, all or nothing." What is read is what was
/// committed, to the last digit.
pub async fn a_sweep_commits_everything_together<W: Heads + Sessions + Sums + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let sweep = full(&world, &anna).await;
    assert_eq!(everything(&world, &anna).await, Stored::default());
    assert_eq!(commit(&world, sweep.clone()).await, SweepOutcome::Committed);
    let stored = everything(&world, &anna).await;
    assert_eq!(stored, Stored { sessions: sweep.sessions, incidents: sweep.incidents });
    assert_eq!(every_cell(&world, "acme").await, sweep.cells);
    assert_eq!(ok(world.unsent(10).await), sweep.notices);
    let head = there(ok(world.head(&anna).await), "a head");
    assert!(head.version > sweep.version, "a version that does not grow");
    assert_eq!((head.dirty_from, head.due_at), (Some(minute(60)), Some(minute(105))));
}

/// "`Stale` when the head is not of the sweep's version any more": nothing was written.
pub async fn a_stale_sweep_writes_nothing<W: Heads + Sessions + Sums + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let stale = full(&world, &anna).await;
    // An event came meanwhile.
    let fresh = sweep(&world, &anna).await;
    let head = ok(world.head(&anna).await);
    assert_eq!(commit(&world, stale.clone()).await, SweepOutcome::Stale);
    let ahead = Sweep { version: fresh.version + 1, ..stale };
    assert_eq!(commit(&world, ahead).await, SweepOutcome::Stale);
    assert_eq!(everything(&world, &anna).await, Stored::default());
    assert_eq!(every_cell(&world, "acme").await, BTreeMap::new());
    assert_eq!(ok(world.unsent(10).await), []);
    assert_eq!(ok(world.head(&anna).await), head);
    assert_eq!(commit(&world, fresh).await, SweepOutcome::Committed);
}

/// "Repeating a committed sweep answers `Stale` and changes nothing."
pub async fn a_repeated_sweep_is_stale_and_changes_nothing<W: Heads + Sessions + Sums + Notices>(
    world: W,
) {
    let anna = owner("acme", "anna");
    let sweep = full(&world, &anna).await;
    assert_eq!(commit(&world, sweep.clone()).await, SweepOutcome::Committed);
    let head = ok(world.head(&anna).await);
    ok(world.send(&sweep.notices).await);
    assert_eq!(commit(&world, sweep.clone()).await, SweepOutcome::Stale);
    assert_eq!(every_cell(&world, "acme").await, sweep.cells);
    assert_eq!(ok(world.unsent(10).await), [], "announced again");
    assert_eq!(ok(world.head(&anna).await), head);
}

/// Of two who read the same version one commits.
pub async fn of_two_sweeps_of_one_version_one_commits<W: Heads + Sessions + Sums>(world: W) {
    let anna = owner("acme", "anna");
    let first = full(&world, &anna).await;
    let second = Sweep { sessions: vec![session(&anna, minute(200))], ..first.clone() };
    assert_eq!(commit(&world, first.clone()).await, SweepOutcome::Committed);
    assert_eq!(commit(&world, second).await, SweepOutcome::Stale);
    assert_eq!(everything(&world, &anna).await.sessions, first.sessions);
    assert_eq!(every_cell(&world, "acme").await, first.cells);
}

/// "What is stored of `owner` that ended at `from` or later": sessions in every state, by beginning; incidents, retracted
/// ones included, by time.
pub async fn what_is_stored_is_read_from_its_end_on<W: Heads + Sessions>(world: W) {
    let (anna, ben) = (owner("acme", "anna"), owner("acme", "ben"));
    // Each lasts ten minutes; they are stored in another order than they began.
    let [late, early, middle] = [120, 0, 60].map(|start| session(&anna, minute(start)));
    let early = StoredSession { state: SessionState::Superseded, revision: 2, ..early };
    let late = StoredSession { state: SessionState::Open, revision: 0, ..late };
    let hurt = incident(&late, 1, Rule::Loop);
    let healed = StoredIncident {
        retracted: true,
        revision: 2,
        ..incident(&middle, 2, Rule::AbandonedTask)
    };
    let sessions = [late.clone(), early.clone(), middle.clone()];
    store(&world, &anna, &sessions, &[hurt.clone(), healed.clone()]).await;
    store(&world, &ben, &[session(&ben, minute(60))], &[]).await;
    let stored = everything(&world, &anna).await;
    assert_eq!(stored.sessions, [early.clone(), middle.clone(), late.clone()]);
    assert_eq!(stored.incidents, [healed.clone(), hurt.clone()]);
    let from = async |at| {
        let stored = ok(world.stored(&anna, at).await);
        (session_ids(&stored.sessions), incident_ids(&stored.incidents))
    };
    let end = minute(70);
    let both = session_ids(&[middle.clone(), late.clone()]);
    assert_eq!(from(end).await, (both, incident_ids(std::slice::from_ref(&hurt))));
    let last = session_ids(std::slice::from_ref(&late));
    assert_eq!(from(end.plus_ms(1)).await, (last, incident_ids(&[hurt])));
    let healed_at = minute(60).plus_ms(1_000);
    assert_eq!(from(healed_at).await.1.len(), 2, "it ended at this very time");
    assert_eq!(everything(&world, &ben).await.sessions.len(), 1);
    assert_eq!(everything(&world, &owner("globex", "anna")).await, Stored::default());
}

/// Under its id a session or an incident is stored as it was said last.
pub async fn what_is_said_again_replaces_what_was_said<W: Heads + Sessions>(world: W) {
    let anna = owner("acme", "anna");
    let (first, second) = (session(&anna, minute(0)), session(&anna, minute(20)));
    let hurt = incident(&second, 1, Rule::Backtrack);
    store(&world, &anna, &[first.clone(), second.clone()], std::slice::from_ref(&hurt)).await;
    // An event came between them: the first goes on to the end of the second, which is none any more.
    let mut merged = StoredSession { revision: 2, ..first };
    merged.session.ended_at = second.session.ended_at;
    merged.session.metrics.events = 15;
    let gone = StoredSession { state: SessionState::Superseded, revision: 2, ..second };
    let mut moved = StoredIncident { retracted: true, revision: 2, ..hurt };
    moved.incident.session_id = merged.session.session_id.clone();
    moved.incident.ended_at = moved.incident.ended_at.plus_ms(MINUTE_MS);
    moved.incident.count = 5;
    let sessions = [merged, gone];
    store(&world, &anna, &sessions, std::slice::from_ref(&moved)).await;
    let stored = everything(&world, &anna).await;
    assert_eq!((stored.sessions.as_slice(), stored.incidents), (sessions.as_slice(), vec![moved]));
    let until = ok(world.stored(&anna, minute(30)).await);
    assert_eq!(until.sessions, sessions, "found by its new end");
}

/// As many changes as a sweep may have.
pub async fn a_large_sweep_commits<W: Heads + Sessions + Sums + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let sessions: Vec<_> = (0..12).map(|hour| session(&anna, minute(hour * 60))).collect();
    let sweep = Sweep {
        incidents: sessions.iter().map(|session| incident(session, 1, Rule::Loop)).collect(),
        notices: sessions.iter().map(notice).collect(),
        cells: (0..9)
            .map(|screen| {
                (cell_key(&anna, CellKind::Screen, &format!("/screens/{screen}")), cell(12, 7))
            })
            .collect(),
        sessions,
        ..sweep(&world, &anna).await
    };
    assert_eq!(commit(&world, sweep.clone()).await, SweepOutcome::Committed);
    let stored = everything(&world, &anna).await;
    assert_eq!(stored, Stored { sessions: sweep.sessions, incidents: sweep.incidents });
    assert_eq!(every_cell(&world, "acme").await, sweep.cells);
    assert_eq!(ok(world.unsent(100).await), sweep.notices);
}

async fn add<W: Heads + Sessions>(world: &W, owner: &Owner, cells: Cells) {
    let sweep = Sweep { cells, ..sweep(world, owner).await };
    assert_eq!(commit(world, sweep).await, SweepOutcome::Committed);
}

/// "Sums and counts per day": what sweeps of any owners add is added up, and what is taken back is gone.
pub async fn cells_add_up_and_go_when_they_are_empty<W: Heads + Sessions + Sums>(world: W) {
    let [anna, ben] = ["anna", "ben"].map(|token| owner("acme", token));
    let key = cell_key(&anna, CellKind::Edge, &cells::edge_name("^", "/answers"));
    let only = |cell: Cell| BTreeMap::from([(key.clone(), cell)]);
    add(&world, &anna, only(cell(2, 3))).await;
    add(&world, &ben, only(cell(5, 60))).await;
    let mut both = cell(7, 3);
    both.see(60);
    assert_eq!(every_cell(&world, "acme").await, only(both));
    add(&world, &anna, only(cell(2, 3).negated())).await;
    assert_eq!(every_cell(&world, "acme").await, only(cell(5, 60)));
    add(&world, &ben, only(cell(5, 60).negated())).await;
    assert_eq!(every_cell(&world, "acme").await, BTreeMap::new());
    add(&world, &ben, only(cell(1, 60))).await;
    assert_eq!(every_cell(&world, "acme").await, only(cell(1, 60)));
}

/// Whatever is added in whatever order, the cells are its sum.
pub async fn any_sweeps_add_up<W: Heads + Sessions + Sums>(world: W) {
    let mut chance = Chance::of(11);
    let owners = ["anna", "ben", "cleo"].map(|token| owner("acme", token));
    let mut expected = Cells::new();
    for _ in 0..40 {
        let owner = there(owners.get(chance.below(owners.len())), "an owner");
        let added = (0..=chance.below(3)).map(|_| any_cell(owner, &mut chance)).collect();
        cells::merge(&mut expected, &added);
        add(&world, owner, added).await;
    }
    assert_eq!(every_cell(&world, "acme").await, expected);
    for owner in &owners {
        let rest = std::mem::take(&mut expected);
        add(&world, owner, cells::difference(rest, Cells::new())).await;
    }
    assert_eq!(every_cell(&world, "acme").await, Cells::new());
}

fn any_cell(owner: &Owner, chance: &mut Chance) -> (CellKey, Cell) {
    let kind = CellKind::ALL.get(chance.below(CellKind::ALL.len())).copied();
    let name = ["", "/a", "/a\t/b"].get(chance.below(3)).copied().unwrap_or_default();
    let mut cell = Cell::default();
    for sum in ["sessions", "frustration"] {
        cell.add(sum, i64::try_from(chance.below(7)).unwrap_or(0) - 3);
    }
    cell.see(u8::try_from(chance.below(64)).unwrap_or(0));
    (cell_key(owner, there(kind, "a kind"), name), cell)
}

/// "What is stored of `owner`, posted or not."
pub async fn what_is_committed_is_stored_before_it_is_posted<
    W: Heads + Sessions + Sums + Understanding,
>(
    world: W,
) {
    let anna = owner("acme", "anna");
    let first = full(&world, &anna).await;
    let told = there(first.incidents.first().cloned(), "an incident");
    assert_eq!(ok(world.commit(first.clone()).await), SweepOutcome::Committed);
    let stored = everything(&world, &anna).await;
    assert_eq!(stored.sessions, first.sessions);
    assert_eq!(stored.incidents, first.incidents);
    // Of what is said of one thing the last stands, and what it says about its end decides whether it is asked for.
    let mut moved = StoredIncident { revision: 2, ..told };
    moved.incident.started_at = moved.incident.started_at.plus_ms(-MINUTE_MS);
    moved.incident.ended_at = moved.incident.ended_at.plus_ms(5 * MINUTE_MS);
    let second = Sweep { incidents: vec![moved.clone()], ..sweep(&world, &anna).await };
    assert_eq!(ok(world.commit(second).await), SweepOutcome::Committed);
    for _ in 0..2 {
        assert_eq!(everything(&world, &anna).await.incidents, std::slice::from_ref(&moved));
        let late = ok(world.stored(&anna, moved.incident.ended_at).await);
        assert_eq!(late.incidents, std::slice::from_ref(&moved));
        let later = ok(world.stored(&anna, moved.incident.ended_at.plus_ms(1)).await);
        assert_eq!(later.incidents, []);
        assert_eq!(everything(&world, &owner("acme", "ann")).await, Stored::default());
        post(&world).await;
    }
    // Now it hides the posted one.
    let mut shrunk = StoredIncident { revision: 3, ..moved.clone() };
    shrunk.incident.ended_at = shrunk.incident.started_at;
    let third = Sweep { incidents: vec![shrunk.clone()], ..sweep(&world, &anna).await };
    assert_eq!(ok(world.commit(third).await), SweepOutcome::Committed);
    for _ in 0..2 {
        let late = ok(world.stored(&anna, moved.incident.ended_at).await);
        assert_eq!(late.incidents, [], "as it was said before");
        assert_eq!(everything(&world, &anna).await.incidents, std::slice::from_ref(&shrunk));
        post(&world).await;
    }
    let query =
        IncidentQuery { span: always("acme"), rule: None, session: None, after: None, limit: 9 };
    assert_eq!(ok(world.incidents(&query).await), [shrunk]);
    assert_eq!(every_cell(&world, "acme").await, first.cells);
}

/// "Each thing is posted once, whoever posts it and however often."
pub async fn posting_again_changes_nothing<W: Heads + Sessions + Sums + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let sweep = full(&world, &anna).await;
    assert_eq!(ok(world.commit(sweep.clone()).await), SweepOutcome::Committed);
    for round in 0..3 {
        post(&world).await;
        assert_eq!(ok(world.post(Lane { index: 0, of: 1 }).await), 0, "the journal is empty");
        assert_eq!(every_cell(&world, "acme").await, sweep.cells, "round {round}");
        assert_eq!(everything(&world, &anna).await.incidents, sweep.incidents);
        assert_eq!(ok(world.unsent(10).await), sweep.notices);
    }
    ok(world.send(&sweep.notices).await);
    post(&world).await;
    assert_eq!(ok(world.unsent(10).await), []);
}

/// "Posts what commits of owners in `lane` left": every commit is some lane's, whatever the number of lanes.
pub async fn lanes_together_post_everything<W: Heads + Sessions + Sums + Notices>(world: W) {
    for (number, of) in [(0, 1), (1, 4), (2, 32)] {
        let mut expected = Cells::new();
        let tenant = format!("acme{number}");
        for token in 0..12 {
            let product = there(ProductId::parse(format!("p{}", token % 5)).ok(), "a product");
            let owner = Owner { product, ..owner(&tenant, &format!("token.{token}")) };
            let key = cell_key(&owner, CellKind::Screen, "/answers");
            let added = BTreeMap::from([(key, cell(token + 1, 3))]);
            cells::merge(&mut expected, &added);
            let session = session(&owner, minute(0));
            let notices = vec![notice(&session)];
            let sweep = Sweep { cells: added, notices, ..sweep(&world, &owner).await };
            assert_eq!(ok(world.commit(sweep).await), SweepOutcome::Committed);
        }
        for index in 0..of {
            ok(world.post(Lane { index, of }).await);
        }
        assert_eq!(every_cell(&world, &tenant).await, expected, "of {of} lanes");
        let unsent = ok(world.unsent(100).await);
        assert_eq!(unsent.len(), 12, "of {of} lanes");
        ok(world.send(&unsent).await);
    }
}

fn told(id: &SessionId, number: usize, kind: AnnouncementKind) -> Notice {
    Notice {
        id: format!("{}:{id}:{number}", kind.as_str()),
        kind: kind.as_str().to_owned(),
        org: super::sample::org("acme"),
        at: minute(1),
        detail: format!("{{\"number\":{number}}}"),
    }
}

/// Commits these notices as the owner's next sweep.
async fn tell<W: Heads + Sessions>(world: &W, owner: &Owner, notices: &[Notice]) {
    let sweep = Sweep { notices: notices.to_vec(), ..sweep(world, owner).await };
    assert_eq!(commit(world, sweep).await, SweepOutcome::Committed);
}

/// "Up to `limit` of them, those of one owner in the order of their commits." "Announces them and forgets them."
pub async fn notices_wait_until_they_are_sent_in_order<W: Heads + Sessions + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let id = session(&anna, minute(0)).session.session_id;
    let closed = AnnouncementKind::SessionClosed;
    // Ids that sort against their order.
    let all: Vec<_> = (0..6).map(|number| told(&id, 9 - number, closed)).collect();
    for two in all.chunks(2) {
        tell(&world, &anna, two).await;
    }
    for _ in 0..2 {
        assert_eq!(ok(world.unsent(10).await), all, "reading forgets nothing");
    }
    let (first, rest) = all.split_at(3);
    let [next, middle, last] = rest else { panic!("three notices") };
    assert_eq!(ok(world.unsent(3).await), first);
    ok(world.send(&[]).await);
    ok(world.send(first).await);
    assert_eq!(ok(world.unsent(10).await), rest);
    // An answer that was lost: the same again.
    ok(world.send(first).await);
    ok(world.send(std::slice::from_ref(middle)).await);
    assert_eq!(ok(world.unsent(10).await), [next.clone(), last.clone()]);
}

/// Owners' notices wait side by side, each owner's in their order.
pub async fn notices_of_owners_keep_their_own_order<W: Heads + Sessions + Notices>(world: W) {
    let owners = ["anna", "ben"].map(|token| owner("acme", token));
    let ids = owners.each_ref().map(|owner| session(owner, minute(0)).session.session_id);
    let closed = AnnouncementKind::SessionClosed;
    for number in 0..3 {
        for (owner, id) in owners.iter().zip(&ids) {
            tell(&world, owner, &[told(id, number, closed)]).await;
        }
    }
    let all = ok(world.unsent(10).await);
    assert_eq!(all.len(), 6);
    for id in &ids {
        let own = all.iter().filter(|notice| notice.id.contains(id.as_str())).cloned();
        let expected: Vec<_> = (0..3).map(|number| told(id, number, closed)).collect();
        assert_eq!(own.collect::<Vec<_>>(), expected);
    }
}

/// Every kind of notice finds its way out.
pub async fn whatever_a_sweep_tells_can_be_sent<W: Heads + Sessions + Notices>(world: W) {
    let anna = owner("acme", "anna");
    let id = session(&anna, minute(0)).session.session_id;
    let others = [
        AnnouncementKind::SessionClosed,
        AnnouncementKind::SessionSuperseded,
        AnnouncementKind::IncidentRetracted,
    ];
    let kinds = Rule::ALL.iter().map(|rule| AnnouncementKind::Incident(*rule)).chain(others);
    let all: Vec<_> = kinds.enumerate().map(|(number, kind)| told(&id, number, kind)).collect();
    tell(&world, &anna, &all).await;
    ok(world.send(&ok(world.unsent(100).await)).await);
    assert_eq!(ok(world.unsent(100).await), []);
}
