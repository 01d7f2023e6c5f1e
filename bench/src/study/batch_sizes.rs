//! `bench batch-sizes`: what an event costs by the size of its request, the number of
//! connections and that of the accounts.

use anyhow::Result;

use super::{Case, Study};
use crate::bed::Bed;
use crate::http::Manner;
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::statistics::ratio;
use crate::workload::Recipe;

const SIZES: [u64; 4] = [1, 10, 50, 500];
const CONNECTIONS: [u64; 3] = [8, 64, 256];
const ACCOUNTS: [u64; 2] = [1, 32];

/// What the others are held against, in the same accounts: events of a request, connections.
const REFERENCE: (u64, u64) = (500, 8);
const SMALL: (u64, u64) = (10, 64);
const SINGLE: (u64, u64) = (1, 256);

/// The part of the reference's rate that is to be reached, with so many accounts.
const RATIOS: [((u64, u64), u64, f64); 3] = [(SMALL, 1, 0.6), (SMALL, 32, 0.3), (SINGLE, 1, 0.25)];
/// CPU time of services, PostgreSQL and Redis for a single event.
const SINGLE_MICROS: f64 = 150.0;

/// Measures all sizes.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut cases = Vec::new();
    for accounts in ACCOUNTS {
        let mut bed = Bed::start(options, accounts, false).await?;
        let outcome = Box::pin(measure(options, accounts, &mut bed)).await;
        cases.extend(bed.finish(outcome).await?);
    }
    let bars = bars(&cases);
    Ok(Study { cases, bars })
}

/// Those that a bar is about take as many turns as were asked for, one after the other, so
/// that an hour's change meets them all; the others take one.
async fn measure(options: &Options, accounts: u64, bed: &mut Bed) -> Result<Vec<ScenarioReport>> {
    // A batch of new people goes to one account, and each of these needs one.
    let contacts = options.contacts.max(accounts * options.batch);
    bed.load("loading contacts", Recipe::IdentifyNew, contacts)
        .await?;
    let mut cases = Vec::new();
    for batch in SIZES {
        for connections in CONNECTIONS {
            let plan = Plan {
                batch,
                connections,
                manner: Manner::Patient,
                ..Plan::usual(options, Scenario::BatchSizes.recipe())
            };
            let name = name((batch, connections), accounts);
            cases.push(Case::warm_up(bed, options, name, plan).await?);
        }
    }
    for round in 1..=options.rounds {
        for case in &mut cases {
            let kind = (case.plan.batch, case.plan.connections);
            if round == 1 || [REFERENCE, SMALL, SINGLE].contains(&kind) {
                case.saturate(bed).await?;
            }
        }
    }
    for case in &mut cases {
        case.relax(bed).await?;
    }
    Ok(cases.into_iter().map(|case| case.report).collect())
}

fn name((batch, connections): (u64, u64), accounts: u64) -> String {
    let accounts = match accounts {
        1 => "1 account".to_owned(),
        several => format!("{several} accounts"),
    };
    format!("{batch} × {connections}, {accounts}")
}

fn bars(cases: &[ScenarioReport]) -> Vec<Bar> {
    let of = |kind, accounts| {
        let name = name(kind, accounts);
        cases.iter().find(|case| case.name == name)
    };
    let mut bars = Vec::new();
    for (kind, accounts, bound) in RATIOS {
        let (case, reference) = (of(kind, accounts), of(REFERENCE, accounts));
        if let (Some(case), Some(reference)) = (case, reference)
            && let Some(figure) = ratio(case.rate(), reference.rate())
        {
            let what = format!("{} / {}", case.name, reference.name);
            bars.push(Bar::at_least(what, figure, bound));
        }
    }
    if let Some(case) = of(SINGLE, 1) {
        let what = format!(
            "{}: CPU of services, PostgreSQL and Redis, µs/event",
            case.name
        );
        bars.push(Bar::at_most(what, case.whole_cpu_micros(), SINGLE_MICROS));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn small_requests_are_held_against_large_ones_of_the_same_accounts() {
        let cases = [
            report(&name(REFERENCE, 1), &[1.0], &[]),
            report(&name(SMALL, 1), &[2.0], &[]),
            report(&name(SINGLE, 1), &[4.0], &[]),
            report(&name(REFERENCE, 32), &[4.0], &[]),
            report(&name(SMALL, 32), &[8.0], &[]),
        ];
        let lines: Vec<String> = bars(&cases).iter().map(Bar::line).collect();
        assert_eq!(
            lines,
            [
                "short  10 × 64, 1 account / 500 × 8, 1 account: 0.50 (≥ 0.6)",
                "ok     10 × 64, 32 accounts / 500 × 8, 32 accounts: 0.50 (≥ 0.3)",
                "ok     1 × 256, 1 account / 500 × 8, 1 account: 0.25 (≥ 0.25)",
                "ok     1 × 256, 1 account: CPU of services, PostgreSQL and Redis, µs/event: \
                 4.00 (≤ 150)",
            ]
        );
    }
}
