//! What is told: the whole context, to one listener at a time by one of us at a time.

use std::time::Duration;

use contract::{Timestamp, limits::SECOND_MS, projection::SessionContext};
use data_encoding::HEXLOWER;
use insights::{Caller, context_of, listening::is_news};
use ports::{
    PortResult,
    clock::Clock,
    watches::{Ending, Listeners, Posted, Taking, Turn, Watch},
};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::{Live, TURN_MS, World, report};

/// Why something may be to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Something came.
    Changed,
    /// The listener said that it is there, and perhaps what it has seen.
    Asked(Option<String>),
    /// It may have been missed that something came.
    Checked,
}

/// What became of one turn.
enum Told {
    /// The listener knows this.
    Digest(String),
    /// Nobody knows what the listener knows.
    Unknown,
    /// It is not to listen any more.
    Over,
}

impl<W: World, L: Listeners, C: Clock> Live<W, L, C> {
    /// Tells a listener what there is to tell, until there is nothing more.
    pub(crate) async fn tell(
        &self,
        watch: &Watch,
        occasion: &Occasion,
        deadline: Timestamp,
    ) -> PortResult<()> {
        if *occasion == Occasion::Checked && self.knows(watch).await? {
            return Ok(());
        }
        for _ in 0..TURNS_MAX {
            let now = self.clock.now();
            let turn = match self.world.take_turn(watch, now, now.plus_ms(TURN_MS)).await? {
                Taking::Taken(turn) => turn,
                Taking::Gone => return Ok(()),
                // Whoever has the turn looks again, but knows nothing of what was said here.
                Taking::Noted if matches!(occasion, Occasion::Asked(Some(_))) && now < deadline => {
                    sleep(PAUSE).await;
                    continue;
                }
                Taking::Noted => return Ok(()),
            };
            // What fails leaves the turn to its end: then the next minute tells.
            if self.tell_in(watch, turn, occasion, deadline).await? == Ending::Done {
                return Ok(());
            }
        }
        // Somebody else is at it all the time, or was: the next minute looks.
        Ok(())
    }

    /// One turn: looks until nobody has left a note.
    async fn tell_in(
        &self,
        watch: &Watch,
        mut turn: Turn,
        occasion: &Occasion,
        deadline: Timestamp,
    ) -> PortResult<Ending> {
        let mut asked = match occasion {
            Occasion::Asked(seen) => seen.clone(),
            Occasion::Changed | Occasion::Checked => None,
        };
        loop {
            turn.seen = asked.take().or(turn.seen);
            let told = match self.tell_once(watch, &turn, deadline).await? {
                Told::Digest(digest) => Some(digest),
                Told::Unknown => None,
                Told::Over => {
                    self.drop_watch(watch).await?;
                    return Ok(Ending::Done);
                }
            };
            match self.world.end_turn(watch, &turn, told.as_deref()).await? {
                // The turn is still ours: nobody else has told anything.
                Ending::Noted if self.clock.now().plus_ms(SECOND_MS) < deadline => {
                    turn = Turn { name: turn.name, told, seen: None };
                }
                ended @ (Ending::Done | Ending::Noted | Ending::Lost) => return Ok(ended),
            }
        }
    }

    /// One look and at most one message.
    async fn tell_once(&self, watch: &Watch, turn: &Turn, deadline: Timestamp) -> PortResult<Told> {
        if !self.may_listen(watch).await? {
            report::revoked();
            return Ok(Told::Over);
        }
        // A session that was taken back is no session any more.
        let Some((_, context)) = context_of(&self.world, &watch.owner.org, &watch.session).await?
        else {
            return Ok(Told::Over);
        };
        let (text, digest) = message(&context);
        let is_changed = turn.told.as_ref().map(|told| *told != digest);
        if !is_news(&context, is_changed, turn.seen.as_deref()) {
            return Ok(Told::Digest(digest));
        }
        for _ in 0..OPENING_TRIES {
            match self.listeners.post(&watch.connection, &text).await? {
                Posted::Taken => {
                    report::told(text.len());
                    return Ok(Told::Digest(digest));
                }
                Posted::Gone if !self.is_young(watch) => {
                    report::gone();
                    return Ok(Told::Over);
                }
                // It may not be open yet: what granted it has just been answered.
                Posted::Gone if self.clock.now().plus_ms(SECOND_MS) < deadline => {
                    sleep(PAUSE).await;
                }
                Posted::Gone => break,
            }
        }
        Ok(Told::Unknown)
    }

    /// True when there is nothing to tell, and nobody is telling.
    async fn knows(&self, watch: &Watch) -> PortResult<bool> {
        let Some(told) = &watch.told else { return Ok(false) };
        let found = context_of(&self.world, &watch.owner.org, &watch.session).await?;
        Ok(found.is_some_and(|(_, context)| message(&context).1 == *told))
    }

    /// A key that may not read any more ends what was opened with it.
    pub(crate) async fn may_listen(&self, watch: &Watch) -> PortResult<bool> {
        let caller = Caller::again(&self.world, &watch.key_id, self.clock.now()).await?;
        Ok(caller.is_some_and(|caller| caller.org(Some(watch.owner.org.clone())).is_ok()))
    }

    fn is_young(&self, watch: &Watch) -> bool {
        self.clock.now().since_ms(watch.since) < YOUNG_MS
    }
}

/// The message, and its digest.
fn message(context: &SessionContext) -> (String, String) {
    // It is made of texts and numbers, and numbers that are none are not made.
    let text = serde_json::to_string(context).unwrap_or_default();
    let digest = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    (text, digest)
}

/// Turns that one of us takes one after the other for one listener.
const TURNS_MAX: u32 = 16;
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is tried to reach a connection that may still be opening.
const OPENING_TRIES: u32 = 16;
/// How long after it was granted a connection may still be opening.
const YOUNG_MS: i64 = 5 * SECOND_MS;
