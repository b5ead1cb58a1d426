//! The mock on a loopback port.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ports::clock::Clock;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Received, Receiver, Reply};

/// A running mock; it stops when this is dropped.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl MockServer {
    /// Listens on a free port of the loopback interface, or on `port`.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(
        receiver: Receiver,
        clock: impl Clock + 'static,
        port: u16,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let clock = Arc::new(clock);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (receiver, clock) = (receiver.clone(), clock.clone());
                tokio::spawn(async move {
                    let answer =
                        service_fn(|request| answered(request, receiver.clone(), clock.clone()));
                    // A connection that breaks is the sender's business, and often the mock's intention.
                    let _ = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        Ok(Self { address, accepting })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answered(
    request: Request<Incoming>,
    receiver: Receiver,
    clock: Arc<impl Clock>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let path = request.uri().path().to_owned();
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes().to_vec();
    match receiver.receive(&Received { path, headers, body }, clock.now()) {
        Reply::Http { status, retry_after, body } => {
            let mut response = Response::builder().status(status);
            response = response.header(CONTENT_TYPE, "application/json");
            if let Some(retry_after) = retry_after {
                response = response.header(RETRY_AFTER, retry_after);
            }
            response.body(Full::new(body.into())).map_err(io::Error::other)
        }
        Reply::Hang => std::future::pending().await,
        Reply::Cut => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
    }
}

const REQUEST_BYTES_MAX: usize = 1024 * 1024;
