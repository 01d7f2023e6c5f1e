//! The bars: what the figures have to reach, and whether they did.

use serde::Serialize;

use super::{RowCount, ScenarioReport};
use crate::screen::thousands;
use crate::statistics::ratio;

/// One bar with the figure it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    pub what: String,
    pub figure: f64,
    /// The figure must be at least, or at most, this.
    pub bound: f64,
    pub at_least: bool,
}

impl Bar {
    pub fn at_least(what: impl Into<String>, figure: f64, bound: f64) -> Self {
        Self {
            what: what.into(),
            figure,
            bound,
            at_least: true,
        }
    }

    pub fn at_most(what: impl Into<String>, figure: f64, bound: f64) -> Self {
        Self {
            at_least: false,
            ..Self::at_least(what, figure, bound)
        }
    }

    pub fn is_met(&self) -> bool {
        if self.at_least {
            self.figure >= self.bound
        } else {
            self.figure <= self.bound
        }
    }

    /// One line of it.
    pub fn line(&self) -> String {
        let relation = if self.at_least { "≥" } else { "≤" };
        let verdict = if self.is_met() { "ok   " } else { "short" };
        let Self {
            what,
            figure,
            bound,
            ..
        } = self;
        format!("{verdict}  {what}: {figure:.2} ({relation} {bound})")
    }
}

/// Ratios to the baseline that scenarios have to reach.
const RATIOS: [(&str, f64); 5] = [
    ("identify-new", 0.75),
    ("identify-known-changed", 0.60),
    ("track-known", 0.60),
    ("track-with-traits-and-audience", 0.60),
    ("mixed", 0.60),
];
/// Microseconds of CPU per event: edge, mapping and quota together; all six.
const FRONT_MICROS: f64 = 8.0;
const SERVICES_MICROS: f64 = 15.0;
/// Resident memory of the six services together.
const MEMORY_MIB: f64 = 300.0;
/// Latencies of single-event requests.
const SINGLE_P50_MS: f64 = 3.0;
const SINGLE_P99_MS: f64 = 10.0;
/// How far the slowest hundredth may lie from the middle at 70 % of saturation.
const TAIL: f64 = 5.0;

/// The bars of these scenarios.
pub fn of(reports: &[ScenarioReport]) -> Vec<Bar> {
    let mut bars = Vec::new();
    let named = |name: &str| reports.iter().find(|report| report.name == name);
    for (name, bound) in RATIOS {
        if let Some(figure) = named(name).and_then(ScenarioReport::ratio) {
            bars.push(Bar::at_least(format!("{name} / raw"), figure, bound));
        }
    }
    if let (Some(new), Some(unchanged)) = (named("identify-new"), named("identify-known-unchanged"))
        && let Some(figure) = ratio(unchanged.rate(), new.rate())
    {
        bars.push(Bar::at_least(
            "identify-known-unchanged / identify-new",
            figure,
            1.0,
        ));
    }
    for report in reports.iter().filter(|report| report.name != "single") {
        let name = &report.name;
        bars.push(Bar::at_most(
            format!("{name}: CPU of edge, mapping and quota, µs/event"),
            report.front_cpu_micros(),
            FRONT_MICROS,
        ));
        bars.push(Bar::at_most(
            format!("{name}: CPU of all six, µs/event"),
            report.services_cpu_micros(),
            SERVICES_MICROS,
        ));
    }
    let memory = reports.iter().map(ScenarioReport::services_memory_mib);
    if let Some(most) = memory.max_by(f64::total_cmp) {
        bars.push(Bar::at_most("memory of the six, MiB", most, MEMORY_MIB));
    }
    if let Some(single) = named("single") {
        bars.push(Bar::at_most(
            "single: p50, ms",
            single.p50_ms(),
            SINGLE_P50_MS,
        ));
        bars.push(Bar::at_most(
            "single: p99, ms",
            single.p99_ms(),
            SINGLE_P99_MS,
        ));
    }
    if let Some(figure) = named("mixed").and_then(|report| {
        let (p50_ms, p99_ms) = report.below_saturation_ms()?;
        ratio(p99_ms, p50_ms)
    }) {
        bars.push(Bar::at_most("mixed at 70 %: p99 / p50", figure, TAIL));
    }
    bars
}

/// Rows that keep house: anchors of accounts, migrations, definitions.
const HOUSEKEEPING_ROWS: u64 = 10;

/// Tables in which the baseline's rows are not as many as the system's, by more than a
/// hundredth. Some may differ: it is said, not failed.
pub fn different_rows(rows: &[RowCount]) -> Vec<&RowCount> {
    rows.iter()
        .filter(|row| {
            let most = row.system.max(row.baseline);
            let difference = row.system.abs_diff(row.baseline);
            difference > HOUSEKEEPING_ROWS && difference * 100 > most.unsigned_abs()
        })
        .collect()
}

/// All bars, one a line; empty when there is none.
pub fn text(bars: &[Bar]) -> String {
    let missed = bars.iter().filter(|bar| !bar.is_met()).count();
    let mut text: String = bars.iter().map(|bar| bar.line() + "\n").collect();
    if !bars.is_empty() {
        let (met, all) = (bars.len() - missed, bars.len());
        text += &format!(
            "{} of {} bars met\n",
            thousands(met as u64),
            thousands(all as u64)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    fn bar<'a>(bars: &'a [Bar], what: &str) -> &'a Bar {
        bars.iter().find(|bar| bar.what == what).unwrap()
    }

    #[test]
    fn a_ratio_is_held_against_its_bar() {
        let bars = of(&[
            report("identify-new", &[2.0], &[1.0]),
            report("track-known", &[1.0], &[1.0]),
        ]);
        assert!(!bar(&bars, "identify-new / raw").is_met());
        assert!(bar(&bars, "track-known / raw").is_met());
    }

    #[test]
    fn known_contacts_are_held_against_new_ones() {
        let bars = of(&[
            report("identify-new", &[2.0], &[1.0]),
            report("identify-known-unchanged", &[1.0], &[1.0]),
        ]);
        let bar = bar(&bars, "identify-known-unchanged / identify-new");
        assert_eq!((bar.figure, bar.is_met()), (2.0, true));
    }

    #[test]
    fn a_line_says_what_was_reached_and_what_was_asked() {
        let bar = Bar::at_most("memory", 301.0, 300.0);
        assert_eq!(bar.line(), "short  memory: 301.00 (≤ 300)");
    }

    #[test]
    fn a_scenario_that_did_not_run_has_no_bar() {
        assert!(of(&[]).is_empty());
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn rows_that_differ_are_found() {
        let row = |system, baseline| RowCount {
            table: "contact.contacts".into(),
            system,
            baseline,
        };
        let rows = [
            row(1_000, 1_000),
            row(1_000, 995),
            row(1_000, 900),
            row(3, 0),
        ];
        assert_eq!(different_rows(&rows), [&row(1_000, 900)]);
    }
}
