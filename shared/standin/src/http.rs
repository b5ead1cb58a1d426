//! Plain HTTP to this machine: stand-ins have no certificates.

use axum::body::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}
