//! Announcements: a table that is written with what it announces, and a broadcast to whoever listens in this process.

use contract::Timestamp;
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind, Bus},
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::broadcast;

use crate::{
    Store,
    fault::Fault,
    rows::{self, int},
    writer::Tx,
};

impl Bus for Store {
    async fn publish(&self, announcements: &[Announcement]) -> PortResult<()> {
        let announcements = announcements.to_vec();
        let job = move |tx: &mut Tx<'_>| {
            announcements.into_iter().try_for_each(|announcement| announce(tx, announcement))
        };
        self.write("publish announcements", 1, job).await
    }
}

impl Store {
    /// Hears every announcement from now on, once it is durable. Whoever falls too far behind is told so and finds
    /// the rest in [`Self::announcements`].
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Announcement> {
        self.0.announcements.subscribe()
    }

    /// Up to `limit` announcements after `position` (0 for the oldest that is kept), each with its position.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn announcements(
        &self,
        after: u64,
        limit: usize,
    ) -> PortResult<Vec<(u64, Announcement)>> {
        let job = move |connection: &Connection| announcements(connection, int(after), int(limit));
        self.query("read announcements", job).await
    }

    /// The position up to which `listener` has heard; 0 for one that never said.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn heard(&self, listener: &str) -> PortResult<u64> {
        let name = heard_by(listener);
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
            let found = select.query_row([name], |row| row.get::<_, u64>(0)).optional()?;
            Ok(found.unwrap_or_default())
        };
        self.query("read how far a listener is", job).await
    }

    /// `listener` has heard everything up to `position`. Saying an older position changes nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn hear(&self, listener: &str, position: u64) -> PortResult<()> {
        let name = heard_by(listener);
        let job = move |tx: &mut Tx<'_>| {
            tx.execute(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
                params![name, int(position)],
            )?;
            Ok(())
        };
        self.write("save how far a listener is", 1, job).await
    }
}

fn heard_by(listener: &str) -> String {
    format!("heard:{listener}")
}

/// Announces with the commit. A repeat is heard again and kept once.
pub(crate) fn announce(tx: &mut Tx<'_>, announcement: Announcement) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO announcements (id, kind, org, at, detail) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        params![
            announcement.id,
            announcement.kind.as_str(),
            announcement.org.as_str(),
            announcement.at.ms(),
            announcement.detail
        ],
    )?;
    tx.announcements.push(announcement);
    Ok(())
}

fn announcements(
    connection: &Connection,
    after: i64,
    limit: i64,
) -> Result<Vec<(u64, Announcement)>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT position, id, kind, org, at, detail FROM announcements
         WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let mut found = select.query([after, limit])?;
    let mut announcements = Vec::new();
    while let Some(row) = found.next()? {
        let kind: String = row.get(2)?;
        let announcement = Announcement {
            id: row.get(1)?,
            kind: AnnouncementKind::parse(&kind)
                .ok_or(Fault::Invalid("a stored announcement is of no known kind"))?,
            org: rows::org(row.get(3)?)?,
            at: Timestamp::from_ms(row.get(4)?),
            detail: row.get(5)?,
        };
        announcements.push((row.get(0)?, announcement));
    }
    Ok(announcements)
}
