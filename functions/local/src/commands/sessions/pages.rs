//! Reading everything that a question finds, page by page.

use contract::incident::Incident;
use friction::change::StoredSession;
use ports::{
    PortResult,
    sessions::{IncidentQuery, SessionQuery, Understanding},
};

/// Shows `see` every session that is asked for, newest first.
pub(crate) async fn sessions<W: Understanding>(
    world: &W,
    mut query: SessionQuery,
    mut see: impl FnMut(StoredSession),
) -> PortResult<()> {
    loop {
        let page = world.sessions(&query).await?;
        let is_last = page.len() < query.limit;
        query.after = page
            .last()
            .map(|held| (held.session.started_at, held.session.session_id.clone()))
            .or(query.after);
        page.into_iter().for_each(&mut see);
        if is_last {
            return Ok(());
        }
    }
}

/// Shows `see` every incident that is asked for, newest first.
pub(crate) async fn incidents<W: Understanding>(
    world: &W,
    mut query: IncidentQuery,
    mut see: impl FnMut(Incident),
) -> PortResult<()> {
    loop {
        let page = world.incidents(&query).await?;
        let is_last = page.len() < query.limit;
        query.after = page
            .last()
            .map(|held| (held.incident.started_at, held.incident.incident_id.clone()))
            .or(query.after);
        page.into_iter().for_each(|held| see(held.incident));
        if is_last {
            return Ok(());
        }
    }
}

/// How many are read at once.
pub(crate) const SIZE: usize = 500;
