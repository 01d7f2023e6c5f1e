//! Runs the scenarios: prepares, warms up, then measures in turns.

use anyhow::Result;

use crate::baseline::tables;
use crate::bed::{Bed, Side};
use crate::drive::Pace;
use crate::options::{Options, Scenario};
use crate::report::{RowCount, ScenarioReport, bars};
use crate::screen::{progress, thousands};
use crate::turn::Turn;
use crate::workload::Recipe;

/// The part of a turn that goes ahead of the measured ones, unmeasured.
const WARM_UP: u64 = 4;
/// Where `mixed-at-70` runs.
const SHARE_OF_SATURATION: f64 = 0.7;
/// Of single-event requests there are few, so that a turn at 200 a second ends.
const SINGLE_SECONDS: f64 = 15.0;

/// Measures one scenario on a system of its own.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(scenario: Scenario, options: &Options) -> Result<ScenarioReport> {
    progress(format!("{}:", scenario.name()));
    // How latencies are with room left is a matter of the system alone.
    let with_baseline = !options.no_baseline && scenario != Scenario::MixedAt70;
    let mut bed = Bed::start(options, options.accounts, with_baseline).await?;
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
    let mut report = ScenarioReport::new(scenario.name(), plan.pace != Pace::Saturate, settings);
    for round in 1..=options.rounds {
        for side in bed.sides() {
            let turn = bed
                .turn(*side, recipe, plan.events, plan.batch, plan.pace)
                .await?;
            say(*side, round, options.rounds, &turn);
            report.add(*side, turn);
        }
    }
    if bed.sides().contains(&Side::Baseline) {
        report.rows = row_counts(bed).await?;
    }
    Ok(report)
}

/// How the turns of a scenario are.
struct Plan {
    events: u64,
    batch: u64,
    pace: Pace,
}

/// Warms up, and sizes the turns by it where that was asked for.
async fn plan(scenario: Scenario, options: &Options, bed: &mut Bed) -> Result<Plan> {
    let recipe = scenario.recipe();
    if scenario == Scenario::Single {
        let seconds = options.seconds.map_or(SINGLE_SECONDS, |all| all as f64);
        let pace = Pace::JobsPerSecond(options.rate);
        for side in bed.sides() {
            bed.turn(*side, recipe, options.rate as u64 * 2, 1, pace)
                .await?;
        }
        return Ok(Plan {
            events: (options.rate * seconds) as u64,
            batch: 1,
            pace,
        });
    }
    let batch = options.batch;
    let warm_up = (options.events / WARM_UP).max(batch * options.connections);
    let mut rate = 0.0;
    for side in bed.sides() {
        let turn = bed
            .turn(*side, recipe, warm_up, batch, Pace::Saturate)
            .await?;
        progress(format!(
            "  {:>4} warm-up: {} events/s",
            side.name(),
            thousands(turn.events_per_second() as u64)
        ));
        if *side == Side::System {
            rate = turn.events_per_second();
        }
    }
    let events = options
        .seconds
        .map_or(options.events, |seconds| (rate * seconds as f64) as u64);
    if scenario != Scenario::MixedAt70 {
        return Ok(Plan {
            events,
            batch,
            pace: Pace::Saturate,
        });
    }
    // The warm-up is short and cold: saturation is measured for itself.
    let saturated = bed
        .turn(Side::System, recipe, events, batch, Pace::Saturate)
        .await?
        .events_per_second();
    progress(format!(
        "  saturated at {} events/s",
        thousands(saturated as u64)
    ));
    Ok(Plan {
        events,
        batch,
        pace: Pace::JobsPerSecond(saturated * SHARE_OF_SATURATION / batch as f64),
    })
}

fn say(side: Side, round: u64, rounds: u64, turn: &Turn) {
    progress(format!(
        "  {:>4} {round}/{rounds}: {} events in {:.1} s, {} events/s, p50 {:.1} ms, p99 {:.1} ms",
        side.name(),
        thousands(turn.events),
        turn.seconds,
        thousands(turn.events_per_second() as u64),
        turn.p50_ms,
        turn.p99_ms,
    ));
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
