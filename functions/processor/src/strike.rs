//! Logs of sessions: who keeps them reads the stream beside the processor, and cannot know that an id belongs to another
//! body. So an event that is set aside for that is struck out of them, and its owner is looked at again.

use friction::owner::{Owner, Position};
use ports::{clock::Clock, sessions::StruckEvent};

use crate::{
    BatchError, Processor, World,
    work::{Item, Work},
};

impl<W: World, C: Clock> Processor<W, C> {
    /// Strikes out what turned out to be no event. What cannot be struck out now is left for the next delivery.
    pub(crate) async fn strike(&self, work: &mut Work) -> Result<(), BatchError> {
        let collided = std::mem::take(&mut work.collided);
        if collided.is_empty() {
            return Ok(());
        }
        let (positions, events): (Vec<usize>, Vec<StruckEvent>) = collided.into_iter().unzip();
        match self.world.strike(&events, self.clock.now()).await {
            Ok(()) => Ok(()),
            Err(error) => Ok(work.postpone(error, positions)?),
        }
    }
}

/// What is to be struck out for `item`, if somebody's sessions may hold it.
pub(crate) fn struck(item: &Item) -> Option<StruckEvent> {
    let event = &item.admitted.event;
    let owner = Owner::of(event)?;
    Some(StruckEvent { owner, position: Position::of(event), ck: item.admitted.ck })
}
