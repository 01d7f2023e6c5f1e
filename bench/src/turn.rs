//! One measured turn: a drive with everything that is read around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::Instant;

use crate::drive::{Load, Pace, Worker, drive};
use crate::process::{ByProcess, Processes, difference};
use crate::screen::thousands;
use crate::statistics::percentile;
use crate::system::{StatementTime, System};

/// What a turn came to. The clock runs until everything is answered *and* the outbox is
/// empty; CPU time is read after the work off the response path as well.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    pub events: u64,
    pub seconds: f64,
    pub statuses: BTreeMap<u16, u64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Seconds of CPU time.
    pub cpu: ByProcess<f64>,
    /// The most that was resident at once, in KiB.
    pub memory: ByProcess<u64>,
    pub wal_bytes: i64,
    pub statements: Vec<StatementTime>,
}

impl Turn {
    /// Of a load alone, without what it cost.
    pub fn of(mut load: Load, seconds: f64) -> Self {
        let mut millis = |percent| percentile(&mut load.latencies, percent).as_secs_f64() * 1e3;
        Self {
            events: load.events,
            seconds,
            p50_ms: millis(50.0),
            p99_ms: millis(99.0),
            max_ms: millis(100.0),
            statuses: load.statuses,
            cpu: ByProcess::new(),
            memory: ByProcess::new(),
            wal_bytes: 0,
            statements: Vec::new(),
        }
    }

    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// A line of it, for those who watch.
    pub fn line(&self) -> String {
        format!(
            "{} events in {:.1} s, {} events/s, p50 {:.1} ms, p99 {:.1} ms",
            thousands(self.events),
            self.seconds,
            thousands(self.events_per_second() as u64),
            self.p50_ms,
            self.p99_ms,
        )
    }
}

/// Drives `workers` through `jobs` and measures it.
///
/// # Errors
/// An unexpected answer, or something that can't be read.
pub async fn measure<W: Worker>(
    system: &System,
    workers: Vec<W>,
    jobs: impl Iterator<Item = W::Job> + Send + 'static,
    pace: Pace,
) -> Result<Turn> {
    system.forget_statements().await?;
    let watch = MemoryWatch::start(system.processes.clone());
    let wal_before = system.wal_bytes().await?;
    let cpu_before = system.processes.cpu()?;
    let started = Instant::now();

    let load = drive(workers, jobs, pace).await?;
    system.drained().await?;

    let seconds = started.elapsed().as_secs_f64();
    system.quiet().await;
    let cpu = difference(&cpu_before, &system.processes.cpu()?);
    let wal_bytes = system.wal_bytes().await? - wal_before;
    Ok(Turn {
        cpu,
        memory: watch.stop(&system.processes)?,
        wal_bytes,
        statements: system.statements().await?,
        ..Turn::of(load, seconds)
    })
}

/// Reads the services' memory now and then, and keeps the most.
struct MemoryWatch {
    most: Arc<Mutex<ByProcess<u64>>>,
    task: tokio::task::JoinHandle<()>,
}

impl MemoryWatch {
    /// Reading a dozen small files four times a second is not noticed.
    const INTERVAL: Duration = Duration::from_millis(250);

    fn start(processes: Processes) -> Self {
        let most = Arc::new(Mutex::new(ByProcess::new()));
        let seen = Arc::clone(&most);
        let task = tokio::spawn(async move {
            let mut interval = tokio::time::interval(Self::INTERVAL);
            loop {
                interval.tick().await;
                // A process that is gone shows in the turn itself.
                if let Ok(now) = processes.services_memory() {
                    keep_most(
                        &mut seen.lock().unwrap_or_else(PoisonError::into_inner),
                        now,
                    );
                }
            }
        });
        Self { most, task }
    }

    fn stop(self, processes: &Processes) -> Result<ByProcess<u64>> {
        self.task.abort();
        let mut most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        keep_most(&mut most, processes.memory()?);
        Ok(most.clone())
    }
}

fn keep_most(most: &mut ByProcess<u64>, now: ByProcess<u64>) {
    for (name, kib) in now {
        let known = most.entry(name).or_default();
        *known = kib.max(*known);
    }
}
