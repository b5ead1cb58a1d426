//! The payload of a Kinesis event source mapping, and its partial-batch answer.
//!
//! Lambda hands over one JSON document of up to 6 MB. A derived type would fail the whole batch for one record whose
//! `data` is null or not base64, so [`RecordBatch`] is read by hand: one pass, every `data` decoded into one shared
//! buffer, and a bad record is a value ([`Data::Faulty`]) beside its good neighbours.

use std::{fmt, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{Code, Timestamp};

/// The records of one invocation, all of one shard, in stream order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordBatch {
    /// The shard's id, `unknown` when the payload does not say.
    pub shard: String,
    /// The records.
    pub records: Vec<Record>,
    buffer: Vec<u8>,
}

/// One record of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// A decimal of up to 56 digits; never empty. Compare with [`sequence_order`].
    pub sequence: String,
    /// When the stream took it.
    pub arrived_at: Timestamp,
    /// What it carries.
    pub data: Data,
}

/// What a record carries, as a place in its batch's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Bytes that decoded.
    Decoded(Range<usize>),
    /// Bytes that did not: as they came, and why.
    Faulty(Range<usize>, Code),
}

impl RecordBatch {
    /// The bytes of a record: decoded, or as they came when they did not decode.
    #[must_use]
    pub fn bytes(&self, record: &Record) -> &[u8] {
        let (Data::Decoded(range) | Data::Faulty(range, _)) = &record.data;
        self.buffer.get(range.clone()).unwrap_or_default()
    }
}

/// Orders sequence numbers as numbers: they do not fit any integer type.
#[must_use]
pub fn sequence_order(a: &str, b: &str) -> std::cmp::Ordering {
    let digits = |text: &str| text.trim_start_matches('0').len();
    digits(a).cmp(&digits(b)).then_with(|| a.trim_start_matches('0').cmp(b.trim_start_matches('0')))
}

/// The answer of a stream function: nothing failed, or where to resume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialBatchAnswer {
    /// Empty, or exactly one item: the lowest unfinished sequence number.
    pub batch_item_failures: Vec<ItemFailure>,
}

/// One failed item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// The record's sequence number. Empty would fail the whole batch, so no constructor makes one.
    pub item_identifier: String,
}

impl PartialBatchAnswer {
    /// Everything is done.
    #[must_use]
    pub fn done() -> Self {
        Self::default()
    }

    /// Resume at `record`: it and everything after it will be delivered again.
    #[must_use]
    pub fn resume_at(record: &Record) -> Self {
        Self { batch_item_failures: vec![ItemFailure { item_identifier: record.sequence.clone() }] }
    }
}

impl<'de> Deserialize<'de> for RecordBatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BatchVisitor)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = RecordBatch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event source mapping's payload with Records")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecordBatch, A::Error> {
        let mut batch = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "Records" {
                batch = Some(map.next_value_seed(RecordsSeed)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        batch.ok_or_else(|| A::Error::missing_field("Records"))
    }
}

struct RecordsSeed;

impl<'de> DeserializeSeed<'de> for RecordsSeed {
    type Value = RecordBatch;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RecordBatch, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RecordsSeed {
    type Value = RecordBatch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RecordBatch, A::Error> {
        let mut batch = RecordBatch { shard: "unknown".to_owned(), ..RecordBatch::default() };
        while let Some(record) = seq.next_element_seed(RecordSeed(&mut batch))? {
            batch.records.push(record);
        }
        Ok(batch)
    }
}

struct RecordSeed<'a>(&'a mut RecordBatch);

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Record;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match key.as_ref() {
                "kinesis" => record = Some(map.next_value_seed(KinesisSeed(&mut self.0.buffer))?),
                "eventID" if self.0.records.is_empty() => {
                    let id = map.next_value::<std::borrow::Cow<'de, str>>()?;
                    if let Some((shard, _)) = id.split_once(':') {
                        self.0.shard = shard.to_owned();
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // Without a sequence number there is nothing to resume at: only the whole batch can fail.
        record
            .filter(|r| !r.sequence.is_empty())
            .ok_or_else(|| A::Error::missing_field("sequenceNumber"))
    }
}

struct KinesisSeed<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for KinesisSeed<'_> {
    type Value = Record;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KinesisSeed<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record's kinesis part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let start = self.0.len();
        let mut record = Record {
            sequence: String::new(),
            arrived_at: Timestamp::default(),
            data: Data::Faulty(start..start, Code::MissingField),
        };
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match key.as_ref() {
                "sequenceNumber" => record.sequence = map.next_value()?,
                "data" => record.data = map.next_value_seed(DataSeed(self.0))?,
                "approximateArrivalTimestamp" => {
                    record.arrived_at = Timestamp::from_ms(seconds_to_ms(map.next_value()?));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(record)
    }
}

/// Kinesis gives seconds with a fraction. Rounding, not truncating, gives back the millisecond that was meant.
fn seconds_to_ms(seconds: f64) -> i64 {
    #[expect(
        clippy::as_conversions,
        reason = "a float-to-integer cast saturates; Timestamp clamps the rest"
    )]
    let ms = (seconds * 1_000.0).round() as i64;
    ms
}

struct DataSeed<'a>(&'a mut Vec<u8>);

impl DataSeed<'_> {
    fn faulty(self, raw: &[u8], code: Code) -> Data {
        let start = self.0.len();
        self.0.extend_from_slice(raw);
        Data::Faulty(start..self.0.len(), code)
    }
}

impl<'de> DeserializeSeed<'de> for DataSeed<'_> {
    type Value = Data;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DataSeed<'_> {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Data, E> {
        let start = self.0.len();
        if STANDARD.decode_vec(text, self.0).is_ok() {
            return Ok(Data::Decoded(start..self.0.len()));
        }
        self.0.truncate(start);
        Ok(self.faulty(text.as_bytes(), Code::InvalidBase64))
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(self.faulty(b"null", Code::InvalidBase64))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data, E> {
        Ok(self.faulty(value.to_string().as_bytes(), Code::InvalidBase64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Data, E> {
        Ok(self.faulty(value.to_string().as_bytes(), Code::InvalidBase64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Data, E> {
        Ok(self.faulty(value.to_string().as_bytes(), Code::InvalidBase64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data, E> {
        Ok(self.faulty(value.to_string().as_bytes(), Code::InvalidBase64))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Data, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<serde_json::Value>()? {
            items.push(item);
        }
        Ok(self.faulty(serde_json::Value::from(items).to_string().as_bytes(), Code::InvalidBase64))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut fields = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
            fields.insert(key, value);
        }
        Ok(self.faulty(serde_json::Value::from(fields).to_string().as_bytes(), Code::InvalidBase64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(data: &str) -> String {
        format!(
            r#"{{"Records":[{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":"49590338271490256608559692538361571095921575989136588898","data":{data},"approximateArrivalTimestamp":1545084650.987}},"eventSource":"aws:kinesis","eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898","awsRegion":"eu-central-1"}},{{"kinesis":{{"sequenceNumber":"7","data":"aGk=","approximateArrivalTimestamp":1}},"eventID":"shardId-000000000006:7"}}]}}"#
        )
    }

    #[test]
    fn a_record_is_decoded_into_the_shared_buffer() {
        let batch: RecordBatch = serde_json::from_str(&payload(r#""eyJhIjoxfQ==""#)).unwrap();
        assert_eq!(batch.shard, "shardId-000000000006");
        assert_eq!(batch.bytes(&batch.records[0]), br#"{"a":1}"#);
        assert_eq!(batch.bytes(&batch.records[1]), b"hi");
        assert_eq!(batch.records[0].arrived_at.ms(), 1_545_084_650_987);
    }

    #[test]
    fn a_bad_record_costs_itself_alone_and_keeps_its_bytes() {
        for (data, raw) in [
            ("null", "null"),
            (r#""%%%""#, "%%%"),
            ("12", "12"),
            (r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            ("[true]", "[true]"),
        ] {
            let batch: RecordBatch = serde_json::from_str(&payload(data)).unwrap();
            assert!(
                matches!(batch.records[0].data, Data::Faulty(_, Code::InvalidBase64)),
                "{data}"
            );
            assert_eq!(batch.bytes(&batch.records[0]), raw.as_bytes());
            assert_eq!(batch.bytes(&batch.records[1]), b"hi");
        }
    }

    #[test]
    fn a_record_without_a_sequence_number_fails_the_batch() {
        let text = payload("null").replace(r#""sequenceNumber":"7","#, "");
        assert!(serde_json::from_str::<RecordBatch>(&text).is_err());
        let text = payload("null").replace(r#""sequenceNumber":"7""#, r#""sequenceNumber":"""#);
        assert!(serde_json::from_str::<RecordBatch>(&text).is_err());
    }

    #[test]
    fn sequence_numbers_of_different_length_compare_as_numbers() {
        use std::cmp::Ordering::{Equal, Greater, Less};
        assert_eq!(sequence_order("9", "10"), Less);
        assert_eq!(sequence_order("0010", "9"), Greater);
        assert_eq!(sequence_order("007", "7"), Equal);
    }
}
