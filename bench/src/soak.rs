//! `bench soak`: the mixed workload for minutes, below saturation, and whether anything grows
//! that must not: memory, connections, the outbox, Redis, dead rows.

pub mod report;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::bed::{Bed, Side};
use crate::drive::{Done, Load, Worker, drive};
use crate::http::{Client, Job};
use crate::options::Options;
use crate::plan::{Plan, SHARE_OF_SATURATION};
use crate::process::Processes;
use crate::screen::{progress, thousands};
use crate::statistics::percentile;
use crate::workload::Recipe;
use report::SoakReport;
use verdict::{Sample, verdicts};

/// Events by which saturation is measured.
const PROBE: u64 = 40_000;
const INTERVAL: Duration = Duration::from_secs(5);
const MIB: f64 = 1_048_576.0;

/// Runs the soak.
///
/// # Errors
/// An unexpected answer, or something that can't be read.
pub async fn run(options: &Options) -> Result<SoakReport> {
    progress("soak:");
    let mut bed = Bed::start(options, options.accounts, false).await?;
    let outcome = Box::pin(soak(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn soak(options: &Options, bed: &mut Bed) -> Result<SoakReport> {
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    let probe = Plan {
        events: PROBE,
        ..Plan::usual(options, Recipe::Mixed)
    };
    let saturation = bed.turn(Side::System, probe).await?.events_per_second();
    let rate = saturation * SHARE_OF_SATURATION;
    let seconds = options.minutes * 60.0;
    progress(format!(
        "  {} events/s (saturated at {}) for {seconds:.0} s",
        thousands(rate as u64),
        thousands(saturation as u64)
    ));
    let plan = probe.below_saturation(saturation);
    let answered = Arc::new(AtomicU64::new(0));
    let clients = counting(bed, plan, &answered).await?;
    let batches = (rate * seconds / plan.batch as f64).ceil() as usize;
    let jobs = bed.stream(0..bed.accounts.len(), plan.recipe, plan.batch);
    let load = tokio::spawn(drive(clients, jobs.take(batches), plan.pace));
    let (samples, mut load) = watch(bed, &answered, load).await?;
    bed.system.drained().await?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(SoakReport {
        rate,
        saturation,
        events: load.events,
        statuses: load.statuses,
        p50_ms: millis(percentile(&mut load.latencies, 50.0)),
        p99_ms: millis(percentile(&mut load.latencies, 99.0)),
        verdicts: verdicts(&samples),
        samples,
    })
}

/// Reads everything now and then until the load ends.
async fn watch(
    bed: &Bed,
    answered: &AtomicU64,
    mut load: JoinHandle<Result<Load>>,
) -> Result<(Vec<Sample>, Load)> {
    let redis = redis::Client::open(bed.system.redis_url())?;
    let mut redis = redis.get_multiplexed_async_connection().await?;
    let started = Instant::now();
    let mut interval = tokio::time::interval(INTERVAL);
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        tokio::select! {
            _ = interval.tick() => {
                let seconds = started.elapsed().as_secs_f64();
                let events = answered.load(Ordering::Relaxed);
                let sample = read(bed, &mut redis, seconds, events).await?;
                if samples.len().is_multiple_of(6) {
                    say(&sample);
                }
                samples.push(sample);
            }
            done = &mut load => {
                let load = done.context("the load generator panicked")??;
                return Ok((samples, load));
            }
        }
    }
}

async fn read(
    bed: &Bed,
    redis: &mut redis::aio::MultiplexedConnection,
    seconds: f64,
    events: u64,
) -> Result<Sample> {
    let memory = bed.system.processes.memory()?;
    let state = bed.system.state().await?;
    let info: String = redis::cmd("INFO").arg("memory").query_async(redis).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(redis).await?;
    Ok(Sample {
        seconds,
        events,
        memory: memory
            .into_iter()
            .map(|(name, kib)| (name, kib as f64 / 1_024.0))
            .collect(),
        connections: state.connections,
        outbox_rows: state.outbox_rows,
        redis_mib: used_memory(&info).context("Redis does not say its memory")? / MIB,
        redis_keys: keys as f64,
        dead: state.dead,
        database_mib: state.database_bytes / MIB,
    })
}

/// The value of `used_memory` in Redis' own words.
fn used_memory(info: &str) -> Option<f64> {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))?;
    line.trim().parse().ok()
}

fn say(sample: &Sample) {
    let services = sample
        .memory
        .iter()
        .filter(|(name, _)| Processes::is_service(name));
    progress(format!(
        "    {:4.0} s: {} events, services {:.0} MiB, Redis {:.1} MiB, outbox {} rows",
        sample.seconds,
        thousands(sample.events),
        services.map(|(_, mib)| mib).sum::<f64>(),
        sample.redis_mib,
        sample.outbox_rows
    ));
}

/// A client that counts for those who watch.
struct Counting {
    client: Client,
    answered: Arc<AtomicU64>,
}

impl Worker for Counting {
    type Job = Job;

    async fn perform(&mut self, job: Job) -> Result<Done> {
        let done = self.client.perform(job).await?;
        self.answered.fetch_add(done.events, Ordering::Relaxed);
        Ok(done)
    }
}

async fn counting(bed: &Bed, plan: Plan, answered: &Arc<AtomicU64>) -> Result<Vec<Counting>> {
    let clients = bed.clients(plan.connections, plan.manner).await?;
    let counting = clients.into_iter().map(|client| Counting {
        client,
        answered: Arc::clone(answered),
    });
    Ok(counting.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_redis_is_read_in_bytes() {
        let info = "# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n";
        assert_eq!(used_memory(info), Some(1_048_576.0));
        assert_eq!(used_memory("used_memory_rss:5"), None);
    }
}
