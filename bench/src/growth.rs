//! `bench growth`: what an event costs as contacts, accounts and stored activities grow, and
//! what the same rows cost the baseline: what grows on both sides is PostgreSQL's tables
//! outgrowing the processor's caches.

pub mod point;

use anyhow::{Context, Result};

use crate::bed::{Bed, Side};
use crate::options::Options;
use crate::plan::Plan;
use crate::process::LOAD;
use crate::screen::{progress, thousands};
use crate::statistics::micros_per;
use crate::turn::Turn;
use crate::workload::Recipe;
use point::Point;

/// What is measured at each size.
const KNOWN: [(&str, Recipe); 2] = [
    ("identify-known-changed", Recipe::IdentifyChanged),
    ("track-known", Recipe::TrackKnown),
];

/// Measures along all three.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    Box::pin(contacts(options, &mut points)).await?;
    Box::pin(accounts(options, &mut points)).await?;
    Box::pin(activities(options, &mut points)).await?;
    Ok(points)
}

async fn contacts(options: &Options, points: &mut Vec<Point>) -> Result<()> {
    if options.growth_contacts.is_empty() {
        return Ok(());
    }
    points.extend(on_each_side("contacts", options, over_contacts).await?);
    Ok(())
}

/// Measures the system and the baseline one after the other, each alone: tables of both would
/// be too large for the buffers.
async fn on_each_side(
    of: &str,
    options: &Options,
    over: impl AsyncFn(&Options, &mut Bed) -> Result<Vec<Point>>,
) -> Result<Vec<Point>> {
    progress(format!("growth over {of}:"));
    let mut points = on_a_bed(options, 1, Side::System, &over).await?;
    if !options.no_baseline {
        progress(format!("growth over {of}, the baseline:"));
        let raw = on_a_bed(options, 1, Side::Baseline, &over).await?;
        for (point, raw) in points.iter_mut().zip(raw) {
            point.raw_micros_per_event = Some(raw.micros_per_event);
        }
    }
    Ok(points)
}

async fn on_a_bed(
    options: &Options,
    accounts: u64,
    side: Side,
    over: impl AsyncFn(&Options, &mut Bed) -> Result<Vec<Point>>,
) -> Result<Vec<Point>> {
    let mut bed = Bed::start_without_checkpoints(options, accounts, side).await?;
    let outcome = over(options, &mut bed).await;
    bed.finish(outcome).await
}

async fn over_contacts(options: &Options, bed: &mut Bed) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for size in ascending(&options.growth_contacts) {
        let missing = size.saturating_sub(bed.known(side_of(bed)?));
        bed.load("loading contacts", Recipe::IdentifyNew, missing)
            .await?;
        for (scenario, recipe) in KNOWN {
            points.push(point(bed, options, "contacts", size, scenario, recipe).await?);
        }
        let recipe = Recipe::IdentifyNew;
        points.push(point(bed, options, "contacts", size, "identify-new", recipe).await?);
    }
    Ok(points)
}

/// The contacts are as many in all at every number of accounts, and enough that a batch meets
/// nobody twice.
async fn accounts(options: &Options, points: &mut Vec<Point>) -> Result<()> {
    let sizes = ascending(&options.growth_accounts);
    let contacts = sizes.last().copied().unwrap_or(0) * options.growth_contacts_each;
    for size in sizes {
        progress(format!("growth over accounts, {}:", thousands(size)));
        let over = async |options: &Options, bed: &mut Bed| {
            bed.load("loading contacts", Recipe::IdentifyNew, contacts)
                .await?;
            let mut points = Vec::new();
            for (scenario, recipe) in KNOWN {
                points.push(point(bed, options, "accounts", size, scenario, recipe).await?);
            }
            Ok(points)
        };
        points.extend(on_a_bed(options, size, Side::System, over).await?);
    }
    Ok(())
}

async fn activities(options: &Options, points: &mut Vec<Point>) -> Result<()> {
    if options.growth_activities.is_empty() {
        return Ok(());
    }
    points.extend(on_each_side("activities", options, over_activities).await?);
    Ok(())
}

async fn over_activities(options: &Options, bed: &mut Bed) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    let mut stored = 0;
    for size in ascending(&options.growth_activities) {
        bed.load(
            "loading activities",
            Recipe::TrackKnown,
            size.saturating_sub(stored),
        )
        .await?;
        stored = stored.max(size);
        let recipe = Recipe::TrackKnown;
        points.push(point(bed, options, "activities", size, "track-known", recipe).await?);
        stored += options.events;
    }
    Ok(points)
}

fn side_of(bed: &Bed) -> Result<Side> {
    bed.sides().first().copied().context("a bed has a side")
}

/// Measures the bed's one side.
async fn point(
    bed: &mut Bed,
    options: &Options,
    of: &'static str,
    size: u64,
    scenario: &'static str,
    recipe: Recipe,
) -> Result<Point> {
    let side = side_of(bed)?;
    let plan = Plan::usual(options, recipe);
    let events = plan.batch * plan.connections * 2;
    bed.turn(side, Plan { events, ..plan }).await?;
    let turn = bed.turn(side, plan).await?;
    let point = Point {
        of,
        size,
        scenario,
        events_per_second: turn.events_per_second(),
        micros_per_event: cost(&turn),
        raw_micros_per_event: None,
    };
    progress(format!(
        "  {} {of}, {scenario}: {:.1} µs/event, {} events/s",
        thousands(size),
        point.micros_per_event,
        thousands(point.events_per_second as u64)
    ));
    Ok(point)
}

fn cost(turn: &Turn) -> f64 {
    let all = turn.cpu.iter().filter(|(name, _)| *name != LOAD);
    micros_per(all.map(|(_, seconds)| seconds).sum(), turn.events)
}

fn ascending(sizes: &[u64]) -> Vec<u64> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes
}
