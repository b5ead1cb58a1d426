//! Laws of what the insights are read from.

use contract::{OrgId, ProductId, Timestamp, incident::Rule, session::SessionId};
use friction::{
    cells::CellKind,
    change::{SessionState, StoredIncident, StoredSession, Sweep},
    owner::Owner,
};

use super::{
    moments::{
        always, cell, cell_key, commit, incident, incident_ids, minute, owner, session,
        session_ids, store, sweep,
    },
    ok,
    sample::org,
    there,
};
use crate::sessions::{
    Heads, IncidentQuery, SessionQuery, Sessions, Span, Sums, SweepOutcome, Understanding,
};

fn any_session(tenant: &str) -> SessionQuery {
    SessionQuery { span: always(tenant), state: None, after: None, limit: 100 }
}

fn any_incident(tenant: &str) -> IncidentQuery {
    let span = always(tenant);
    IncidentQuery { span, rule: None, session: None, after: None, limit: 100 }
}

async fn found<W: Understanding>(world: &W, query: &SessionQuery) -> Vec<SessionId> {
    session_ids(&ok(world.sessions(query).await))
}

async fn seen<W: Understanding>(world: &W, query: &IncidentQuery) -> Vec<String> {
    incident_ids(&ok(world.incidents(query).await))
}

/// `owner` of another product.
fn of_product(owner: Owner, product: &str) -> Owner {
    Owner { product: there(ProductId::parse(product).ok(), "a product"), ..owner }
}

/// Stores one session of each owner, and answers them.
async fn one_each<W: Heads + Sessions>(
    world: &W,
    owners: &[Owner],
    start: Timestamp,
) -> Vec<StoredSession> {
    let mut sessions = Vec::new();
    for owner in owners {
        let session = session(owner, start);
        store(world, owner, std::slice::from_ref(&session), &[]).await;
        sessions.push(session);
    }
    sessions
}

fn newest_first(sessions: &mut [StoredSession]) {
    sessions.sort_by(|a, b| {
        let key =
            |stored: &StoredSession| (stored.session.started_at, stored.session.session_id.clone());
        key(b).cmp(&key(a))
    });
}

/// "Sessions, newest first", "those that come after this one"; equal times are told apart by their ids.
pub async fn sessions_come_newest_first_page_by_page<W: Heads + Sessions + Understanding>(
    world: W,
) {
    let mut all = Vec::new();
    for start in [30, 0, 60] {
        let owners: Vec<_> =
            (0..4).map(|number| owner("acme", &format!("token.{start}.{number}"))).collect();
        all.extend(one_each(&world, &owners, minute(start)).await);
    }
    newest_first(&mut all);
    assert_eq!(ok(world.sessions(&any_session("acme")).await), all);
    for limit in [1, 3, 5, 12] {
        let mut query = SessionQuery { limit, ..any_session("acme") };
        let mut paged = Vec::new();
        loop {
            let page = ok(world.sessions(&query).await);
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit, "a page of {} for {limit}", page.len());
            query.after = Some((last.session.started_at, last.session.session_id.clone()));
            paged.extend(page);
        }
        assert_eq!(session_ids(&paged), session_ids(&all), "pages of {limit}");
    }
}

/// "From." "To, exclusive." "The tenant's product; nothing for all of them."
pub async fn sessions_are_found_by_when_they_began_and_by_product<
    W: Heads + Sessions + Understanding,
>(
    world: W,
) {
    let (anna, athena) = (owner("acme", "anna"), of_product(owner("acme", "anna"), "athena"));
    let own: Vec<_> = [0, 30, 60].map(|start| session(&anna, minute(start))).to_vec();
    store(&world, &anna, &own, &[]).await;
    let other = session(&athena, minute(31));
    store(&world, &athena, std::slice::from_ref(&other), &[]).await;
    let ids = |picked: &[&StoredSession]| {
        picked.iter().map(|stored| stored.session.session_id.clone()).collect::<Vec<_>>()
    };
    let [first, second, third] = own.as_slice() else { panic!("three sessions") };
    let between = async |from: Timestamp, to: Timestamp, product: Option<&Owner>| {
        let product = product.map(|owner| owner.product.clone());
        let span = Span { from, to, product, ..always("acme") };
        found(&world, &SessionQuery { span, ..any_session("acme") }).await
    };
    let (default, athena) = (Some(&anna), Some(&athena));
    assert_eq!(between(minute(0), minute(60), default).await, ids(&[second, first]));
    let just_after = minute(60).plus_ms(1);
    assert_eq!(between(minute(0).plus_ms(1), just_after, default).await, ids(&[third, second]));
    assert_eq!(between(minute(0), just_after, athena).await, ids(&[&other]));
    assert_eq!(between(minute(30), minute(60), None).await, ids(&[&other, second]));
    assert_eq!(between(minute(30), minute(30), None).await, []);
    // A page that goes on where an earlier one of a wider span ended stays within its own.
    let span = Span { from: minute(0), to: minute(30), ..always("acme") };
    let after = Some((minute(60), third.session.session_id.clone()));
    let query = SessionQuery { span, after, ..any_session("acme") };
    assert_eq!(found(&world, &query).await, ids(&[first]));
}

/// "In which state; nothing: open and closed." "A superseded session is found by its id."
pub async fn a_superseded_session_is_found_by_its_id_alone<W: Heads + Sessions + Understanding>(
    world: W,
) {
    let anna = owner("acme", "anna");
    let [closed, open, gone] = [0, 30, 60].map(|start| session(&anna, minute(start)));
    let open = StoredSession { state: SessionState::Open, revision: 0, ..open };
    let gone = StoredSession { state: SessionState::Superseded, revision: 2, ..gone };
    let all = [closed.clone(), open.clone(), gone.clone()];
    store(&world, &anna, &all, &[]).await;
    let of = async |state: Option<SessionState>| {
        ok(world.sessions(&SessionQuery { state, ..any_session("acme") }).await)
    };
    assert_eq!(of(None).await, [open.clone(), closed.clone()]);
    assert_eq!(of(Some(SessionState::Closed)).await, std::slice::from_ref(&closed));
    assert_eq!(of(Some(SessionState::Open)).await, std::slice::from_ref(&open));
    assert_eq!(of(Some(SessionState::Superseded)).await, []);
    for stored in all {
        let id = stored.session.session_id.clone();
        assert_eq!(ok(world.session(&anna.org, &id).await), Some((anna.clone(), stored)));
    }
    // What is superseded leaves the pages that it was on.
    let gone = StoredSession { state: SessionState::Superseded, revision: 2, ..closed };
    store(&world, &anna, std::slice::from_ref(&gone), &[]).await;
    assert_eq!(of(None).await, [open]);
}

/// "A session of `org` by its id, and whose it is."
pub async fn tenants_see_their_own<W: Heads + Sessions + Sums + Understanding>(world: W) {
    let (acme, globex) = (owner("acme", "anna"), owner("globex", "anna"));
    for owner in [&acme, &globex] {
        let session = session(owner, minute(0));
        let sweep = Sweep {
            incidents: vec![incident(&session, 1, Rule::Loop)],
            cells: [(cell_key(owner, CellKind::Overview, ""), cell(1, 7))].into(),
            sessions: vec![session],
            ..sweep(&world, owner).await
        };
        assert_eq!(commit(&world, sweep).await, SweepOutcome::Committed);
    }
    let own = session(&acme, minute(0));
    let id = &own.session.session_id;
    assert_eq!(ok(world.session(&acme.org, id).await), Some((acme.clone(), own.clone())));
    assert_eq!(ok(world.session(&globex.org, id).await), None);
    assert_eq!(ok(world.sessions(&any_session("acme")).await), std::slice::from_ref(&own));
    assert_eq!(ok(world.sessions(&any_session("acme-eu")).await), []);
    let hurt = incident(&own, 1, Rule::Loop);
    assert_eq!(ok(world.incidents(&any_incident("acme")).await), std::slice::from_ref(&hurt));
    let by_session = |tenant| IncidentQuery {
        session: Some(own.session.session_id.clone()),
        ..any_incident(tenant)
    };
    assert_eq!(ok(world.incidents(&by_session("acme")).await), [hurt]);
    assert_eq!(ok(world.incidents(&by_session("globex")).await), []);
    let cells = ok(world.cells(&always("acme"), CellKind::Overview).await);
    assert_eq!(cells, [(cell_key(&acme, CellKind::Overview, ""), cell(1, 7))]);
}

/// "Incidents, newest first", "of which rule", "those of this session only", "those that come after this one".
pub async fn incidents_come_newest_first_by_rule_and_session<
    W: Heads + Sessions + Understanding,
>(
    world: W,
) {
    let (anna, athena) = (owner("acme", "anna"), of_product(owner("acme", "anna"), "athena"));
    let (early, late) = (session(&anna, minute(0)), session(&anna, minute(60)));
    let other = session(&athena, minute(30));
    let incidents = [
        incident(&early, 1, Rule::Loop),
        incident(&early, 2, Rule::RageClick),
        incident(&late, 3, Rule::Loop),
    ];
    store(&world, &anna, &[early.clone(), late.clone()], &incidents).await;
    let fourth = incident(&other, 4, Rule::Loop);
    store(&world, &athena, &[other], std::slice::from_ref(&fourth)).await;
    let [one, two, three] = incidents.each_ref().map(|told| told.incident.incident_id.clone());
    let four = fourth.incident.incident_id;
    let any = any_incident("acme");
    let in_order = [three.clone(), four.clone(), two.clone(), one.clone()];
    assert_eq!(seen(&world, &any).await, in_order);
    let loops = IncidentQuery { rule: Some(Rule::Loop), ..any.clone() };
    assert_eq!(seen(&world, &loops).await, [three.clone(), four.clone(), one.clone()]);
    let of_early = IncidentQuery { session: Some(early.session.session_id.clone()), ..any.clone() };
    assert_eq!(seen(&world, &of_early).await, [two.clone(), one.clone()]);
    let loops_of_early = IncidentQuery { rule: Some(Rule::Loop), ..of_early.clone() };
    assert_eq!(seen(&world, &loops_of_early).await, std::slice::from_ref(&one));
    let span = Span { product: Some(athena.product.clone()), ..any.span.clone() };
    assert_eq!(
        seen(&world, &IncidentQuery { span, ..any.clone() }).await,
        std::slice::from_ref(&four)
    );
    let span = Span { from: minute(0), to: minute(60), ..any.span.clone() };
    let until = IncidentQuery { span, ..any.clone() };
    assert_eq!(seen(&world, &until).await, [four, two.clone(), one.clone()]);
    for (query, expected) in [(any, in_order.to_vec()), (of_early, vec![two, one])] {
        assert_eq!(one_by_one(&world, query).await, expected);
    }
}

async fn one_by_one<W: Understanding>(world: &W, query: IncidentQuery) -> Vec<String> {
    let mut query = IncidentQuery { limit: 1, ..query };
    let mut all = Vec::new();
    while let Some(found) = ok(world.incidents(&query).await).pop() {
        let StoredIncident { incident, .. } = found;
        query.after = Some((incident.started_at, incident.incident_id.clone()));
        all.push(incident.incident_id);
    }
    all
}

/// "Retracted incidents are not found by questions."
pub async fn a_retracted_incident_is_not_found<W: Heads + Sessions + Understanding>(world: W) {
    let anna = owner("acme", "anna");
    let session = session(&anna, minute(0));
    let [stays, goes] = [1, 2].map(|number| incident(&session, number, Rule::Loop));
    let sessions = std::slice::from_ref(&session);
    let any = any_incident("acme");
    let session_id = Some(session.session.session_id.clone());
    let of_session = IncidentQuery { session: session_id, ..any.clone() };
    // Found, retracted, found again.
    for (revision, retracted) in [(1, false), (2, true), (3, false), (4, true)] {
        let goes = StoredIncident { retracted, revision, ..goes.clone() };
        store(&world, &anna, sessions, &[stays.clone(), goes]).await;
        for query in [&any, &of_session] {
            let expected = if retracted { 1 } else { 2 };
            assert_eq!(seen(&world, query).await.len(), expected, "revision {revision}");
        }
    }
    assert_eq!(ok(world.incidents(&any).await), [stays]);
}

/// An incident goes with its events into the session that they are in.
pub async fn an_incident_is_found_in_the_session_it_moved_to<
    W: Heads + Sessions + Understanding,
>(
    world: W,
) {
    let anna = owner("acme", "anna");
    let (first, second) = (session(&anna, minute(0)), session(&anna, minute(20)));
    let mut hurt = incident(&second, 1, Rule::Loop);
    store(&world, &anna, &[first.clone(), second.clone()], std::slice::from_ref(&hurt)).await;
    hurt.incident.session_id = first.session.session_id.clone();
    hurt.revision = 2;
    store(&world, &anna, &[], std::slice::from_ref(&hurt)).await;
    let of = async |session: &StoredSession| {
        let session = Some(session.session.session_id.clone());
        ok(world.incidents(&IncidentQuery { session, ..any_incident("acme") }).await)
    };
    assert_eq!(of(&first).await, [hurt]);
    assert_eq!(of(&second).await, []);
}

/// "The cells of a kind whose day begins within the span, in no particular order."
pub async fn cells_are_read_by_kind_day_and_product<W: Heads + Sessions + Sums>(world: W) {
    let anna = owner("acme", "anna");
    let athena = of_product(anna.clone(), "athena");
    let day = minute(0);
    let on = |owner: &Owner, days: i64, name: &str| {
        let key = cell_key(owner, CellKind::Screen, name);
        (friction::cells::CellKey { day: day.plus_ms(days * 86_400_000), ..key }, cell(days + 9, 1))
    };
    let [before, first, second, other, later] = [
        on(&anna, -1, "/b"),
        on(&anna, 0, "/a"),
        on(&anna, 0, "/b"),
        on(&athena, 0, "/a"),
        on(&anna, 1, "/a"),
    ];
    let edge = (cell_key(&anna, CellKind::Edge, "/a"), cell(1, 1));
    let counted = |owner| (cell_key(owner, CellKind::Overview, ""), cell(1, 1));
    let own = [&counted(&anna), &edge, &later, &second, &first, &before].map(Clone::clone);
    for (owner, cells) in [(&athena, vec![counted(&athena), other.clone()]), (&anna, own.to_vec())]
    {
        let sweep = Sweep { cells: cells.into_iter().collect(), ..sweep(&world, owner).await };
        assert_eq!(commit(&world, sweep).await, SweepOutcome::Committed);
    }
    let products = ok(world.products_of(&acme()).await);
    assert_eq!(products, [&athena, &anna].map(|owner| owner.product.clone()));
    assert_eq!(ok(world.products_of(&owner("bolt", "anna").org).await), []);
    let read = async |from: Timestamp, to: Timestamp, product: Option<&Owner>| {
        let product = product.map(|owner| owner.product.clone());
        let span = Span { org: acme(), product, from, to };
        let mut found = ok(world.cells(&span, CellKind::Screen).await);
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    };
    let next = day.plus_ms(86_400_000);
    let mut all = [&first, &second, &other].map(Clone::clone);
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(read(day, next, None).await, all);
    assert_eq!(read(day, next, Some(&anna)).await, [first, second]);
    assert_eq!(read(day, next, Some(&athena)).await, [other]);
    assert_eq!(read(day.plus_ms(1), next.plus_ms(1), Some(&anna)).await, [later]);
    assert_eq!(read(day.plus_ms(-86_400_000), day, None).await, [before]);
    let span = Span { org: acme(), product: None, from: day, to: next };
    assert_eq!(ok(world.cells(&span, CellKind::Edge).await), [edge]);
    assert_eq!(ok(world.cells(&span, CellKind::Task).await), []);
}

/// "The same cells added up by name: what has one name is told under the key of one of them."
pub async fn totals_are_what_the_cells_of_a_name_add_up_to<W: Heads + Sessions + Sums>(world: W) {
    let anna = owner("acme", "anna");
    let athena = of_product(anna.clone(), "athena");
    let day = minute(0);
    let on = |owner: &Owner, days: i64, name: &str, sum: i64| {
        let key = cell_key(owner, CellKind::Screen, name);
        let day = day.plus_ms(days * 86_400_000);
        (friction::cells::CellKey { day, ..key }, cell(sum, 1))
    };
    let overview = |owner| (cell_key(owner, CellKind::Overview, ""), cell(1, 1));
    let own = vec![
        overview(&anna),
        on(&anna, 0, "/a", 7),
        on(&anna, 1, "/a", 8),
        on(&anna, 1, "/b", 5),
        on(&anna, 2, "/gone", 3),
        on(&anna, 3, "/gone", -3),
        on(&anna, 9, "/a", 1),
    ];
    let others = vec![overview(&athena), on(&athena, 1, "/a", 9)];
    for (owner, cells) in [(&anna, own.clone()), (&athena, others.clone())] {
        let sweep = Sweep { cells: cells.into_iter().collect(), ..sweep(&world, owner).await };
        assert_eq!(commit(&world, sweep).await, SweepOutcome::Committed);
    }
    let until = day.plus_ms(8 * 86_400_000);
    let read = async |product: Option<&Owner>| {
        let product = product.map(|owner| owner.product.clone());
        let span = Span { org: acme(), product, from: day, to: until };
        let mut found = ok(world.totals(&span, CellKind::Screen).await);
        for (key, _) in &found {
            assert!(own.iter().chain(&others).any(|(one, _)| one == key), "{key:?}");
        }
        found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        found.into_iter().map(|(key, cell)| (key.name, cell)).collect::<Vec<_>>()
    };
    let sum = |values: &[i64]| {
        let mut sum = friction::cells::Cell::default();
        values.iter().for_each(|value| sum += &cell(*value, 1));
        sum
    };
    let mut all = read(None).await;
    // What adds up to nothing but for its actors is something.
    all.retain(|(name, _)| name != "/gone");
    let a = sum(&[7, 8, 9]);
    assert_eq!(all, [("/a".to_owned(), a), ("/b".to_owned(), cell(5, 1))]);
    let of_one = read(Some(&athena)).await;
    assert_eq!(of_one, [("/a".to_owned(), cell(9, 1))]);
}

fn acme() -> OrgId {
    org("acme")
}
