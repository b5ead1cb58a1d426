//! Version N−1: an event without `schemaVersion`, or of `0.x`, may use the origin systems' spellings. They are turned into
//! the current ones before anything else is read.
//!
//! | N−1 | now |
//! |---|---|
//! | `timestamp`, `ts` (also ms since the epoch) | `occurredAt` |
//! | `userId`, `userHash` | `actorId` |
//! | `frictionSignals` | `signals` |
//! | `source: "name"` | `source: {"service": "name"}` |
//! | `context.sessionDuration` | `context.sessionDurationSeconds` |

use std::borrow::Cow;

use contract::{Code, Timestamp, limits::SCHEMA_VERSION};

use super::json::{Node, Object};
use crate::admit::Fault;

/// Upcasts the event in place and tells the version it has now.
pub(super) fn upcast(event: &mut Object<'_>) -> Result<String, Fault> {
    let version = match event.member("schemaVersion") {
        None => None,
        Some(node) => {
            let invalid = || Fault::at(Code::InvalidType, "/schemaVersion");
            Some(node.as_text().ok_or_else(invalid)?.to_owned())
        }
    };
    match version {
        Some(current) if !current.starts_with("0.") => Ok(current),
        Some(_) | None => {
            respell(event)?;
            Ok(SCHEMA_VERSION.to_owned())
        }
    }
}

fn respell(event: &mut Object<'_>) -> Result<(), Fault> {
    for (old, new) in SPELLINGS {
        rename(event, old, new)?;
    }
    for (name, node) in &mut event.0 {
        match (name.as_ref(), &mut *node) {
            ("occurredAt", Node::Integer(ms)) => {
                *node = Node::Text(Timestamp::from_ms(*ms).to_string().into());
            }
            ("source", Node::Text(service)) => {
                let service = Node::Text(std::mem::take(service));
                *node = Node::Object(Object(vec![(Cow::Borrowed("service"), service)]));
            }
            ("context", Node::Object(context)) => {
                rename(context, "sessionDuration", "sessionDurationSeconds")?;
            }
            (_, _) => {}
        }
    }
    Ok(())
}

fn rename(object: &mut Object<'_>, old: &str, new: &'static str) -> Result<(), Fault> {
    let is_taken = object.0.iter().any(|(name, _)| name == new);
    let Some((name, _)) = object.0.iter_mut().find(|(name, _)| name == old) else { return Ok(()) };
    if is_taken {
        return Err(Fault::at(Code::DuplicateField, format!("/{new}")));
    }
    *name = Cow::Borrowed(new);
    Ok(())
}

const SPELLINGS: [(&str, &str); 5] = [
    ("timestamp", "occurredAt"),
    ("ts", "occurredAt"),
    ("userId", "actorId"),
    ("userHash", "actorId"),
    ("frictionSignals", "signals"),
];
