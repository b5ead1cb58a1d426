//! Events in the shape that the project measures with: the proportions of a generator that is not part of it, rebuilt
//! here from a seed.
//!
//! Forty organisations of one to three products, half of the events in the largest; ten minutes over an hour's end, one
//! event of a hundred late by 1 to 26 hours; twelve experiments of three variants; ten types, ten screens, five pillars;
//! UUIDv7 ids. Its types are mapped to the contract: `user_override`, `abandon`, `challenge` and `feedback` as they are,
//! `escalation` is `friction.handoff`, `rage_click` is `ui.dead_click`, `backtrack` is `ui.navigation`, and `retry`,
//! `timeout` and `error` are the backend's. Severities are spread over 0 to 5. No event is malformed or comes twice.

use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{
    OrgId, ProductId, Timestamp,
    event::Assignment,
    kinesis::RecordBatch,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use domain::event_id;
use ports::{chance::Chance, reference::Subject};
use serde_json::{Value, json};

/// What happened, without an id.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    body: Value,
    at: Timestamp,
    /// What the event does not say itself, and the reference knows.
    pub(crate) assigned: Option<(Subject, Assignment)>,
}

/// When every record arrives: nothing is ahead of its arrival.
pub(crate) fn arrival() -> Timestamp {
    start().plus_ms(10 * MINUTE_MS)
}

/// `count` happenings, always the same.
pub(crate) fn happenings(count: usize) -> Vec<Happening> {
    let mut chance = Chance::of(20_260_212);
    let products: Vec<usize> = (0..ORGS).map(|_| 1 + chance.below(3)).collect();
    (0..count).map(|_| happening(&mut chance, &products)).collect()
}

/// The happenings as one batch of records. Batches of different seeds hold other events: no id is in both.
pub(crate) fn batch(happenings: &[Happening], seed: u64) -> RecordBatch {
    let mut chance = Chance::of(seed);
    let records: Vec<Value> = happenings
        .iter()
        .enumerate()
        .map(|(n, happening)| {
            let mut entropy = [0; 16];
            entropy[..8].copy_from_slice(&chance.number().to_be_bytes());
            entropy[8..].copy_from_slice(&chance.number().to_be_bytes());
            let mut body = happening.body.clone();
            body["eventId"] = json!(event_id::v7(happening.at, entropy));
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": format!("{:016x}", chance.number()),
                    "sequenceNumber": format!("{seed}{n:013}"),
                    "data": STANDARD.encode(body.to_string()),
                    "approximateArrivalTimestamp": arrival().ms() / 1_000,
                },
                "eventID": format!("shardId-000000000006:{seed}{n:013}"),
            })
        })
        .collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// 13:55 in UTC.
fn start() -> Timestamp {
    Timestamp::from_ms(1_770_940_800_000 + 13 * HOUR_MS + 55 * MINUTE_MS)
}

fn happening(chance: &mut Chance, products: &[usize]) -> Happening {
    let mut at = start().plus_ms(number(chance, 600_000));
    if chance.percent(1) {
        at = at.plus_ms(-HOUR_MS - number(chance, 25 * 3_600_000));
    }
    let org_number = org(chance);
    let org: OrgId = format!("org_{org_number:04}").parse().unwrap();
    let product = format!("prod_{org_number:04}_{}", chance.below(products[org_number]));
    let product: ProductId = product.parse().unwrap();
    let actor = format!("u1.3.{:08}000000000000000000", chance.below(5_000));
    let assignment = Assignment {
        experiment_id: format!("exp_{:03}", chance.below(12)),
        variant_id: (*chance.one_of(&VARIANTS).unwrap()).to_owned(),
        assigned_at: start().plus_ms(-DAY_MS - number(chance, 1_000_000_000)),
        time_since_assignment: None,
    };
    let mut body = json!({
        "schemaVersion": "1.0", "eventType": kind(chance), "occurredAt": at, "orgId": org, "productId": product,
        "sessionId": format!("s1.3.{:08}000000000000000000", chance.below(100_000_000)), "actorId": actor,
        "traceComponent": chance.one_of(&PILLARS), "severity": chance.below(6), "screen": chance.one_of(&SCREENS),
        "element": {"key": format!("btn-{}", chance.below(10))}, "error": {"code": "E1402"},
        "source": {"service": "athena-chat", "version": "2.7.1", "region": "eu-central-1"},
    });
    let assigned = if chance.percent(8) {
        Some((Subject { org, product, actor }, assignment))
    } else {
        body["assignment"] = json!(assignment);
        None
    };
    Happening { body, at, assigned }
}

/// Pareto with exponent 0.9: the first organisation has about half of all events.
fn org(chance: &mut Chance) -> usize {
    let share = f64::from(u32::try_from(chance.number() >> 32).unwrap()) / 4_294_967_296.0;
    let drawn = (1.0 - share).powf(-1.0 / 0.9);
    (1..ORGS)
        .find(|org| drawn < f64::from(u32::try_from(org + 1).unwrap()))
        .map_or(ORGS - 1, |org| org - 1)
}

fn kind(chance: &mut Chance) -> &'static str {
    let mut left = chance.below(TYPES.iter().map(|(_, weight)| weight).sum());
    for (name, weight) in TYPES {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return name,
        }
    }
    unreachable!("weights add up")
}

fn number(chance: &mut Chance, below: usize) -> i64 {
    i64::try_from(chance.below(below)).unwrap()
}

const ORGS: usize = 40;
const VARIANTS: [&str; 3] = ["control", "treatment_a", "treatment_b"];
const PILLARS: [&str; 5] =
    ["transparency", "reasoning", "auditability", "compliance", "explainability"];
const SCREENS: [&str; 10] = [
    "/checkout/payment",
    "/checkout/review",
    "/chat/main",
    "/chat/history",
    "/docs/upload",
    "/docs/viewer",
    "/graph/explore",
    "/settings/profile",
    "/settings/billing",
    "/search/results",
];
const TYPES: [(&str, usize); 10] = [
    ("friction.user_override", 10),
    ("friction.abandon", 12),
    ("friction.challenge", 6),
    ("friction.feedback", 14),
    ("backend.retry", 16),
    ("ui.dead_click", 15),
    ("ui.navigation", 12),
    ("backend.timeout", 6),
    ("backend.error", 7),
    ("friction.handoff", 2),
];
