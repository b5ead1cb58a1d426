//! Announcements: events of the source `tribometer` on an EventBridge bus.

use std::time::Duration;

use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use ports::{
    PortError, PortResult,
    bus::{Announcement, Bus},
};
use serde_json::json;

use crate::{Cloud, fault::port_error, jitter, resources::Resource};

impl Bus for Cloud {
    async fn publish(&self, announcements: &[Announcement]) -> PortResult<()> {
        let bus = self.resources().name(Resource::Bus)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for announcement in announcements {
            let entry = entry(announcement, bus);
            let size = size(&entry);
            if entries.len() >= ENTRIES_MAX || (!entries.is_empty() && bytes + size > BYTES_MAX) {
                self.put_announcements(std::mem::take(&mut entries)).await?;
                bytes = 0;
            }
            bytes += size;
            entries.push(entry);
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.put_announcements(entries).await
    }
}

impl Cloud {
    /// Puts entries and puts again those that were refused one by one.
    async fn put_announcements(&self, mut pending: Vec<PutEventsRequestEntry>) -> PortResult<()> {
        const OPERATION: &str = "bus.publish";
        let mut told = String::new();
        for attempt in 1..=TRIES_MAX {
            let put = self.0.eventbridge.put_events().set_entries(Some(pending.clone()));
            let answer = put.send().await.map_err(|error| port_error(OPERATION, error))?;
            let mut answers = answer.entries.unwrap_or_default().into_iter();
            // An entry without an answer was not taken.
            pending.retain(|_| match answers.next() {
                Some(PutEventsResultEntry { error_code: None, .. }) => false,
                Some(refused) => {
                    told = refused.error_code.unwrap_or_default();
                    true
                }
                None => true,
            });
            if pending.is_empty() {
                return Ok(());
            }
            if attempt < TRIES_MAX {
                tokio::time::sleep(jitter::full(attempt, PAUSE_FIRST, PAUSE_MAX)).await;
            }
        }
        Err(PortError::transient(OPERATION, format!("{} entries refused: {told}", pending.len())))
    }
}

fn entry(announcement: &Announcement, bus: &str) -> PutEventsRequestEntry {
    let Announcement { id, kind, org, at, detail } = announcement;
    let mut told = json!({"id": id, "org": org, "at": at});
    if let (Some(told), Some(fact)) = (told.as_object_mut(), detail) {
        // A fact that is no JSON is told as text.
        let fact = serde_json::from_str(fact).unwrap_or_else(|_| fact.as_str().into());
        told.insert("detail".to_owned(), fact);
    }
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(kind.as_str())
        .detail(told.to_string())
        .build()
}

/// What the service takes an entry for.
fn size(entry: &PutEventsRequestEntry) -> usize {
    let texts = [entry.source(), entry.detail_type(), entry.detail()];
    TIME_BYTES + texts.into_iter().flatten().map(str::len).sum::<usize>()
}

/// What a rule matches.
const SOURCE: &str = "tribometer";
const ENTRIES_MAX: usize = 10;
/// One call takes 256 KB.
const BYTES_MAX: usize = 256 * 1024;
const TIME_BYTES: usize = 14;
const TRIES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
