//! Who may listen: the same keys and the same refusals as on one machine. The status of the answer is the handshake's.

use contract::{Code, OrgId, Timestamp, limits::HOUR_MS, projection::ContextUpdated};
use friction::owner::Owner;
use insights::{Caller, Refusal, context_of, listening::Asked};
use ports::{
    PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::Clock,
    watches::{Listeners, Watch},
};
use serde_json::{Value, json};

use crate::{Live, World, call::Connect, report};

impl<W: World, L: Listeners, C: Clock> Live<W, L, C> {
    /// Keeps a watch, or says what speaks against it.
    pub(crate) async fn open(&self, connect: &Connect) -> Value {
        match self.grant(connect).await {
            Ok(()) => json!({"statusCode": 200}),
            Err(refusal) => refused(&refusal),
        }
    }

    async fn grant(&self, connect: &Connect) -> Result<(), Refusal> {
        let now = self.clock.now();
        let caller = Caller::of(&self.world, &connect.headers, now).await?;
        let Asked { session, org, after } = asked(connect)?;
        let org = caller.org(org)?;
        let session = session.ok_or(Code::NotFound)?;
        let found = context_of(&self.world, &org, &session).await?;
        let (owner, _) = found.ok_or(Code::NotFound)?;
        if self.world.watches(&owner).await?.len() >= WATCHES_MAX {
            return Err(Code::RateLimited.into());
        }
        let watch = Watch {
            connection: connect.connection.clone(),
            owner,
            session,
            key_id: caller.key_id().to_owned(),
            seen: after,
            told: None,
            since: now,
            until: now.plus_ms(OPEN_MS),
        };
        self.world.watch(&watch).await?;
        report::opened();
        // Nothing can be posted before this is answered: the first context follows from the bus, or else with the minute.
        if let Err(error) = self.announce(&watch, now).await {
            report::unannounced(&error);
        }
        Ok(())
    }

    async fn announce(&self, watch: &Watch, now: Timestamp) -> PortResult<()> {
        let Owner { org, product, token } = &watch.owner;
        let detail = ContextUpdated { product_id: product.clone(), token: token.clone() };
        let told = announcement(org, &format!("connection/{}", watch.connection), now, &detail);
        self.world.publish(&[told]).await
    }
}

fn asked(connect: &Connect) -> Result<Asked, Refusal> {
    Asked::read(connect.query.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn announcement(org: &OrgId, about: &str, at: Timestamp, detail: &ContextUpdated) -> Announcement {
    let kind = AnnouncementKind::ContextUpdated;
    Announcement {
        id: format!("{}/{org}/{about}", kind.as_str()),
        kind,
        org: org.clone(),
        at,
        detail: serde_json::to_string(detail).ok(),
    }
}

fn refused(refusal: &Refusal) -> Value {
    let problem = refusal.problem();
    report::refused(problem.code);
    json!({
        "statusCode": problem.status,
        "headers": {"content-type": "application/problem+json"},
        "body": serde_json::to_string(problem).unwrap_or_default(),
    })
}

/// The gateway ends a connection after two hours.
const OPEN_MS: i64 = 2 * HOUR_MS;
/// Most that listen to the sessions of one owner.
const WATCHES_MAX: usize = 50;
