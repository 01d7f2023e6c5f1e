//! `bench hotspot`: most of an account's events are about a few of its contacts.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Case, Study};
use crate::bed::Bed;
use crate::http::{Manner, UNANSWERED};
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::progress;
use crate::statistics::ratio;
use crate::workload::Recipe;

/// Events of a request, and connections: large ones, and many at once.
const LOADS: [(u64, u64); 2] = [(500, 8), (10, 64)];

/// The part of the rate without a hotspot that is to be reached.
const RATIO: f64 = 0.5;
const P99_MS: f64 = 250.0;

/// Measures either load with and without a hotspot, in turns.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, 1, false).await?;
    let outcome = Box::pin(measure(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure(options: &Options, bed: &mut Bed) -> Result<Study> {
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    let mut cases = Vec::new();
    for (batch, connections) in LOADS {
        for (kind, recipe) in [
            ("spread", Scenario::BatchSizes.recipe()),
            ("hotspot", Scenario::Hotspot.recipe()),
        ] {
            let plan = Plan {
                batch,
                connections,
                manner: Manner::Patient,
                ..Plan::usual(options, recipe)
            };
            let name = format!("{batch} × {connections}, {kind}");
            cases.push(Case::warm_up(bed, options, name, plan).await?);
        }
    }
    for _ in 1..=options.rounds {
        for case in &mut cases {
            case.saturate(bed).await?;
        }
    }
    for case in &mut cases {
        case.relax(bed).await?;
    }
    progress("  waiting until PostgreSQL says its deadlocks");
    let deadlocks = bed.system.deadlocks().await?;
    let cases: Vec<_> = cases.into_iter().map(|case| case.report).collect();
    let mut bars = vec![Bar::at_most("deadlocks", deadlocks as f64, 0.0)];
    for pair in cases.chunks_exact(2) {
        bars.extend(self::bars(&pair[0], &pair[1]));
    }
    Ok(Study { cases, bars })
}

fn bars(spread: &ScenarioReport, hotspot: &ScenarioReport) -> Vec<Bar> {
    let name = &hotspot.name;
    let what = format!("{name}: p99, ms");
    let mut bars = vec![
        Bar::at_most(what, hotspot.p99_ms(), P99_MS),
        Bar::at_most(
            format!("{name}: events answered 500 or not at all"),
            failures(&hotspot.statuses()) as f64,
            0.0,
        ),
    ];
    if let Some(figure) = ratio(hotspot.rate(), spread.rate()) {
        let what = format!("{name} / {}", spread.name);
        bars.push(Bar::at_least(what, figure, RATIO));
    }
    bars
}

/// A 503 is none: its sender was asked to come again.
fn failures(statuses: &BTreeMap<u16, u64>) -> u64 {
    let failed = |status: u16| status == UNANSWERED || (status >= 500 && status != 503);
    let failed = statuses.iter().filter(|(status, _)| failed(**status));
    failed.map(|(_, events)| events).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_hotspot_may_halve_the_rate_and_nothing_may_fail() {
        let spread = report("spread", &[1.0], &[]);
        let mut hotspot = report("hotspot", &[2.0], &[]);
        assert!(bars(&spread, &hotspot).iter().all(Bar::is_met));
        hotspot.system[0].statuses.insert(503, 9);
        assert!(bars(&spread, &hotspot).iter().all(Bar::is_met));
        hotspot.system[0].statuses.insert(500, 1);
        hotspot.system[0].p99_ms = 251.0;
        hotspot.system[0].seconds = 2.1;
        assert!(!bars(&spread, &hotspot).iter().any(Bar::is_met));
    }
}
