//! What an event costs at one size, and whether the cost of an event stays flat as things grow.

use serde::Serialize;

use crate::report::table::align;
use crate::screen::thousands;

/// The cost at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// What grows.
    pub of: &'static str,
    pub size: u64,
    pub scenario: &'static str,
    pub events_per_second: f64,
    /// CPU time of everything but the load generator.
    pub micros_per_event: f64,
    /// The same of the baseline; none where it did not run.
    pub raw_micros_per_event: Option<f64>,
}

/// How far a cost may lie from that at the smallest size.
const FLAT: f64 = 0.2;

/// The points as a table, each beside the smallest size of its kind. Tables that outgrow the
/// processor's caches cost the baseline more as well: what grows no more than that is told
/// apart.
pub fn text(points: &[Point]) -> String {
    let header = [
        "growth",
        "size",
        "scenario",
        "µs/event",
        "raw",
        "events/s",
        "change",
        "raw",
        "",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for point in points {
        let own = change(points, point, |point| Some(point.micros_per_event));
        let raw = change(points, point, |point| point.raw_micros_per_event);
        let ratio = change(points, point, ratio_to_raw);
        let verdict = if own.is_some_and(|own| own.abs() <= FLAT) {
            "flat"
        } else if ratio.is_some_and(|ratio| ratio <= FLAT) {
            "as raw"
        } else {
            "NOT FLAT"
        };
        let micros = |micros: Option<f64>| or_dash(micros.map(|micros| format!("{micros:.1}")));
        let percent =
            |change: Option<f64>| or_dash(change.map(|all| format!("{:+.0} %", all * 100.0)));
        rows.push(vec![
            point.of.into(),
            thousands(point.size),
            point.scenario.into(),
            micros(Some(point.micros_per_event)),
            micros(point.raw_micros_per_event),
            thousands(point.events_per_second as u64),
            percent(own),
            percent(raw),
            verdict.into(),
        ]);
    }
    align(&rows)
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn ratio_to_raw(point: &Point) -> Option<f64> {
    let raw = point.raw_micros_per_event.filter(|raw| *raw > 0.0)?;
    Some(point.micros_per_event / raw)
}

/// A cost of a point against that of the first of its kind.
fn change(points: &[Point], point: &Point, cost: fn(&Point) -> Option<f64>) -> Option<f64> {
    let first = points
        .iter()
        .find(|first| first.of == point.of && first.scenario == point.scenario)?;
    let first = cost(first).filter(|first| *first > 0.0)?;
    Some(cost(point)? / first - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(size: u64, scenario: &'static str, micros_per_event: f64, raw: f64) -> Point {
        Point {
            of: "contacts",
            size,
            scenario,
            events_per_second: 1_000.0,
            micros_per_event,
            raw_micros_per_event: (raw > 0.0).then_some(raw),
        }
    }

    #[test]
    fn a_cost_is_compared_with_the_smallest_size_of_the_same_scenario() {
        let points = [
            point(10, "track-known", 20.0, 10.0),
            point(10, "identify-new", 50.0, 0.0),
            point(1_000, "track-known", 23.0, 10.0),
            point(1_000, "identify-new", 65.0, 0.0),
            point(5_000, "track-known", 40.0, 17.0),
            point(9_000, "track-known", 40.0, 16.0),
        ];
        let text = text(&points);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        for (line, end) in [
            (3, "+15 % +0 % flat"),
            (4, "+30 % - NOT FLAT"),
            (5, "+100 % +70 % as raw"),
            (6, "+100 % +60 % NOT FLAT"),
        ] {
            assert!(lines[line].ends_with(end), "{}", lines[line]);
        }
    }
}
