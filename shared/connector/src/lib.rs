//! The way out: one HTTPS endpoint that follows nothing, trusts no address, and reads little; and a connector to test
//! against.
//!
//! # Layout
//!
//! - [`base`]: which URLs may be configured
//! - [`address`]: which addresses may be connected to
//! - [`http`]: the endpoint itself
//! - [`secrets`]: where the key and the signing secrets come from
//! - [`operator`]: the client of operators' commands
//! - [`tls`]: the one cryptography library
//! - `warehouse` (feature `warehouse`): ClickHouse over HTTP
//! - [`mock`]: a connector with the observed quirks (feature `mock`)
#![warn(missing_docs)]

pub mod address;
pub mod base;
pub mod http;
#[cfg(feature = "mock")]
pub mod mock;
pub mod operator;
pub mod secrets;
pub mod tls;
#[cfg(feature = "warehouse")]
pub mod warehouse;

pub use self::{
    base::{BaseUrl, InvalidBaseUrl, Transport},
    http::{HttpEndpoint, NoClient},
    secrets::{Secrets, Source},
};
