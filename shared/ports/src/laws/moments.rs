//! Owners, their sessions and incidents, and sweeps, for the laws.

use std::collections::BTreeMap;

use contract::{
    Event, EventType, ProductId, Timestamp,
    incident::{Confidence, Incident, Rule},
    session::{
        Bounds, Contribution, Efficiency, EfficiencyBasis, Frustration, Session, SessionId,
        SessionMetrics, Tier,
    },
};
use friction::{
    cells::{Cell, CellKey, CellKind},
    change::{Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::{Owner, Position, actor_slot},
};

use super::{
    ok,
    sample::{Kind, event, id, now, org},
    there,
};
use crate::sessions::{Arming, EventLog, Heads, Lane, LoggedEvent, Sessions, Span, SweepOutcome};

pub(super) const MINUTE_MS: i64 = 60_000;

/// An owner of the default product.
pub(super) fn owner(tenant: &str, token: &str) -> Owner {
    Owner { org: org(tenant), product: ProductId::default(), token: token.to_owned() }
}

/// A minute of the day before yesterday.
pub(super) fn minute(number: i64) -> Timestamp {
    now().day().plus_ms(-2 * 86_400_000).plus_ms(number * MINUTE_MS)
}

/// All the time there is.
pub(super) fn always(tenant: &str) -> Span {
    let (from, to) = (Timestamp::from_ms(0), now().plus_ms(86_400_000));
    Span { org: org(tenant), product: None, from, to }
}

/// A click of `owner`.
pub(super) fn click(owner: &Owner, number: usize, at: Timestamp) -> LoggedEvent {
    let event = event(&owner.org, number, Kind::Click, at);
    let event =
        Event { product_id: owner.product.clone(), session_id: Some(owner.token.clone()), ..event };
    LoggedEvent { owner: owner.clone(), event }
}

/// Everything in the log of `owner`.
pub(super) async fn logged<W: EventLog>(world: &W, owner: &Owner) -> Vec<Event> {
    ok(world.read(owner, Timestamp::from_ms(0), None, 10_000).await)
}

/// A closed session of ten minutes.
pub(super) fn session(owner: &Owner, start: Timestamp) -> StoredSession {
    let first = Position { at: start, id: id(1) };
    let session = Session {
        session_id: owner.session_id(&first),
        org_id: owner.org.clone(),
        product_id: owner.product.clone(),
        started_at: start,
        ended_at: start.plus_ms(10 * MINUTE_MS),
        bounds: Bounds::default(),
        metrics: metrics(),
        frustration: frustration(),
        efficiency: efficiency(),
        path: vec!["/answers".to_owned(), "/sources".to_owned()],
        flows: Vec::new(),
        screens: BTreeMap::new(),
        tasks: Vec::new(),
        trace: BTreeMap::new(),
        incidents: Vec::new(),
        rules_version: 3,
    };
    let state = SessionState::Closed;
    StoredSession { session, revision: 1, state, actor_slot: actor_slot(&owner.token) }
}

fn metrics() -> SessionMetrics {
    let duration_ms = 10 * MINUTE_MS;
    SessionMetrics { duration_ms, active_ms: duration_ms, events: 7, ..SessionMetrics::default() }
}

fn frustration() -> Frustration {
    // Numbers that a careless reader gets wrong in the last digit.
    let contribution = Contribution {
        signal: EventType::Abandon.to_string(),
        count: 1,
        weight: 1.600_000_000_000_000_2,
        share: 0.333_333_333_333_333_37,
    };
    Frustration {
        model: "fr-1".to_owned(),
        score: 0.145_198_772_315_847_9,
        tier: Tier::Low,
        contributions: vec![contribution],
    }
}

fn efficiency() -> Efficiency {
    Efficiency {
        model: "ef-1".to_owned(),
        score: Some(0.880_797_077_977_882_3),
        basis: EfficiencyBasis::Tasks,
        completion: Some(1.0),
        seconds_per_task: Some(1e-7),
        clicks_per_task: Some(123_456_789.012_345_67),
        lostness: None,
        baseline: None,
        navigation_efficiency: Some(0.1 + 0.2),
    }
}

/// An incident of a session, at its beginning and for a second.
pub(super) fn incident(session: &StoredSession, number: usize, rule: Rule) -> StoredIncident {
    let Session { session_id, org_id, product_id, started_at, .. } = &session.session;
    let digits = session_id.as_str().get(6..).unwrap_or_default();
    let incident = Incident {
        incident_id: format!("i_{number:04x}{digits}"),
        rule,
        rules_version: 3,
        thresholds: BTreeMap::from([("gapMs".to_owned(), 1_000.1)]),
        org_id: org_id.clone(),
        product_id: product_id.clone(),
        session_id: session_id.clone(),
        started_at: *started_at,
        ended_at: started_at.plus_ms(1_000),
        screen: Some("/answers".to_owned()),
        element: Some("save".to_owned()),
        task: None,
        trace_component: None,
        confidence: Confidence::Medium,
        count: 4,
        event_ids: vec![id(number)],
        tags: vec!["uTurn".to_owned()],
    };
    StoredIncident { incident, retracted: false, revision: 1 }
}

/// Names a cell of the owner's organisation on the day before yesterday.
pub(super) fn cell_key(owner: &Owner, kind: CellKind, name: &str) -> CellKey {
    let (org, product) = (owner.org.clone(), owner.product.clone());
    CellKey { org, product, day: minute(0), kind, name: name.to_owned() }
}

/// A cell with one sum, and an actor.
pub(super) fn cell(sessions: i64, slot: u8) -> Cell {
    let mut cell = Cell { note: Some("^ > /answers > $".to_owned()), ..Cell::default() };
    cell.add("sessions", sessions);
    cell.see(slot);
    cell
}

/// The session is closed, as a listener hears it.
pub(super) fn notice(session: &StoredSession) -> Notice {
    let StoredSession { session, revision, .. } = session;
    Notice {
        id: format!("session:{}:{revision}", session.session_id),
        kind: "session.closed".to_owned(),
        org: session.org_id.clone(),
        at: session.ended_at,
        detail: format!(r#"{{"sessionId":"{}","revision":{revision}}}"#, session.session_id),
    }
}

/// Arms `owner` and answers an empty sweep of the version that its head has then.
pub(super) async fn sweep<W: Heads>(world: &W, owner: &Owner) -> Sweep {
    let arming = Arming { owner: owner.clone(), dirty_from: minute(0), due_at: minute(35) };
    ok(world.arm(&[arming]).await);
    Sweep {
        owner: owner.clone(),
        version: there(ok(world.head(owner).await), "the head that was armed").version,
        sessions: Vec::new(),
        incidents: Vec::new(),
        cells: BTreeMap::new(),
        notices: Vec::new(),
        dirty_from: None,
        due_at: None,
    }
}

/// Commits a sweep and posts what it leaves in the journal.
pub(super) async fn commit<W: Sessions>(world: &W, sweep: Sweep) -> SweepOutcome {
    let outcome = ok(world.commit(sweep).await);
    post(world).await;
    outcome
}

/// Posts until the journal is empty.
pub(super) async fn post<W: Sessions>(world: &W) {
    while ok(world.post(Lane { index: 0, of: 1 }).await) > 0 {}
}

/// Stores sessions and incidents of one owner, and posts them.
pub(super) async fn store<W: Heads + Sessions>(
    world: &W,
    owner: &Owner,
    sessions: &[StoredSession],
    incidents: &[StoredIncident],
) {
    let sweep = Sweep {
        sessions: sessions.to_vec(),
        incidents: incidents.to_vec(),
        ..sweep(world, owner).await
    };
    assert_eq!(commit(world, sweep).await, SweepOutcome::Committed);
}

pub(super) fn session_ids(sessions: &[StoredSession]) -> Vec<SessionId> {
    sessions.iter().map(|stored| stored.session.session_id.clone()).collect()
}

pub(super) fn incident_ids(incidents: &[StoredIncident]) -> Vec<String> {
    incidents.iter().map(|stored| stored.incident.incident_id.clone()).collect()
}
