//! Single sessions and incidents, found by when they began or by their ids.
//!
//! The index `listed` carries whole items, because they are read page by page far more often than they change: a page is one
//! reading, where keys alone would need one of each item besides, and what an entry costs to write is the same up to 1 KB.
//! Lists are by organisation and day, so that what is asked for is walked day by day, newest first.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use contract::{
    OrgId, Timestamp,
    limits::{DAY_MS, SESSION_CUT_MS},
    session::SessionId,
};
use friction::{
    change::{SessionState, StoredIncident, StoredSession},
    owner::Owner,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortResult,
    clock::{Clock as _, SystemClock},
    sessions::{IncidentQuery, SessionQuery, Span, Understanding},
};

use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, malformed, text},
    resources::Resource,
    sessions::{
        places::{self, INCIDENT, SESSION},
        rows::{self, SESSIONS_TTL_MS},
    },
};

impl Understanding for Cloud {
    async fn sessions(&self, query: &SessionQuery) -> PortResult<Vec<StoredSession>> {
        let SessionQuery { span, state, after, limit } = query;
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let asked = Asked {
            kind: SESSION,
            span,
            only: state.map(|state| ("#state = :only", "state", state.as_str())),
            end: end(span, after),
            limit: *limit,
        };
        // In no list.
        if *state == Some(SessionState::Superseded) {
            return Ok(Vec::new());
        }
        let mut sessions = Vec::new();
        for item in self.listed_newest_first(&asked).await? {
            sessions.push(self.stored_session(OPERATION, &item).await?);
        }
        Ok(sessions)
    }

    async fn incidents(&self, query: &IncidentQuery) -> PortResult<Vec<StoredIncident>> {
        let IncidentQuery { span, rule, session, after, limit } = query;
        if let Some(session) = session {
            return self.incidents_of(session, query).await;
        }
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let asked = Asked {
            kind: INCIDENT,
            span,
            only: rule.map(|rule| ("#rule = :only", "rule", rule.as_str())),
            end: end(span, after),
            limit: *limit,
        };
        self.listed_newest_first(&asked).await?.iter().map(rows::incident).collect()
    }

    async fn session(
        &self,
        org: &OrgId,
        id: &SessionId,
    ) -> PortResult<Option<(Owner, StoredSession)>> {
        let Some(item) = self.named(places::named_session(org, id)).await? else { return Ok(None) };
        let owner = places::owner(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
        Ok(Some((owner, self.stored_session(OPERATION, &item).await?)))
    }
}

/// A condition, the attribute it is about, and its value.
type Only = (&'static str, &'static str, &'static str);

/// What is asked of the lists.
struct Asked<'a> {
    kind: &'static str,
    span: &'a Span,
    only: Option<Only>,
    /// Everything that is asked for comes before this.
    end: (Timestamp, &'a str),
    limit: usize,
}

impl Cloud {
    /// The item that the index `named` knows under this name, strongly consistent where it lies.
    pub(crate) async fn named(&self, name: String) -> PortResult<Option<Item>> {
        let table = self.resources().name(Resource::Sessions)?;
        let query = self.0.dynamodb.query().table_name(table).index_name("named");
        let query = query
            .key_condition_expression("named = :name")
            .expression_attribute_values(":name", text(&name))
            .limit(1);
        let answer = query.send().await.map_err(|error| port_error(OPERATION, error))?;
        let Some(found) = answer.items().first() else { return Ok(None) };
        let get = self.0.dynamodb.get_item().table_name(table).consistent_read(true);
        let get = get.set_key(Some(key(found.text("pk")?, found.text("sk")?)));
        let answer = get.send().await.map_err(|error| port_error(OPERATION, error))?;
        // The index may be a moment old.
        Ok(answer.item.filter(|item| item.text("named").is_ok_and(|named| named == name)))
    }

    /// What is asked for, newest first: days side by side, a few at first and more while they hold little.
    async fn listed_newest_first(&self, asked: &Asked<'_>) -> PortResult<Vec<Item>> {
        let now = SystemClock.now();
        let kept = now.plus_ms(-SESSIONS_TTL_MS - 2 * DAY_MS);
        let first = asked.span.from.max(kept).day();
        // Of all of time only that is walked which may hold something: nothing begins tomorrow.
        let newest = asked.end.0.min(now.plus_ms(DAY_MS));
        let (mut day, mut at_once) = (newest.day(), DAYS_AT_FIRST);
        let mut found: Vec<Item> = Vec::new();
        while day >= first && found.len() < asked.limit {
            let days =
                (0..at_once).map(|ago| day.plus_ms(-ago * DAY_MS)).take_while(|day| *day >= first);
            let room = asked.limit - found.len();
            let each: Vec<_> = days.map(|day| self.listed_on(asked, day, room)).collect();
            let pages: Vec<Vec<Item>> =
                stream::iter(each).buffered(DAYS_AT_ONCE).try_collect().await?;
            found.extend(pages.into_iter().flatten());
            day = day.plus_ms(-at_once * DAY_MS);
            at_once = (at_once * 4).min(DAYS_AT_MOST);
        }
        found.truncate(asked.limit);
        Ok(found)
    }

    async fn listed_on(
        &self,
        asked: &Asked<'_>,
        day: Timestamp,
        limit: usize,
    ) -> PortResult<Vec<Item>> {
        let Asked { kind, span, only, end: (end_at, end_id), .. } = asked;
        let (from, end) = (places::digits(span.from.max(day)), places::place(*end_at, end_id));
        // The service refuses to look between an end and what comes before it.
        if end < from {
            return Ok(Vec::new());
        }
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .index_name("listed")
            .scan_index_forward(false)
            // Both ends are exclusive: a place has an id, and so is behind its time.
            .key_condition_expression("#list = :list AND place BETWEEN :from AND :end")
            .expression_attribute_names("#list", "list")
            .expression_attribute_values(":list", text(places::list(kind, &span.org, day)))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":end", text(&end));
        let query = filtered(query, span, *only);
        let page = i32::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        // One more, for the one at the end.
        let mut items = query.limit(page.saturating_add(1)).into_paginator().items().send();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(item) = items.next().await
        {
            let item = item.map_err(|error| port_error(OPERATION, error))?;
            if item.text("place")? != end {
                found.push(item);
            }
        }
        Ok(found)
    }

    /// A session's incidents lie with its owner, and none lasts longer than a session.
    async fn incidents_of(
        &self,
        session: &SessionId,
        query: &IncidentQuery,
    ) -> PortResult<Vec<StoredIncident>> {
        let IncidentQuery { span, rule, after, limit, .. } = query;
        let name = places::named_session(&span.org, session);
        let Some(item) = self.named(name).await? else { return Ok(Vec::new()) };
        let owner = places::owner(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
        let ended_at = item.millis("ended_at")?;
        let around = (ended_at.plus_ms(-2 * SESSION_CUT_MS), ended_at.plus_ms(2 * SESSION_CUT_MS));
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let end = end(span, after);
        let mut found = Vec::new();
        for item in self.incident_items(&owner, around).await? {
            if item.text("session")? != session.as_str() || item.flag("retracted")? {
                continue;
            }
            let stored = rows::incident(&item)?;
            let incident = &stored.incident;
            let is_asked_for = incident.started_at >= span.from
                && (incident.started_at, incident.incident_id.as_str()) < end
                && span.product.as_ref().is_none_or(|product| *product == incident.product_id)
                && rule.is_none_or(|rule| rule == incident.rule);
            if is_asked_for {
                found.push(stored);
            }
        }
        found.sort_by(|a, b| {
            let key = |stored: &StoredIncident| {
                (stored.incident.started_at, stored.incident.incident_id.clone())
            };
            key(b).cmp(&key(a))
        });
        found.truncate(*limit);
        Ok(found)
    }
}

/// Only what is of the product, if one is asked for, and what is like `only`.
fn filtered(mut query: QueryFluentBuilder, span: &Span, only: Option<Only>) -> QueryFluentBuilder {
    let mut conditions = Vec::new();
    if let Some(product) = &span.product {
        conditions.push("product = :product");
        query = query.expression_attribute_values(":product", text(product.as_str()));
    }
    if let Some((condition, attribute, value)) = only {
        conditions.push(condition);
        query = query
            .expression_attribute_names(format!("#{attribute}"), attribute)
            .expression_attribute_values(":only", text(value));
    }
    if conditions.is_empty() { query } else { query.filter_expression(conditions.join(" AND ")) }
}

/// Everything that is asked for comes before this: where the last page ended, or the end of the span.
fn end<'a>(span: &Span, after: Option<(Timestamp, &'a str)>) -> (Timestamp, &'a str) {
    // No id is empty: nothing of the span's end itself comes before it.
    let of_span = (span.to, "");
    after.map_or(of_span, |after| after.min(of_span))
}

const OPERATION: &str = "understanding";
const DAYS_AT_FIRST: i64 = 4;
const DAYS_AT_MOST: i64 = 64;
const DAYS_AT_ONCE: usize = 16;
const PAGE_MAX: usize = 1_000;
