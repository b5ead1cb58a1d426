//! Somebody who listens to a session's context, at the WebSocket API of the deployed suite.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::{Value, json};
use standin::{
    platform::{Pace, tick},
    run,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{Deployed, ORG, PATIENCE};

/// Somebody who listens.
struct Listener(WebSocketStream<TcpStream>);

impl Deployed {
    /// Listens to a session until its context was told, says goodbye, and waits until that was heard.
    pub(crate) async fn listen(&self, session: &str) {
        let mut listener = self.listener(session).await;
        self.function("live").invoke(tick()).await.unwrap();
        let told = listener.told().await;
        assert_eq!((&told["sessionId"], &told["orgId"]), (&json!(session), &json!(ORG)));
        assert_eq!(told, self.ask(&format!("/api/sessions/{session}/context")).await);
        listener.leave().await;
        let live = self.function("live").name();
        let is_forgotten =
            || self.platform.seen(live).iter().any(|asked| asked.name == "dynamodb:DeleteItem");
        while !is_forgotten() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn listener(&self, session: &str) -> Listener {
        let url = format!("{}?session={session}&org={ORG}", self.platform.gateway().url());
        let address = url.split('/').nth(2).unwrap().to_owned();
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.key);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let connection = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, connection).await.unwrap();
        Listener(socket)
    }

    /// The session under way of the only person there is, looked for by hand: no schedule ticks.
    async fn under_way(&self) -> String {
        let started = Instant::now();
        loop {
            self.function("sessionizer").invoke("{}").await.unwrap();
            let open = self.ask("/v1/sessions?state=open").await;
            if let Some(session) = open["sessions"][0]["sessionId"].as_str() {
                return session.to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "{}", self.log("sessionizer"));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

impl Listener {
    /// The next context.
    async fn told(&mut self) -> Value {
        let told = timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = told else { panic!("no context") };
        serde_json::from_str(&text).unwrap()
    }

    async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while let Some(Ok(_)) = timeout(PATIENCE, self.0.next()).await.unwrap() {}
    }
}

/// What the bus takes invokes `live`; the minute's tick, which would make up for it, never comes here.
#[test]
fn what_changes_is_told_to_who_listens_by_the_bus_alone() {
    run(async {
        let tick = Some(Duration::from_secs(3_600));
        let suite = Deployed::new(Pace { tick, untidy: true, ..Pace::default() }).await;
        let visit = |number: usize| {
            json!({
                "eventId": format!("visit-{number}"), "eventType": "ui.navigation", "orgId": ORG,
                "occurredAt": standin::now().to_string(), "productId": "shop",
                "actorId": "jan@example.org", "screen": format!("/page/{number}"),
            })
        };
        suite.send(&[visit(0)]).await;
        let session = suite.under_way().await;
        let mut listener = suite.listener(&session).await;
        let mut told = listener.told().await;
        for number in 1..4 {
            suite.send(&[visit(number)]).await;
            let before = told["lastSeq"].clone();
            told = listener.told().await;
            assert_ne!(told["lastSeq"], before);
            assert_eq!(told, suite.ask(&format!("/api/sessions/{session}/context")).await);
        }
        let books = suite.platform.bus().books().clone();
        assert!(books.events() >= 4, "{books:?}");
        assert_eq!(books.dead(), 0);
        listener.leave().await;
        suite.platform.stop().await;
    });
}
