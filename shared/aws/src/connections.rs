//! The way to those who listen: the connections that a WebSocket API of API Gateway holds open.

use aws_sdk_apigatewaymanagement::{
    Client,
    operation::{
        delete_connection::DeleteConnectionError, post_to_connection::PostToConnectionError,
    },
    primitives::Blob,
};
use ports::{
    PortResult,
    watches::{Listeners, Posted},
};

use crate::{access::Access, fault::port_error};

/// The connections of one WebSocket API.
#[derive(Debug, Clone)]
pub struct Connections(Client);

impl Connections {
    /// Those of the API whose stage is at `url`: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`. No call is made.
    #[must_use]
    pub fn new(access: &Access, url: &str) -> Self {
        Self(access.connections(url))
    }
}

impl Listeners for Connections {
    async fn post(&self, connection: &str, text: &str) -> PortResult<Posted> {
        let data = Blob::new(text.as_bytes());
        match self.0.post_to_connection().connection_id(connection).data(data).send().await {
            Ok(_) => Ok(Posted::Taken),
            Err(error) => match error.as_service_error() {
                Some(PostToConnectionError::GoneException(_)) => Ok(Posted::Gone),
                Some(_) | None => Err(port_error("listeners.post", error)),
            },
        }
    }

    async fn hang_up(&self, connection: &str) -> PortResult<()> {
        match self.0.delete_connection().connection_id(connection).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteConnectionError::GoneException(_)) => Ok(()),
                Some(_) | None => Err(port_error("listeners.hang_up", error)),
            },
        }
    }
}
