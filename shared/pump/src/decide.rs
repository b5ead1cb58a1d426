//! What happens to a batch after an invocation: values in, a decision out.

use crate::{answer::Answer, settings::Settings};

/// A batch that was invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// How many records it has; at least one.
    pub records: usize,
    /// How often it had been retried before.
    pub retries: u32,
}

/// What happens to the batch next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// All of it is finished.
    Acknowledge,
    /// The records before this index are finished; the rest is delivered again at once. Never zero.
    AcknowledgeBefore(usize),
    /// Deliver the records before this index alone, then the rest. Neither part is empty.
    Split(usize),
    /// Deliver it again after a pause, and count that.
    Retry,
    /// Deliver it again after a pause without counting: nobody tried.
    Wait,
    /// Hand it to the on-failure destination and go on behind it.
    GiveUp(Condition),
}

/// Why a batch is given up, in Lambda's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It failed too often.
    RetryAttemptsExhausted,
    /// It is too old to be sent.
    MaximumRecordAgeExceeded,
}

impl Condition {
    /// The word in the invocation record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::MaximumRecordAgeExceeded => "MaximumRecordAgeExceeded",
        }
    }
}

/// Decides. A partial answer moves the checkpoint and is not a failed attempt; one that finishes nothing is. Only a
/// function that failed splits its batch: a partial answer has said already where the trouble begins.
#[must_use]
pub fn decide(attempt: Attempt, answer: Answer, settings: &Settings) -> Next {
    match answer {
        Answer::Finished => Next::Acknowledge,
        Answer::ResumeAt(index) if index > 0 => Next::AcknowledgeBefore(index),
        Answer::Failed if settings.bisect && attempt.records > 1 => {
            Next::Split(attempt.records.div_ceil(2))
        }
        Answer::ResumeAt(_) | Answer::Failed => {
            let exhausted = settings.max_retries.is_some_and(|max| attempt.retries >= max);
            if exhausted { Next::GiveUp(Condition::RetryAttemptsExhausted) } else { Next::Retry }
        }
        Answer::NotRun => Next::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXHAUSTED: Next = Next::GiveUp(Condition::RetryAttemptsExhausted);

    #[test]
    fn each_answer_has_its_consequence() {
        let bisecting = Settings { max_retries: Some(2), ..Settings::of("c") };
        let whole = Settings { bisect: false, ..bisecting.clone() };
        let endless = Settings { max_retries: None, ..whole.clone() };
        let table = [
            (&bisecting, 5, 0, Answer::Finished, Next::Acknowledge),
            (&bisecting, 5, 9, Answer::Finished, Next::Acknowledge),
            (&bisecting, 5, 9, Answer::ResumeAt(3), Next::AcknowledgeBefore(3)),
            (&bisecting, 5, 0, Answer::ResumeAt(1), Next::AcknowledgeBefore(1)),
            (&bisecting, 5, 1, Answer::ResumeAt(0), Next::Retry),
            (&bisecting, 5, 2, Answer::ResumeAt(0), EXHAUSTED),
            (&bisecting, 5, 9, Answer::Failed, Next::Split(3)),
            (&bisecting, 2, 0, Answer::Failed, Next::Split(1)),
            (&bisecting, 1, 1, Answer::Failed, Next::Retry),
            (&bisecting, 1, 2, Answer::Failed, EXHAUSTED),
            (&whole, 5, 1, Answer::Failed, Next::Retry),
            (&whole, 5, 2, Answer::Failed, EXHAUSTED),
            (&endless, 5, u32::MAX, Answer::Failed, Next::Retry),
            (&whole, 5, 9, Answer::NotRun, Next::Wait),
        ];
        for (settings, records, retries, answer, expected) in table {
            let attempt = Attempt { records, retries };
            assert_eq!(decide(attempt, answer, settings), expected, "{attempt:?} {answer:?}");
        }
    }
}
