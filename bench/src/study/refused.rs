//! `bench refused`: events that are all refused, beside such that are stored. A refusal leaves
//! samples, log, counts and kept events, and none of that may make a flood of refusals dearer
//! than a flood of events.

use anyhow::{Context, Result};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::{Study, TURN_SECONDS};
use crate::bed::{Bed, Side};
use crate::drive::Pace;
use crate::http::{Job, Manner};
use crate::options::Options;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::progress;
use crate::setup::Account;
use crate::statistics::ratio;
use crate::turn::{Turn, measure};
use crate::workload::Recipe;
use crate::workload::client_form::EVENT_NAME;

/// What becomes of each account's events: none is new, or known, to any other.
const OUTCOMES: [(&str, u16); 3] = [("stored", 200), ("unmapped", 422), ("over the limit", 429)];
const KINDS: [(&str, Recipe); 2] = [
    ("identify", Recipe::IdentifyNew),
    ("track", Recipe::TrackUnknown),
];
/// The part of the rate of what is stored that refusals must reach.
const RATIO: f64 = 0.7;
/// Events of a warm-up.
const WARM_UP: u64 = 10_000;

/// Measures identifies and tracks of each outcome, in turns.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, OUTCOMES.len() as u64, false).await?;
    let outcome = Box::pin(measure_all(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure_all(options: &Options, bed: &mut Bed) -> Result<Study> {
    refuse(bed.system.channel(Service::Mapping), &bed.accounts).await?;
    let settings = bed.system.settings().await?;
    let mut cases = Vec::new();
    for (kind, recipe) in KINDS {
        for (account, (outcome, status)) in OUTCOMES.into_iter().enumerate() {
            let name = format!("{kind}, {outcome}");
            let mut requests = bed.stream(account..account + 1, recipe, options.batch);
            let manner = Manner::Expecting(status);
            let some: Vec<Job> = take(&mut requests, WARM_UP, options.batch);
            let warm_up = turn(bed, options, some, manner).await;
            let warm_up = warm_up.with_context(|| name.clone())?;
            progress(format!("  {name}, warm-up: {}", warm_up.line()));
            let seconds = options
                .seconds
                .map_or(TURN_SECONDS, |seconds| seconds as f64);
            let events = (warm_up.events_per_second() * seconds) as u64;
            let report = ScenarioReport::new(name, false, settings.clone());
            cases.push((report, requests, manner, events));
        }
    }
    for _ in 1..=options.rounds {
        for (report, requests, manner, events) in &mut cases {
            let jobs = take(requests, *events, options.batch);
            let turn = turn(bed, options, jobs, *manner).await?;
            progress(format!("  {}: {}", report.name, turn.line()));
            report.add(Side::System, turn);
        }
    }
    let cases: Vec<ScenarioReport> = cases.into_iter().map(|(report, ..)| report).collect();
    let bars = cases.chunks_exact(OUTCOMES.len()).flat_map(bars).collect();
    Ok(Study { cases, bars })
}

fn take(requests: &mut impl Iterator<Item = Job>, events: u64, batch: u64) -> Vec<Job> {
    let count = usize::try_from(events.div_ceil(batch)).expect("requests fit into memory");
    requests.take(count).collect()
}

async fn turn(bed: &Bed, options: &Options, jobs: Vec<Job>, manner: Manner) -> Result<Turn> {
    let clients = bed.clients(options.connections, manner).await?;
    measure(&bed.system, clients, jobs.into_iter(), Pace::Saturate).await
}

/// Takes the mappings of the second account, and the units of the third.
async fn refuse(mapping: Channel, accounts: &[Account]) -> Result<()> {
    let mut mapping = MappingServiceClient::new(mapping);
    let account_id = accounts[1].account_id.to_string();
    let sources = mapping::ListSourcesRequest {
        account_id: account_id.clone(),
        ..Default::default()
    };
    let sources = mapping.list_sources(sources).await?.into_inner().sources;
    let source_id = sources.first().context("a source")?.source_id.clone();
    mapping
        .put_contact_mapping(mapping::PutContactMappingRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
            clear: true,
            ..Default::default()
        })
        .await?;
    mapping
        .delete_activity_mapping(mapping::DeleteActivityMappingRequest {
            account_id,
            source_id,
            event_name: EVENT_NAME.into(),
            request_id: String::new(),
        })
        .await?;
    let account_id = accounts[2].account_id.to_string();
    let account = mapping::GetAccountRequest {
        account_id,
        ..Default::default()
    };
    let account = mapping.get_account(account).await?.into_inner().account;
    let plan = mapping::Plan {
        included_contacts: Some(0),
        ..Default::default()
    };
    mapping
        .put_account(mapping::PutAccountRequest {
            name: account.context("an account")?.name,
            plan: Some(plan),
            ..Default::default()
        })
        .await?;
    Ok(())
}

/// Those of one kind; the first of them is stored.
fn bars(cases: &[ScenarioReport]) -> Vec<Bar> {
    let (stored, refused) = cases.split_first().expect("there is one of each outcome");
    let bar = |case: &ScenarioReport| {
        let figure = ratio(case.rate(), stored.rate())?;
        let what = format!("{} / {}", case.name, stored.name);
        Some(Bar::at_least(what, figure, RATIO))
    };
    refused.iter().filter_map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn refusals_are_held_against_what_is_stored() {
        let cases = [
            report("stored", &[1.0], &[]),
            report("unmapped", &[2.0], &[]),
            report("over the limit", &[1.0], &[]),
        ];
        let bars = bars(&cases);
        let met: Vec<bool> = bars.iter().map(Bar::is_met).collect();
        assert_eq!(met, [false, true]);
    }
}
