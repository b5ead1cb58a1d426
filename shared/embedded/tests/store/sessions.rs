//! Sessions and what is made of them: heard by listeners, kept for their time, carried over from older stores.

use std::collections::BTreeMap;

use contract::{
    Event, EventType, Timestamp,
    incident::{Confidence, Incident, Rule},
    limits::{DAY_MS, MARKER_TTL_MS},
    session::{Efficiency, EfficiencyBasis, Frustration, Session, SessionMetrics, Tier},
};
use embedded::{DATABASE, Options, Store};
use friction::{
    cells::{Cell, CellKey, CellKind},
    change::{Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::{Owner, Position},
};
use ports::{
    bus::{Announcement, AnnouncementKind},
    projections::{Projected, Projection, Projections, SaveOutcome},
    reference::Subject,
    sessions::{
        Arming, EventLog, Heads, IncidentQuery, Lane, LoggedEvent, Notices, SessionQuery, Sessions,
        Span, Strikes, StruckEvent, Sums, SweepOutcome, Understanding,
    },
};
use rusqlite::Connection;

use crate::world::{World, acme, event};

fn anna() -> Owner {
    owner("anna")
}

fn owner(token: &str) -> Owner {
    Owner { org: acme(), product: "default".parse().unwrap(), token: token.to_owned() }
}

fn click(owner: &Owner, id: &str, at: Timestamp) -> LoggedEvent {
    let text = format!(
        r#"{{"eventId":"{id}","eventType":"{}","occurredAt":"{at}","orgId":"acme","sessionId":"{}"}}"#,
        EventType::UiClick,
        owner.token
    );
    let event: Event = serde_json::from_str(&text).unwrap();
    LoggedEvent { owner: owner.clone(), event }
}

fn session(owner: &Owner, start: Timestamp) -> StoredSession {
    let session = Session {
        session_id: owner.session_id(&Position { at: start, id: event("u.1") }),
        org_id: owner.org.clone(),
        product_id: owner.product.clone(),
        started_at: start,
        ended_at: start.plus_ms(60_000),
        bounds: Default::default(),
        metrics: SessionMetrics::default(),
        frustration: Frustration {
            model: "fr-1".to_owned(),
            score: 0.0,
            tier: Tier::None,
            contributions: Vec::new(),
        },
        efficiency: Efficiency {
            model: "ef-1".to_owned(),
            score: None,
            basis: EfficiencyBasis::None,
            completion: None,
            seconds_per_task: None,
            clicks_per_task: None,
            lostness: None,
            baseline: None,
            navigation_efficiency: None,
        },
        path: Vec::new(),
        flows: Vec::new(),
        screens: BTreeMap::new(),
        tasks: Vec::new(),
        trace: BTreeMap::new(),
        incidents: Vec::new(),
        rules_version: 1,
    };
    StoredSession { session, revision: 1, state: SessionState::Closed, actor_slot: 7 }
}

fn incident(session: &StoredSession) -> StoredIncident {
    let session = &session.session;
    let incident = Incident {
        incident_id: format!("i_{}", &session.session_id.as_str()[2..]),
        rule: Rule::Loop,
        rules_version: 1,
        thresholds: BTreeMap::new(),
        org_id: session.org_id.clone(),
        product_id: session.product_id.clone(),
        session_id: session.session_id.clone(),
        started_at: session.started_at,
        ended_at: session.started_at,
        screen: None,
        element: None,
        task: None,
        trace_component: None,
        confidence: Confidence::Low,
        count: 1,
        event_ids: Vec::new(),
        tags: Vec::new(),
    };
    StoredIncident { incident, retracted: false, revision: 1 }
}

fn one() -> Cell {
    let mut cell = Cell::default();
    cell.add("sessions", 1);
    cell.see(7);
    cell
}

fn cells(day: Timestamp) -> BTreeMap<CellKey, Cell> {
    let Owner { org, product, .. } = anna();
    let key = |kind: CellKind| {
        let name = String::new();
        CellKey { org: org.clone(), product: product.clone(), day: day.day(), kind, name }
    };
    CellKind::ALL.into_iter().map(|kind| (key(kind), one())).collect()
}

fn notice(number: usize, kind: &str, at: Timestamp) -> Notice {
    Notice {
        id: format!("session:s_{number}:1"),
        kind: kind.to_owned(),
        org: acme(),
        at,
        detail: format!("{{\"number\":{number}}}"),
    }
}

impl World {
    /// An empty sweep of the version that the owner has after it was armed.
    async fn sweep(&self, owner: &Owner) -> Sweep {
        let arming = Arming { owner: owner.clone(), dirty_from: self.now(), due_at: self.now() };
        self.store.arm(&[arming]).await.unwrap();
        Sweep {
            owner: owner.clone(),
            version: Heads::head(&self.store, owner).await.unwrap().unwrap().version,
            sessions: Vec::new(),
            incidents: Vec::new(),
            cells: BTreeMap::new(),
            notices: Vec::new(),
            dirty_from: None,
            due_at: None,
        }
    }

    async fn commit(&self, sweep: Sweep) {
        let outcome = Sessions::commit(&self.store, sweep).await.unwrap();
        assert_eq!(outcome, SweepOutcome::Committed);
    }

    fn always(&self) -> Span {
        let to = self.now().plus_ms(DAY_MS);
        Span { org: acme(), product: None, from: Timestamp::from_ms(0), to }
    }

    async fn found(&self) -> (usize, usize, usize) {
        let span = self.always();
        let sessions = SessionQuery { span: span.clone(), state: None, after: None, limit: 100 };
        let sessions = self.store.sessions(&sessions).await.unwrap();
        let (rule, session, after) = (None, None, None);
        let incidents = IncidentQuery { span: span.clone(), rule, session, after, limit: 100 };
        let incidents = self.store.incidents(&incidents).await.unwrap();
        let mut cells = 0;
        for kind in CellKind::ALL {
            cells += self.store.cells(&span, kind).await.unwrap().len();
        }
        (sessions.len(), incidents.len(), cells)
    }

    async fn logged(&self, owner: &Owner) -> usize {
        let from = Timestamp::from_ms(0);
        EventLog::read(&self.store, owner, from, None, 10_000).await.unwrap().len()
    }

    /// How many rows a table has.
    fn rows(&self, table: &str) -> i64 {
        let file = Connection::open(self.directory.path().join(DATABASE)).unwrap();
        let count = format!("SELECT count(*) FROM {table}");
        file.query_row(&count, [], |row| row.get(0)).unwrap()
    }
}

#[tokio::test]
async fn whoever_listens_hears_what_was_committed_with_its_detail() {
    let world = World::new();
    let mut heard = world.store.subscribe();
    let at = world.now();
    let notices = vec![notice(1, "session.closed", at), notice(2, "incident.rage_click", at)];
    let sweep = Sweep { notices: notices.clone(), ..world.sweep(&anna()).await };
    world.commit(sweep).await;
    assert!(heard.try_recv().is_err(), "nothing is announced before it is sent");
    world.store.send(&world.store.unsent(10).await.unwrap()).await.unwrap();
    let kinds = [AnnouncementKind::SessionClosed, AnnouncementKind::Incident(Rule::RageClick)];
    let expected: Vec<_> = notices
        .into_iter()
        .zip(kinds)
        .map(|(Notice { id, org, at, detail, .. }, kind)| Announcement {
            id,
            kind,
            org,
            at,
            detail: Some(detail),
        })
        .collect();
    for announcement in &expected {
        assert_eq!(heard.recv().await.unwrap(), *announcement);
    }
    let kept = world.store.announcements(0, 10).await.unwrap();
    assert_eq!(kept.into_iter().map(|(_, kept)| kept).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_notice_that_nobody_could_send_is_refused_with_its_sweep() {
    let world = World::new();
    let sweep = world.sweep(&anna()).await;
    let unknown = Sweep {
        notices: vec![notice(1, "session.imagined", world.now())],
        cells: cells(world.now()),
        ..sweep.clone()
    };
    let refused = Sessions::commit(&world.store, unknown).await.unwrap_err();
    assert!(!refused.transient, "{refused}");
    assert_eq!(world.found().await, (0, 0, 0));
    world.commit(sweep).await;
}

#[tokio::test]
async fn sweeps_of_many_owners_at_once_lose_and_double_nothing() {
    let world = World::new();
    let (key, _) = cells(world.now()).pop_first().unwrap();
    let sweeps = (0..20).map(|number| {
        let (world, key) = (&world, key.clone());
        async move {
            let owner = owner(&format!("token.{number}"));
            for turn in 0..10 {
                let sweep = Sweep {
                    cells: BTreeMap::from([(key.clone(), one())]),
                    ..world.sweep(&owner).await
                };
                // Every other time somebody else was faster.
                if turn % 2 == 0 {
                    world.commit(Sweep { version: sweep.version, ..sweep.clone() }).await;
                    let late = Sessions::commit(&world.store, sweep).await.unwrap();
                    assert_eq!(late, SweepOutcome::Stale);
                } else {
                    world.commit(sweep).await;
                }
            }
        }
    });
    let mut all = Vec::new();
    for sweep in sweeps {
        all.push(Box::pin(sweep));
    }
    join_all(all).await;
    let found = world.store.cells(&world.always(), key.kind).await.unwrap();
    assert_eq!((found.len(), found[0].1.sum("sessions")), (1, 200));
    assert_eq!(found[0].1.actors, BTreeMap::from([(7, 200)]));
}

/// Runs futures side by side on this task.
async fn join_all<F: Future<Output = ()> + Unpin>(mut futures: Vec<F>) {
    std::future::poll_fn(move |context| {
        futures.retain_mut(|future| std::pin::Pin::new(future).poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn events_of_sessions_go_after_thirty_five_days_and_their_owners_after_everything() {
    let world = World::new();
    let (anna, ben) = (anna(), owner("ben"));
    let start = world.now();
    let many: Vec<_> = (0..1_200)
        .map(|n| click(&anna, &format!("u.{n}"), start.plus_ms(n)))
        .chain([click(&ben, "u.1", start)])
        .collect();
    world.store.append(&many).await.unwrap();
    let stays = session(&anna, start);
    let sweep = Sweep {
        incidents: vec![incident(&stays)],
        sessions: vec![stays],
        cells: cells(start),
        ..world.sweep(&anna).await
    };
    world.commit(sweep).await;
    world.clock.forward(MARKER_TTL_MS);
    assert_eq!(world.store.retain(world.now()).await.unwrap().session_events, 0);
    // A late one is kept as long as those that came when it came.
    world.store.append(&[click(&ben, "u.2", start.plus_ms(5 * DAY_MS))]).await.unwrap();
    world.clock.forward(10_000);
    let retained = world.store.retain(world.now()).await.unwrap();
    assert_eq!((retained.session_events, retained.understanding), (1_201, 0));
    assert_eq!((world.logged(&anna).await, world.logged(&ben).await), (0, 1));
    assert_eq!((world.rows("owners"), world.found().await), (2, (1, 1, 7)));
    world.clock.forward(10 * DAY_MS);
    let retained = world.store.retain(world.now()).await.unwrap();
    assert_eq!((retained.session_events, retained.understanding), (1, 1), "and ben");
    assert_eq!(world.rows("owners"), 1);

    world.clock.forward(400 * DAY_MS - MARKER_TTL_MS - 10 * DAY_MS - 10_000);
    assert_eq!(world.store.retain(world.now()).await.unwrap().understanding, 7, "cells by day");
    assert_eq!(world.found().await, (1, 1, 0));
    world.clock.forward(1);
    assert_eq!(world.store.retain(world.now()).await.unwrap().understanding, 3, "with anna");
    assert_eq!((world.rows("owners"), world.found().await), (0, (0, 0, 0)));
}

#[tokio::test]
async fn whoever_is_to_be_looked_at_is_not_forgotten() {
    let world = World::new();
    let sweep = world.sweep(&anna()).await;
    world.clock.forward(1_000 * DAY_MS);
    assert_eq!(world.store.retain(world.now()).await.unwrap().understanding, 0);
    let all = Lane { index: 0, of: 1 };
    assert_eq!(world.store.due(all, world.now(), 10).await.unwrap(), [anna()]);
    world.commit(sweep).await;
    assert_eq!(world.store.retain(world.now()).await.unwrap().understanding, 1);
    assert_eq!(Heads::head(&world.store, &anna()).await.unwrap(), None);
}

#[tokio::test]
async fn contexts_go_with_the_events_and_preferences_with_the_sessions() {
    let world = World::new();
    let Owner { org, product, token } = anna();
    let about = [
        Projected::Context(anna()),
        Projected::Preferences(Subject { org, product, actor: token }),
    ];
    for about in &about {
        let last = Position { at: world.now(), id: event("u.1") };
        let session = None;
        let new = Projection { version: 0, session, last, state: "{}".to_owned() };
        assert_eq!(world.store.save(about, new).await.unwrap(), SaveOutcome::Saved);
    }
    let mut kept = Vec::new();
    for ms in [MARKER_TTL_MS, 1, 400 * DAY_MS - MARKER_TTL_MS - 1, 1] {
        world.clock.forward(ms);
        world.store.retain(world.now()).await.unwrap();
        let mut there = 0;
        for about in &about {
            there += usize::from(world.store.load(about).await.unwrap().is_some());
        }
        kept.push(there);
    }
    assert_eq!(kept, [2, 1, 1, 0]);
}

#[tokio::test]
async fn walking_over_many_owners_takes_several_steps_and_misses_none() {
    let world = World::new();
    let many: Vec<_> =
        (0..1_300).map(|n| click(&owner(&format!("token.{n}")), "u.1", world.now())).collect();
    world.store.append(&many).await.unwrap();
    world.clock.forward(MARKER_TTL_MS + 1);
    let retained = world.store.retain(world.now()).await.unwrap();
    assert_eq!((retained.session_events, retained.understanding), (1_300, 1_300));
    assert_eq!(world.rows("owners"), 0);
}

#[tokio::test]
async fn a_backup_and_a_restart_keep_sessions() {
    let world = World::new();
    world.store.append(&[click(&anna(), "u.1", world.now())]).await.unwrap();
    let sweep = Sweep {
        sessions: vec![session(&anna(), world.now())],
        cells: cells(world.now()),
        notices: vec![notice(1, "session.closed", world.now())],
        ..world.sweep(&anna()).await
    };
    world.commit(sweep).await;
    let target = tempfile::tempdir().unwrap();
    world.store.backup(target.path().join("copy")).await.unwrap();
    let copy = Store::open(target.path().join("copy"), Options::default()).unwrap();
    let world = world.reopen();
    for store in [&world.store, &copy] {
        let from = Timestamp::from_ms(0);
        assert_eq!(EventLog::read(store, &anna(), from, None, 9).await.unwrap().len(), 1);
        assert_eq!(store.stored(&anna(), from).await.unwrap().sessions.len(), 1);
        assert_eq!(store.cells(&world.always(), CellKind::Rule).await.unwrap().len(), 1);
        assert_eq!(store.unsent(9).await.unwrap().len(), 1);
        assert_eq!(Heads::head(store, &anna()).await.unwrap().unwrap().version, 2);
    }
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_with_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let file = Connection::open(directory.path().join(DATABASE)).unwrap();
    file.execute_batch(include_str!("../../src/migrations/1.sql")).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.execute_batch(
        "INSERT INTO announcements (id, kind, org, at) VALUES ('a', 'org.urgent', 'acme', 5)",
    )
    .unwrap();
    drop(file);
    let store = Store::open(directory.path(), Options::default()).unwrap();
    let kept = store.announcements(0, 9).await.unwrap();
    let (id, kind, at) = ("a".to_owned(), AnnouncementKind::OrgUrgent, Timestamp::from_ms(5));
    assert_eq!(kept, [(1, Announcement { id, kind, org: acme(), at, detail: None })]);
    store.append(&[click(&anna(), "u.1", at)]).await.unwrap();
    assert_eq!(EventLog::read(&store, &anna(), at, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn logged_events_of_an_older_database_are_known_by_their_checksums() {
    let directory = tempfile::tempdir().unwrap();
    let file = Connection::open(directory.path().join(DATABASE)).unwrap();
    for sql in [
        include_str!("../../src/migrations/1.sql"),
        include_str!("../../src/migrations/2.sql"),
        include_str!("../../src/migrations/3.sql"),
    ] {
        file.execute_batch(sql).unwrap();
    }
    file.pragma_update(None, "user_version", 3).unwrap();
    let at = Timestamp::from_ms(5);
    let mut first = click(&anna(), "u.1", at);
    first.event.ck = Some(domain::admit::ck_text(7));
    let Owner { org, product, token } = anna();
    file.execute(
        "INSERT INTO owners VALUES (1, ?1, ?2, ?3, 0, 0, NULL, NULL)",
        [org.as_str(), product.as_str(), &token],
    )
    .unwrap();
    let body = serde_json::to_string(&first.event).unwrap();
    file.execute("INSERT INTO session_events VALUES (1, 1, 5, 'u.1', ?1)", [body]).unwrap();
    drop(file);
    let store = Store::open(directory.path(), Options::default()).unwrap();
    store.append(std::slice::from_ref(&first)).await.unwrap();
    let logged = || EventLog::read(&store, &first.owner, at, None, 9);
    assert_eq!(logged().await.unwrap(), [first.event.clone()]);
    let position = Position::of(&first.event);
    let struck = StruckEvent { owner: first.owner.clone(), position, ck: 7 };
    store.strike(&[struck], at).await.unwrap();
    assert_eq!(logged().await.unwrap(), []);
}
