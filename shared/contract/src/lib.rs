//! What crosses a process boundary is defined here and nowhere else.
//!
//! # Layout
//!
//! - [`limits`]: every limit of the suite, with its unit
//! - [`ids`], [`time`], [`event_type`], [`event`]: the one envelope that carries every event
//! - [`context`]: which context keys each event type declares, and their bounds
//! - [`code`]: the stable codes of refusals and quarantine reasons
//! - [`ingest`], [`problem`]: the HTTP door
//! - [`kinesis`], [`change`]: what an event source mapping delivers, and what is answered
//! - [`staged`]: the staging row and the records that a door writes
//! - [`connector`]: the outbound batch and the connector's answer
//! - [`session`], [`incident`], [`projection`]: what is made of events
//! - [`ledger`], [`insights`], [`command`]: what operators read
//! - `schema` (feature `schema`): the JSON Schemas of all this
#![warn(missing_docs)]

pub mod change;
pub mod code;
pub mod collision;
pub mod command;
pub mod connector;
pub mod context;
pub mod event;
pub mod event_type;
pub mod ids;
pub mod incident;
pub mod ingest;
pub mod insights;
pub mod kinesis;
pub mod ledger;
pub mod limits;
pub mod problem;
pub mod projection;
#[cfg(feature = "schema")]
pub mod schema;
pub mod session;
pub mod staged;
pub mod time;

pub use code::Code;
pub use event::Event;
pub use event_type::{EventType, Family, Pillar};
pub use ids::{EventId, OrgId, ProductId};
pub use time::Timestamp;
