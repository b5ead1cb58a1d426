//! Somebody who listens to a session's context, at the WebSocket API of the deployed suite.

use futures::StreamExt as _;
use serde_json::{Value, json};
use standin::platform::tick;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{Deployed, ORG, PATIENCE};

impl Deployed {
    /// Listens to a session until its context was told, says goodbye, and waits until that was heard.
    pub(crate) async fn listen(&self, session: &str) {
        let url = format!("{}?session={session}&org={ORG}", self.platform.gateway().url());
        let address = url.split('/').nth(2).unwrap().to_owned();
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.key);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let connection = TcpStream::connect(address).await.unwrap();
        let (mut socket, _) = client_async(request, connection).await.unwrap();
        self.function("live").invoke(tick()).await.unwrap();
        let told = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = told else { panic!("no context") };
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["sessionId"], &told["orgId"]), (&json!(session), &json!(ORG)));
        assert_eq!(told, self.ask(&format!("/api/sessions/{session}/context")).await);
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = timeout(PATIENCE, socket.next()).await.unwrap() {}
        let live = self.function("live").name();
        let is_forgotten =
            || self.platform.seen(live).iter().any(|asked| asked.name == "dynamodb:DeleteItem");
        while !is_forgotten() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
