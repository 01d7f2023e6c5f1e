//! Whether the cost of an event stays flat as things grow.

use super::table::align;
use crate::growth::Point;
use crate::screen::thousands;

/// How far a cost may lie from that at the smallest size.
const FLAT: f64 = 0.2;

/// The points as a table, each beside the smallest size of its kind.
pub fn text(points: &[Point]) -> String {
    let header = [
        "growth",
        "size",
        "scenario",
        "µs/event",
        "events/s",
        "change",
        "",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for point in points {
        let change = change(points, point);
        let verdict = if change.abs() <= FLAT {
            "flat"
        } else {
            "NOT FLAT"
        };
        rows.push(vec![
            point.of.into(),
            thousands(point.size),
            point.scenario.into(),
            format!("{:.1}", point.micros_per_event),
            thousands(point.events_per_second as u64),
            format!("{:+.0} %", change * 100.0),
            verdict.into(),
        ]);
    }
    align(&rows)
}

/// The cost of a point against the first of its kind.
fn change(points: &[Point], point: &Point) -> f64 {
    points
        .iter()
        .find(|first| first.of == point.of && first.scenario == point.scenario)
        .filter(|first| first.micros_per_event > 0.0)
        .map_or(0.0, |first| {
            point.micros_per_event / first.micros_per_event - 1.0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(size: u64, scenario: &'static str, micros_per_event: f64) -> Point {
        Point {
            of: "contacts",
            size,
            scenario,
            events_per_second: 1_000.0,
            micros_per_event,
        }
    }

    #[test]
    fn a_cost_is_compared_with_the_smallest_size_of_the_same_scenario() {
        let points = [
            point(10, "track-known", 20.0),
            point(10, "identify-new", 50.0),
            point(1_000, "track-known", 23.0),
            point(1_000, "identify-new", 65.0),
        ];
        let text = text(&points);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[3].contains("+15 %") && lines[3].ends_with("  flat"));
        assert!(lines[4].contains("+30 %") && lines[4].ends_with("NOT FLAT"));
    }
}
