//! The test bed of one scenario: a fresh system, its accounts, and the same workload for both
//! sides. Every scenario starts from nothing, so that none depends on what ran before.

use std::num::NonZeroU16;
use std::ops::Range;

use anyhow::Result;
use chrono::{Duration, Utc};
use weir_stack::Service;

use crate::baseline::rows::{self, Renderer};
use crate::baseline::tables;
use crate::baseline::writer::Writer;
use crate::drive::{Pace, drive};
use crate::http::{self, Client, Manner};
use crate::options::Options;
use crate::plan::Plan;
use crate::screen::{Meter, progress, thousands};
use crate::setup::{self, Account};
use crate::system::System;
use crate::turn::{Turn, measure};
use crate::workload::{Batch, Recipe, Workload};

/// How far the first event lies in the past. Events are a millisecond apart, so the workload's
/// clock may overtake the real one in a long run; it must stay below a day ahead.
const HEAD_START: Duration = Duration::hours(6);
/// Events that are made at once while contacts are loaded: some 30 MB.
const CHUNK: u64 = 50_000;

/// Which program is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    System,
    Baseline,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "weir",
            Self::Baseline => "raw",
        }
    }
}

/// A system with accounts, ready to be measured.
pub struct Bed {
    pub system: System,
    pub accounts: Vec<Account>,
    seed: u64,
    batch: u64,
    connections: u64,
    sides: &'static [Side],
    /// The same events for either side.
    system_workload: Workload,
    baseline_workload: Workload,
}

impl Bed {
    /// Starts a system with `accounts` accounts and nobody in them.
    ///
    /// # Errors
    /// What does not start.
    pub async fn start(options: &Options, accounts: u64, with_baseline: bool) -> Result<Self> {
        let system = System::start(options.binaries.clone(), true, NonZeroU16::MIN);
        let sides: &[Side] = match with_baseline {
            true => &[Side::System, Side::Baseline],
            false => &[Side::System],
        };
        Self::of(system, options, accounts, sides).await
    }

    /// The same for the system alone, with so many replicas of each service.
    ///
    /// # Errors
    /// What does not start.
    pub async fn start_replicas(options: &Options, replicas: NonZeroU16) -> Result<Self> {
        let system = System::start(options.binaries.clone(), true, replicas);
        Self::of(system, options, options.accounts, &[Side::System]).await
    }

    /// The same for one side, and without checkpoints (see [`System::start`]).
    ///
    /// # Errors
    /// What does not start.
    pub async fn start_without_checkpoints(
        options: &Options,
        accounts: u64,
        side: Side,
    ) -> Result<Self> {
        let system = System::start(options.binaries.clone(), false, NonZeroU16::MIN);
        let sides: &[Side] = match side {
            Side::System => &[Side::System],
            Side::Baseline => &[Side::Baseline],
        };
        Self::of(system, options, accounts, sides).await
    }

    async fn of(
        system: impl Future<Output = Result<System>>,
        options: &Options,
        accounts: u64,
        sides: &'static [Side],
    ) -> Result<Self> {
        progress("  starting a system of its own");
        let system = system.await?;
        let count = usize::try_from(accounts)?;
        let accounts = setup::accounts(
            system.channel(Service::Mapping),
            system.channel(Service::Audience),
            count,
        )
        .await?;
        if sides.contains(&Side::Baseline) {
            tables::copy(&system.admin).await?;
        }
        let clock = (Utc::now() - HEAD_START).timestamp_millis();
        let workload = Workload::new(options.seed, count, 0, clock);
        Ok(Self {
            system,
            accounts,
            seed: options.seed,
            batch: options.batch,
            connections: options.connections,
            sides,
            baseline_workload: workload.clone(),
            system_workload: workload,
        })
    }

    /// The sides that are measured.
    pub fn sides(&self) -> &'static [Side] {
        self.sides
    }

    /// Sends events of this recipe through the sides, unmeasured.
    ///
    /// # Errors
    /// An unexpected answer.
    pub async fn load(&mut self, what: &str, recipe: Recipe, events: u64) -> Result<()> {
        progress(format!("  {what}: {} events", thousands(events)));
        for side in self.sides() {
            let mut meter = Meter::new(format!("{} {what}", side.name()), events);
            let mut done = 0;
            while done < events {
                let chunk = (events - done).min(CHUNK);
                let batch = self.batch;
                let batches = self.workload(*side).batches(recipe, chunk, batch);
                self.drive(*side, batches).await?;
                done += chunk;
                meter.at(done);
            }
        }
        self.system.drained().await?;
        self.system_workload.settle();
        self.baseline_workload.settle();
        self.system.settle().await
    }

    async fn drive(&self, side: Side, batches: Vec<Batch>) -> Result<()> {
        match side {
            Side::System => {
                let clients = self.clients(self.connections, Manner::Strict).await?;
                let jobs = self.jobs(batches);
                drive(clients, jobs.into_iter(), Pace::Saturate).await?;
            }
            Side::Baseline => {
                let (writers, rows) = (self.writers(self.connections).await?, self.rows(&batches));
                drive(writers, rows.into_iter(), Pace::Saturate).await?;
            }
        }
        Ok(())
    }

    /// One measured turn of one side.
    ///
    /// # Errors
    /// An unexpected answer.
    pub async fn turn(&mut self, side: Side, plan: Plan) -> Result<Turn> {
        let Plan {
            recipe,
            events,
            batch,
            connections,
            pace,
            manner,
        } = plan;
        let batches = self.workload(side).batches(recipe, events, batch);
        match side {
            Side::System => {
                let clients = self.clients(connections, manner).await?;
                let jobs = self.jobs(batches).into_iter();
                measure(&self.system, clients, jobs, pace).await
            }
            Side::Baseline => {
                let writers = self.writers(connections).await?;
                let rows = self.rows(&batches).into_iter();
                measure(&self.system, writers, rows, pace).await
            }
        }
    }

    /// What the system is sent next.
    pub fn batches(&mut self, plan: Plan) -> Vec<Batch> {
        let workload = self.workload(Side::System);
        workload.batches(plan.recipe, plan.events, plan.batch)
    }

    /// Requests of another form than that of Segment (Actions).
    pub fn jobs_of(
        &self,
        batches: Vec<Batch>,
        job: impl Fn(u64, Batch) -> http::Job,
    ) -> Vec<http::Job> {
        let jobs = batches.into_iter().map(|batch| job(self.seed, batch));
        jobs.collect()
    }

    fn workload(&mut self, side: Side) -> &mut Workload {
        match side {
            Side::System => &mut self.system_workload,
            Side::Baseline => &mut self.baseline_workload,
        }
    }

    /// Stops the system. Where the measurement failed, shows first what the services said of
    /// it, since their logs go with them.
    ///
    /// # Errors
    /// The outcome's.
    pub async fn finish<T>(self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.system.show_logs();
        }
        self.system.stop().await;
        outcome
    }

    /// Contacts that a side holds, over all accounts.
    pub fn known(&self, side: Side) -> u64 {
        match side {
            Side::System => self.system_workload.known(),
            Side::Baseline => self.baseline_workload.known(),
        }
    }

    /// Requests to some of the accounts without an end, made while they are sent: more than
    /// fit into memory. For these accounts the workload goes on from here in them alone.
    pub fn stream(
        &self,
        accounts: Range<usize>,
        recipe: Recipe,
        batch: u64,
    ) -> impl Iterator<Item = http::Job> + Send + 'static {
        let size = usize::try_from(batch).expect("a batch is small");
        let mut workload = self.system_workload.of_accounts(accounts.clone());
        let (seed, accounts) = (self.seed, self.accounts[accounts].to_vec());
        std::iter::repeat_with(move || {
            let batch = workload.batch(recipe, size);
            http::Job::new(seed, batch, &accounts)
        })
    }

    fn jobs(&self, batches: Vec<Batch>) -> Vec<http::Job> {
        batches
            .into_iter()
            .map(|batch| http::Job::new(self.seed, batch, &self.accounts))
            .collect()
    }

    fn rows(&self, batches: &[Batch]) -> Vec<rows::Job> {
        let renderer = Renderer {
            seed: self.seed,
            accounts: &self.accounts,
            receive_time: Utc::now(),
        };
        batches.iter().map(|batch| renderer.job(batch)).collect()
    }

    /// Connections to the edge.
    ///
    /// # Errors
    /// Where nothing listens there.
    pub async fn clients(&self, count: u64, manner: Manner) -> Result<Vec<Client>> {
        Client::connect_all(self.system.edge, count, manner).await
    }

    async fn writers(&self, count: u64) -> Result<Vec<Writer>> {
        Writer::connect_all(self.system.postgres_url(), count).await
    }
}
