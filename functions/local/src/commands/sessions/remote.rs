//! Asking a running server for everything that a question finds.

use contract::{
    OrgId, ProductId, Timestamp,
    incident::{Incident, Rule},
    insights::pages::{IncidentPage, SessionPage, SessionView},
    limits::{DAY_MS, INSIGHT_DAYS_MAX},
    session::SessionId,
};
use friction::change::SessionState;
use ports::clock::{Clock as _, SystemClock};

use crate::remote::Server;

/// What is asked about.
pub(crate) struct Asked {
    /// Nothing: that of the key.
    pub(crate) org: Option<OrgId>,
    pub(crate) product: Option<ProductId>,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

type Parameters = Vec<(&'static str, String)>;

/// Shows `see` every session that is asked for, newest first, and counts them.
pub(crate) async fn sessions(
    server: &Server,
    asked: &Asked,
    state: Option<SessionState>,
    mut see: impl FnMut(SessionView),
) -> anyhow::Result<usize> {
    let state = state.map(|state| ("state", state.as_str().to_owned()));
    let mut count = 0;
    for mut query in asked.queries(SystemClock.now()) {
        query.extend(state.clone());
        let mut cursor = None;
        loop {
            let page: SessionPage = server.get("/v1/sessions", &at(&query, cursor)).await?;
            count += page.sessions.len();
            page.sessions.into_iter().for_each(&mut see);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(count)
}

/// Shows `see` every incident that is asked for, newest first.
pub(crate) async fn incidents(
    server: &Server,
    asked: &Asked,
    rule: Option<Rule>,
    session: Option<&SessionId>,
    mut see: impl FnMut(Incident),
) -> anyhow::Result<()> {
    for mut query in asked.queries(SystemClock.now()) {
        query.extend(rule.map(|rule| ("rule", rule.to_string())));
        query.extend(session.map(|session| ("session", session.to_string())));
        let mut cursor = None;
        loop {
            let page: IncidentPage = server.get("/v1/incidents", &at(&query, cursor)).await?;
            page.incidents.into_iter().for_each(&mut see);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(())
}

impl Asked {
    /// The question in parts that a server takes, the latest time first. Nothing is kept that is older than the oldest part,
    /// and nothing is later than a day from now.
    fn queries(&self, now: Timestamp) -> Vec<Parameters> {
        let mut to = self.to.min(now.plus_ms(DAY_MS));
        let from = self.from.max(now.plus_ms(-KEPT_MS));
        let mut queries = Vec::new();
        while from < to {
            let start = from.max(to.plus_ms(-INSIGHT_DAYS_MAX * DAY_MS));
            let mut query = vec![("from", start.to_string()), ("to", to.to_string())];
            query.extend(self.org.as_ref().map(|org| ("org", org.to_string())));
            query.extend(self.product.as_ref().map(|product| ("productId", product.to_string())));
            query.push(("limit", PAGE.to_owned()));
            queries.push(query);
            to = start;
        }
        queries
    }
}

/// The query that goes on at a cursor.
pub(crate) fn at(query: &Parameters, cursor: Option<String>) -> Parameters {
    let mut query = query.clone();
    query.extend(cursor.map(|cursor| ("cursor", cursor)));
    query
}

/// The most that a server tells at once.
const PAGE: &str = "200";
/// Longer than anything is kept.
const KEPT_MS: i64 = 420 * DAY_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_time_is_asked_for_in_parts_without_a_gap() {
        let now = Timestamp::from_ms(20_000 * DAY_MS);
        let always = Asked {
            org: None,
            product: None,
            from: Timestamp::from_ms(i64::MIN),
            to: Timestamp::from_ms(i64::MAX),
        };
        let parts = always.queries(now);
        let time = |query: &Parameters, at: usize| Timestamp::parse(&query[at].1).unwrap();
        assert_eq!(time(&parts[0], 1), now.plus_ms(DAY_MS));
        assert!(parts.windows(2).all(|pair| time(&pair[0], 0) == time(&pair[1], 1)));
        assert!(
            time(&parts[parts.len() - 1], 0)
                <= now.plus_ms(-embedded::Retention::default().sessions_ms)
        );
        let lengths = parts.iter().map(|part| time(part, 1).since_ms(time(part, 0)));
        assert!(lengths.max().unwrap() <= INSIGHT_DAYS_MAX * DAY_MS);
        let day = Asked { from: now.plus_ms(-DAY_MS), to: now, ..always };
        assert_eq!(day.queries(now).len(), 1);
    }
}
