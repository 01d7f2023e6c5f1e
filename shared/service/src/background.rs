//! Loops that nobody calls for: partitions, relays, purges, sweeps, syncs.
//!
//! **Invariant:** none of them ends or hangs unseen. A loop that panics, returns, or does not
//! [beat](Pulse::beat) in its time makes the process unhealthy at once, and ends it soon after:
//! its supervisor starts it anew, and what the loop left undone is in a table.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the loops are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A loop that hangs may be waiting for a database that is slow: this much later it is not.
const GRACE: Duration = Duration::from_secs(20);

/// The loops of a process. Clones are one and the same.
#[derive(Clone)]
pub struct Background {
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

/// Resolves when serving should end.
pub type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a service ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum Ended<E: std::error::Error + 'static> {
    /// It could not serve.
    #[error("the server failed")]
    Serving(#[source] E),
    /// A loop ended or hung; only a new process helps.
    #[error("the background loop {0} failed")]
    Loop(&'static str),
}

/// A loop's sign of life.
#[derive(Clone)]
pub struct Pulse {
    began: Instant,
    last_beat: Arc<AtomicU64>,
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
        Self {
            began: Instant::now(),
            loops: Arc::default(),
        }
    }

    /// Starts a loop. `within` is the longest time that may pass between two beats: its pause
    /// and the longest round.
    pub fn spawn<W>(&self, name: &'static str, within: Duration, work: impl FnOnce(Pulse) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let pulse = Pulse {
            began: self.began,
            last_beat: Arc::default(),
        };
        pulse.beat();
        let watched = Watched {
            name,
            within,
            last_beat: pulse.last_beat.clone(),
            task: tokio::spawn(work(pulse)),
        };
        self.loops().push(watched);
    }

    /// Whether all loops are alive.
    pub fn is_healthy(&self) -> bool {
        self.trouble(Duration::ZERO).is_none()
    }

    /// Resolves when a loop has ended, or has hung for so long that only a new process helps;
    /// answers its name. Never, where all is well.
    pub async fn failed(&self) -> &'static str {
        let mut hung = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let trouble = self.trouble(Duration::ZERO);
            if let Some((name, what)) = trouble
                && hung != Some(name)
            {
                tracing::error!(background = name, "a background loop {what}");
                metrics::counter!("background_loop_failures_total", "loop" => name).increment(1);
            }
            hung = trouble.map(|(name, _)| name);
            if let Some((name, _)) = self.trouble(GRACE) {
                return name;
            }
        }
    }

    /// Serves until `shutdown`, or until a loop fails: then, too, what was accepted is finished.
    /// The loops still run afterwards.
    ///
    /// # Errors
    /// That of `serve`; [`Ended::Loop`] where a loop failed, so that the process ends.
    pub async fn serve<F, E>(
        &self,
        shutdown: impl Future<Output = ()> + Send + 'static,
        serve: impl FnOnce(Shutdown) -> F,
    ) -> Result<(), Ended<E>>
    where
        F: Future<Output = Result<(), E>>,
        E: std::error::Error + 'static,
    {
        let watched = self.clone();
        let failed = Arc::new(OnceLock::new());
        let failure = Arc::clone(&failed);
        let until = async move {
            tokio::select! {
                () = shutdown => {}
                name = watched.failed() => {
                    let _ = failure.set(name);
                }
            }
        };
        serve(Box::pin(until)).await.map_err(Ended::Serving)?;
        failed.get().map_or(Ok(()), |name| Err(Ended::Loop(name)))
    }

    /// Ends all loops; each is safe to stop anywhere.
    pub fn stop(&self) {
        for watched in self.loops().drain(..) {
            watched.task.abort();
        }
    }

    fn trouble(&self, grace: Duration) -> Option<(&'static str, &'static str)> {
        let now = millis(self.began.elapsed());
        self.loops().iter().find_map(|watched| {
            if watched.task.is_finished() {
                return Some((watched.name, "ended"));
            }
            let late = now.saturating_sub(watched.last_beat.load(Ordering::Relaxed));
            (late > millis(watched.within + grace)).then_some((watched.name, "hangs"))
        })
    }

    fn loops(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
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

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_beats_is_well() {
        let background = Background::new();
        background.spawn("beats", WITHIN, |pulse| async move {
            loop {
                pulse.beat();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let watched = tokio::time::timeout(Duration::from_secs(300), background.failed()).await;
        assert!(watched.is_err() && background.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_seen_at_once_and_ends_the_process() {
        let background = Background::new();
        background.spawn("panics", WITHIN, |_| async { panic!("for the test") });
        let watched = tokio::time::timeout(Duration::from_secs(1), background.failed()).await;
        assert_eq!(watched, Ok("panics"));
        assert!(!background.is_healthy());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_ends_with_its_loops() {
        let served = async |shutdown: Shutdown| {
            shutdown.await;
            Ok::<_, std::io::Error>(())
        };
        let background = Background::new();
        let told = background.serve(std::future::ready(()), served).await;
        assert!(told.is_ok());
        background.spawn("ends", WITHIN, |_| async {});
        let ended = background.serve(std::future::pending(), served).await;
        assert!(matches!(ended, Err(Ended::Loop("ends"))));
        let failed = async |_| Err(std::io::Error::other("for the test"));
        let ended = background.serve(std::future::pending(), failed).await;
        assert!(matches!(ended, Err(Ended::Serving(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_hangs_is_unhealthy_first_and_ends_the_process_within_a_minute() {
        let background = Background::new();
        background.spawn("hangs", WITHIN, |_| std::future::pending());
        tokio::time::sleep(WITHIN + Duration::from_secs(1)).await;
        assert!(!background.is_healthy());
        let watched = tokio::time::timeout(Duration::from_secs(60), background.failed()).await;
        assert_eq!(watched, Ok("hangs"));
    }
}
