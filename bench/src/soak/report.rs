//! What a soak shows: its verdicts as text, and its chart.

use std::collections::BTreeMap;

use serde::Serialize;

use super::verdict::{Sample, Verdict};
use crate::chart::{self, Line, Panel};
use crate::process::Processes;
use crate::screen::thousands;

/// A soak with its verdict.
#[derive(Debug, Clone, Serialize)]
pub struct SoakReport {
    pub rate: f64,
    pub saturation: f64,
    pub events: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub samples: Vec<Sample>,
    pub verdicts: Vec<Verdict>,
}

/// The verdicts as text, with the rate they were reached at.
pub fn text(report: &SoakReport) -> String {
    let mut text = format!(
        "soak: {} events at {} events/s (saturated at {}), p50 {:.1} ms, p99 {:.1} ms\n",
        thousands(report.events),
        thousands(report.rate as u64),
        thousands(report.saturation as u64),
        report.p50_ms,
        report.p99_ms
    );
    for verdict in &report.verdicts {
        let word = if verdict.ok { "flat  " } else { "GROWS " };
        text += &format!(
            "{word} {}: {:.2} early, {:.2} late (limit {:.2})\n",
            verdict.what, verdict.early, verdict.late, verdict.limit
        );
    }
    text
}

/// The chart over time.
pub fn chart(report: &SoakReport) -> String {
    let samples = &report.samples;
    let rates = samples.windows(2).map(|pair| {
        let seconds = pair[1].seconds - pair[0].seconds;
        let events = pair[1].events - pair[0].events;
        (pair[1].seconds, events as f64 / seconds.max(0.001))
    });
    let panels = [
        panel(
            "Events answered per second",
            "",
            vec![Line {
                name: "events/s".into(),
                points: rates.collect(),
            }],
        ),
        panel(
            "Resident memory of the services",
            "MiB",
            by_name(samples, |sample| {
                let services = sample.memory.iter();
                services
                    .filter(|(name, _)| Processes::is_service(name))
                    .map(|(name, mib)| (name.clone(), *mib))
                    .collect()
            }),
        ),
        panel(
            "Connections to PostgreSQL",
            "",
            by_name(samples, |sample| sample.connections.clone()),
        ),
        panel(
            "Rows in the outbox",
            "",
            one(samples, "outbox", |sample| sample.outbox_rows),
        ),
        panel(
            "Redis",
            "MiB",
            one(samples, "used", |sample| sample.redis_mib),
        ),
        panel(
            "Dead rows of large tables",
            "%",
            by_name(samples, |sample| {
                let dead = sample.dead.iter();
                dead.map(|(table, share)| (table.clone(), share * 100.0))
                    .collect()
            }),
        ),
        panel(
            "Database",
            "MiB",
            one(samples, "size", |sample| sample.database_mib),
        ),
    ];
    let title = format!(
        "Weir, {} events/s of the mixed workload for {:.0} minutes",
        thousands(report.rate as u64),
        samples.last().map_or(0.0, |last| last.seconds / 60.0)
    );
    chart::svg(&title, &panels)
}

fn panel(title: &str, unit: &'static str, lines: Vec<Line>) -> Panel {
    Panel {
        title: title.into(),
        unit,
        lines,
    }
}

fn one(samples: &[Sample], name: &str, value: impl Fn(&Sample) -> f64) -> Vec<Line> {
    vec![Line {
        name: name.into(),
        points: samples
            .iter()
            .map(|sample| (sample.seconds, value(sample)))
            .collect(),
    }]
}

fn by_name(samples: &[Sample], values: impl Fn(&Sample) -> BTreeMap<String, f64>) -> Vec<Line> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        for (name, value) in values(sample) {
            lines.entry(name).or_default().push((sample.seconds, value));
        }
    }
    lines
        .into_iter()
        .map(|(name, points)| Line { name, points })
        .collect()
}
