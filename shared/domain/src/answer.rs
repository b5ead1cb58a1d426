//! The answer to a batch: where to resume, so that nothing unfinished is acknowledged.

use contract::kinesis::{PartialBatchAnswer, Record, sequence_order};

/// The record to resume at: the unfinished one with the lowest sequence number. `unfinished` holds positions in
/// `records`; one beyond its end counts as the first record, since nothing may be acknowledged that is not known to be
/// done.
#[must_use]
pub fn cut(records: &[Record], unfinished: impl IntoIterator<Item = usize>) -> Option<&Record> {
    unfinished
        .into_iter()
        .filter_map(|at| records.get(at).or_else(|| lowest(records)))
        .min_by(|a, b| sequence_order(&a.sequence, &b.sequence))
}

/// True when `record` is acknowledged by resuming at `cut`.
#[must_use]
pub fn is_before(record: &Record, cut: Option<&Record>) -> bool {
    cut.is_none_or(|cut| sequence_order(&record.sequence, &cut.sequence).is_lt())
}

/// The record with the lowest sequence number: resuming there acknowledges nothing.
#[must_use]
pub fn lowest(records: &[Record]) -> Option<&Record> {
    records.iter().min_by(|a, b| sequence_order(&a.sequence, &b.sequence))
}

/// The answer that resumes at `cut`, or that everything is done.
#[must_use]
pub fn answer(cut: Option<&Record>) -> PartialBatchAnswer {
    cut.map_or_else(PartialBatchAnswer::done, PartialBatchAnswer::resume_at)
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, kinesis::Data};
    use proptest::prelude::*;

    use super::*;

    fn records(sequences: &[&str]) -> Vec<Record> {
        let record = |sequence: &&str| Record {
            sequence: (*sequence).to_owned(),
            arrived_at: Timestamp::default(),
            data: Data::Decoded(0..0),
        };
        sequences.iter().map(record).collect()
    }

    fn resumes_at(answer: &PartialBatchAnswer) -> Option<&str> {
        answer.batch_item_failures.first().map(|failure| failure.item_identifier.as_str())
    }

    #[test]
    fn a_finished_batch_resumes_nowhere() {
        let records = records(&["1", "2"]);
        assert_eq!(answer(cut(&records, [])), PartialBatchAnswer::done());
        assert!(is_before(&records[1], None));
    }

    #[test]
    fn the_lowest_number_is_meant_even_where_text_or_order_says_otherwise() {
        let records = records(&["9", "100", "11", "10"]);
        assert_eq!(resumes_at(&answer(cut(&records, [1, 2, 3]))), Some("10"));
        assert_eq!(resumes_at(&answer(lowest(&records))), Some("9"));
        let cut = cut(&records, [1, 2, 3]);
        assert!(is_before(&records[0], cut) && !is_before(&records[2], cut));
    }

    #[test]
    fn a_position_outside_the_batch_acknowledges_nothing() {
        let records = records(&["4", "5"]);
        assert_eq!(resumes_at(&answer(cut(&records, [7]))), Some("4"));
        assert_eq!(cut(&[], [7]), None);
    }

    proptest! {
        /// An empty or null identifier would fail the whole batch, an unknown one is not documented.
        #[test]
        fn at_most_one_identifier_is_answered_and_it_is_a_record_of_the_batch(
            sequences in proptest::collection::vec("[1-9][0-9]{0,55}", 1..20),
            unfinished in proptest::collection::vec(0_usize..24, 0..20),
        ) {
            let sequences: Vec<&str> = sequences.iter().map(String::as_str).collect();
            let records = records(&sequences);
            let cut = cut(&records, unfinished.iter().copied());
            let answer = answer(cut);
            prop_assert!(answer.batch_item_failures.len() <= 1);
            prop_assert_eq!(answer.batch_item_failures.is_empty(), unfinished.is_empty());
            if let Some(resume) = resumes_at(&answer) {
                prop_assert!(!resume.is_empty());
                prop_assert!(sequences.contains(&resume));
                for at in unfinished {
                    if let Some(record) = records.get(at) {
                        prop_assert!(!is_before(record, cut), "an unfinished record was acknowledged");
                    }
                }
            }
            let json = serde_json::to_string(&answer).unwrap();
            prop_assert!(!json.contains("null") && !json.contains("\"\""));
        }
    }
}
