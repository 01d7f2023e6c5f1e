//! `bench classic`: what SDKs send, batches of 20 events over 64 connections, beside requests of
//! Segment (Actions) of 500 events over 8.

use anyhow::{Context, Result, ensure};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::{Case, Study};
use crate::bed::{Bed, Side};
use crate::http::{Job, Manner};
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::progress;
use crate::setup::Account;
use crate::statistics::ratio;
use crate::turn::{Turn, measure};
use crate::workload::{Effect, Recipe};

/// Events of a request, and connections.
const ACTIONS: (u64, u64) = (500, 8);
const CLASSIC: (u64, u64) = (20, 64);
/// Of the rate of Segment (Actions).
const RATIO: f64 = 0.5;

/// Measures both in turns.
///
/// # Errors
/// An unexpected answer, an event that was not stored, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, 1, false).await?;
    let outcome = Box::pin(measure_all(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure_all(options: &Options, bed: &mut Bed) -> Result<Study> {
    let account = bed.accounts[0].clone();
    let write_key = classic_source(&account, bed.system.channel(Service::Mapping)).await?;
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    let recipe = Scenario::Classic.recipe();
    let plan = |(batch, connections)| Plan {
        batch,
        connections,
        manner: Manner::Patient,
        ..Plan::usual(options, recipe)
    };
    let name = |what: &str, (batch, connections)| format!("{what}, {batch} × {connections}");
    let mut actions = Case::warm_up(bed, options, name("actions", ACTIONS), plan(ACTIONS)).await?;
    let settings = bed.system.settings().await?;
    let mut classic = ScenarioReport::new(name("classic", CLASSIC), false, settings);
    turn(bed, &write_key, plan(CLASSIC)).await?;
    for _ in 1..=options.rounds {
        actions.saturate(bed).await?;
        let turn = turn(bed, &write_key, plan(CLASSIC)).await?;
        progress(format!("  {}: {}", classic.name, turn.line()));
        classic.add(Side::System, turn);
    }
    let cases = vec![actions.report, classic];
    Ok(Study {
        bars: bar(&cases[0], &cases[1]).into_iter().collect(),
        cases,
    })
}

/// A source of this kind beside the account's own, which maps the same; answers its key.
async fn classic_source(account: &Account, channel: Channel) -> Result<String> {
    let account_id = account.account_id.to_string();
    let mut client = MappingServiceClient::new(channel.clone());
    let request = mapping::PutSourceRequest {
        account_id: account_id.clone(),
        kind: mapping::SourceKind::SegmentClassic.into(),
        name: "SDKs".into(),
        ..Default::default()
    };
    let source = client.put_source(request).await?.into_inner().source;
    let source_id = source.context("a source")?.source_id;
    let request = mapping::CopyMappingRequest {
        account_id: account_id.clone(),
        from_source_id: account.source_id.to_string(),
        to_source_id: source_id.clone(),
        ..Default::default()
    };
    let mut configuration = ConfigurationServiceClient::new(channel);
    configuration.copy_mapping(request).await?;
    let request = mapping::CreateKeyRequest {
        account_id,
        source_id,
        ..Default::default()
    };
    Ok(client.create_key(request).await?.into_inner().secret)
}

/// What is answered tells nothing of a single event, so what is stored is counted.
async fn turn(bed: &mut Bed, write_key: &str, plan: Plan) -> Result<Turn> {
    let batches = bed.batches(plan);
    let events = batches.iter().flat_map(|batch| &batch.events);
    let tracks = events.filter(|event| event.effect == Effect::Activity);
    let tracks = i64::try_from(tracks.count())?;
    let before = activities(bed).await?;
    let jobs = bed.jobs_of(batches, |seed, batch| Job::classic(seed, batch, write_key));
    let clients = bed.clients(plan.connections, plan.manner).await?;
    let turn = measure(&bed.system, clients, jobs.into_iter(), plan.pace).await?;
    let stored = activities(bed).await? - before;
    ensure!(stored == tracks, "{stored} of {tracks} tracks were stored");
    Ok(turn)
}

async fn activities(bed: &Bed) -> Result<i64> {
    let count = "SELECT count(*) FROM activity.activities";
    Ok(bed.system.admin.query_one(count, &[]).await?.get(0))
}

fn bar(actions: &ScenarioReport, classic: &ScenarioReport) -> Option<Bar> {
    let figure = ratio(classic.rate(), actions.rate())?;
    let what = format!("{} / {}", classic.name, actions.name);
    Some(Bar::at_least(what, figure, RATIO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn half_the_rate_is_enough() {
        let met = |seconds| {
            let (actions, classic) = (report("a", &[1.0], &[]), report("c", &[seconds], &[]));
            bar(&actions, &classic).unwrap().is_met()
        };
        assert!(met(1.9));
        assert!(!met(2.1));
    }
}
