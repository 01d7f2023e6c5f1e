//! Loops that nobody calls for: partitions, relays, purges, sweeps, syncs.
//!
//! **Invariant:** none of them ends or hangs unseen. A loop that panics, returns, or does not
//! [beat](Pulse::beat) in its time makes the process unhealthy at once, and ends it soon after:
//! its supervisor starts it anew, and what the loop left undone is in a table.

use std::future::{Future, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir_rpc::Server;

use crate::{Serving, Shutdown, retry};

/// How often the loops are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A loop that hangs may be waiting for a database that is slow: this much later it is not.
const GRACE: Duration = Duration::from_secs(20);

/// Failures of loops, by `loop`.
const FAILURES: &str = "background_loop_failures_total";

/// The loops of a process. They end when it is dropped; each is safe to stop anywhere.
pub struct Background(Loops);

#[derive(Clone)]
struct Loops {
    began: Instant,
    loops: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    name: &'static str,
    /// The longest time between two beats.
    within: Duration,
    last_beat: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// A loop's sign of life.
#[derive(Clone)]
pub struct Pulse {
    began: Instant,
    last_beat: Arc<AtomicU64>,
}

/// One that nobody looks at, for tests.
impl Default for Pulse {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last_beat: Arc::default(),
        }
    }
}

impl Pulse {
    /// To be called in every round.
    pub fn beat(&self) {
        let now = millis(self.began.elapsed());
        self.last_beat.store(now, Ordering::Relaxed);
    }
}

impl Default for Background {
    fn default() -> Self {
        Self::new()
    }
}

impl Background {
    /// Without any loop yet.
    pub fn new() -> Self {
        metrics::describe_counter!(FAILURES, "Background loops that ended or hung.");
        retry::describe();
        Self(Loops {
            began: Instant::now(),
            loops: Arc::default(),
        })
    }

    /// Starts a loop. `within` is the longest time that may pass between two beats: its pause
    /// and the longest round.
    pub fn spawn<W>(&self, name: &'static str, within: Duration, work: impl FnOnce(Pulse) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let pulse = Pulse {
            began: self.0.began,
            last_beat: Arc::default(),
        };
        pulse.beat();
        // Whoever asks for an increase has to see it from 0 on.
        metrics::counter!(FAILURES, "loop" => name).increment(0);
        let watched = Watched {
            name,
            within,
            last_beat: pulse.last_beat.clone(),
            task: tokio::spawn(work(pulse)),
        };
        self.0.all().push(watched);
    }

    /// Serves until `shutdown`, or until a loop fails: then, too, what was accepted is finished.
    /// Healthy while all loops live, and by what the server's own probes say. The loops still
    /// run afterwards.
    ///
    /// # Errors
    /// Where the server failed, or a loop did: only a new process helps then.
    pub fn serve(&self, server: Server, listener: TcpListener, shutdown: Shutdown) -> Serving {
        let loops = self.0.clone();
        let server = server.probe(move || ready(loops.trouble(Duration::ZERO).is_none()));
        let (until, failed) = self.until(shutdown);
        Box::pin(async move {
            let served = server.serve(listener, until).await;
            served.context("the server failed")?;
            match failed.get() {
                Some(name) => Err(anyhow::anyhow!("the background loop {name} failed")),
                None => Ok(()),
            }
        })
    }

    /// As [`Self::serve`], of what is no gRPC server: `serve` is told when to end.
    ///
    /// # Errors
    /// As of [`Self::serve`].
    pub fn serve_by(&self, serve: impl FnOnce(Shutdown) -> Serving, shutdown: Shutdown) -> Serving {
        let (until, failed) = self.until(shutdown);
        let serving = serve(until);
        Box::pin(async move {
            serving.await?;
            match failed.get() {
                Some(name) => Err(anyhow::anyhow!("the background loop {name} failed")),
                None => Ok(()),
            }
        })
    }

    /// When to end, and the loop that is why.
    fn until(&self, shutdown: Shutdown) -> (Shutdown, Arc<OnceLock<&'static str>>) {
        let (loops, failed) = (self.0.clone(), Arc::new(OnceLock::new()));
        let failure = Arc::clone(&failed);
        let until = Box::pin(async move {
            tokio::select! {
                () = shutdown => {}
                name = loops.failed() => {
                    let _ = failure.set(name);
                }
            }
        });
        (until, failed)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for watched in self.0.all().drain(..) {
            watched.task.abort();
        }
    }
}

impl Loops {
    /// Resolves when a loop has ended, or has hung for so long that only a new process helps;
    /// answers its name. Never, where all is well.
    async fn failed(&self) -> &'static str {
        let mut hung = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let trouble = self.trouble(Duration::ZERO);
            if let Some((name, what)) = trouble
                && hung != Some(name)
            {
                tracing::error!(background = name, "a background loop {what}");
                metrics::counter!(FAILURES, "loop" => name).increment(1);
            }
            hung = trouble.map(|(name, _)| name);
            if let Some((name, _)) = self.trouble(GRACE) {
                return name;
            }
        }
    }

    fn trouble(&self, grace: Duration) -> Option<(&'static str, &'static str)> {
        let now = millis(self.began.elapsed());
        self.all().iter().find_map(|watched| {
            if watched.task.is_finished() {
                return Some((watched.name, "ended"));
            }
            let late = now.saturating_sub(watched.last_beat.load(Ordering::Relaxed));
            (late > millis(watched.within + grace)).then_some((watched.name, "hangs"))
        })
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(2);

    fn is_healthy(background: &Background) -> bool {
        background.0.trouble(Duration::ZERO).is_none()
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_beats_is_well() {
        let background = Background::new();
        background.spawn("beats", WITHIN, |pulse| async move {
            loop {
                pulse.beat();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let watched = tokio::time::timeout(Duration::from_secs(300), background.0.failed()).await;
        assert!(watched.is_err() && is_healthy(&background));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_seen_at_once_and_ends_the_process() {
        let background = Background::new();
        background.spawn("panics", WITHIN, |_| async { panic!("for the test") });
        let watched = tokio::time::timeout(Duration::from_secs(1), background.0.failed()).await;
        assert_eq!(watched, Ok("panics"));
        assert!(!is_healthy(&background));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_ends_with_its_loops() {
        let background = Background::new();
        let (until, failed) = background.until(Box::pin(ready(())));
        until.await;
        assert_eq!(failed.get(), None);
        background.spawn("ends", WITHIN, |_| async {});
        let (until, failed) = background.until(Box::pin(std::future::pending()));
        until.await;
        assert_eq!(failed.get(), Some(&"ends"));
    }

    #[tokio::test(start_paused = true)]
    async fn loops_end_with_the_background() {
        let background = Background::new();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        background.spawn("waits", WITHIN, |_| async {
            let _held = held;
            std::future::pending().await
        });
        drop(background);
        assert!(dropped.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_unhealthy_first_and_ends_the_process_within_a_minute() {
        let background = Background::new();
        background.spawn("hangs", WITHIN, |_| std::future::pending());
        tokio::time::sleep(WITHIN + Duration::from_secs(1)).await;
        assert!(!is_healthy(&background));
        let watched = tokio::time::timeout(Duration::from_secs(60), background.0.failed()).await;
        assert_eq!(watched, Ok("hangs"));
    }
}
