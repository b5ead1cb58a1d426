//! Notices: one item for everything that a commit announces, taken piece by piece.
//!
//! They are written with the commit and wait until its journal is posted, so that what is announced can be read. How far
//! they are sent is kept in the item: the piece that is at turn, and which of its notices are gone.

#[cfg(feature = "eventbridge")]
mod sending;

use contract::{OrgId, Timestamp};
use friction::change::{Notice, Sweep};
use ports::{PortError, PortResult, bus::AnnouncementKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    bodies::{Parcel, gunzip, gzip},
    places,
};
use crate::{
    item::{Item, item, malformed, number, text},
    journal::commit_key,
};

#[cfg(feature = "eventbridge")]
pub(crate) use sending::Places;

/// The item of what a commit announces; nothing when that is nothing.
pub(crate) fn entry(sweep: &Sweep) -> PortResult<Option<(Item, Parcel)>> {
    if sweep.notices.is_empty() {
        return Ok(None);
    }
    // A notice that nobody could send would be in the way of all others.
    if sweep.notices.iter().any(|notice| AnnouncementKind::parse(&notice.kind).is_none()) {
        return Err(PortError::permanent("sessions.commit", "a notice is of no known kind"));
    }
    let parcel = Parcel::of(pieces(&sweep.notices)?);
    let lane = places::journal_lane(&sweep.owner.org, &sweep.owner.product);
    let mut item = item([
        ("pk", text(partition(&lane))),
        ("sk", text(commit_key(&sweep.owner, sweep.version))),
        ("next", number(0)),
    ]);
    parcel.describe(&mut item);
    Ok(Some((item, parcel)))
}

/// A notice on the wire.
#[derive(Serialize, Deserialize)]
struct Wire {
    id: String,
    kind: String,
    org: OrgId,
    at: i64,
    detail: String,
}

fn pieces(notices: &[Notice]) -> PortResult<Vec<Vec<u8>>> {
    let (mut pieces, mut piece, mut bytes) = (Vec::new(), Vec::new(), 0);
    for notice in notices {
        let detail = bounded(notice);
        if !piece.is_empty()
            && (piece.len() >= PIECE_NOTICES_MAX || bytes + detail.len() > PIECE_BYTES_MAX)
        {
            pieces.push(encoded(&std::mem::take(&mut piece))?);
            bytes = 0;
        }
        bytes += detail.len();
        let Notice { id, kind, org, at, .. } = notice;
        piece.push(Wire {
            id: id.clone(),
            kind: kind.clone(),
            org: org.clone(),
            at: at.ms(),
            detail,
        });
    }
    pieces.push(encoded(&piece)?);
    Ok(pieces)
}

fn encoded(piece: &[Wire]) -> PortResult<Vec<u8>> {
    let raw = serde_json::to_vec(piece);
    gzip(&raw.map_err(|error| PortError::permanent("sessions.commit", error))?)
}

/// Reads a piece.
fn read(packed: &[u8]) -> PortResult<Vec<Notice>> {
    let wire: Vec<Wire> =
        serde_json::from_slice(&gunzip(packed)?).map_err(|_| malformed("body"))?;
    let notice = |Wire { id, kind, org, at, detail }| Notice {
        id,
        kind,
        org,
        at: Timestamp::from_ms(at),
        detail,
    };
    Ok(wire.into_iter().map(notice).collect())
}

/// The fact, without its largest parts where the bus would not take it; `omitted` names them. The notice's id says what to
/// read instead.
fn bounded(notice: &Notice) -> String {
    if notice.detail.len() <= DETAIL_BYTES_MAX {
        return notice.detail.clone();
    }
    let Ok(Value::Object(parts)) = serde_json::from_str::<Value>(&notice.detail) else {
        return json!({ "omitted": ["detail"] }).to_string();
    };
    let (small, large): (Map<String, Value>, Map<String, Value>) =
        parts.into_iter().partition(|(_, part)| part.to_string().len() <= PART_BYTES_MAX);
    let mut told = small;
    told.insert("omitted".to_owned(), large.keys().cloned().collect());
    Value::Object(told).to_string()
}

/// The partition of a lane's notices.
fn partition(lane: &str) -> String {
    format!("O#{lane}")
}

/// An entry of the bus takes 256 KB, of which the id, the organisation and the time take a part.
const DETAIL_BYTES_MAX: usize = 240_000;
/// A fact has a handful of parts.
const PART_BYTES_MAX: usize = 20_000;
const PIECE_NOTICES_MAX: usize = 100;
/// With one notice of any size more it still fits an item, compressed or not.
const PIECE_BYTES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: usize, detail: String) -> Notice {
        Notice {
            id: format!("session:s_{number}:1"),
            kind: "session.closed".to_owned(),
            org: OrgId::parse("acme").unwrap(),
            at: Timestamp::from_ms(7),
            detail,
        }
    }

    #[test]
    fn notices_are_read_as_they_were_written_in_pieces_that_fit() {
        for (count, length) in [(1, 10), (250, 100), (9, 90_000), (3, 240_000)] {
            let all: Vec<_> = (0..count).map(|number| notice(number, "x".repeat(length))).collect();
            let pieces = pieces(&all).unwrap();
            let read: Vec<Vec<Notice>> = pieces.iter().map(|piece| read(piece).unwrap()).collect();
            assert!(read.iter().all(|piece| piece.len() <= PIECE_NOTICES_MAX));
            assert_eq!(read.concat(), all, "{count} of {length}");
        }
    }

    #[test]
    fn a_fact_that_the_bus_would_not_take_names_what_it_leaves_out() {
        let whole = |length: usize| {
            let detail = json!({
                "sessionId": "s_1", "revision": 2, "session": {"path": "x".repeat(length)}, "before": null,
            });
            bounded(&notice(1, detail.to_string()))
        };
        assert!(whole(200_000).contains("xxx"));
        let told: Value = serde_json::from_str(&whole(250_000)).unwrap();
        assert_eq!(
            told,
            json!({"sessionId": "s_1", "revision": 2, "before": null, "omitted": ["session"]})
        );
        let bare = bounded(&notice(1, "\"".to_owned() + &"x".repeat(300_000) + "\""));
        assert!(bare.len() < 100);
    }
}
