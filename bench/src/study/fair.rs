//! `bench fair`: a quiet account alone, and beside a loud one that sends all it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Study;
use crate::bed::{Bed, Side};
use crate::drive::{Load, Pace, drive};
use crate::http::{Client, Job, Manner, UNANSWERED};
use crate::options::{Options, Scenario};
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::progress;
use crate::turn::{Turn, measure};
use crate::workload::Recipe;

/// Requests a second of the quiet account, with one event each, and its connections: enough
/// that one waits for its answer while the next is sent.
const QUIET_RATE: f64 = 5.0;
const QUIET_CONNECTIONS: u64 = 8;
/// So that the slowest hundredth is one of them.
const SECONDS: u64 = 25;
/// The loud account's.
const LOUD_CONNECTIONS: u64 = 100;
const LOUD_BATCHES: [u64; 2] = [500, 1_000];
/// Until all of its connections have something under way.
const SWING: Duration = Duration::from_secs(2);

/// How much slower the slowest hundredth may become: so many times, and so much more.
const TIMES: f64 = 3.0;
const MORE_MS: f64 = 50.0;

/// Measures the quiet account alone, and beside each loud one. Every part has a loud account
/// of its own, whose workload is made while it is sent.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let accounts = 1 + LOUD_BATCHES.len() as u64;
    let mut bed = Bed::start(options, accounts, false).await?;
    let outcome = Box::pin(study(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn study(options: &Options, bed: &mut Bed) -> Result<Study> {
    let accounts = bed.accounts.len() as u64;
    let contacts = options.contacts.max(accounts * options.batch);
    bed.load("loading contacts", Recipe::IdentifyNew, contacts)
        .await?;
    let settings = bed.system.settings().await?;
    let case = |name: String, paced, turn: Turn| {
        progress(format!("  {name}: {}", turn.line()));
        let mut report = ScenarioReport::new(name, paced, settings.clone());
        report.add(Side::System, turn);
        report
    };
    let recipe = Scenario::Fair.recipe();
    let seconds = options.seconds.unwrap_or(SECONDS);
    let count = (QUIET_RATE * seconds as f64).ceil() as usize;
    let mut requests = bed.stream(0..1, recipe, 1);
    let mut some = || requests.by_ref().take(count).collect::<Vec<Job>>();

    // Its first requests find everything cold, which is not what is asked here.
    quiet(bed.system.edge, some().split_off(count / 2)).await?;
    let alone = case(
        "quiet, alone".into(),
        true,
        quiet(bed.system.edge, some()).await?,
    );
    let mut study = Study::default();
    let mut loud_ones = Vec::new();
    for (account, batch) in (1..).zip(LOUD_BATCHES) {
        let (quiet, loud) = beside(bed, some(), account, batch).await?;
        let quiet = case(format!("quiet, beside batches of {batch}"), true, quiet);
        study.bars.extend(bars(&alone, &quiet));
        study.cases.push(quiet);
        loud_ones.push(case(format!("loud, batches of {batch}"), false, loud));
    }
    study.cases.insert(0, alone);
    study.cases.extend(loud_ones);
    Ok(study)
}

/// The quiet account's turn beside that of the loud one.
async fn beside(bed: &Bed, requests: Vec<Job>, loud: usize, batch: u64) -> Result<(Turn, Turn)> {
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&enough);
    let jobs = bed
        .stream(loud..loud + 1, Scenario::Fair.recipe(), batch)
        .take_while(move |_| !is_enough.load(Ordering::Relaxed));
    let clients = bed.clients(LOUD_CONNECTIONS, Manner::Patient).await?;
    let loud = measure(&bed.system, clients, jobs, Pace::Saturate);
    let quiet = async {
        tokio::time::sleep(SWING).await;
        let turn = quiet(bed.system.edge, requests).await;
        enough.store(true, Ordering::Relaxed);
        turn
    };
    tokio::try_join!(quiet, loud)
}

/// Sends one after the other at the quiet account's pace. It has a thread of its own: it is
/// another sender, and does not wait until the loud one has made its next batch.
async fn quiet(edge: SocketAddr, requests: Vec<Job>) -> Result<Turn> {
    let sender = move || -> Result<(Load, f64)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let clients = Client::connect_all(edge, QUIET_CONNECTIONS, Manner::Patient).await?;
            let (started, pace) = (Instant::now(), Pace::JobsPerSecond(QUIET_RATE));
            let load = drive(clients, requests.into_iter(), pace).await?;
            Ok((load, started.elapsed().as_secs_f64()))
        })
    };
    let sender = tokio::task::spawn_blocking(sender).await;
    let (load, seconds) = sender.context("the quiet sender panicked")??;
    Ok(Turn::of(load, seconds))
}

fn bars(alone: &ScenarioReport, beside: &ScenarioReport) -> [Bar; 2] {
    let statuses = beside.statuses();
    let refused = [UNANSWERED, 503].map(|status| statuses.get(&status).copied().unwrap_or(0));
    let name = &beside.name;
    let bound = (TIMES * alone.p99_ms() + MORE_MS).round();
    [
        Bar::at_most(
            format!("{name}: p99, ms ({:.1} alone)", alone.p99_ms()),
            beside.p99_ms(),
            bound,
        ),
        Bar::at_most(
            format!("{name}: 503 or unanswered"),
            refused.iter().sum::<u64>() as f64,
            0.0,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_quiet_account_may_become_three_times_slower_and_is_never_refused() {
        let alone = report("quiet, alone", &[1.0], &[]);
        let mut beside = report("quiet, beside", &[1.0], &[]);
        beside.system[0].p99_ms = 140.0;
        assert!(bars(&alone, &beside).iter().all(Bar::is_met));
        beside.system[0].p99_ms = 141.0;
        beside.system[0].statuses.insert(503, 1);
        assert!(!bars(&alone, &beside).iter().any(Bar::is_met));
    }
}
