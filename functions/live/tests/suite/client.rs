//! A client of the gateway.

use std::time::Duration;

use contract::session::SessionId;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use crate::world::World;

/// A connection.
pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// Opens a connection, and lets the bus carry what opening it announces; the status of a refusal.
    pub(crate) async fn open(world: &World, key: &str, query: &str) -> Result<Self, u16> {
        let client = Self::open_unannounced(world, key, query).await?;
        world.deliver().await;
        Ok(client)
    }

    /// Opens a connection; the status of a refusal.
    pub(crate) async fn open_unannounced(
        world: &World,
        key: &str,
        query: &str,
    ) -> Result<Self, u16> {
        Self::with_headers(world, &[("authorization", &format!("Bearer {key}"))], query).await
    }

    pub(crate) async fn with_headers(
        world: &World,
        headers: &[(&'static str, &str)],
        query: &str,
    ) -> Result<Self, u16> {
        let url = format!("{}?{query}", world.gateway.url());
        let address = url.split('/').nth(2).unwrap().to_owned();
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let connection = TcpStream::connect(address).await.unwrap();
        match client_async(request, connection).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message, or the code with which the other side ends. A test that waits for what never comes fails at some
    /// time.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match timeout(Duration::from_secs(30), self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                None | Some(Err(_)) => return Err(None),
                Some(Ok(other)) => panic!("{other}"),
            }
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.0.send(message).await
    }

    /// Says goodbye, and waits until that was heard.
    pub(crate) async fn close(mut self) {
        self.0.close(None).await.unwrap();
        while self.next().await.is_ok() {}
    }
}

/// The query for a session.
pub(crate) fn query(session: &SessionId) -> String {
    format!("session={session}")
}

/// The query of whoever comes back after `context`.
pub(crate) fn back(session: &SessionId, context: &Value) -> String {
    let after = context["lastSeq"].as_str().unwrap().replace('#', "%23");
    format!("session={session}&after={after}")
}
