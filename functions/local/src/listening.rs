//! Connections: how many there are, how long each may take to ask and to be answered, and how they end.
//!
//! HTTP/1.1 only, also for who knows of HTTP/2 beforehand. A head that does not come, the next request of a connection that
//! is kept, and an answer that nobody reads each have a deadline; bodies have that of the door, which is the only one to
//! read any. Whoever finds no place is told so.

mod socket;

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::header};
use contract::{Code, problem::Problem};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use self::socket::Socket;

/// What a client can take of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at once, streams included.
    pub(crate) connections: usize,
    /// How long the head of a request may take to come, the first of a connection and each after it.
    pub(crate) head: Duration,
    /// How long an answer may wait for whoever asked to take any of it.
    pub(crate) unread: Duration,
}

impl Limits {
    pub(crate) fn of(connections: usize) -> Self {
        Self { connections, head: HEAD, unread: UNREAD }
    }
}

/// Serves until `stopping` is true or gone; then takes no connection any more, and finishes the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let socket = Socket::new(stream, limits.unread, place);
                    connections.spawn(hold(socket, router.clone(), limits, stopping.clone()));
                }
                Err(_) => turn_away(stream, &turned_away, limits),
            },
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                // Mostly there are no more descriptors: whoever waits is taken as soon as somebody leaves.
                tracing::error!(%error, "no connection can be taken: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, to its end.
async fn hold(socket: Socket, router: Router, limits: Limits, mut stopping: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
        .with_upgrades();
    let mut serving = pin!(serving);
    tokio::select! {
        // How it ended is the client's affair.
        ended = serving.as_mut() => return drop(ended),
        () = stopped(&mut stopping) => serving.as_mut().graceful_shutdown(),
    }
    drop(serving.await);
}

/// Tells whoever finds no place. What it sends is read for a moment, since a reset would keep it from hearing why; of too
/// many at once not even that.
fn turn_away(mut stream: TcpStream, turned_away: &Arc<AtomicUsize>, limits: Limits) {
    let counted = Arc::clone(turned_away);
    if counted.fetch_add(1, Ordering::SeqCst) >= TURNED_AWAY_MAX {
        counted.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    tokio::spawn(async move {
        let answer = full(limits.connections);
        let telling = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            let mut read = [0; 1024];
            while stream.read(&mut read).await? > 0 {}
            io::Result::Ok(())
        };
        drop(timeout(TURNING_AWAY, telling).await);
        counted.fetch_sub(1, Ordering::SeqCst);
    });
}

fn full(connections: usize) -> String {
    let title =
        format!("{connections} connections are open here, which is the most that there may be.");
    let mut problem = Problem::new(503, Code::RateLimited, title);
    problem.retry_after = Some(1);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\n{}: application/problem+json\r\n{}: {}\r\n{}: 1\r\n{}: close\r\n\r\n{body}",
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        body.len(),
        header::RETRY_AFTER,
        header::CONNECTION,
    )
}

/// A connection that was gone before it was taken says nothing of the others.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind())
}

/// Ends when the server is to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that whoever could stop this is gone, and so should the server be.
    drop(stopping.wait_for(|stop| *stop).await);
}

const HEAD: Duration = Duration::from_secs(30);
const UNREAD: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
const TURNED_AWAY_MAX: usize = 64;
const TURNING_AWAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
