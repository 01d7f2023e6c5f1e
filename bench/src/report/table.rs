//! Tables of text.

use super::ScenarioReport;
use crate::process::{LOAD, POSTGRES, REDIS, SERVICES};
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

/// Columns in which no report has a figure are left out.
fn without_empty_columns(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let columns = rows.first().map_or(0, Vec::len);
    for column in (0..columns).rev() {
        if rows.iter().skip(1).all(|row| row[column] == "-") {
            for row in &mut rows {
                row.remove(column);
            }
        }
    }
    rows
}

/// Rates, ratios, latencies, log and memory.
pub fn speed(reports: &[ScenarioReport]) -> String {
    let mut rows = vec![cells(&[
        "scenario", "events/s", "per core", "raw", "ratio", "p50 ms", "p99 ms", "at 70 %",
        "p99 ms", "WAL B/ev", "raw", "RSS MiB", "statuses",
    ])];
    for report in reports {
        let (wal, raw_wal) = report.wal_per_event();
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let some = |figure: f64, text: String| or_dash((figure > 0.0).then_some(text));
        let raw_rate = report.baseline_rate();
        let relaxed = report.below_saturation_ms();
        let memory = report.services_memory_mib();
        rows.push(vec![
            report.name.clone(),
            thousands(report.rate() as u64),
            or_dash(report.rate_per_core().map(|rate| thousands(rate as u64))),
            some(raw_rate, thousands(raw_rate as u64)),
            or_dash(report.ratio().map(|ratio| format!("{ratio:.2}"))),
            format!("{:.1}", report.p50_ms()),
            format!("{:.1}", report.p99_ms()),
            or_dash(relaxed.map(|(p50_ms, _)| format!("{p50_ms:.1}"))),
            or_dash(relaxed.map(|(_, p99_ms)| format!("{p99_ms:.1}"))),
            some(wal, format!("{wal:.0}")),
            some(raw_wal, format!("{raw_wal:.0}")),
            some(memory, format!("{memory:.0}")),
            statuses(report),
        ]);
    }
    align(&without_empty_columns(rows))
}

/// Microseconds of CPU time per event by process.
pub fn cost(reports: &[ScenarioReport]) -> String {
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
    // A load beside another has no cost of its own that could be told.
    let measured = |report: &&ScenarioReport| report.whole_cpu_micros() > 0.0;
    for report in reports.iter().filter(measured) {
        let mut row = vec![report.name.clone()];
        let micros = |micros: f64| format!("{micros:.1}");
        row.extend(SERVICES.map(|service| micros(report.cpu_micros(service))));
        row.push(micros(report.services_cpu_micros()));
        row.extend([POSTGRES, REDIS, LOAD].map(|process| micros(report.cpu_micros(process))));
        row.push(match report.baseline_postgres_micros() {
            0.0 => "-".into(),
            raw => micros(raw),
        });
        rows.push(row);
    }
    align(&without_empty_columns(rows))
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
        let mut report = report("identify-new", &[2.0], &[1.0]);
        report.below_saturation = report.system.clone();
        let per_core = thousands(report.rate_per_core().unwrap() as u64);
        let text = speed(&[report]);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "identify-new",
                "500",
                &per_core,
                "1,000",
                "0.50",
                "10.0",
                "30.0",
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
    fn without_a_baseline_there_is_a_dash_and_where_none_has_one_not_even_a_column() {
        let alone = report("track-known", &[2.0], &[]);
        let text = speed(&[alone.clone(), report("identify-new", &[2.0], &[1.0])]);
        assert!(text.lines().nth(1).unwrap().contains(" - "));
        let text = speed(&[alone]);
        assert!(!text.contains("raw") && !text.contains(" - "), "{text}");
    }
}
