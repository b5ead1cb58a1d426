//! Whose events make a session, and the order in which they lie.

use contract::{Event, EventId, OrgId, ProductId, Timestamp, session::SessionId};
use sha2::{Digest as _, Sha256};

/// Whose events make sessions: a session token of a product, or an actor's token where there is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product.
    pub product: ProductId,
    /// The token.
    pub token: String,
}

impl Owner {
    /// The owner of `event`; nothing for an event of nobody, and for one that may not be analysed.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        if !event.agreed().analytics {
            return None;
        }
        let token = event.session_id.as_ref().or(event.actor_id.as_ref())?;
        Some(Self {
            org: event.org_id.clone(),
            product: event.product_id.clone(),
            token: token.clone(),
        })
    }

    /// The identity of this owner's session that begins with `first`.
    #[must_use]
    pub fn session_id(&self, first: &Position) -> SessionId {
        SessionId::of(self.hash(&[&first.at.ms().to_string(), first.id.as_str()]))
    }

    /// 16 bytes that stand for this owner and `parts`. Parts cannot run into each other: each goes with its length.
    #[must_use]
    pub fn hash(&self, parts: &[&str]) -> [u8; 16] {
        let mut hasher = Sha256::new();
        let own = [self.org.as_str(), self.product.as_str(), &self.token];
        for part in own.iter().chain(parts) {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().first_chunk().copied().unwrap_or_default()
    }
}

/// Where an event lies among its owner's: by time, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When it happened.
    pub at: Timestamp,
    /// Its id.
    pub id: EventId,
}

impl Position {
    /// The position of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { at: event.occurred_at, id: event.event_id.clone() }
    }
}

/// One of 64 slots into which actors fall by their token. Counting slots that are in use never counts an actor that is not
/// there, so that "at least five" holds when it is claimed; and a slot names nobody.
#[must_use]
pub fn actor_slot(token: &str) -> u8 {
    Sha256::digest(token.as_bytes()).first().copied().unwrap_or_default() % ACTOR_SLOTS
}

/// How many slots actors fall into.
pub const ACTOR_SLOTS: u8 = 64;
