//! Watches, and the turns at telling those who listen. On one machine nobody is kept here: a stream there looks itself.

use std::collections::BTreeSet;

use contract::{Timestamp, session::SessionId};
use friction::owner::Owner;
use ports::{
    PortResult,
    watches::{Ending, Taking, Turn, Turns, Watch, Watched, Watches},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{Store, fault::Fault, keys, owners, writer::Tx};

impl Watches for Store {
    async fn watch(&self, watch: &Watch) -> PortResult<()> {
        let watch = watch.clone();
        self.write("keep a watch", 1, move |tx| keep(tx, &watch)).await
    }

    async fn unwatch(&self, connection: &str) -> PortResult<()> {
        let name = connection.to_owned();
        let job = move |tx: &mut Tx<'_>| {
            tx.execute("DELETE FROM watches WHERE connection = ?1", [name])?;
            Ok(())
        };
        self.write("forget a watch", 1, job).await
    }

    async fn watch_of(&self, connection: &str) -> PortResult<Option<Watch>> {
        let name = connection.to_owned();
        let job = move |connection: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM watches WHERE connection = ?1");
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = select.query([name])?;
            found.next()?.map(read).transpose()
        };
        self.query("find a watch", job).await
    }
}

impl Watched for Store {
    async fn watched(&self, now: Timestamp) -> PortResult<BTreeSet<Owner>> {
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT DISTINCT org, product, token FROM watches WHERE until > ?1",
            )?;
            let mut found = select.query([now.ms()])?;
            let mut owners = BTreeSet::new();
            while let Some(row) = found.next()? {
                owners.insert(owners::read(row, 0)?);
            }
            Ok(owners)
        };
        self.query("read who is watched", job).await
    }

    async fn watches(&self, owner: &Owner) -> PortResult<Vec<Watch>> {
        let owner = owner.clone();
        let job = move |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM watches WHERE org = ?1 AND product = ?2 AND token = ?3
                 ORDER BY connection"
            );
            let mut select = connection.prepare_cached(&sql)?;
            let Owner { org, product, token } = &owner;
            let mut found = select.query([org.as_str(), product.as_str(), token])?;
            let mut watches = Vec::new();
            while let Some(row) = found.next()? {
                watches.push(read(row)?);
            }
            Ok(watches)
        };
        self.query("read an owner's watches", job).await
    }
}

impl Turns for Store {
    async fn take_turn(
        &self,
        watch: &Watch,
        now: Timestamp,
        until: Timestamp,
    ) -> PortResult<Taking> {
        let connection = watch.connection.clone();
        let job = move |tx: &mut Tx<'_>| take(tx, &connection, now, until);
        self.write("take a turn", 1, job).await
    }

    async fn end_turn(&self, watch: &Watch, turn: &Turn, told: Option<&str>) -> PortResult<Ending> {
        let (connection, turn) = (watch.connection.clone(), turn.name.clone());
        let told = told.map(str::to_owned);
        let job = move |tx: &mut Tx<'_>| end(tx, &connection, &turn, told.as_deref());
        self.write("end a turn", 1, job).await
    }
}

fn keep(tx: &Tx<'_>, watch: &Watch) -> Result<(), Fault> {
    let Watch { connection, owner, session, key_id, seen, told, since, until } = watch;
    tx.execute(
        "INSERT OR REPLACE INTO watches
           (connection, org, product, token, session, key_id, seen, told, since, until, noted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)",
        params![
            connection,
            owner.org.as_str(),
            owner.product.as_str(),
            owner.token,
            session.as_str(),
            key_id,
            seen,
            told,
            since.ms(),
            until.ms()
        ],
    )?;
    Ok(())
}

/// Who has the turn, until when.
type Held = (Option<String>, Option<i64>);

fn take(tx: &Tx<'_>, connection: &str, now: Timestamp, until: Timestamp) -> Result<Taking, Fault> {
    let mut select = tx
        .connection
        .prepare_cached("SELECT told, seen, turn, held_until FROM watches WHERE connection = ?1")?;
    let found = select.query_row([connection], |row| {
        Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)))
    });
    let Some(((told, seen), (turn, held_until))): Option<(_, Held)> = found.optional()? else {
        return Ok(Taking::Gone);
    };
    if turn.is_some() && held_until.is_some_and(|until| until > now.ms()) {
        tx.execute("UPDATE watches SET noted = 1 WHERE connection = ?1", [connection])?;
        return Ok(Taking::Noted);
    }
    let name = format!("{:032x}", u128::from_be_bytes(entropy()?));
    tx.execute(
        "UPDATE watches SET turn = ?2, held_until = ?3, noted = 0, told = NULL, seen = NULL
         WHERE connection = ?1",
        params![connection, name, until.ms()],
    )?;
    Ok(Taking::Taken(Turn { name, told, seen }))
}

fn end(tx: &Tx<'_>, connection: &str, turn: &str, told: Option<&str>) -> Result<Ending, Fault> {
    let mut select =
        tx.connection.prepare_cached("SELECT turn, noted FROM watches WHERE connection = ?1")?;
    let found = select.query_row([connection], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((holder, noted)): Option<(Option<String>, bool)> = found.optional()? else {
        return Ok(Ending::Done);
    };
    if holder.as_deref() != Some(turn) {
        return Ok(Ending::Lost);
    }
    if noted {
        tx.execute("UPDATE watches SET noted = 0 WHERE connection = ?1", [connection])?;
        return Ok(Ending::Noted);
    }
    tx.execute(
        "UPDATE watches SET turn = NULL, held_until = NULL, told = ?2 WHERE connection = ?1",
        params![connection, told],
    )?;
    Ok(Ending::Done)
}

fn read(row: &Row<'_>) -> Result<Watch, Fault> {
    let session = SessionId::try_from(row.get::<_, String>(4)?);
    Ok(Watch {
        connection: row.get(0)?,
        owner: owners::read(row, 1)?,
        session: session.map_err(|_| Fault::Invalid("a stored session id is not one"))?,
        key_id: row.get(5)?,
        seen: row.get(6)?,
        told: row.get(7)?,
        since: Timestamp::from_ms(row.get(8)?),
        until: Timestamp::from_ms(row.get(9)?),
    })
}

fn entropy() -> Result<[u8; 16], Fault> {
    Ok(keys::random()?.first_chunk().copied().unwrap_or_default())
}

const COLUMNS: &str = "connection, org, product, token, session, key_id, seen, told, since, until";
