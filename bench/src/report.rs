//! What was measured, and its figures: medians of rates, sums of costs.

pub mod bars;
pub mod table;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Serialize;

use crate::bed::Side;
use crate::process::{self, Processes};
use crate::statistics::{median, micros_per, ratio};
use crate::turn::Turn;

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    pub name: String,
    /// Whether requests came at a fixed pace, so that the rate says nothing.
    pub paced: bool,
    /// PostgreSQL's settings while it ran.
    pub settings: BTreeMap<String, String>,
    pub system: Vec<Turn>,
    pub baseline: Vec<Turn>,
    /// The system's at 70 % of its saturation; none where it was not measured.
    pub below_saturation: Vec<Turn>,
    /// Rows of each table at the end.
    pub rows: Vec<RowCount>,
}

/// The rows of a table, written by each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowCount {
    pub table: String,
    pub system: i64,
    pub baseline: i64,
}

impl ScenarioReport {
    pub fn new(name: String, paced: bool, settings: BTreeMap<String, String>) -> Self {
        Self {
            name,
            paced,
            settings,
            system: Vec::new(),
            baseline: Vec::new(),
            below_saturation: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, side: Side, turn: Turn) {
        match side {
            Side::System => self.system.push(turn),
            Side::Baseline => self.baseline.push(turn),
        }
    }

    /// Events per second of the system.
    pub fn rate(&self) -> f64 {
        median_of(&self.system, Turn::events_per_second)
    }

    /// The same as each of the machine's cores has it, which do all the rest as well; none at
    /// a pace.
    pub fn rate_per_core(&self) -> Option<f64> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        (!self.paced).then(|| self.rate() / cores as f64)
    }

    /// Events per second of the baseline; zero without one.
    pub fn baseline_rate(&self) -> f64 {
        median_of(&self.baseline, Turn::events_per_second)
    }

    /// The system's rate as a part of the baseline's; none at a pace or without a baseline.
    pub fn ratio(&self) -> Option<f64> {
        if self.paced {
            return None;
        }
        ratio(self.rate(), self.baseline_rate())
    }

    pub fn p50_ms(&self) -> f64 {
        median_of(&self.system, |turn| turn.p50_ms)
    }

    pub fn p99_ms(&self) -> f64 {
        median_of(&self.system, |turn| turn.p99_ms)
    }

    /// The middle and the slowest hundredth at 70 % of saturation; none without it.
    pub fn below_saturation_ms(&self) -> Option<(f64, f64)> {
        let turns = &self.below_saturation;
        let p50_ms = median_of(turns, |turn| turn.p50_ms);
        (!turns.is_empty()).then(|| (p50_ms, median_of(turns, |turn| turn.p99_ms)))
    }

    /// CPU time of a process, in microseconds per event.
    pub fn cpu_micros(&self, process: &str) -> f64 {
        cpu_micros(&self.system, |name| name == process)
    }

    /// The same of all six services.
    pub fn services_cpu_micros(&self) -> f64 {
        cpu_micros(&self.system, Processes::is_service)
    }

    /// The same of the services in front of PostgreSQL.
    pub fn front_cpu_micros(&self) -> f64 {
        ["edge", "mapping", "quota"]
            .iter()
            .map(|process| self.cpu_micros(process))
            .sum()
    }

    /// CPU time of all that is not the load: services, PostgreSQL, Redis.
    pub fn whole_cpu_micros(&self) -> f64 {
        cpu_micros(&self.system, |name| name != process::LOAD)
    }

    /// CPU time that the baseline's PostgreSQL took.
    pub fn baseline_postgres_micros(&self) -> f64 {
        cpu_micros(&self.baseline, |name| name == process::POSTGRES)
    }

    /// Bytes of write-ahead log per event, by side.
    pub fn wal_per_event(&self) -> (f64, f64) {
        let per_event = |turns: &[Turn]| {
            let bytes: i64 = turns.iter().map(|turn| turn.wal_bytes).sum();
            ratio(bytes as f64, events(turns) as f64).unwrap_or(0.0)
        };
        (per_event(&self.system), per_event(&self.baseline))
    }

    /// The most memory that the six services held together, in MiB.
    pub fn services_memory_mib(&self) -> f64 {
        let most = self.system.iter().map(|turn| {
            let services = turn
                .memory
                .iter()
                .filter(|(name, _)| Processes::is_service(name));
            services.map(|(_, kib)| *kib).sum::<u64>()
        });
        most.max().unwrap_or(0) as f64 / 1_024.0
    }

    /// How many events got which status.
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        let mut all = BTreeMap::new();
        for turn in &self.system {
            for (status, count) in &turn.statuses {
                *all.entry(*status).or_default() += count;
            }
        }
        all
    }
}

fn median_of(turns: &[Turn], figure: impl Fn(&Turn) -> f64) -> f64 {
    median(&turns.iter().map(figure).collect::<Vec<f64>>())
}

fn events(turns: &[Turn]) -> u64 {
    turns.iter().map(|turn| turn.events).sum()
}

fn cpu_micros(turns: &[Turn], which: impl Fn(&str) -> bool) -> f64 {
    let seconds: f64 = turns
        .iter()
        .flat_map(|turn| &turn.cpu)
        .filter(|(name, _)| which(name))
        .map(|(_, seconds)| seconds)
        .sum();
    micros_per(seconds, events(turns))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A turn of 1,000 events in so many seconds, with a second of CPU time here and there.
    pub fn turn(seconds: f64) -> Turn {
        let each = |value| {
            ["edge", "mapping", "activity", "postgres", "load"]
                .map(|name| (name.to_owned(), value))
                .into()
        };
        Turn {
            events: 1_000,
            seconds,
            statuses: BTreeMap::from([(200, 1_000)]),
            p50_ms: 10.0,
            p99_ms: 30.0,
            max_ms: 31.0,
            cpu: each(0.001),
            memory: BTreeMap::from([("edge".into(), 2_048), ("postgres".into(), 9_999)]),
            wal_bytes: 500_000,
            statements: Vec::new(),
        }
    }

    pub fn report(name: &str, system: &[f64], baseline: &[f64]) -> ScenarioReport {
        let mut report = ScenarioReport::new(name.into(), false, BTreeMap::new());
        report.system = system.iter().copied().map(turn).collect();
        report.baseline = baseline.iter().copied().map(turn).collect();
        report
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let report = report("identify-new", &[1.0, 2.0, 50.0], &[1.0, 1.0, 0.1]);
        assert_eq!(report.rate(), 500.0);
        assert_eq!(report.ratio(), Some(0.5));
    }

    #[test]
    fn there_is_no_ratio_at_a_pace() {
        let mut report = report("single", &[1.0], &[1.0]);
        report.paced = true;
        assert_eq!(report.ratio(), None);
    }

    #[test]
    fn latencies_at_70_percent_are_medians_of_their_own() {
        let mut report = report("mixed", &[1.0], &[]);
        assert_eq!(report.below_saturation_ms(), None);
        report.below_saturation = vec![turn(1.0)];
        report.below_saturation[0].p50_ms = 4.0;
        assert_eq!(report.below_saturation_ms(), Some((4.0, 30.0)));
    }

    #[test]
    fn costs_are_per_event_and_by_process() {
        let report = report("track-known", &[1.0, 1.0], &[1.0]);
        assert_eq!(report.cpu_micros("edge"), 1.0);
        assert_eq!(report.services_cpu_micros(), 3.0);
        assert_eq!(report.whole_cpu_micros(), 4.0);
        assert_eq!(report.front_cpu_micros(), 2.0);
        assert_eq!(report.wal_per_event(), (500.0, 500.0));
        assert_eq!(report.services_memory_mib(), 2.0);
        assert_eq!(report.statuses(), BTreeMap::from([(200, 2_000)]));
    }
}
