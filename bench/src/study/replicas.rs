//! `bench replicas`: two processes of each service, and how they share the work.

use std::num::NonZeroU16;

use anyhow::Result;
use weir_stack::Service;

use super::{Case, Study};
use crate::bed::Bed;
use crate::http::Manner;
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::bars::Bar;
use crate::screen::progress;
use crate::statistics::ratio;
use crate::workload::Recipe;

const REPLICAS: NonZeroU16 = NonZeroU16::new(2).expect("not zero");
/// Of the load: calls enough that shares tell something, and connections enough for two edges.
const BATCH: u64 = 50;
const CONNECTIONS: u64 = 32;

/// What the busier one of a pair may have of its work.
const SHARE: f64 = 0.6;

/// Measures the shares of all services.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start_replicas(options, REPLICAS).await?;
    let outcome = Box::pin(measure(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure(options: &Options, bed: &mut Bed) -> Result<Study> {
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    let plan = Plan {
        batch: BATCH,
        connections: CONNECTIONS,
        manner: Manner::Patient,
        ..Plan::usual(options, Scenario::Replicas.recipe())
    };
    let name = format!("{BATCH} × {CONNECTIONS}, {REPLICAS} replicas");
    let mut case = Case::warm_up(bed, options, name, plan).await?;
    let before = calls(bed).await?;
    for _ in 1..=options.rounds {
        case.saturate(bed).await?;
    }
    let after = calls(bed).await?;
    case.relax(bed).await?;
    let bars = after
        .iter()
        .zip(&before)
        .map(|((service, after), (_, before))| {
            let calls: Vec<f64> = after
                .iter()
                .zip(before)
                .map(|(after, before)| after - before)
                .collect();
            progress(format!("  {}: {calls:?} calls", service.name()));
            bar(*service, &calls)
        });
    Ok(Study {
        bars: bars.collect(),
        cases: vec![case.report],
    })
}

/// Of all processes of all services.
async fn calls(bed: &Bed) -> Result<Vec<(Service, Vec<f64>)>> {
    let mut calls = Vec::new();
    for service in Service::ALL {
        calls.push((service, bed.system.calls(service).await?));
    }
    Ok(calls)
}

/// Without any call, the share is all there is: nobody was asked.
fn bar(service: Service, calls: &[f64]) -> Bar {
    let most = calls.iter().copied().fold(0.0, f64::max);
    let share = ratio(most, calls.iter().sum()).unwrap_or(1.0);
    let what = match service {
        Service::Edge => "requests",
        _ => "calls",
    };
    let what = format!("{}: the busier one's share of {what}", service.name());
    Bar::at_most(what, share, SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busier_one_may_have_three_of_five() {
        assert!(bar(Service::Quota, &[20.0, 30.0]).is_met());
        assert!(!bar(Service::Quota, &[19.0, 31.0]).is_met());
        assert!(!bar(Service::Edge, &[0.0, 0.0]).is_met());
        assert!(!bar(Service::Edge, &[]).is_met());
    }
}
