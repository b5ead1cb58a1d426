//! The ports kept by the services of AWS: DynamoDB, Kinesis, S3, EventBridge, Secrets Manager and KMS.
//!
//! One type, [`Cloud`], keeps them all; each port is one file, and each service one cargo feature, so that a function
//! links only what it uses. Nothing here decides anything: what to write was decided in `domain` before.
//!
//! # Layout
//!
//! - [`access`]: region, credentials, endpoints, time limits; [`resources`]: which table, stream, bucket is meant
//! - [`fault`]: how a service's refusal becomes a [`ports::PortError`]
//! - one module per port, named like the port
#![warn(missing_docs)]

pub mod access;
#[cfg(feature = "s3")]
mod archive;
#[cfg(feature = "eventbridge")]
mod bus;
#[cfg(feature = "dynamodb")]
mod checkpoints;
mod fault;
#[cfg(feature = "dynamodb")]
mod item;
#[cfg(any(feature = "eventbridge", feature = "kinesis"))]
mod jitter;
#[cfg(feature = "s3")]
mod objects;
#[cfg(feature = "s3")]
mod on_failure;
pub mod resources;
#[cfg(feature = "kinesis")]
mod stream;

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
    #[cfg(feature = "eventbridge")]
    eventbridge: aws_sdk_eventbridge::Client,
    #[cfg(feature = "kinesis")]
    kinesis: aws_sdk_kinesis::Client,
    #[cfg(feature = "kinesis")]
    iterators: stream::Iterators,
    #[cfg(feature = "kms")]
    kms: aws_sdk_kms::Client,
    #[cfg(feature = "s3")]
    s3: aws_sdk_s3::Client,
    #[cfg(feature = "s3")]
    given_up: on_failure::GivenUp,
    #[cfg(feature = "secrets")]
    secrets: aws_sdk_secretsmanager::Client,
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
            #[cfg(feature = "eventbridge")]
            eventbridge: access.eventbridge(),
            #[cfg(feature = "kinesis")]
            kinesis: access.kinesis(),
            #[cfg(feature = "kinesis")]
            iterators: stream::Iterators::default(),
            #[cfg(feature = "kms")]
            kms: access.kms(),
            #[cfg(feature = "s3")]
            s3: access.s3(),
            #[cfg(feature = "s3")]
            given_up: on_failure::GivenUp::default(),
            #[cfg(feature = "secrets")]
            secrets: access.secrets(),
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
