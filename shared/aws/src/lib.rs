//! The ports kept by the services of AWS: DynamoDB, Kinesis, S3, EventBridge, Secrets Manager and KMS.
//!
//! One type, [`Cloud`], keeps them all; each port is one file, and each service one cargo feature, so that a function
//! links only what it uses. Nothing here decides anything: what to write was decided in `domain` before.
//!
//! # Layout
//!
//! - [`access`]: region, credentials, endpoints, time limits; [`resources`]: which table, stream, bucket is meant
//! - `fault`: how a service's refusal becomes a [`ports::PortError`]
//! - one module per port, named like the port
#![warn(missing_docs)]
// What only a service that is left out would use.
#![cfg_attr(
    not(all(
        feature = "dynamodb",
        feature = "eventbridge",
        feature = "kinesis",
        feature = "kms",
        feature = "s3",
        feature = "secrets"
    )),
    allow(dead_code, reason = "a function links only the services that it uses")
)]

pub mod access;
#[cfg(all(feature = "dynamodb", feature = "kinesis", feature = "s3"))]
mod accounts;
#[cfg(feature = "dynamodb")]
mod announcing;
#[cfg(feature = "s3")]
mod archive;
#[cfg(feature = "dynamodb")]
mod books;
#[cfg(feature = "eventbridge")]
mod bus;
#[cfg(any(feature = "dynamodb", feature = "secrets"))]
mod cache;
#[cfg(feature = "dynamodb")]
mod checkpoints;
#[cfg(feature = "apigateway")]
pub mod connections;
#[cfg(feature = "dynamodb")]
mod delivery;
#[cfg(feature = "dynamodb")]
mod directory;
#[cfg(feature = "dynamodb")]
mod event_log;
mod fault;
#[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
mod forming;
#[cfg(feature = "dynamodb")]
mod forwarded;
#[cfg(feature = "dynamodb")]
mod heads;
#[cfg(all(feature = "dynamodb", feature = "kinesis"))]
mod intake;
#[cfg(feature = "dynamodb")]
mod item;
#[cfg(any(feature = "dynamodb", feature = "eventbridge", feature = "kinesis"))]
mod jitter;
#[cfg(feature = "dynamodb")]
mod journal;
#[cfg(feature = "dynamodb")]
mod keys;
#[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
mod leases;
#[cfg(feature = "dynamodb")]
pub mod ledger;
#[cfg(feature = "dynamodb")]
mod markers;
#[cfg(feature = "s3")]
mod objects;
#[cfg(feature = "s3")]
mod on_failure;
#[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
mod outbox;
#[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
mod parking;
#[cfg(feature = "dynamodb")]
mod projections;
#[cfg(all(feature = "dynamodb", feature = "secrets"))]
mod pseudonyms;
#[cfg(all(feature = "dynamodb", feature = "kinesis", feature = "s3"))]
mod quarantine;
#[cfg(feature = "dynamodb")]
mod reads;
#[cfg(feature = "dynamodb")]
mod reference;
pub mod resources;
#[cfg(feature = "dynamodb")]
mod rows;
#[cfg(feature = "dynamodb")]
mod rules;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "dynamodb")]
mod sessions;
#[cfg(feature = "dynamodb")]
mod shelf;
#[cfg(all(feature = "dynamodb", feature = "kinesis"))]
mod staging;
#[cfg(feature = "kinesis")]
mod stream;
#[cfg(feature = "dynamodb")]
mod transaction;
#[cfg(feature = "dynamodb")]
mod understanding;
#[cfg(feature = "dynamodb")]
mod watches;

use std::sync::Arc;

use access::Access;
use resources::Resources;

/// The services of AWS as a world of ports. Cheap to clone; clients are built once and share their connections.
#[derive(Clone)]
pub struct Cloud(Arc<Inner>);

struct Inner {
    resources: Resources,
    #[cfg(feature = "dynamodb")]
    dynamodb: aws_sdk_dynamodb::Client,
    #[cfg(feature = "dynamodb")]
    assignments: reference::Assignments,
    #[cfg(feature = "dynamodb")]
    api_keys: keys::Known,
    #[cfg(feature = "dynamodb")]
    armed: heads::Armed,
    #[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
    places: sessions::notices::Places,
    #[cfg(feature = "dynamodb")]
    rules: rules::Known,
    #[cfg(feature = "dynamodb")]
    summed: sessions::Summed,
    #[cfg(all(feature = "dynamodb", feature = "secrets"))]
    pseudonyms: pseudonyms::Pseudonyms,
    #[cfg(feature = "dynamodb")]
    listed: directory::Listed,
    #[cfg(feature = "eventbridge")]
    eventbridge: aws_sdk_eventbridge::Client,
    #[cfg(feature = "kinesis")]
    kinesis: aws_sdk_kinesis::Client,
    #[cfg(feature = "kinesis")]
    iterators: stream::Iterators,
    #[cfg(feature = "kms")]
    kms: aws_sdk_kms::Client,
    #[cfg(feature = "dynamodb")]
    dictionaries: ledger::Dictionaries,
    #[cfg(feature = "dynamodb")]
    lane: ledger::ChosenLane,
    #[cfg(feature = "dynamodb")]
    markers: markers::Markers,
    #[cfg(feature = "s3")]
    s3: aws_sdk_s3::Client,
    #[cfg(feature = "s3")]
    given_up: on_failure::GivenUp,
    #[cfg(feature = "secrets")]
    secrets: aws_sdk_secretsmanager::Client,
    #[cfg(feature = "secrets")]
    known_secrets: secrets::Known,
    #[cfg(feature = "dynamodb")]
    watched: watches::KnownWatched,
}

impl Cloud {
    /// Builds the clients. No call is made.
    #[must_use]
    pub fn new(access: &Access, resources: Resources) -> Self {
        // Without any service there is nothing to reach.
        let _ = access;
        Self(Arc::new(Inner {
            #[cfg(feature = "dynamodb")]
            dynamodb: access.dynamodb(),
            #[cfg(feature = "dynamodb")]
            assignments: reference::assignments(),
            #[cfg(feature = "dynamodb")]
            api_keys: keys::known(),
            #[cfg(feature = "dynamodb")]
            armed: heads::armed(),
            #[cfg(all(feature = "dynamodb", feature = "eventbridge"))]
            places: sessions::notices::Places::default(),
            #[cfg(feature = "dynamodb")]
            rules: rules::known(),
            #[cfg(feature = "dynamodb")]
            summed: sessions::Summed::default(),
            #[cfg(all(feature = "dynamodb", feature = "secrets"))]
            pseudonyms: pseudonyms::Pseudonyms::default(),
            #[cfg(feature = "dynamodb")]
            listed: directory::Listed::default(),
            #[cfg(feature = "eventbridge")]
            eventbridge: access.eventbridge(),
            #[cfg(feature = "kinesis")]
            kinesis: access.kinesis(),
            #[cfg(feature = "kinesis")]
            iterators: stream::Iterators::default(),
            #[cfg(feature = "kms")]
            kms: access.kms(),
            #[cfg(feature = "dynamodb")]
            dictionaries: ledger::Dictionaries::default(),
            #[cfg(feature = "dynamodb")]
            lane: ledger::ChosenLane::default(),
            #[cfg(feature = "dynamodb")]
            markers: markers::Markers::default(),
            #[cfg(feature = "s3")]
            s3: access.s3(),
            #[cfg(feature = "s3")]
            given_up: on_failure::GivenUp::default(),
            #[cfg(feature = "secrets")]
            secrets: access.secrets(),
            #[cfg(feature = "secrets")]
            known_secrets: secrets::known(),
            #[cfg(feature = "dynamodb")]
            watched: watches::known(),
            resources,
        }))
    }

    /// What this installation's things are called.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.0.resources
    }
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("resources", &self.0.resources).finish_non_exhaustive()
    }
}
