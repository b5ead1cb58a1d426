//! Reading the archive back: every event once, in stream order.

use std::{collections::BTreeMap, io::Read as _};

use anyhow::{Context as _, bail};
use contract::{Event, EventId, OrgId, Timestamp, kinesis::sequence_order, limits::HOUR_MS};
use domain::archive;
use ports::archive::Archive;

/// What an archive holds.
#[derive(Debug, Default)]
pub(crate) struct Archived {
    /// Objects read.
    pub(crate) objects: u64,
    /// Lines read; copies of an event are lines of their own.
    pub(crate) lines: u64,
    /// The first copy of each event.
    pub(crate) events: BTreeMap<(OrgId, EventId), Event>,
}

/// Reads what arrived in `[from, to)`, for `org` or for all.
pub(crate) async fn read<W: Archive>(
    world: &W,
    org: Option<&OrgId>,
    from: Timestamp,
    to: Timestamp,
) -> anyhow::Result<Archived> {
    read_some(world, org, from, to, |_| true).await
}

/// Reads of what arrived in `[from, to)` that which is `wanted`.
pub(crate) async fn read_some<W: Archive>(
    world: &W,
    org: Option<&OrgId>,
    from: Timestamp,
    to: Timestamp,
    wanted: impl Fn(&Event) -> bool,
) -> anyhow::Result<Archived> {
    let mut archived = Archived::default();
    for key in world.list(archive::PREFIX).await? {
        if !may_hold(&key, from, to) {
            continue;
        }
        let Some(bytes) = world.read(&key).await? else { continue };
        archived.objects += 1;
        for event in archive::parse_lines(&inflate(&bytes).with_context(|| key.clone())?) {
            let Ok(event) = event else { bail!("{key} holds a line that is not an event") };
            let arrived_at = event.record.as_ref().map(|record| record.arrived_at);
            let is_within = org.is_none_or(|org| *org == event.org_id)
                && arrived_at.is_none_or(|at| from <= at && at < to);
            if is_within && wanted(&event) {
                archived.lines += 1;
                archived.keep_first(event);
            }
        }
    }
    Ok(archived)
}

impl Archived {
    fn keep_first(&mut self, event: Event) {
        let key = (event.org_id.clone(), event.event_id.clone());
        match self.events.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(event);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                if earlier(&event, entry.get()) {
                    entry.insert(event);
                }
            }
        }
    }
}

fn earlier(a: &Event, b: &Event) -> bool {
    match (&a.record, &b.record) {
        (Some(a), Some(b)) => a
            .arrived_at
            .cmp(&b.arrived_at)
            .then_with(|| sequence_order(&a.sequence, &b.sequence))
            .is_lt(),
        (Some(_) | None, None) | (None, Some(_)) => false,
    }
}

/// Whether the hour in an object's key can hold arrivals of `[from, to)`.
fn may_hold(key: &str, from: Timestamp, to: Timestamp) -> bool {
    let part = |name: &str| key.split('/').find_map(|part| part.strip_prefix(name));
    let hour = (|| {
        let text = format!(
            "{}-{}-{}T{}:00:00Z",
            part("year=")?,
            part("month=")?,
            part("day=")?,
            part("hour=")?
        );
        Timestamp::parse(&text)
    })();
    // A key of another shape is read rather than overlooked.
    hour.is_none_or(|hour| hour < to && from < hour.plus_ms(HOUR_MS))
}

fn inflate(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .context("the object is not gzip")?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_read_when_any_of_it_lies_within_the_time() {
        let at = |text| Timestamp::parse(text).unwrap();
        let key = "events/v1/year=2026/month=02/day=12/hour=09/s-1-2.ndjson.gz";
        let check = |from, to| may_hold(key, at(from), at(to));
        assert!(check("2026-02-12T09:59:59.999Z", "2026-02-12T10:00:00Z"));
        assert!(check("2026-02-12T00:00:00Z", "2026-02-12T09:00:00.001Z"));
        assert!(!check("2026-02-12T00:00:00Z", "2026-02-12T09:00:00Z"));
        assert!(!check("2026-02-12T10:00:00Z", "2026-02-13T00:00:00Z"));
        assert!(may_hold(
            "events/v1/other.gz",
            at("2026-02-12T00:00:00Z"),
            at("2026-02-12T00:00:01Z")
        ));
    }
}
