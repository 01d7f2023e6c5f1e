//! Connections: bounded in number, cut when slow, drained at shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Front;
use super::admission::Admission;
use super::keys::Keys;
use super::readiness::Readiness;
use super::refusal::Refusals;
use super::stall::Stream;
use crate::app::App;
use crate::config::Config;

/// From the connection (or the answer before) to the end of the next request's head.
const HEAD_TIME: Duration = Duration::from_secs(8);
/// Segment's heads are some hundred bytes.
const MAX_HEAD: usize = 32 * 1024;
/// What shutdown waits for requests under way: their deadline, and their answers' way out.
const DRAIN_REQUESTS: Duration = Duration::from_secs(10);
/// And then for their settlements.
const DRAIN_SETTLEMENTS: Duration = Duration::from_secs(5);
/// Out of descriptors; there will be some again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then finishes what it accepted.
pub async fn serve(
    config: &Config,
    app: Arc<App>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let front = Arc::new(Front {
        app: app.clone(),
        keys: Keys::new(),
        admission: Admission::new(
            config.max_requests,
            config.max_account_requests,
            config.max_bodies_mib * 1024 * 1024,
        ),
        readiness: Readiness::default(),
        stopping: AtomicBool::new(false),
    });
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let refusals = Refusals::new();
    let accept = async |stream: TcpStream| match slots.clone().try_acquire_owned() {
        Ok(slot) => {
            let connection = connection(front.clone(), stream, graceful.watcher(), slot);
            tokio::spawn(connection);
        }
        Err(_) => refusals.refuse(stream).await,
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => accept(stream).await,
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = &mut shutdown => break,
        }
    }
    front.stopping.store(true, Ordering::Relaxed);
    // Connections that the system accepted for us already are clients like any other.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        accept(stream).await;
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_REQUESTS, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections were cut at shutdown");
    }
    let background = app.background();
    background.close();
    if tokio::time::timeout(DRAIN_SETTLEMENTS, background.wait())
        .await
        .is_err()
    {
        tracing::warn!("some settlements are left to the quota service");
    }
}

async fn connection(
    front: Arc<Front>,
    stream: TcpStream,
    watcher: Watcher,
    _slot: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(false));
    let stream = Stream::new(stream, unread.clone());
    let service = service_fn(move |request| {
        let (front, unread) = (front.clone(), unread.clone());
        async move { Ok::<_, Infallible>(front.handle(request, &unread).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Clients that break off or time out are nothing to log.
    let _ = watcher.watch(connection).await;
}
