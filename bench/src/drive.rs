//! Drives workers through jobs, as fast as they go or at a given pace, and times each job.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// One connection that does jobs one after another.
pub trait Worker: Send + 'static {
    type Job: Send + 'static;

    /// Does a job; an error ends the whole drive.
    fn perform(&mut self, job: Self::Job) -> impl Future<Output = Result<Done>> + Send;
}

/// What came of a job.
#[derive(Debug, Default)]
pub struct Done {
    pub events: u64,
    /// How many events got which status; empty where there are none.
    pub statuses: BTreeMap<u16, u64>,
}

impl Done {
    /// With these statuses as well.
    pub fn with(mut self, statuses: BTreeMap<u16, u64>) -> Self {
        for (status, count) in statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self
    }
}

/// When jobs start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each worker takes the next as soon as it is free.
    Saturate,
    /// At fixed times, whether or not the last one is done (an open loop). A job that had to
    /// wait for a worker counts its waiting.
    JobsPerSecond(f64),
}

/// What a drive came to.
#[derive(Debug, Default)]
pub struct Load {
    pub events: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub latencies: Vec<Duration>,
}

impl Load {
    fn add(&mut self, done: Done, latency: Duration) {
        self.events += done.events;
        for (status, count) in done.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.latencies.push(latency);
    }

    fn merge(&mut self, other: Self) {
        self.events += other.events;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.latencies.extend(other.latencies);
    }
}

/// The jobs that are left, shared by the workers.
struct Queue<I> {
    started: Instant,
    pace: Pace,
    jobs: Mutex<(u32, I)>,
}

impl<I: Iterator> Queue<I> {
    /// The next job, and when it is due.
    fn next(&self) -> Option<(I::Item, Option<Instant>)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = jobs.1.next()?;
        let number = jobs.0;
        jobs.0 += 1;
        let due = match self.pace {
            Pace::Saturate => None,
            Pace::JobsPerSecond(rate) => {
                Some(self.started + Duration::from_secs_f64(f64::from(number) / rate))
            }
        };
        Some((job, due))
    }
}

/// Does all `jobs` with `workers`.
///
/// # Errors
/// The first error of a worker; the others are stopped then.
pub async fn drive<W, I>(workers: Vec<W>, jobs: I, pace: Pace) -> Result<Load>
where
    W: Worker,
    I: Iterator<Item = W::Job> + Send + 'static,
{
    let queue = Arc::new(Queue {
        started: Instant::now(),
        pace,
        jobs: Mutex::new((0, jobs)),
    });
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(work(worker, Arc::clone(&queue)));
    }
    let mut load = Load::default();
    while let Some(task) = tasks.join_next().await {
        load.merge(task.context("a worker of the load generator panicked")??);
    }
    Ok(load)
}

async fn work<W, I>(mut worker: W, queue: Arc<Queue<I>>) -> Result<Load>
where
    W: Worker,
    I: Iterator<Item = W::Job> + Send + 'static,
{
    let mut load = Load::default();
    while let Some((job, due)) = queue.next() {
        let began = begin(due).await;
        let done = worker.perform(job).await?;
        load.add(done, began.elapsed());
    }
    Ok(load)
}

/// Waits until the job is due. A late job began when it was due; one in time begins when the
/// timer fires, since the timer's grain is not the system's latency.
async fn begin(due: Option<Instant>) -> Instant {
    let now = Instant::now();
    match due {
        None => now,
        Some(due) if due <= now => due,
        Some(due) => {
            tokio::time::sleep_until(due).await;
            Instant::now()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Instantly;

    impl Worker for Instantly {
        type Job = u16;

        async fn perform(&mut self, status: u16) -> Result<Done> {
            anyhow::ensure!(status != 500, "an answer nobody expected");
            Ok(Done {
                events: 2,
                statuses: BTreeMap::from([(status, 2)]),
            })
        }
    }

    #[tokio::test]
    async fn every_job_is_done_once_and_counted() {
        let jobs = [200, 422, 200].into_iter();
        let load = drive(vec![Instantly, Instantly], jobs, Pace::Saturate)
            .await
            .unwrap();
        assert_eq!(load.events, 6);
        assert_eq!(load.statuses, BTreeMap::from([(200, 4), (422, 2)]));
        assert_eq!(load.latencies.len(), 3);
    }

    #[tokio::test]
    async fn an_unexpected_answer_ends_the_drive() {
        let jobs = [200, 500, 200].into_iter();
        let error = drive(vec![Instantly], jobs, Pace::Saturate).await;
        assert!(error.is_err());
    }

    #[test]
    fn a_pace_spreads_the_jobs_over_time() {
        let started = Instant::now();
        let queue = |pace| Queue {
            started,
            pace,
            jobs: Mutex::new((0, std::iter::repeat_n((), 101))),
        };
        let paced = queue(Pace::JobsPerSecond(50.0));
        let due: Vec<_> = std::iter::from_fn(|| paced.next()).collect();
        assert_eq!(due[0].1, Some(started));
        assert_eq!(due[100].1, Some(started + Duration::from_secs(2)));
        assert_eq!(queue(Pace::Saturate).next(), Some(((), None)));
    }
}
