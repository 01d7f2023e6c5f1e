//! Connections: bounded in number, drained at shutdown.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;
use super::admission::Admission;
use super::connection;
use super::keys::Keys;
use super::places::Places;
use super::readiness::Readiness;
use super::refusal::Refusals;
use crate::app::App;
use crate::config::Config;

/// What the end of the drain waits for requests under way: the rest of their heads, or their
/// deadline, and their answers' way out.
const DRAIN_REQUESTS: Duration = Duration::from_secs(10);
/// And then for their settlements.
const DRAIN_SETTLEMENTS: Duration = Duration::from_secs(5);
/// Out of descriptors; there will be some again, since so many of those who wait for a head
/// are sent away.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const ROOM_AT_ONCE: usize = 32;
/// So many are taken in a row; then another edge that waits at the same socket gets its chance,
/// or whoever is awake first takes all that come together, and keeps them.
const IN_A_ROW: u32 = 8;
const OTHERS_CHANCE: Duration = Duration::from_millis(1);

/// Takes connections in.
struct Door {
    front: Arc<Front>,
    places: Arc<Places>,
    refusals: Refusals,
    open: TaskTracker,
    /// The drain is over: who is open still is answered, and closed.
    ending: CancellationToken,
}

/// Serves until `shutdown` and, for as long as the drain lasts, goes on: whoever chooses among
/// edges needs a moment to see that this one is not ready any more. Then finishes what it
/// accepted.
pub async fn serve(
    config: &Config,
    app: Arc<App>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let front = Arc::new(Front {
        app: app.clone(),
        keys: Keys::new(),
        admission: Admission::new(config.max_bodies_mib * 1024 * 1024),
        readiness: Readiness::default(),
        stopping: AtomicBool::new(false),
    });
    let open = TaskTracker::new();
    let door = Door {
        front: front.clone(),
        places: Arc::new(Places::new(config.max_connections)),
        refusals: Refusals::new(open.clone()),
        open,
        ending: CancellationToken::new(),
    };
    door.accept_until(&listener, shutdown).await;
    front.stopping.store(true, Ordering::Relaxed);
    door.accept_until(&listener, tokio::time::sleep(config.drain))
        .await;
    // Connections that the system accepted for us already are clients like any other.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        door.take(stream).await;
    }
    drop(listener);
    door.ending.cancel();
    door.open.close();
    if tokio::time::timeout(DRAIN_REQUESTS, door.open.wait())
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

impl Door {
    async fn accept_until(&self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut in_a_row = 0;
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.take(stream).await;
                        in_a_row += 1;
                        if in_a_row == IN_A_ROW {
                            in_a_row = 0;
                            tokio::time::sleep(OTHERS_CHANCE).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "can't accept a connection");
                        for _ in 0..ROOM_AT_ONCE {
                            self.places.make_room();
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = &mut end => break,
            }
        }
    }

    async fn take(&self, stream: TcpStream) {
        match self.places.enter() {
            Some(place) => {
                let (front, ending) = (self.front.clone(), self.ending.clone());
                let serving = connection::serve(front, stream, place, ending);
                self.open.spawn(serving);
            }
            None => self.refusals.refuse(stream).await,
        }
    }
}
