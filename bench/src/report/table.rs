//! Tables of text.

use super::ScenarioReport;
use crate::process::{LOAD, POSTGRES, REDIS};
use crate::screen::thousands;

/// Lines the columns up: the first to the left, the others to the right.
pub fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            if column == 0 {
                line += &format!("{cell:<width$}");
            } else {
                line += &format!("  {cell:>width$}");
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Rates, ratios, latencies, log and memory.
pub fn speed(reports: &[ScenarioReport]) -> String {
    let mut rows = vec![cells(&[
        "scenario", "events/s", "raw", "ratio", "p50 ms", "p99 ms", "WAL B/ev", "raw", "RSS MiB",
        "statuses",
    ])];
    for report in reports {
        let (wal, raw_wal) = report.wal_per_event();
        let some = |figure: f64, text: String| if figure > 0.0 { text } else { "-".into() };
        let raw_rate = report.baseline_rate();
        rows.push(vec![
            report.name.clone(),
            thousands(report.rate() as u64),
            some(raw_rate, thousands(raw_rate as u64)),
            report
                .ratio()
                .map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}")),
            format!("{:.1}", report.p50_ms()),
            format!("{:.1}", report.p99_ms()),
            format!("{wal:.0}"),
            some(raw_wal, format!("{raw_wal:.0}")),
            format!("{:.0}", report.services_memory_mib()),
            statuses(report),
        ]);
    }
    align(&rows)
}

/// Microseconds of CPU time per event by process.
pub fn cost(reports: &[ScenarioReport]) -> String {
    const SERVICES: [&str; 6] = [
        "edge",
        "mapping",
        "quota",
        "contact-upsert",
        "activity",
        "audience",
    ];
    let mut rows = vec![cells(&[
        "CPU µs/event",
        "edge",
        "mapping",
        "quota",
        "contact",
        "activity",
        "audience",
        "six",
        "postgres",
        "redis",
        "load",
        "raw postgres",
    ])];
    for report in reports {
        let mut row = vec![report.name.clone()];
        let micros = |micros: f64| format!("{micros:.1}");
        row.extend(SERVICES.map(|service| micros(report.cpu_micros(service))));
        row.push(micros(report.services_cpu_micros()));
        row.extend([POSTGRES, REDIS, LOAD].map(|process| micros(report.cpu_micros(process))));
        row.push(micros(report.baseline_postgres_micros()));
        rows.push(row);
    }
    align(&rows)
}

/// The statements that took the longest, of the last turn of each side.
pub fn statements(report: &ScenarioReport) -> String {
    let mut text = String::new();
    for (side, turns) in [("weir", &report.system), ("raw", &report.baseline)] {
        let Some(turn) = turns.last() else { continue };
        let mut rows = vec![cells(&[
            "µs/event",
            "calls",
            "rows",
            "WAL B/ev",
            "statement",
        ])];
        for statement in &turn.statements {
            rows.push(vec![
                format!("{:.2}", statement.millis * 1e3 / turn.events as f64),
                statement.calls.to_string(),
                statement.rows.to_string(),
                format!("{:.0}", statement.wal_bytes as f64 / turn.events as f64),
                format!("{}: {}", statement.role, statement.text),
            ]);
        }
        // The statement is text: put it in front, where the column is aligned to the left.
        for row in &mut rows {
            row.rotate_right(1);
            row[0] = row[0].chars().take(110).collect();
        }
        text += &format!("{} ({side})\n{}", report.name, align(&rows));
    }
    text
}

fn statuses(report: &ScenarioReport) -> String {
    let all: Vec<String> = report
        .statuses()
        .iter()
        .map(|(status, count)| format!("{status}:{}", thousands(*count)))
        .collect();
    all.join(" ")
}

fn cells(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [cells(&["name", "µs"]), cells(&["a", "1,000"])];
        assert_eq!(align(&rows), "name     µs\na     1,000\n");
    }

    #[test]
    fn the_speed_of_a_scenario_stands_in_one_line() {
        let text = speed(&[report("identify-new", &[2.0], &[1.0])]);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "identify-new",
                "500",
                "1,000",
                "0.50",
                "10.0",
                "30.0",
                "500",
                "500",
                "2",
                "200:1,000"
            ]
        );
    }

    #[test]
    fn without_a_baseline_there_is_a_dash() {
        let text = speed(&[report("track-known", &[2.0], &[])]);
        assert!(text.lines().nth(1).unwrap().contains(" - "));
    }
}
