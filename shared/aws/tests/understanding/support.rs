//! Owners, and what sweeps of theirs say.

use std::collections::{BTreeMap, HashMap};

use aws::{Cloud, resources::Resource};
use aws_sdk_dynamodb::types::AttributeValue;
use contract::{
    ProductId, Timestamp,
    incident::{Confidence, Incident, Rule},
    limits::DAY_MS,
    session::Session,
};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells},
    change::{Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::{Owner, Position},
};
use ports::sessions::{Arming, Heads as _, Lane, Sessions as _, Span, Sums as _, SweepOutcome};
use serde_json::json;
use standin::Corner;

pub(crate) const ALL: Lane = Lane { index: 0, of: 1 };

pub(crate) fn owner(token: &str) -> Owner {
    Owner { org: "acme".parse().unwrap(), product: ProductId::default(), token: token.to_owned() }
}

/// A time of yesterday.
pub(crate) fn at(second: i64) -> Timestamp {
    standin::now().day().plus_ms(-DAY_MS).plus_ms(second * 1_000)
}

pub(crate) fn session(owner: &Owner, second: i64) -> StoredSession {
    let first = Position { at: at(second), id: "e.1".parse().unwrap() };
    let session: Session = serde_json::from_value(json!({
        "sessionId": owner.session_id(&first), "orgId": owner.org, "productId": owner.product,
        "startedAt": at(second), "endedAt": at(second + 600), "metrics": {
            "durationMs": 600_000, "activeMs": 1, "events": 2, "clicks": 1, "screensVisited": 0, "uniqueScreens": 0,
            "rageClicks": 0, "deadClicks": 0, "errorClicks": 0, "backtracks": 0, "contextSwitches": 0,
            "tasksStarted": 0, "tasksCompleted": 0, "tasksCancelled": 0, "tasksAbandoned": 0, "errors": 0,
        },
        "frustration": {"model": "fr-1", "score": 0.25, "tier": "medium"},
        "efficiency": {"model": "ef-1", "basis": "none"},
        "path": [], "flows": [], "rulesVersion": 1,
    }))
    .unwrap();
    StoredSession { session, revision: 1, state: SessionState::Closed, actor_slot: 3 }
}

pub(crate) fn incident(session: &StoredSession, number: usize) -> StoredIncident {
    let Session { session_id, org_id, product_id, started_at, .. } = &session.session;
    let digits = &session_id.as_str()[10..];
    let incident = Incident {
        incident_id: format!("i_{number:08x}{digits}"),
        rule: Rule::DeadClick,
        rules_version: 1,
        thresholds: BTreeMap::new(),
        org_id: org_id.clone(),
        product_id: product_id.clone(),
        session_id: session_id.clone(),
        started_at: started_at.plus_ms(i64::try_from(number).unwrap()),
        ended_at: started_at.plus_ms(i64::try_from(number).unwrap() + 9),
        screen: Some("/answers".to_owned()),
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

pub(crate) fn notice(session: &StoredSession, number: usize, detail: &str) -> Notice {
    Notice {
        id: format!("session:{}:{number}", session.session.session_id),
        kind: "session.closed".to_owned(),
        org: session.session.org_id.clone(),
        at: session.session.ended_at,
        detail: detail.to_owned(),
    }
}

pub(crate) fn cells(owner: &Owner, names: impl IntoIterator<Item = String>) -> Cells {
    let key = |name| CellKey {
        org: owner.org.clone(),
        product: owner.product.clone(),
        day: at(0),
        kind: CellKind::Screen,
        name,
    };
    let mut cell = Cell::default();
    cell.add("sessions", 1);
    cell.see(3);
    names.into_iter().map(|name| (key(name), cell.clone())).collect()
}

/// An empty sweep of the owner's head as it is now.
pub(crate) async fn sweep(cloud: &Cloud, owner: &Owner) -> Sweep {
    let arming = Arming { owner: owner.clone(), dirty_from: at(0), due_at: at(600) };
    cloud.arm(&[arming]).await.unwrap();
    Sweep {
        owner: owner.clone(),
        version: cloud.head(owner).await.unwrap().unwrap().version,
        sessions: Vec::new(),
        incidents: Vec::new(),
        cells: Cells::new(),
        notices: Vec::new(),
        dirty_from: None,
        due_at: None,
    }
}

pub(crate) async fn committed(cloud: &Cloud, sweep: Sweep) {
    assert_eq!(cloud.commit(sweep).await.unwrap(), SweepOutcome::Committed);
}

pub(crate) async fn summed(cloud: &Cloud) -> Cells {
    let span = Span {
        org: "acme".parse().unwrap(),
        product: None,
        from: at(0).plus_ms(-9 * DAY_MS),
        to: at(0).plus_ms(9 * DAY_MS),
    };
    cloud.cells(&span, CellKind::Screen).await.unwrap().into_iter().collect()
}

/// Every item of the table.
pub(crate) async fn items(corner: &Corner) -> Vec<HashMap<String, AttributeValue>> {
    let scan = corner.access().dynamodb().scan().table_name(corner.name(Resource::Sessions));
    let mut items = scan.into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item.unwrap());
    }
    all
}

pub(crate) fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> &'a str {
    item.get(name).map_or("", |value| value.as_s().unwrap())
}
