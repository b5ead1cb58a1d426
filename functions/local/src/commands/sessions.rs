//! `tribo sessions` and `tribo incidents`: what is understood, listed and counted.

pub(crate) mod pages;
pub(super) mod remote;

use std::collections::BTreeMap;

use contract::{
    OrgId, Timestamp,
    incident::{Confidence, Incident, Rule},
    insights::pages::{SessionState as Told, SessionView},
    session::{Efficiency, Frustration, Tier},
};
use friction::change::{SessionState, StoredSession};
use ports::{
    PortResult,
    reference::Organisations,
    sessions::{IncidentQuery, SessionQuery, Span, Understanding},
};
use serde::Serialize;

use self::remote::Asked;
use crate::{
    cli::{IncidentsArgs, SessionsArgs},
    open::{self, at},
    output,
    remote::Server,
};

/// `tribo sessions --json`.
#[derive(Debug, Default, Serialize)]
struct SessionList {
    /// All that were asked for, listed or not.
    count: usize,
    /// Newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionView>>,
}

/// `tribo incidents --json`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct IncidentList {
    /// All that were asked for, listed or not.
    count: usize,
    by_rule: BTreeMap<Rule, usize>,
    /// Newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    incidents: Option<Vec<Incident>>,
}

/// Prints sessions.
pub(crate) async fn sessions(args: SessionsArgs) -> anyhow::Result<u8> {
    let SessionsArgs { store, org, product, span, state, limit, count } = args;
    let (from, to) = span.bounds()?;
    let mut found = SessionList::default();
    let mut listed = Newest::of(limit, count);
    if let Some(server) = Server::named(&store)? {
        let asked = Asked { org, product, from, to };
        found.count = remote::sessions(&server, &asked, state, |view| listed.see(view)).await?;
    } else {
        at!(store.place.existing()?, world => for org in organisations(&world, org).await? {
            let span = Span { org, product: product.clone(), from, to };
            let query = SessionQuery { span, state, after: None, limit: pages::SIZE };
            found.count += in_sessions(&world, query, &mut listed).await?;
        });
    }
    found.sessions = listed.finish();
    if store.json {
        output::json(&found)?;
    } else {
        output::line(session_table(&found).trim_end())?;
    }
    Ok(0)
}

/// Prints incidents.
pub(crate) async fn incidents(args: IncidentsArgs) -> anyhow::Result<u8> {
    let IncidentsArgs { store, org, product, span, rule, session, limit, count } = args;
    let (from, to) = span.bounds()?;
    let mut found = IncidentList::default();
    let mut listed = Newest::of(limit, count);
    let mut see = |incident: Incident| {
        found.count += 1;
        *found.by_rule.entry(incident.rule).or_default() += 1;
        listed.see(incident);
    };
    if let Some(server) = Server::named(&store)? {
        let asked = Asked { org, product, from, to };
        remote::incidents(&server, &asked, rule, session.as_ref(), see).await?;
    } else {
        at!(store.place.existing()?, world => for org in organisations(&world, org).await? {
            let span = Span { org, product: product.clone(), from, to };
            let (session, limit) = (session.clone(), pages::SIZE);
            let query = IncidentQuery { span, rule, session, after: None, limit };
            pages::incidents(&world, query, &mut see).await?;
        });
    }
    found.incidents = listed.finish();
    if store.json {
        output::json(&found)?;
    } else {
        output::line(incident_table(&found).trim_end())?;
    }
    Ok(0)
}

/// The organisation that is named, which must exist; otherwise all of them.
pub(super) async fn organisations<W: Organisations>(
    world: &W,
    org: Option<OrgId>,
) -> anyhow::Result<Vec<OrgId>> {
    open::known(world, org.as_ref()).await?;
    Ok(match org {
        Some(org) => vec![org],
        None => Organisations::list(world).await?,
    })
}

/// A session as it is told.
pub(super) fn view(stored: StoredSession) -> SessionView {
    let StoredSession { session, revision, state, .. } = stored;
    let state = match state {
        SessionState::Open => Told::Open,
        SessionState::Closed => Told::Closed,
        SessionState::Superseded => Told::Superseded,
    };
    SessionView { state, revision, session, unusual: None }
}

async fn in_sessions<W: Understanding>(
    world: &W,
    query: SessionQuery,
    listed: &mut Newest<SessionView>,
) -> PortResult<usize> {
    let mut count = 0;
    pages::sessions(world, query, |stored| {
        count += 1;
        listed.see(view(stored));
    })
    .await?;
    Ok(count)
}

/// What has a time and an id, by which it is listed.
trait Dated {
    fn place(&self) -> (Timestamp, &str);
}

impl Dated for SessionView {
    fn place(&self) -> (Timestamp, &str) {
        (self.session.started_at, self.session.session_id.as_str())
    }
}

impl Dated for Incident {
    fn place(&self) -> (Timestamp, &str) {
        (self.started_at, &self.incident_id)
    }
}

/// The newest of what is seen, in whatever order it is.
struct Newest<T> {
    limit: usize,
    /// Nothing: they are only counted.
    list: Option<Vec<T>>,
}

impl<T: Dated> Newest<T> {
    fn of(limit: Option<usize>, only_count: bool) -> Self {
        let list = (!only_count).then(Vec::new);
        Self { limit: limit.unwrap_or(usize::MAX), list }
    }

    fn see(&mut self, one: T) {
        let Some(list) = &mut self.list else { return };
        list.push(one);
        // Now and then, so that no more than twice as many are held as are wanted.
        if list.len() / 2 > self.limit.max(SOME) {
            newest_first(list, self.limit);
        }
    }

    fn finish(self) -> Option<Vec<T>> {
        let mut list = self.list?;
        newest_first(&mut list, self.limit);
        Some(list)
    }
}

fn newest_first<T: Dated>(list: &mut Vec<T>, limit: usize) {
    list.sort_by(|a, b| b.place().cmp(&a.place()));
    list.truncate(limit);
}

fn session_table(found: &SessionList) -> String {
    let Some(sessions) = &found.sessions else { return found.count.to_string() };
    let rows: Vec<Vec<String>> = sessions.iter().map(session_row).collect();
    let head = [
        "session",
        "organisation",
        "product",
        "state",
        "began",
        "lasted",
        "events",
        "incidents",
        "frustration",
        "efficiency",
    ];
    format!("{}{}", output::table(&head, &rows), told(sessions.len(), found.count, "session"))
}

fn session_row(view: &SessionView) -> Vec<String> {
    let session = &view.session;
    let state = match view.state {
        Told::Open => "open",
        Told::Closed => "closed",
        Told::Superseded => "superseded",
    };
    vec![
        session.session_id.to_string(),
        session.org_id.to_string(),
        session.product_id.to_string(),
        state.to_owned(),
        session.started_at.to_string(),
        output::lasting(session.metrics.duration_ms),
        session.metrics.events.to_string(),
        session.incidents.len().to_string(),
        frustration(&session.frustration),
        efficiency(&session.efficiency),
    ]
}

/// A frustration score with its word.
pub(super) fn frustration(said: &Frustration) -> String {
    let tier = match said.tier {
        Tier::None => "none",
        Tier::Low => "low",
        Tier::Medium => "medium",
        Tier::High => "high",
    };
    format!("{:.2} {tier}", said.score)
}

/// An efficiency score, or that there is none.
pub(super) fn efficiency(said: &Efficiency) -> String {
    said.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.2}"))
}

fn incident_table(found: &IncidentList) -> String {
    let Some(incidents) = &found.incidents else { return found.count.to_string() };
    let row = |incident: &Incident| {
        vec![
            incident.rule.to_string(),
            incident.org_id.to_string(),
            incident.started_at.to_string(),
            incident.session_id.to_string(),
            output::plain(incident.screen.as_deref().unwrap_or("-")),
            output::plain(incident.element.as_deref().unwrap_or("-")),
            incident.count.to_string(),
            confidence(incident.confidence).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = incidents.iter().map(row).collect();
    let head =
        ["rule", "organisation", "began", "session", "screen", "element", "events", "confidence"];
    let mut text = output::table(&head, &rows);
    for (rule, count) in &found.by_rule {
        text.push_str(&format!("{count:>8} {rule}\n"));
    }
    text + &told(incidents.len(), found.count, "incident")
}

/// How sure a rule is, in a word.
pub(super) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// The mean of scores that add up to `sum`, to millionths: more depends on the order in which they were added.
pub(super) fn mean_score(sum: f64, count: usize) -> Option<f64> {
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    Some((sum / f64::from(count) * 1e6).round() / 1e6)
}

fn told(listed: usize, count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    if listed == count {
        format!("{count} {what}{plural}\n")
    } else {
        format!("{listed} of {count} {what}{plural}\n")
    }
}

const SOME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    struct One(i64, &'static str);

    impl Dated for One {
        fn place(&self) -> (Timestamp, &str) {
            (Timestamp::from_ms(self.0), self.1)
        }
    }

    #[test]
    fn the_newest_of_several_organisations_are_kept_newest_first() {
        let mut newest = Newest::of(Some(3), false);
        let old = std::iter::repeat_n((1, "a"), 500);
        let orgs = [(9, "a"), (4, "a"), (2, "a"), (7, "b"), (4, "b")];
        orgs.into_iter().chain(old).for_each(|(at, id)| newest.see(One(at, id)));
        assert!(newest.list.as_ref().unwrap().len() < 300);
        let kept: Vec<_> = newest.finish().unwrap().iter().map(|One(at, id)| (*at, *id)).collect();
        assert_eq!(kept, [(9, "a"), (7, "b"), (4, "b")]);
        let mut counted = Newest::of(None, true);
        counted.see(One(1, "a"));
        assert!(counted.finish().is_none());
    }
}
