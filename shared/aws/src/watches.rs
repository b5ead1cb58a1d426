//! Watches: one item each under its owner, a pointer to it under its connection, and a list of who is watched.
//!
//! The list is one partition that a function asks for every other second, however many events it reads meanwhile. An owner
//! stays in it for as long as the last watch could have gone on: telling somebody who is gone costs less than counting.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{
        UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder,
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use contract::{OrgId, ProductId, Timestamp, session::SessionId};
use friction::owner::Owner;
use ports::{
    PortError, PortResult,
    watches::{Ending, Taking, Turn, Turns, Watch, Watched, Watches},
};

use crate::{
    Cloud,
    cache::Cache,
    fault::port_error,
    item::{Fields, Item, flag, item, key, malformed, millis, text, ttl},
    resources::Resource,
    transaction::patiently,
};

impl Watches for Cloud {
    /// First what leads to it: whoever finds the watch finds the rest.
    async fn watch(&self, watch: &Watch) -> PortResult<()> {
        const OPERATION: &str = "watches.watch";
        let table = self.resources().name(Resource::Sessions)?;
        let named = |owner: &Owner| {
            item([
                ("org", text(owner.org.as_str())),
                ("product", text(owner.product.as_str())),
                ("token", text(&owner.token)),
                ("ttl", ttl(watch.until)),
            ])
        };
        let owner = hash(&watch.owner);
        for (place, mut row) in [
            (key(WATCHED, &owner), named(&watch.owner)),
            (key(pointer(&watch.connection), WATCH), named(&watch.owner)),
            (place(&owner, &watch.connection), row(watch)),
        ] {
            row.extend(place);
            let put = self.0.dynamodb.put_item().table_name(table).set_item(Some(row));
            let put = patiently(|| put.clone().send()).await;
            put.map_err(|error| port_error(OPERATION, error))?;
        }
        self.0.watched.forget(&());
        Ok(())
    }

    async fn unwatch(&self, connection: &str) -> PortResult<()> {
        const OPERATION: &str = "watches.unwatch";
        let Some(owner) = self.watching(OPERATION, connection).await? else { return Ok(()) };
        let table = self.resources().name(Resource::Sessions)?;
        // The pointer goes last: while it is there this can be repeated.
        for place in [place(&hash(&owner), connection), key(pointer(connection), WATCH)] {
            let delete = self.0.dynamodb.delete_item().table_name(table).set_key(Some(place));
            let delete = patiently(|| delete.clone().send()).await;
            delete.map_err(|error| port_error(OPERATION, error))?;
        }
        Ok(())
    }

    async fn watch_of(&self, connection: &str) -> PortResult<Option<Watch>> {
        const OPERATION: &str = "watches.watch_of";
        let Some(owner) = self.watching(OPERATION, connection).await? else { return Ok(None) };
        let found = self.one(OPERATION, place(&hash(&owner), connection)).await?;
        found.as_ref().map(read).transpose()
    }
}

impl Watched for Cloud {
    async fn watched(&self, now: Timestamp) -> PortResult<BTreeSet<Owner>> {
        let known = match self.0.watched.get(&()) {
            Some(known) => known,
            None => {
                let found = self.under("watched.watched", WATCHED, false).await?;
                let known: Vec<_> = found.iter().map(watched).collect::<PortResult<_>>()?;
                let known = Arc::new(known);
                self.0.watched.keep((), Arc::clone(&known));
                known
            }
        };
        let going_on = known.iter().filter(|(_, until)| *until > now);
        Ok(going_on.map(|(owner, _)| owner.clone()).collect())
    }

    async fn watches(&self, owner: &Owner) -> PortResult<Vec<Watch>> {
        let found = self.under("watched.watches", &partition(&hash(owner)), true).await?;
        found.iter().map(read).collect()
    }
}

impl Turns for Cloud {
    /// A turn whose answer was lost is recognised by the name that this call gave it.
    async fn take_turn(
        &self,
        watch: &Watch,
        now: Timestamp,
        until: Timestamp,
    ) -> PortResult<Taking> {
        const OPERATION: &str = "turns.take_turn";
        let name = format!("{:032x}", fastrand::u128(..));
        let take = self
            .update(watch)?
            .update_expression("SET turn = :turn, held_until = :until REMOVE noted, told, seen")
            .condition_expression(FREE)
            .expression_attribute_values(":turn", text(&name))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":now", millis(now));
        let note = self
            .update(watch)?
            .update_expression("SET noted = :noted")
            .condition_expression(HELD)
            .expression_attribute_values(":noted", flag(true))
            .expression_attribute_values(":now", millis(now));
        // Between the two the turn may end.
        for _ in 0..TRIES_MAX {
            match changed(patiently(|| take.clone().send()).await, OPERATION)? {
                Change::Made(before) => return Ok(Taking::Taken(turn(name, &before)?)),
                Change::Refused(row) if row.is_empty() => return Ok(Taking::Gone),
                Change::Refused(row) if row.text_if("turn")? == Some(name.as_str()) => {
                    return Ok(Taking::Taken(turn(name, &row)?));
                }
                Change::Refused(_) => {}
            }
            if let Change::Made(_) = changed(patiently(|| note.clone().send()).await, OPERATION)? {
                return Ok(Taking::Noted);
            }
        }
        Err(PortError::transient(OPERATION, "the turn changes hands all the time"))
    }

    async fn end_turn(&self, watch: &Watch, turn: &Turn, told: Option<&str>) -> PortResult<Ending> {
        const OPERATION: &str = "turns.end_turn";
        let end = self.update(watch)?.expression_attribute_values(":turn", text(&turn.name));
        let quiet =
            end.clone().condition_expression("turn = :turn AND attribute_not_exists(noted)");
        let quiet = match told {
            Some(told) => quiet
                .update_expression("SET told = :told REMOVE turn, held_until")
                .expression_attribute_values(":told", text(told)),
            None => quiet.update_expression("REMOVE turn, held_until"),
        };
        match changed(patiently(|| quiet.clone().send()).await, OPERATION)? {
            Change::Made(_) => return Ok(Ending::Done),
            Change::Refused(row) if row.is_empty() => return Ok(Ending::Done),
            // The answer to an attempt before this one was lost.
            Change::Refused(row)
                if row.text_if("turn")?.is_none() && row.text_if("told")? == told =>
            {
                return Ok(Ending::Done);
            }
            Change::Refused(_) => {}
        }
        let noted = end.update_expression("REMOVE noted").condition_expression("turn = :turn");
        match changed(patiently(|| noted.clone().send()).await, OPERATION)? {
            Change::Made(_) => Ok(Ending::Noted),
            Change::Refused(_) => Ok(Ending::Lost),
        }
    }
}

impl Cloud {
    /// Whom a connection watches.
    async fn watching(
        &self,
        operation: &'static str,
        connection: &str,
    ) -> PortResult<Option<Owner>> {
        let found = self.one(operation, key(pointer(connection), WATCH)).await?;
        found.as_ref().map(owner).transpose()
    }

    async fn one(&self, operation: &'static str, place: Item) -> PortResult<Option<Item>> {
        let table = self.resources().name(Resource::Sessions)?;
        let get = self.0.dynamodb.get_item().table_name(table).set_key(Some(place));
        let get = get.consistent_read(true);
        let answer = patiently(|| get.clone().send()).await;
        Ok(answer.map_err(|error| port_error(operation, error))?.item)
    }

    /// Everything in a partition.
    async fn under(
        &self,
        operation: &'static str,
        partition: &str,
        consistent: bool,
    ) -> PortResult<Vec<Item>> {
        let query = self.0.dynamodb.query().table_name(self.resources().name(Resource::Sessions)?);
        let query = query
            .consistent_read(consistent)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition));
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = query.clone().set_exclusive_start_key(from.take());
            let page = patiently(|| page.clone().send()).await;
            let page = page.map_err(|error| port_error(operation, error))?;
            found.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    fn update(&self, watch: &Watch) -> PortResult<UpdateItemFluentBuilder> {
        let table = self.resources().name(Resource::Sessions)?;
        let update = self.0.dynamodb.update_item().table_name(table);
        Ok(update
            .set_key(Some(place(&hash(&watch.owner), &watch.connection)))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }
}

/// Who is watched, and until when, as it was read.
pub(crate) type KnownWatched = Cache<(), Arc<Vec<(Owner, Timestamp)>>>;

pub(crate) fn known() -> KnownWatched {
    Cache::new(FRESH, 1)
}

/// What became of a change: the row before it, or the row that spoke against it.
enum Change {
    Made(Item),
    Refused(Item),
}

fn changed<R: std::fmt::Debug + Send + Sync + 'static>(
    answer: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
    operation: &'static str,
) -> PortResult<Change> {
    match answer {
        Ok(made) => Ok(Change::Made(made.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok(Change::Refused(refused.item.clone().unwrap_or_default()))
            }
            Some(_) | None => Err(port_error(operation, error)),
        },
    }
}

/// Where a watch lies.
fn place(owner: &str, connection: &str) -> Item {
    key(partition(owner), connection)
}

fn partition(owner: &str) -> String {
    format!("WATCH#{owner}")
}

fn pointer(connection: &str) -> String {
    format!("CONNECTION#{connection}")
}

/// An owner in a key: tokens are longer.
fn hash(owner: &Owner) -> String {
    format!("{:032x}", u128::from_be_bytes(owner.hash(&[])))
}

fn row(watch: &Watch) -> Item {
    let Watch { connection: _, owner, session, key_id, seen, told, since, until } = watch;
    let mut row = item([
        ("org", text(owner.org.as_str())),
        ("product", text(owner.product.as_str())),
        ("token", text(&owner.token)),
        ("session", text(session.as_str())),
        ("key_id", text(key_id)),
        ("since", millis(*since)),
        ("until", millis(*until)),
        ("ttl", ttl(*until)),
    ]);
    for (name, value) in [("seen", seen), ("told", told)] {
        if let Some(value) = value {
            row.insert(name.to_owned(), text(value));
        }
    }
    row
}

fn read(row: &Item) -> PortResult<Watch> {
    Ok(Watch {
        connection: row.text("sk")?.to_owned(),
        owner: owner(row)?,
        session: SessionId::parse(row.text("session")?).ok_or_else(|| malformed("session"))?,
        key_id: row.text("key_id")?.to_owned(),
        seen: row.text_if("seen")?.map(str::to_owned),
        told: row.text_if("told")?.map(str::to_owned),
        since: row.millis("since")?,
        until: row.millis("until")?,
    })
}

fn owner(row: &Item) -> PortResult<Owner> {
    Ok(Owner {
        org: OrgId::parse(row.text("org")?).map_err(|_| malformed("org"))?,
        product: ProductId::parse(row.text("product")?).map_err(|_| malformed("product"))?,
        token: row.text("token")?.to_owned(),
    })
}

fn watched(row: &Item) -> PortResult<(Owner, Timestamp)> {
    Ok((owner(row)?, row.ttl("ttl")?))
}

fn turn(name: String, before: &Item) -> PortResult<Turn> {
    let text = |name| Ok(before.text_if(name)?.map(str::to_owned));
    Ok(Turn { name, told: text("told")?, seen: text("seen")? })
}

const WATCHED: &str = "WATCHED";
const WATCH: &str = "WATCH";
const FREE: &str = "attribute_exists(pk) AND (attribute_not_exists(turn) OR held_until <= :now)";
const HELD: &str = "attribute_exists(turn) AND held_until > :now";
/// For how long who is watched is not asked for again.
const FRESH: Duration = Duration::from_secs(2);
const TRIES_MAX: u32 = 8;
