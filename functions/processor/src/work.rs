//! What a batch holds on its way through the stages, and what became of each of its records.

use std::collections::BTreeMap;

use contract::{
    Code,
    staged::{SealedRecord, StagedEvent},
};
use domain::{
    admit::{Admission, Fault},
    triage::{Admitted, Class, Poison},
};
use ports::{PortError, PortResult};

use crate::strike::Collided;

/// The records of one batch, by what has to be done with them.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Events, in the order of the batch.
    pub(crate) items: Vec<Item>,
    /// To be quarantined.
    pub(crate) aside: Vec<Aside>,
    /// To be struck out of what other readers of the stream make of it.
    pub(crate) collided: Vec<Collided>,
    /// To be put back into staging, with their position.
    pub(crate) rescues: Vec<(usize, StagedEvent)>,
    /// What was done.
    pub(crate) tally: Tally,
    unfinished: Vec<usize>,
}

/// An event of the batch.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where its record stands in the batch.
    pub(crate) position: usize,
    /// The event.
    pub(crate) admitted: Admitted,
    /// What became of it.
    pub(crate) verdict: Verdict,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not counted yet.
    Open,
    /// Counted by this invocation.
    Counted,
    /// Counted before, or earlier in the batch.
    Duplicate,
}

/// A record to be quarantined.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Where it stands in the batch.
    pub(crate) position: usize,
    /// What is set aside.
    pub(crate) content: Content,
}

/// What is set aside.
#[derive(Debug)]
pub(crate) enum Content {
    /// The record's bytes, to be sealed.
    Raw(Poison),
    /// What a door sealed.
    Sealed(SealedRecord),
}

/// What was done, in numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records: usize,
    pub(crate) counted: usize,
    pub(crate) suppressed: usize,
    pub(crate) duplicates: usize,
    pub(crate) ignored: usize,
    pub(crate) rescued: usize,
    pub(crate) stale: usize,
    /// By reason.
    pub(crate) quarantined: BTreeMap<Code, usize>,
    pub(crate) announced: usize,
    pub(crate) archive_objects: usize,
    pub(crate) archive_events: usize,
    pub(crate) archive_bytes: usize,
    /// Events that went on without what is known about their actor.
    pub(crate) unenriched: usize,
}

impl Work {
    /// Sorts the records of a batch, one class each, in order.
    pub(crate) fn sorted(classes: Vec<Class>) -> Self {
        let mut work = Self::default();
        work.tally.records = classes.len();
        for (position, class) in classes.into_iter().enumerate() {
            match class {
                Class::Event(admitted) => {
                    work.items.push(Item { position, admitted: *admitted, verdict: Verdict::Open })
                }
                Class::Sealed(sealed) => {
                    work.aside.push(Aside { position, content: Content::Sealed(sealed) });
                }
                Class::Rescue(row) => work.rescues.push((position, *row)),
                Class::Ignored(_) => work.tally.ignored += 1,
                Class::Poison(poison) => {
                    work.aside.push(Aside { position, content: Content::Raw(poison) });
                }
            }
        }
        work
    }

    /// Leaves records for the next delivery because of a failure that may pass.
    ///
    /// # Errors
    /// A failure that does not pass.
    pub(crate) fn postpone(
        &mut self,
        error: PortError,
        positions: impl IntoIterator<Item = usize>,
    ) -> PortResult<()> {
        if !error.transient {
            return Err(error);
        }
        self.unfinished.extend(positions);
        tracing::warn!(
            port.operation = error.operation,
            batch.unfinished = self.unfinished.len(),
            %error,
            "left records for the next delivery: {error}"
        );
        Ok(())
    }

    /// Leaves records for the next delivery because time runs out.
    pub(crate) fn defer(&mut self, positions: impl IntoIterator<Item = usize>) {
        self.unfinished.extend(positions);
        tracing::warn!(
            batch.unfinished = self.unfinished.len(),
            "left records for the next delivery: time runs out"
        );
    }

    /// Moves the items for which `judge` finds a fault to those that are set aside.
    pub(crate) fn refuse(&mut self, mut judge: impl FnMut(usize, &mut Item) -> Option<Fault>) {
        let aside = &mut self.aside;
        let mut index = 0;
        self.items.retain_mut(|item| {
            let fault = judge(index, item);
            index += 1;
            let Some(fault) = fault else { return true };
            let content = Content::Raw(item.admitted.refused(fault));
            aside.push(Aside { position: item.position, content });
            false
        });
    }

    /// The positions of records that are not finished.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = usize> + '_ {
        self.unfinished.iter().copied()
    }
}

impl Item {
    /// True once the event is counted, now or before.
    pub(crate) fn is_done(&self) -> bool {
        match self.verdict {
            Verdict::Open => false,
            Verdict::Counted | Verdict::Duplicate => true,
        }
    }

    /// True for an event that is kept, if it was counted.
    pub(crate) fn is_kept(&self) -> bool {
        match self.admitted.admission {
            Admission::Forward | Admission::Count | Admission::Withhold => true,
            Admission::Suppress => false,
        }
    }
}
