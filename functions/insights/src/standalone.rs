//! Over the embedded store, as an HTTP server that lives on.

use std::{future::IntoFuture as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use embedded::{Options, Store};
use ports::clock::{Entropy, SystemClock};
use tokio::{
    net::TcpListener,
    signal::unix::{self, SignalKind},
    sync::watch,
    time::timeout,
};

use crate::{CursorKey, Insights, router};

/// A directory that is not served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// A mistyped name makes no store.
    #[error(
        "EVENTS_DDB_TABLE is not set, and EVENTS_SQLITE_PATH names no data directory; `tribo local --data-dir` makes one"
    )]
    NoStore,
    /// It cannot be opened.
    #[error(transparent)]
    Store(#[from] embedded::OpenError),
    /// Nothing can listen there, or signals cannot be heard.
    #[error("nothing can be served")]
    System(#[from] std::io::Error),
}

/// Serves `directory` on `listen` until SIGTERM or SIGINT, and finishes what is under way. Other processes may use the
/// directory meanwhile. Cursors live as long as this process.
///
/// # Errors
/// See [`NotServed`].
pub async fn serve<E: Entropy + 'static>(
    directory: &Path,
    listen: SocketAddr,
    entropy: E,
) -> Result<(), NotServed> {
    if !directory.join(embedded::DATABASE).exists() {
        return Err(NotServed::NoStore);
    }
    let (mut terminate, mut interrupt) =
        (unix::signal(SignalKind::terminate())?, unix::signal(SignalKind::interrupt())?);
    let world = Store::open(directory, Options::default())?;
    let mut key = [0; 32];
    let (left, right) = key.split_at_mut(16);
    left.copy_from_slice(&entropy.bytes());
    right.copy_from_slice(&entropy.bytes());
    let app = Arc::new(Insights::new(world, SystemClock, entropy, CursorKey::new(key)));
    let listener = TcpListener::bind(listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening on {}", listener.local_addr()?);
    let (stop, mut stopping) = watch::channel(false);
    let stopped = async move {
        // An error says that whoever could stop this is gone.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(stopped).into_future();
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = &mut serving => return Ok(served?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    // Whoever does not finish a request in time is left.
    Ok(timeout(ANSWERING, serving).await.unwrap_or(Ok(()))?)
}

const ANSWERING: Duration = Duration::from_secs(3);
