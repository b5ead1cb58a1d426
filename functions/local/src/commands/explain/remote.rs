//! What an explanation needs, from a running server.

use contract::{
    OrgId,
    insights::pages::{EventPage, SessionView},
    session::SessionId,
};

use super::{Explanation, Timeline};
use crate::{
    commands::{
        books,
        sessions::remote::{self, Asked},
    },
    remote::Server,
};

/// The explanation; nothing when the server knows no such session.
pub(super) async fn explain(
    server: &Server,
    org: Option<OrgId>,
    id: &SessionId,
) -> anyhow::Result<Option<Explanation>> {
    let named = books::of(org.as_ref());
    let found: Option<SessionView> = server.find(&format!("/v1/sessions/{id}"), &named).await?;
    let Some(view) = found else { return Ok(None) };
    let session = &view.session;
    let asked =
        Asked { org, product: None, from: session.started_at, to: session.ended_at.plus_ms(1) };
    let mut incidents = Vec::new();
    remote::incidents(server, &asked, None, Some(id), |incident| incidents.push(incident)).await?;
    let mut timeline = Timeline::of(session);
    let mut cursor = None;
    loop {
        let path = format!("/api/sessions/{id}/events");
        let page: EventPage = server.get(&path, &remote::at(&named, cursor)).await?;
        cursor = page.next_cursor;
        if !timeline.takes(page.events) || cursor.is_none() {
            break;
        }
    }
    Ok(Some(Explanation::new(view, incidents, timeline)))
}
