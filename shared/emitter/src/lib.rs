#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod backend;
pub mod crawl;
pub mod friction;
pub mod knowledge;
pub mod task;
pub mod transport;
pub mod ui;

mod door;
mod draft;
mod emit;
mod error;
mod guard;
mod keys;
mod outbox;
mod ring;
mod settings;
mod stats;
mod surroundings;

pub use contract::{
    Code, EventId, OrgId, Pillar, ProductId, Timestamp,
    event::{Consent, Signals},
    staged::StagedEvent,
};
pub use domain::pseudonym::{Pseudonymiser, RootKey};

pub use draft::{DeviceType, Draft, RawId};
pub use emit::Emitter;
pub use error::{ConnectError, EmitError, HeldBack};
#[cfg(feature = "kms")]
pub use keys::KmsKey;
#[cfg(feature = "secrets")]
pub use keys::SecretKey;
pub use keys::{GivenKey, KeyError, KeySource};
pub use settings::{Settings, SettingsError};
pub use stats::{EmitterStats, FlushReport};
pub use surroundings::{Machine, Surroundings};
#[cfg(feature = "dynamodb")]
pub use transport::DynamoDb;
pub use transport::{DryRun, Mock, RowFate, Transport, TransportError};
