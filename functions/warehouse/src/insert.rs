//! Inserting rows, finding the ones that are refused, and setting those aside.

use std::ops::AddAssign;

use contract::limits::{SYSTEMIC_POISON_PERCENT, SYSTEMIC_RECORDS_MIN};
use data_encoding::HEXLOWER;
use ports::{
    PortError, PortResult,
    archive::Archive,
    warehouse::{Inserted, Table, Warehouse},
};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{report, rows::Row};

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// Rows that the warehouse has.
    pub stored: usize,
    /// Rows that it refused, set aside.
    pub refused: usize,
}

impl AddAssign for Filled {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.refused += other.refused;
    }
}

/// Inserts the rows of a table. When the warehouse refuses them, halves are tried until the bad ones are alone; those are set
/// aside once all others are in. When most are refused it is the table that is suspected: nothing is set aside, and the rows come
/// again until somebody looked.
pub(crate) async fn insert(
    warehouse: &impl Warehouse,
    archive: &impl Archive,
    table: Table,
    rows: Vec<&Row>,
) -> PortResult<Filled> {
    let mut refused: Vec<(&Row, u16)> = Vec::new();
    let mut parts: Vec<&[&Row]> = vec![&rows];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let lines: Vec<String> = part.iter().map(|row| row.json.clone()).collect();
        match (warehouse.insert(table, &lines).await?, part) {
            (Inserted::Stored, _) => {}
            (Inserted::Refused(code), [row]) => refused.push((row, code)),
            (Inserted::Refused(_), part) => {
                let (first, second) = part.split_at(part.len().div_ceil(2));
                parts.extend([second, first]);
            }
        }
    }
    let is_systemic = rows.len() >= SYSTEMIC_RECORDS_MIN
        && refused.len() * 100 >= rows.len() * SYSTEMIC_POISON_PERCENT;
    if let (true, Some((_, code))) = (is_systemic, refused.first()) {
        let why = format!("{} of {} rows refused ({code})", refused.len(), rows.len());
        return Err(PortError::transient(OPERATION, why));
    }
    for (row, code) in &refused {
        set_aside(archive, row, *code).await?;
    }
    Ok(Filled { stored: rows.len() - refused.len(), refused: refused.len() })
}

/// Keeps a refused row under a key made of itself, so that keeping it again changes nothing.
async fn set_aside(archive: &impl Archive, row: &Row, code: u16) -> PortResult<()> {
    let hash = HEXLOWER.encode(&Sha256::digest(row.json.as_bytes()));
    let id = hash.get(..32).unwrap_or_default();
    let table = row.table.as_str();
    let kept = SetAside { table, code, row: RawValue::from_string(row.json.clone()).ok() };
    let bytes = serde_json::to_vec(&kept).unwrap_or_default();
    report::refused(table, code, id);
    archive.write(&format!("{PREFIX}{table}/{}/{id}.json", row.org), &bytes).await
}

#[derive(serde::Serialize)]
struct SetAside<'a> {
    table: &'a str,
    code: u16,
    row: Option<Box<RawValue>>,
}

/// Where refused rows lie in the archive.
const PREFIX: &str = "warehouse/refused/v1/";
const OPERATION: &str = "warehouse.insert";
