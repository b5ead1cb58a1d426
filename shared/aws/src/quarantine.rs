//! Records that were set aside: the sealed bytes as an object, everything else as an item that is found by organisation
//! and time.
//!
//! The object is written first and taken away last, so that what is held has its bytes. Item and bookings commit
//! together. An event of a door is booked as accepted when it is counted, or here when it ends here; that it ended is
//! remembered under its id ([`ending`]), so that two records of one event book it once.

mod ending;
mod index;

use std::collections::{BTreeMap, BTreeSet};

use contract::{Code, OrgId, Timestamp};
use domain::books::{ACCEPTED, ACCEPTED_FORWARD, COUNTED, QUARANTINED};
use futures::{StreamExt as _, TryStreamExt as _};
use ports::{
    PortError, PortResult,
    archive::{Quarantine, Quarantined},
    clock::{Clock as _, SystemClock},
    intake::Put,
    staging::Staged,
};

use self::{
    ending::{Endings, Way},
    index::{Row, object_key},
};
use crate::{
    Cloud,
    resources::Resource,
    staging::plain,
    transaction::{Outcome, Write},
};

impl Quarantine for Cloud {
    async fn hold(&self, records: &[Quarantined]) -> PortResult<()> {
        const OPERATION: &str = "quarantine.hold";
        let writes: Vec<_> = records
            .iter()
            .map(|record| async move {
                let key = object_key(record);
                self.put_object(OPERATION, Resource::Quarantine, &key, &record.sealed).await
            })
            .collect();
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.list(records.iter().filter_map(|record| record.org.as_ref()).collect()).await?;
        let endings = self.endings(records).await?;
        let mut by_org: BTreeMap<Option<&OrgId>, Vec<&Quarantined>> = BTreeMap::new();
        for record in records {
            by_org.entry(record.org.as_ref()).or_default().push(record);
        }
        for (org, records) in by_org {
            for part in records.chunks(RECORDS_MAX) {
                self.hold_together(OPERATION, org, part, &endings).await?;
            }
        }
        Ok(())
    }

    async fn held(
        &self,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<Quarantined>> {
        const OPERATION: &str = "quarantine.held";
        let rows = self.rows_held(OPERATION, org, from, to).await?;
        let reads: Vec<_> = rows
            .into_iter()
            .map(|row| async move {
                let record = row.into_record();
                let key = object_key(&record);
                let sealed = self.get_object(OPERATION, Resource::Quarantine, &key).await?;
                // Bytes that are gone leave a record that says so by having none.
                Ok::<_, PortError>(Quarantined { sealed: sealed.unwrap_or_default(), ..record })
            })
            .collect();
        futures::stream::iter(reads).buffered(AT_ONCE).try_collect().await
    }

    async fn release(&self, record: &Quarantined, put: Put) -> PortResult<bool> {
        const OPERATION: &str = "quarantine.release";
        let Some(row) = self.row_held(OPERATION, record).await? else { return Ok(false) };
        self.put_again(OPERATION, put).await?;
        let released = self.release_row(OPERATION, &row).await?;
        if released {
            let key = object_key(record);
            if let Err(error) = self.delete_object(OPERATION, Resource::Quarantine, &key).await {
                // Nothing points to it any more, and it does not outlive its time.
                tracing::warn!(port.operation = OPERATION, %error, "an object stays behind: {error}");
            }
        }
        Ok(released)
    }
}

impl Cloud {
    /// Holds records of one organisation in one transaction, without those that are held already.
    async fn hold_together(
        &self,
        operation: &'static str,
        org: Option<&OrgId>,
        records: &[&Quarantined],
        endings: &Endings,
    ) -> PortResult<()> {
        let (dedupe, delivery) =
            (self.resources().name(Resource::Dedupe)?, self.resources().name(Resource::Delivery)?);
        let now = SystemClock.now();
        let mut seen = BTreeSet::new();
        let rows = records.iter().map(|record| Row::new(record, now));
        let mut rows: Vec<Row> = rows.filter(|row| seen.insert(row.key())).collect();
        let mut ended = endings.of(&rows);
        for _ in 0..TRIES_MAX {
            if rows.is_empty() {
                return Ok(());
            }
            let mut amounts = Amounts::default();
            rows.iter().for_each(|row| amounts.add(&quarantined(row.reason()), 1));
            ended.values().for_each(|way| amounts.add_ending(*way, 1));
            let holding = rows.iter().map(|row| row.write(dedupe));
            let ending = ended.iter().map(|(id, way)| ending::write(dedupe, org, id, *way, now));
            let booking = amounts.write(delivery, org);
            let writes = holding.chain(ending).chain([booking]).collect();
            let Outcome::Refused(positions) = self.commit(operation, writes).await? else {
                return Ok(());
            };
            // Held already, or ended already: the others go on without them.
            let refused = |at: usize| positions.contains(&at);
            let known: BTreeSet<_> = ended
                .keys()
                .enumerate()
                .filter(|(at, _)| refused(rows.len() + at))
                .map(|(_, id)| id.clone())
                .collect();
            let mut at = 0..;
            rows.retain(|_| !at.next().is_some_and(refused));
            let left = endings.of(&rows);
            ended.retain(|id, _| left.contains_key(id) && !known.contains(id));
        }
        Err(PortError::transient(operation, "the same records are held by somebody else"))
    }

    /// Sends a released event on its way. A row that is still there tells the stream nothing new, so that its event goes
    /// into the stream by itself: it has to be counted, which sees to its being counted once.
    async fn put_again(&self, operation: &'static str, put: Put) -> PortResult<()> {
        match put {
            Put::Nothing => Ok(()),
            Put::Stage(row) => match self.put_rows(std::slice::from_ref(&row)).await?.as_slice() {
                [Staged::New] => Ok(()),
                _ => self.append_all(operation, &[plain(&row)]).await,
            },
            Put::Stream { record, .. } => self.append_all(operation, &[record]).await,
        }
    }

    /// The record is no longer held, and what was booked for it is taken back; false when it was not held.
    async fn release_row(&self, operation: &'static str, row: &Row) -> PortResult<bool> {
        let (dedupe, delivery) =
            (self.resources().name(Resource::Dedupe)?, self.resources().name(Resource::Delivery)?);
        for _ in 0..TRIES_MAX {
            let ended = self.ending_of(operation, row).await?;
            let mut amounts = Amounts::default();
            amounts.add(&quarantined(row.reason()), -1);
            let mut writes = vec![row.removal(dedupe)];
            if let Some((id, way)) = ended {
                amounts.add_ending(way, -1);
                writes.push(ending::removal(dedupe, row.org(), &id, way));
            }
            writes.push(amounts.write(delivery, row.org()));
            match self.commit(operation, writes).await? {
                Outcome::Committed => return Ok(true),
                Outcome::Refused(positions) if positions.contains(&0) => return Ok(false),
                // Another record of the event was released in between.
                Outcome::Refused(_) => {}
            }
        }
        Err(PortError::transient(operation, "the same event is released by somebody else"))
    }
}

/// What is added to an organisation's ledger.
#[derive(Debug, Default)]
struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    fn add(&mut self, name: &str, amount: i64) {
        *self.0.entry(name.to_owned()).or_default() += amount;
    }

    fn add_ending(&mut self, way: Way, amount: i64) {
        self.add(ACCEPTED, amount);
        self.add(
            match way {
                Way::EndsHere => COUNTED,
                Way::Forwarded => ACCEPTED_FORWARD,
            },
            amount,
        );
    }

    fn write(&self, table: &str, org: Option<&OrgId>) -> Write {
        index::booking(table, org, &self.0)
    }
}

fn quarantined(reason: Code) -> String {
    format!("{QUARANTINED}.{reason}")
}

const AT_ONCE: usize = 8;
/// Each takes an item, perhaps another one for its event, and all of them one for the ledger.
const RECORDS_MAX: usize = 45;
const TRIES_MAX: usize = 8;
