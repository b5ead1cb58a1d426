//! Enrichment: one look-up per actor of the batch. Without an answer the events go on as they are.

use std::collections::BTreeMap;

use contract::event::Assignment;
use domain::enrich::wanted;
use ports::{clock::Clock, reference::Subject};

use crate::{
    Processor, World,
    isolate::isolated,
    work::{Item, Work},
};

impl<W: World, C: Clock> Processor<W, C> {
    /// Merges what is known about actors into their events.
    pub(crate) async fn enrich(&self, work: &mut Work) {
        let mut subjects: BTreeMap<Subject, Option<Assignment>> =
            work.items.iter().filter_map(subject).map(|subject| (subject, None)).collect();
        let asked: Vec<Subject> = subjects.keys().cloned().collect();
        if !asked.is_empty() {
            match self.world.assignments(&asked).await {
                Ok(answers) => {
                    for (known, answer) in subjects.values_mut().zip(answers) {
                        *known = answer;
                    }
                }
                Err(error) => {
                    work.tally.unenriched = work.items.iter().filter_map(subject).count();
                    tracing::warn!(
                        port.operation = error.operation,
                        batch.unenriched = work.tally.unenriched,
                        %error,
                        "went on without assignments: {error}"
                    );
                }
            }
        }
        work.refuse(|_, item| {
            let known = subject(item).and_then(|subject| subjects.get(&subject)?.as_ref());
            isolated(|| (self.decisions.enrich)(&mut item.admitted.event, known)).err()
        });
    }
}

/// Whom to ask about; nobody for an event that is not kept.
fn subject(item: &Item) -> Option<Subject> {
    let event = &item.admitted.event;
    let actor = wanted(event).filter(|_| item.is_kept())?.to_owned();
    Some(Subject { org: event.org_id.clone(), product: event.product_id.clone(), actor })
}
