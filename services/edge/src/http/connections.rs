//! Connections: bounded in number, drained at shutdown.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_tls::Acceptor;

use super::Front;
use super::admission::Admission;
use super::connection;
use super::keys::Keys;
use super::places::Places;
use super::readiness::Readiness;
use super::refusal::Refusals;
use super::routes::Listener;
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
/// After each that was taken, another edge that waits at the same socket gets a chance that is the
/// longer the more are open here, or whoever is awake first takes all that come together, and
/// keeps them.
const CHANCE_FOR_EACH: Duration = Duration::from_micros(250);
const LONGEST_CHANCE: Duration = Duration::from_millis(4);
/// So many chances in a second, and none beyond so many connections: where thousands come, each
/// would wait for all those before it.
const CHANCES: u32 = 32;
const MANY: usize = 1_000;

/// Where connections come in.
pub struct Listeners {
    pub main: TcpListener,
    /// Of classic sources' SDKs, where there is one.
    pub classic: Option<TcpListener>,
}

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
    tls: Option<Acceptor>,
    app: Arc<App>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) {
    let front = Arc::new(Front {
        app: app.clone(),
        keys: Keys::new(),
        admission: Admission::new(config.max_bodies_mib * 1024 * 1024),
        readiness: Readiness::default(),
        stopping: AtomicBool::new(false),
        tls: tls.clone(),
    });
    let open = TaskTracker::new();
    let door = Door {
        front: front.clone(),
        places: Arc::new(Places::new(config.max_connections)),
        refusals: Refusals::new(open.clone(), tls),
        open,
        ending: CancellationToken::new(),
    };
    door.accept_all_until(&listeners, shutdown).await;
    front.stopping.store(true, Ordering::Relaxed);
    door.accept_all_until(&listeners, tokio::time::sleep(config.drain))
        .await;
    // Connections that the system accepted for us already are clients like any other.
    for (which, listener) in listeners.all() {
        while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
            door.take(which, stream).await;
        }
    }
    drop(listeners);
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

impl Listeners {
    fn all(&self) -> impl Iterator<Item = (Listener, &TcpListener)> {
        let classic = self.classic.iter();
        let classic = classic.map(|listener| (Listener::Classic, listener));
        std::iter::once((Listener::Main, &self.main)).chain(classic)
    }
}

impl Door {
    async fn accept_all_until(&self, listeners: &Listeners, end: impl Future<Output = ()>) {
        let end = end.shared();
        let all = listeners.all();
        join_all(all.map(|(which, listener)| self.accept_until(which, listener, end.clone())))
            .await;
    }

    async fn accept_until(
        &self,
        which: Listener,
        listener: &TcpListener,
        end: impl Future<Output = ()>,
    ) {
        let mut end = std::pin::pin!(end);
        let mut turns = Turns::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.take(which, stream).await;
                        let chance = turns.taken(self.open.len(), Instant::now());
                        if !chance.is_zero() {
                            tokio::time::sleep(chance).await;
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

    async fn take(&self, which: Listener, stream: TcpStream) {
        match self.places.enter() {
            Some(place) => {
                let (front, ending) = (self.front.clone(), self.ending.clone());
                let serving = connection::serve(front, which, stream, place, ending);
                self.open.spawn(serving);
            }
            None => self.refusals.refuse(stream).await,
        }
    }
}

/// Whose turn it is to take connections, among edges that know nothing of each other.
struct Turns {
    since: Instant,
    taken: u32,
}

impl Turns {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            taken: 0,
        }
    }

    /// One more was taken, and so many are open: for how long the next one is rather another's.
    fn taken(&mut self, open: usize, now: Instant) -> Duration {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.taken) = (now, 0);
        }
        self.taken = self.taken.saturating_add(1);
        if self.taken > CHANCES || open > MANY {
            return Duration::ZERO;
        }
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        CHANCE_FOR_EACH.saturating_mul(open).min(LONGEST_CHANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_more_lets_others_go_first_but_a_flood_is_taken_as_fast_as_it_comes() {
        let mut turns = Turns::new();
        let now = turns.since;
        assert!(turns.taken(9, now) > turns.taken(3, now));
        assert_eq!(turns.taken(2_000, now), Duration::ZERO);
        let pauses = |turns: &mut Turns, now| {
            let pauses = (0..10_000).map(|_| turns.taken(100, now));
            pauses.sum::<Duration>()
        };
        assert_eq!(pauses(&mut turns, now), LONGEST_CHANCE * (CHANCES - 3));
        let later = now + Duration::from_secs(1);
        assert_eq!(pauses(&mut turns, later), LONGEST_CHANCE * CHANCES);
    }
}
