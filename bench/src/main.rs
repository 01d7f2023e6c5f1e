//! `./weir bench`: how fast Weir is, beside the physical limit of storing what it stores.
//!
//! Each scenario runs on a stack of its own: durable PostgreSQL, Redis, the six services. The
//! load generator sends seeded batches over a few keep-alive connections and checks the
//! outcome of every event. In turns with it, a [bare program](baseline) writes the same rows
//! to the same PostgreSQL; the ratio of both is the figure that a noisy machine leaves alone.
//! CPU time by process, memory, latencies and write-ahead log are read around each turn.
//!
//! [`workload`] makes the events; [`bed`] holds a system and both sides' workload;
//! [`scenario`], [`study`], [`growth`] and [`soak`] measure; [`report`] judges.
//!
//! **Invariant:** nothing hides behind the clock: it stops when everything is answered *and*
//! what was answered has reached every table.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![expect(
    clippy::disallowed_methods,
    reason = "it is a client: it lives in the machine's time, and its baseline makes ids of its own"
)]

mod baseline;
mod bed;
mod chart;
mod drive;
mod growth;
mod http;
mod options;
mod plan;
mod process;
mod random;
mod report;
mod scenario;
mod screen;
mod setup;
mod soak;
mod statistics;
mod study;
mod system;
mod turn;
mod workload;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Parser;
use serde::Serialize;

use options::{Options, Scenario};
use report::{ScenarioReport, bars, table};
use screen::{progress, result};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match Box::pin(run(options)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(format!("weir: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures what was asked for, prints it, and writes it as JSON. A bar that is missed is no
/// error: it is printed.
async fn run(options: Options) -> Result<()> {
    weir_stack::ensure_installed(|what| progress(format!("{what} …")))?;
    let begun = Utc::now();
    let asked = if options.scenarios.is_empty() {
        &Scenario::USUAL[..]
    } else {
        &options.scenarios
    };
    options.check(asked)?;
    let mut reports = Vec::new();
    for scenario in asked.iter().copied() {
        match scenario {
            Scenario::Growth => {
                let report = Box::pin(growth::run(&options)).await.context("growth")?;
                result(growth::point::text(&report));
                write(&options, "growth", begun, &report)?;
            }
            Scenario::Soak => {
                let report = Box::pin(soak::run(&options)).await.context("soak")?;
                result(soak::report::text(&report));
                write(&options, "soak", begun, &report)?;
                let chart = soak::report::chart(&report);
                save(&options, "soak", "svg", begun, chart.as_bytes())?;
            }
            scenario if scenario.is_study() => {
                let name = scenario.name();
                let study = Box::pin(study::run(scenario, &options)).await;
                let study = study.with_context(|| name.clone())?;
                result(study.text());
                write(&options, &name, begun, &study)?;
            }
            scenario => {
                let report = Box::pin(scenario::run(scenario, &options)).await;
                reports.push(report.with_context(|| scenario.name())?);
            }
        }
    }
    if reports.is_empty() {
        return Ok(());
    }
    print(&options, &reports);
    let document = Document {
        time: begun,
        seed: options.seed,
        batch: options.batch,
        connections: options.connections,
        accounts: options.accounts,
        contacts: options.contacts,
        bars: bars::of(&reports),
        scenarios: reports,
    };
    write(&options, "bench", begun, &document)
}

fn print(options: &Options, reports: &[ScenarioReport]) {
    let Some(first) = reports.first() else { return };
    let settings: Vec<String> = first
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    result(format!(
        "\nPostgreSQL: {}\nseed {}, batches of {}, {} connections, {} accounts, {} rounds; \
         medians of turns in A B A B\n",
        settings.join(" "),
        options.seed,
        options.batch,
        options.connections,
        options.accounts,
        options.rounds
    ));
    result(table::speed(reports));
    result(table::cost(reports));
    if options.statements {
        for report in reports {
            result(table::statements(report));
        }
    }
    result(bars::text(&bars::of(reports)));
}

/// The whole of it, for machines.
#[derive(Serialize)]
struct Document {
    time: DateTime<Utc>,
    seed: u64,
    batch: u64,
    connections: u64,
    accounts: u64,
    contacts: u64,
    scenarios: Vec<ScenarioReport>,
    bars: Vec<bars::Bar>,
}

fn write(
    options: &Options,
    what: &str,
    begun: DateTime<Utc>,
    report: &impl Serialize,
) -> Result<()> {
    save(
        options,
        what,
        "json",
        begun,
        &serde_json::to_vec_pretty(report)?,
    )
}

fn save(
    options: &Options,
    what: &str,
    kind: &str,
    begun: DateTime<Utc>,
    content: &[u8],
) -> Result<()> {
    let folder = &options.output;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let time = begun.format("%Y-%m-%dT%H-%M-%SZ");
    let path = folder.join(format!("{what}-{time}.{kind}"));
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    progress(format!("written to {}", path.display()));
    Ok(())
}
