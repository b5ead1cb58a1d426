//! Where a shard's consumer stands, and how each decision moves it. Pure: nothing here reads or writes.

use std::cmp::Ordering;

use contract::kinesis::sequence_order;

use crate::decide::{Attempt, Next};

/// Where a shard's consumer stands. Losing it costs nothing but repeats: the checkpoint is durable elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardState {
    position: Position,
    /// Batches under way, the next one last: a split leaves its second half below the first.
    parts: Vec<Part>,
    failures: u32,
}

/// How far the consumer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Position {
    /// Not looked up yet.
    #[default]
    Unknown,
    /// Nothing is finished.
    Start,
    /// Everything up to this sequence number is finished.
    After(String),
}

/// A batch that was delivered before and is not finished: everything from the checkpoint up to `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    last: String,
    retries: u32,
}

impl ShardState {
    /// A consumer that stands at `checkpoint`, with nothing under way.
    #[must_use]
    pub fn at(checkpoint: Option<String>) -> Self {
        Self { position: checkpoint.map_or(Position::Start, Position::After), ..Self::default() }
    }

    /// How far the consumer is.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The last sequence number that the next batch may hold, when it was delivered before.
    #[must_use]
    pub fn boundary(&self) -> Option<&str> {
        self.parts.last().map(|part| part.last.as_str())
    }

    /// The attempt that a batch of `records` would be.
    #[must_use]
    pub fn attempt(&self, records: usize) -> Attempt {
        Attempt { records, retries: self.parts.last().map_or(0, |part| part.retries) }
    }

    /// The batch under way has no records left: the stream let them go.
    #[must_use]
    pub fn without_part(&self) -> Self {
        let mut state = self.clone();
        state.parts.pop();
        state
    }

    /// The state after `next` was decided for the batch of `sequences`.
    #[must_use]
    pub fn moved<S: AsRef<str>>(&self, sequences: &[S], next: Next) -> Self {
        let mut state = self.clone();
        let Some(last) = sequences.last() else { return state };
        state.begin(last.as_ref());
        match next {
            Next::Acknowledge | Next::GiveUp(_) => state.finish(last.as_ref()),
            Next::AcknowledgeBefore(index) => {
                if let Some(finished) = index.checked_sub(1).and_then(|at| sequences.get(at)) {
                    state.finish(finished.as_ref());
                }
                if let Some(part) = state.parts.last_mut() {
                    part.retries = 0;
                }
            }
            Next::Split(index) => {
                let retries = state.parts.last().map_or(0, |part| part.retries);
                if let Some(first_half) = index.checked_sub(1).and_then(|at| sequences.get(at)) {
                    state.parts.push(Part { last: first_half.as_ref().to_owned(), retries });
                }
            }
            Next::Retry => {
                if let Some(part) = state.parts.last_mut() {
                    part.retries = part.retries.saturating_add(1);
                }
                state.failures = state.failures.saturating_add(1);
            }
            Next::Wait => state.failures = state.failures.saturating_add(1),
        }
        state
    }

    /// Makes the batch that ends at `last` the one under way; a batch cut short leaves the rest below it.
    fn begin(&mut self, last: &str) {
        let retries = self.parts.last().map_or(0, |part| part.retries);
        if self.parts.last().is_none_or(|part| sequence_order(&part.last, last).is_ne()) {
            self.parts.push(Part { last: last.to_owned(), retries });
        }
    }

    fn finish(&mut self, finished: &str) {
        let over = |part: &Part| sequence_order(&part.last, finished) != Ordering::Greater;
        while self.parts.last().is_some_and(over) {
            self.parts.pop();
        }
        self.failures = 0;
        self.position = Position::After(finished.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{answer::Answer, decide::decide, settings::Settings};

    /// Numbers of one and two digits: as text they would sort wrongly.
    fn stream(records: usize) -> Vec<String> {
        (1..=records).map(|n| (n + 7).to_string()).collect()
    }

    fn number(state: &ShardState) -> usize {
        match state.position() {
            Position::After(sequence) => sequence.parse::<usize>().unwrap() - 7,
            Position::Start | Position::Unknown => 0,
        }
    }

    /// What the step reads next: from the checkpoint to the boundary, at most `limit`.
    fn batch<'a>(stream: &'a [String], state: &ShardState, limit: usize) -> &'a [String] {
        let from = number(state);
        let to = state.boundary().map_or(stream.len(), |last| last.parse::<usize>().unwrap() - 7);
        &stream[from..to.min(from + limit)]
    }

    fn answers() -> impl Strategy<Value = (u8, usize, usize)> {
        // What the function does, where it resumes, and the batch size of that invocation.
        (0u8..10, 0usize..100, 1usize..8)
    }

    proptest! {
        #[test]
        fn no_record_is_passed_that_was_neither_acknowledged_nor_given_up(
            records in 0usize..40,
            bisect: bool,
            max_retries in proptest::option::of(0u32..4),
            script in proptest::collection::vec(answers(), 0..400),
        ) {
            let stream = stream(records);
            let settings = Settings { bisect, max_retries, ..Settings::of("c") };
            let mut state = ShardState::at(None);
            for (what, place, limit) in script {
                let batch = batch(&stream, &state, limit);
                if batch.is_empty() {
                    prop_assert_eq!(number(&state), records, "idle before the end");
                    break;
                }
                let answer = match what {
                    0..3 => Answer::Finished,
                    3..6 => Answer::ResumeAt(place % batch.len()),
                    6..9 => Answer::Failed,
                    _ => Answer::NotRun,
                };
                let next = decide(state.attempt(batch.len()), answer, &settings);
                let (before, moved) = (number(&state), state.moved(batch, next));
                let finished = match next {
                    Next::Acknowledge | Next::GiveUp(_) => batch.len(),
                    Next::AcknowledgeBefore(index) => index,
                    Next::Split(_) | Next::Retry | Next::Wait => 0,
                };
                prop_assert_eq!(number(&moved), before + finished);
                if let Some(boundary) = moved.boundary() {
                    prop_assert!(boundary.parse::<usize>().unwrap() - 7 > number(&moved), "an empty part");
                }
                state = moved;
            }
        }

        #[test]
        fn a_function_that_always_fails_ends_with_every_record_given_up(
            records in 0usize..60,
            limit in 1usize..20,
            bisect: bool,
            max_retries in 0u32..4,
        ) {
            let stream = stream(records);
            let settings = Settings { bisect, max_retries: Some(max_retries), ..Settings::of("c") };
            let mut state = ShardState::at(None);
            let mut given_up = 0;
            // A split tree of n records has at most 2n nodes; each leaf is tried once more than it is retried.
            let bound = records * (usize::try_from(max_retries).unwrap() + 3) + 1;
            for _ in 0..=bound {
                let batch = batch(&stream, &state, limit);
                if batch.is_empty() {
                    break;
                }
                let next = decide(state.attempt(batch.len()), Answer::Failed, &settings);
                given_up += if let Next::GiveUp(_) = next { batch.len() } else { 0 };
                state = state.moved(batch, next);
            }
            prop_assert_eq!(given_up, records);
            prop_assert_eq!(number(&state), records);
        }
    }

    #[test]
    fn a_split_tries_the_first_half_before_the_second() {
        let stream = stream(4);
        let state = ShardState::at(None).moved(&stream, Next::Split(2));
        assert_eq!(batch(&stream, &state, 500), &stream[..2]);
        let state = state.moved(&stream[..2], Next::Acknowledge);
        assert_eq!(batch(&stream, &state, 500), &stream[2..]);
        let state = state.moved(&stream[2..], Next::Acknowledge);
        assert_eq!(state.boundary(), None);
    }

    #[test]
    fn a_split_costs_no_attempt_and_progress_starts_the_count_again() {
        let stream = stream(4);
        let state = ShardState::at(None).moved(&stream, Next::Retry).moved(&stream, Next::Retry);
        assert_eq!((state.attempt(4).retries, state.failures()), (2, 2));
        let split = state.moved(&stream, Next::Split(2));
        assert_eq!(split.attempt(2).retries, 2);
        let moved = state.moved(&stream, Next::AcknowledgeBefore(1));
        assert_eq!((moved.attempt(3).retries, moved.failures()), (0, 0));
    }

    #[test]
    fn waiting_costs_a_pause_but_no_attempt() {
        let stream = stream(2);
        let state = ShardState::at(None).moved(&stream, Next::Wait);
        assert_eq!((state.attempt(2).retries, state.failures()), (0, 1));
    }
}
