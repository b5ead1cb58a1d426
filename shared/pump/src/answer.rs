//! What a function's answer says about its batch: Lambda's rules for `batchItemFailures`.

use contract::kinesis::sequence_order;
use serde_json::Value;

/// What a function said about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Every record is finished.
    Finished,
    /// Records before this index are finished; the others are to be delivered again.
    ResumeAt(usize),
    /// The batch failed as a whole.
    Failed,
    /// The function did not run.
    NotRun,
}

impl Answer {
    /// Reads the answer to a batch of `sequences`, ascending.
    ///
    /// Nothing, `null` and an object without `batchItemFailures` mean that all is well: that is Lambda's rule, however
    /// dangerous. Several items resume at the lowest. An item that names no record of the batch fails all of it, and so
    /// does a text that Lambda has no rule for.
    #[must_use]
    pub fn read<S: AsRef<str>>(sequences: &[S], answer: &str) -> Self {
        if answer.trim().is_empty() {
            return Self::Finished;
        }
        let failures = match serde_json::from_str::<Value>(answer) {
            Ok(Value::Null) => return Self::Finished,
            Ok(Value::Object(mut fields)) => fields.remove("batchItemFailures"),
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                return Self::Failed;
            }
        };
        match failures {
            None | Some(Value::Null) => Self::Finished,
            Some(Value::Array(items)) => lowest(sequences, &items),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Self::Failed
            }
        }
    }
}

fn lowest<S: AsRef<str>>(sequences: &[S], items: &[Value]) -> Answer {
    let mut lowest = None;
    for item in items {
        let named = item.get("itemIdentifier").and_then(Value::as_str);
        let place = named.filter(|name| !name.is_empty()).and_then(|name| {
            sequences.iter().position(|sequence| sequence_order(sequence.as_ref(), name).is_eq())
        });
        match (place, lowest) {
            (None, _) => return Answer::Failed,
            (Some(place), Some(so_far)) if so_far < place => {}
            (Some(place), _) => lowest = Some(place),
        }
    }
    lowest.map_or(Answer::Finished, Answer::ResumeAt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: [&str; 3] = ["9", "10", "11"];

    fn check(answers: &[&str], expected: Answer) {
        for answer in answers {
            assert_eq!(Answer::read(&BATCH, answer), expected, "{answer}");
        }
    }

    #[test]
    fn an_empty_or_null_answer_finishes_the_batch() {
        check(
            &[
                "",
                "  ",
                "null",
                "{}",
                r#"{"batchItemFailures":[]}"#,
                r#"{"batchItemFailures":null}"#,
                r#"{"failed":["9"]}"#,
            ],
            Answer::Finished,
        );
    }

    #[test]
    fn the_lowest_sequence_number_wins_whatever_its_place() {
        check(
            &[
                r#"{"batchItemFailures":[{"itemIdentifier":"10"}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":"11"},{"itemIdentifier":"10"}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":"10"},{"itemIdentifier":"11"}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":"10"},{"itemIdentifier":"10"}]}"#,
            ],
            Answer::ResumeAt(1),
        );
        check(
            &[r#"{"batchItemFailures":[{"itemIdentifier":"10"},{"itemIdentifier":"9"}]}"#],
            Answer::ResumeAt(0),
        );
    }

    #[test]
    fn an_empty_identifier_is_not_the_number_zero() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#;
        assert_eq!(Answer::read(&["0", "1"], answer), Answer::Failed);
    }

    #[test]
    fn an_identifier_that_names_no_record_fails_the_batch() {
        check(
            &[
                r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":9}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":"12"}]}"#,
                r#"{"batchItemFailures":[{"identifier":"10"}]}"#,
                r#"{"batchItemFailures":[{"itemIdentifier":"10"},{"itemIdentifier":"12"}]}"#,
                r#"{"batchItemFailures":["10"]}"#,
                r#"{"batchItemFailures":"10"}"#,
                r#"{"batchItemFailures":{"itemIdentifier":"10"}}"#,
                r#"["10"]"#,
                "true",
                "not json",
            ],
            Answer::Failed,
        );
    }
}
