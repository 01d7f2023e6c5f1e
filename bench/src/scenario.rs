//! Runs the scenarios: prepares, warms up, then measures in turns.

use anyhow::Result;

use crate::baseline::tables;
use crate::bed::{Bed, Side};
use crate::drive::Pace;
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::{RowCount, ScenarioReport, bars};
use crate::screen::progress;
use crate::workload::Recipe;

/// The part of a turn that goes ahead of the measured ones, unmeasured.
const WARM_UP: u64 = 4;
/// Of single-event requests there are few, so that a turn at 200 a second ends.
const SINGLE_SECONDS: f64 = 15.0;

/// Measures one scenario on a system of its own.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(scenario: Scenario, options: &Options) -> Result<ScenarioReport> {
    progress(format!("{}:", scenario.name()));
    let mut bed = Bed::start(options, options.accounts, !options.no_baseline).await?;
    let outcome = Box::pin(measure(scenario, options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure(scenario: Scenario, options: &Options, bed: &mut Bed) -> Result<ScenarioReport> {
    let settings = bed.system.settings().await?;
    let recipe = scenario.recipe();
    if recipe.needs_contacts() {
        bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
            .await?;
    }
    let plan = plan(scenario, options, bed).await?;
    let paced = plan.pace != Pace::Saturate;
    let mut report = ScenarioReport::new(scenario.name(), paced, settings);
    for round in 1..=options.rounds {
        for side in bed.sides() {
            let turn = bed.turn(*side, plan).await?;
            let (name, rounds) = (side.name(), options.rounds);
            progress(format!("  {name:>4} {round}/{rounds}: {}", turn.line()));
            report.add(*side, turn);
        }
    }
    if bed.sides().contains(&Side::Baseline) {
        report.rows = row_counts(bed).await?;
    }
    // How latencies are with room left is a matter of the system alone.
    if !paced {
        let plan = plan.below_saturation(report.rate());
        for round in 1..=options.rounds {
            let turn = bed.turn(Side::System, plan).await?;
            progress(format!(
                "  at 70 % {round}/{}: {}",
                options.rounds,
                turn.line()
            ));
            report.below_saturation.push(turn);
        }
    }
    Ok(report)
}

/// Warms up, and sizes the turns by it where that was asked for.
async fn plan(scenario: Scenario, options: &Options, bed: &mut Bed) -> Result<Plan> {
    let usual = Plan::usual(options, scenario.recipe());
    if scenario == Scenario::Single {
        let seconds = options.seconds.map_or(SINGLE_SECONDS, |all| all as f64);
        let plan = Plan { batch: 1, ..usual }.at(options.rate);
        let events = options.rate as u64 * 2;
        for side in bed.sides() {
            bed.turn(*side, Plan { events, ..plan }).await?;
        }
        let events = (options.rate * seconds) as u64;
        return Ok(Plan { events, ..plan });
    }
    let events = (usual.events / WARM_UP).max(usual.batch * usual.connections);
    let mut rate = 0.0;
    for side in bed.sides() {
        let turn = bed.turn(*side, Plan { events, ..usual }).await?;
        progress(format!("  {:>4} warm-up: {}", side.name(), turn.line()));
        if *side == Side::System {
            rate = turn.events_per_second();
        }
    }
    let events = options
        .seconds
        .map_or(options.events, |seconds| (rate * seconds as f64) as u64);
    Ok(Plan { events, ..usual })
}

/// Both sides' tables side by side: whether the baseline wrote what the system wrote.
async fn row_counts(bed: &Bed) -> Result<Vec<RowCount>> {
    let system = tables::row_counts(&bed.system.admin, "").await?;
    let baseline = tables::row_counts(&bed.system.admin, "raw_").await?;
    let rows: Vec<RowCount> = system
        .into_iter()
        .zip(baseline)
        .map(|((table, system), (_, baseline))| RowCount {
            table,
            system,
            baseline,
        })
        .collect();
    for row in bars::different_rows(&rows) {
        progress(format!(
            "  note: {} has {} rows of weir's and {} of the baseline's",
            row.table, row.system, row.baseline
        ));
    }
    Ok(rows)
}
