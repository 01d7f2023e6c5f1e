//! Health, which follows whether everything that a service needs is there.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::task::AbortOnDropHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often a service asks itself whether what it needs is there: a dependency that came
/// back is noticed well within a second.
const INTERVAL: Duration = Duration::from_millis(300);
/// What does not answer in this time is not there.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What is told of a server's health, by the names of its services.
pub(super) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
    asking: AbortOnDropHandle<()>,
}

/// Of a server that stops.
pub(super) struct Stopped {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// Asks, and reports, until it is stopped. Before the first answer it is not healthy.
    pub async fn start(
        reporter: HealthReporter,
        names: Vec<&'static str>,
        probes: Vec<Probe>,
    ) -> Self {
        let names: Vec<_> = names.into_iter().chain([""]).collect();
        tell(&reporter, &names, probes.is_empty()).await;
        let asking = tokio::spawn(report(reporter.clone(), names.clone(), probes));
        Self {
            reporter,
            names,
            asking: AbortOnDropHandle::new(asking),
        }
    }

    /// Nothing is healthy from now on, so that nobody begins anything here.
    pub async fn stop(self) -> Stopped {
        self.asking.abort();
        // Else it might still tell the last thing it found.
        let _ = self.asking.await;
        tell(&self.reporter, &self.names, false).await;
        Stopped {
            reporter: self.reporter,
            names: self.names,
        }
    }
}

impl Stopped {
    /// Ends the streams of those who watch, who would be waited for.
    pub async fn forget(mut self) {
        for name in self.names {
            self.reporter.clear_service_status(name).await;
        }
    }
}

async fn tell(reporter: &HealthReporter, names: &[&'static str], healthy: bool) {
    let status = if healthy {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for name in names {
        reporter.set_service_status(name, status).await;
    }
}

/// Asks, and reports, for ever.
async fn report(reporter: HealthReporter, names: Vec<&'static str>, probes: Vec<Probe>) {
    let mut last = None;
    loop {
        let mut healthy = true;
        for probe in &probes {
            healthy &= is_there(probe).await;
        }
        if last != Some(healthy) {
            tell(&reporter, &names, healthy).await;
            if last.is_some() || !healthy {
                tracing::warn!(healthy, "health changed");
            }
            last = Some(healthy);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A probe that panics must not leave the last word standing.
pub(super) async fn is_there(probe: &Probe) -> bool {
    let asked = AssertUnwindSafe(async { probe().await }).catch_unwind();
    matches!(tokio::time::timeout(LIMIT, asked).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_not_there() {
        fn probe<F: Future<Output = bool> + Send + 'static>(asked: fn() -> F) -> Probe {
            Arc::new(move || Box::pin(asked()))
        }
        let began = tokio::time::Instant::now();
        assert!(is_there(&probe(|| async { true })).await);
        assert!(!is_there(&probe(|| async { false })).await);
        assert!(!is_there(&probe(|| async { panic!("for the test") })).await);
        assert!(!is_there(&probe(std::future::pending)).await);
        assert!(began.elapsed() < Duration::from_millis(1_100));
    }
}
