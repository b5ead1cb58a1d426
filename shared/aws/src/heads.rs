//! Heads: one item per owner, in the index `due` while somebody has to look.
//!
//! The least of two times cannot be said in one update, so that a head is armed by the guess that fits what this process
//! knows of it: nothing was to do, or what is to do is earlier anyway. A guess that does not fit is told what there is.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::ReturnValuesOnConditionCheckFailure,
};
use contract::{Timestamp, limits::DAY_MS};
use friction::{
    change::{Head, Sweep},
    owner::Owner,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortError, PortResult,
    sessions::{Arming, Heads, Lane},
};

use crate::{
    Cloud,
    cache::Cache,
    fault::port_error,
    item::{Fields, Item, key, malformed, millis, number, text, ttl},
    resources::Resource,
    sessions::places,
    transaction::{TRIES_MAX, Write, patiently},
};

impl Heads for Cloud {
    async fn arm(&self, armings: &[Arming]) -> PortResult<()> {
        let mut earliest: BTreeMap<&Owner, (Timestamp, Timestamp)> = BTreeMap::new();
        for Arming { owner, dirty_from, due_at } in armings {
            let times = earliest.entry(owner).or_insert((*dirty_from, *due_at));
            *times = (times.0.min(*dirty_from), times.1.min(*due_at));
        }
        let each = earliest.into_iter().map(|(owner, times)| self.arm_one(owner.clone(), times));
        stream::iter(each.collect::<Vec<_>>()).buffer_unordered(UPDATES_AT_ONCE).try_collect().await
    }

    async fn due(&self, lane: Lane, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        let lanes = places::lanes(lane).into_iter().map(|lane| self.due_in(lane, now, limit));
        let found: Vec<Vec<(Timestamp, Owner)>> = stream::iter(lanes.collect::<Vec<_>>())
            .buffer_unordered(LANES_AT_ONCE)
            .try_collect()
            .await?;
        let mut due: Vec<_> = found.into_iter().flatten().collect();
        due.sort_unstable();
        due.truncate(limit);
        Ok(due.into_iter().map(|(_, owner)| owner).collect())
    }

    async fn head(&self, owner: &Owner) -> PortResult<Option<Head>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Sessions)?);
        let answer = get.set_key(Some(head_key(owner))).send().await;
        let answer = answer.map_err(|error| port_error("heads.head", error))?;
        answer.item.as_ref().map(read).transpose()
    }
}

/// Moves the head on from the version that a sweep read; holds only while it is of that version.
pub(crate) fn advanced(table: &str, sweep: &Sweep, now: Timestamp) -> Write {
    let (mut set, mut remove) = (vec!["version = :next"], Vec::new());
    match sweep.dirty_from {
        Some(_) => set.push("dirty_from = :from"),
        None => remove.push("dirty_from"),
    }
    // It is needed while somebody has to look, and as long as anything that its version numbers.
    match sweep.due_at {
        Some(_) => {
            set.push("due_at = :due");
            remove.push("#ttl");
        }
        None => {
            set.push("#ttl = :ttl");
            remove.push("due_at");
        }
    }
    let expression = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
    let mut write = Write::update(table, head_key(&sweep.owner), expression)
        .when("version = :version")
        .name("#ttl", "ttl")
        .value(":version", number(sweep.version))
        .value(":next", number(sweep.version.saturating_add(1)));
    if let Some(at) = sweep.dirty_from {
        write = write.value(":from", millis(at));
    }
    match sweep.due_at {
        Some(at) => write.value(":due", millis(at)),
        None => write.value(":ttl", ttl(now.plus_ms(HEAD_TTL_MS))),
    }
}

/// What this process knows of heads; it may be wrong.
pub(crate) type Armed = Cache<Owner, (Timestamp, Timestamp)>;

pub(crate) fn armed() -> Armed {
    Cache::new(FRESH, ARMED_MAX)
}

/// How a head is armed.
enum Guess {
    /// Nothing is to do.
    Idle,
    /// What is to do is not later.
    Earlier,
    /// It is as it was told.
    Exactly(Head),
}

impl Cloud {
    async fn arm_one(&self, owner: Owner, (from, due): (Timestamp, Timestamp)) -> PortResult<()> {
        let known = self.0.armed.get(&owner);
        let mut guess = match known {
            Some(known) if known.0 <= from && known.1 <= due => Guess::Earlier,
            Some(_) | None => Guess::Idle,
        };
        for _ in 0..TRIES_MAX {
            let times = match &guess {
                Guess::Idle => Some((from, due)),
                Guess::Earlier => known,
                Guess::Exactly(head) => Some((
                    head.dirty_from.map_or(from, |held| held.min(from)),
                    head.due_at.map_or(due, |held| held.min(due)),
                )),
            };
            let update = self.arming(&owner, &guess, (from, due))?;
            let Err(error) = patiently(|| update.clone().send()).await else {
                if let Some(times) = times {
                    self.0.armed.keep(owner, times);
                }
                return Ok(());
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(told)) => {
                    guess = match told.item().map(read).transpose()? {
                        Some(head) => fitting(head, from, due),
                        None => Guess::Idle,
                    };
                    if let Guess::Exactly(Head { dirty_from: Some(f), due_at: Some(d), .. }) =
                        &guess
                    {
                        self.0.armed.keep(owner.clone(), (*f, *d));
                    }
                }
                Some(_) | None => return Err(port_error(ARM, error)),
            }
        }
        Err(PortError::transient(ARM, "somebody else changes the head all the time"))
    }

    fn arming(
        &self,
        owner: &Owner,
        guess: &Guess,
        (from, due): (Timestamp, Timestamp),
    ) -> PortResult<UpdateItemFluentBuilder> {
        let update = self
            .0
            .dynamodb
            .update_item()
            .table_name(self.resources().name(Resource::Sessions)?)
            .set_key(Some(head_key(owner)))
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let setting = |update: UpdateItemFluentBuilder, from: Timestamp, due: Timestamp| {
            update
                .update_expression(
                    "SET dirty_from = :from, due_at = :due, lane = :lane REMOVE #ttl ADD version :one",
                )
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":from", millis(from))
                .expression_attribute_values(":due", millis(due))
                .expression_attribute_values(":lane", text(places::lane(owner)))
        };
        Ok(match guess {
            Guess::Idle => setting(update, from, due).condition_expression(
                "attribute_not_exists(dirty_from) AND attribute_not_exists(due_at)",
            ),
            Guess::Earlier => update
                .update_expression("ADD version :one")
                .condition_expression("dirty_from <= :from AND due_at <= :due")
                .expression_attribute_values(":from", millis(from))
                .expression_attribute_values(":due", millis(due)),
            Guess::Exactly(Head { version, dirty_from, due_at }) => {
                let from = dirty_from.map_or(from, |held| held.min(from));
                let due = due_at.map_or(due, |held| held.min(due));
                setting(update, from, due)
                    .condition_expression("version = :version")
                    .expression_attribute_values(":version", number(version))
            }
        })
    }

    async fn due_in(
        &self,
        lane: String,
        now: Timestamp,
        limit: usize,
    ) -> PortResult<Vec<(Timestamp, Owner)>> {
        const OPERATION: &str = "heads.due";
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .index_name("due")
            .key_condition_expression("lane = :lane AND due_at <= :now")
            .expression_attribute_values(":lane", text(lane))
            .expression_attribute_values(":now", millis(now))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let mut items = query.into_paginator().items().send();
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(item) = items.next().await
        {
            let item = item.map_err(|error| port_error(OPERATION, error))?;
            let owner = places::owner(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
            due.push((item.millis("due_at")?, owner));
        }
        Ok(due)
    }
}

/// Another head is earlier, or is to be changed as it is.
fn fitting(head: Head, from: Timestamp, due: Timestamp) -> Guess {
    match (head.dirty_from, head.due_at) {
        (Some(held), Some(at)) if held <= from && at <= due => Guess::Earlier,
        (None, None) => Guess::Idle,
        (_, _) => Guess::Exactly(head),
    }
}

fn head_key(owner: &Owner) -> Item {
    key(places::partition(owner), "HEAD")
}

fn read(item: &Item) -> PortResult<Head> {
    Ok(Head {
        version: item.number("version")?,
        dirty_from: item.millis_if("dirty_from")?,
        due_at: item.millis_if("due_at")?,
    })
}

const ARM: &str = "heads.arm";
const UPDATES_AT_ONCE: usize = 32;
const LANES_AT_ONCE: usize = 16;
/// Longer than anything that a head's version numbers is kept.
const HEAD_TTL_MS: i64 = 410 * DAY_MS;
const FRESH: Duration = Duration::from_secs(3_600);
const ARMED_MAX: usize = 20_000;
