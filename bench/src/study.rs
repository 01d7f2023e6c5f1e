//! Studies: cases on one system that are held against each other, not against a baseline.

mod activities;
mod batch_sizes;
mod classic;
mod fair;
mod hotspot;
mod pages;
mod people;
mod refused;
mod replicas;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::bed::{Bed, Side};
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::report::ScenarioReport;
use crate::report::bars::{Bar, text};
use crate::report::table;
use crate::screen::progress;

/// What a study came to.
#[derive(Debug, Default, Serialize)]
pub struct Study {
    pub cases: Vec<ScenarioReport>,
    pub bars: Vec<Bar>,
}

impl Study {
    /// The figures of all cases, with what they depend on, and the bars.
    pub fn text(&self) -> String {
        let settings = self.cases.first().map(ScenarioReport::settings);
        let settings = settings.unwrap_or_default();
        let (speed, cost) = (table::speed(&self.cases), table::cost(&self.cases));
        format!("\n{settings}\n\n{speed}\n{cost}\n{}", text(&self.bars))
    }
}

/// Runs a study.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(scenario: Scenario, options: &Options) -> Result<Study> {
    progress(format!("{}:", scenario.name()));
    match scenario {
        Scenario::BatchSizes => batch_sizes::run(options).await,
        Scenario::Fair => fair::run(options).await,
        Scenario::Hotspot => hotspot::run(options).await,
        Scenario::Replicas => replicas::run(options).await,
        Scenario::People => people::run(options).await,
        Scenario::Activities => activities::run(options).await,
        Scenario::Classic => classic::run(options).await,
        Scenario::Pages => pages::run(options).await,
        Scenario::Refused => refused::run(options).await,
        other => bail!("{} is no study", other.name()),
    }
}

/// Long enough that one batch more or less is not seen.
const TURN_SECONDS: f64 = 1.5;
/// Events of a warm-up.
const WARM_UP: std::ops::RangeInclusive<u64> = 500..=20_000;

/// Turns of one kind.
struct Case {
    plan: Plan,
    report: ScenarioReport,
}

impl Case {
    /// Warms up, and sizes the turns by it.
    async fn warm_up(bed: &mut Bed, options: &Options, name: String, plan: Plan) -> Result<Self> {
        let one_each = plan.batch * plan.connections;
        let events = one_each.clamp(*WARM_UP.start(), *WARM_UP.end());
        let turn = bed.turn(Side::System, Plan { events, ..plan }).await?;
        progress(format!("  {name}, warm-up: {}", turn.line()));
        let rate = turn.events_per_second();
        let events = match options.seconds {
            Some(seconds) => (rate * seconds as f64) as u64,
            None => ((rate * TURN_SECONDS) as u64).min(options.events),
        };
        Ok(Self {
            plan: Plan {
                events: events.max(one_each),
                ..plan
            },
            report: ScenarioReport::new(name, false, bed.system.settings().await?),
        })
    }

    /// A turn at saturation.
    async fn saturate(&mut self, bed: &mut Bed) -> Result<()> {
        let turn = bed.turn(Side::System, self.plan).await?;
        progress(format!("  {}: {}", self.report.name, turn.line()));
        self.report.add(Side::System, turn);
        Ok(())
    }

    /// A turn at 70 % of it.
    async fn relax(&mut self, bed: &mut Bed) -> Result<()> {
        let plan = self.plan.below_saturation(self.report.rate());
        let turn = bed.turn(Side::System, plan).await?;
        progress(format!("  {} at 70 %: {}", self.report.name, turn.line()));
        self.report.below_saturation.push(turn);
        Ok(())
    }
}
