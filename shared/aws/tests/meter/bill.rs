//! What DynamoDB bills, by its published rules.
//!
//! An item is as large as the names and the values of its attributes. A transaction's write takes two units for each
//! kilobyte begun of the larger of the item before and after; a strongly consistent read takes one for each four
//! kilobytes begun, and one for nothing.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// What was called, and what it costs.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    /// Every call, with the round in which it was made.
    pub(crate) calls: Vec<(String, usize)>,
    /// By our count of the published rules.
    pub(crate) read_units: usize,
    /// By the stand-in's.
    pub(crate) stated_read_units: f64,
    /// By the stand-in's.
    pub(crate) stated_write_units: f64,
    /// Items, bytes and units written, by what begins their key.
    writes: BTreeMap<String, (usize, usize, usize)>,
}

/// What a kilobyte costs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Price {
    Alone,
    InTransaction,
}

impl Bill {
    /// Bills one write.
    pub(crate) fn write(&mut self, what: &str, bytes: usize, price: Price) {
        let (items, sum, units) = self.writes.entry(what.to_owned()).or_default();
        *items += 1;
        *sum += bytes;
        *units += bytes.div_ceil(1024)
            * match price {
                Price::Alone => 1,
                Price::InTransaction => 2,
            };
    }

    /// Write units.
    pub(crate) fn write_units(&self) -> usize {
        self.writes.values().map(|(.., units)| units).sum()
    }

    /// Those of writes that were not carried out.
    pub(crate) fn cancelled_units(&self) -> usize {
        self.writes.get("cancelled").map_or(0, |(.., units)| *units)
    }

    /// The stand-in, which follows the same rules, comes to the same sums. What was cancelled it does not bill.
    pub(crate) fn assert_agrees(&self) {
        let ours = [self.write_units() - self.cancelled_units(), self.read_units]
            .map(|units| u32::try_from(units).unwrap());
        let stated = [self.stated_write_units, self.stated_read_units];
        assert_eq!(ours.map(f64::from), stated, "write units, read units");
    }

    /// How many calls had to wait for one another.
    pub(crate) fn round_trips(&self) -> usize {
        self.calls.iter().map(|(_, round)| *round).max().unwrap_or(0)
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} write units ({} stated), {} read units ({} stated), {} calls, {} round trips",
            self.write_units(),
            self.stated_write_units,
            self.read_units,
            self.stated_read_units,
            self.calls.len(),
            self.round_trips()
        )?;
        for (what, (items, bytes, units)) in &self.writes {
            writeln!(f, "  {what}: {items} items, {bytes} bytes, {units} write units")?;
        }
        let mut calls: BTreeMap<_, usize> = BTreeMap::new();
        for call in &self.calls {
            *calls.entry((call.1, &call.0)).or_default() += 1;
        }
        for ((round, target), times) in calls {
            writeln!(f, "  {round}. {target} x {times}")?;
        }
        Ok(())
    }
}

/// The units of a strongly consistent read.
pub(crate) fn read_units(operation: &str, asked: &Value, told: &Value) -> usize {
    let items = |items: &Value| -> Vec<usize> {
        items
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| item_bytes(item.as_object().unwrap()))
            .collect()
    };
    if operation == "Query" {
        return items(&told["Items"]).iter().sum::<usize>().div_ceil(4096).max(1);
    }
    let mut units = 0;
    for (table, wanted) in asked["RequestItems"].as_object().unwrap() {
        let found = items(&told["Responses"][table]);
        let missing = wanted["Keys"].as_array().unwrap().len() - found.len();
        units += missing + found.iter().map(|bytes| bytes.div_ceil(4096)).sum::<usize>();
    }
    units
}

/// What the stand-in says it consumed.
pub(crate) fn stated(told: &Value, kind: &str) -> f64 {
    let of = |table: &Value| {
        table
            .get(kind)
            .or_else(|| table.get("CapacityUnits"))
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
    };
    let consumed = &told["ConsumedCapacity"];
    consumed.as_array().map_or_else(|| of(consumed), |tables| tables.iter().map(of).sum())
}

/// The size of an item: names and values.
pub(crate) fn item_bytes(item: &Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap();
    match kind.as_str() {
        "S" => text().len(),
        "B" => STANDARD.decode(text()).unwrap().len(),
        "N" => number_bytes(text()),
        "BOOL" | "NULL" => 1,
        "L" => {
            3 + value.as_array().unwrap().iter().map(|value| 1 + value_bytes(value)).sum::<usize>()
        }
        other => panic!("{other} is not used"),
    }
}

/// One byte for two significant digits, as they stand in pairs before the point, and one more; one for a sign.
fn number_bytes(text: &str) -> usize {
    let digits = text.trim_start_matches('-');
    let sign = text.len() - digits.len();
    let padded = format!("{}{digits}", if digits.len().is_multiple_of(2) { "" } else { "0" });
    let pairs: Vec<&str> = (0..padded.len()).step_by(2).map(|at| &padded[at..at + 2]).collect();
    let significant = pairs
        .iter()
        .rposition(|pair| *pair != "00")
        .map_or(0, |last| last + 1 - pairs.iter().position(|pair| *pair != "00").unwrap_or(0));
    significant + 1 + sign
}

#[test]
fn sizes_are_those_of_the_published_rules() {
    for (number, bytes) in
        [("0", 1), ("7", 2), ("42", 2), ("100", 2), ("101", 3), ("-5", 3), ("1770940800000", 6)]
    {
        assert_eq!(number_bytes(number), bytes, "{number}");
    }
    let item = serde_json::json!({
        "pk": {"S": "ab"}, "e": {"B": "AAEC"}, "on": {"BOOL": true}, "l": {"L": [{"S": "x"}, {"S": "yz"}]},
    });
    assert_eq!(item_bytes(item.as_object().unwrap()), 4 + 4 + 3 + 1 + 3 + 2 + 3);
}
