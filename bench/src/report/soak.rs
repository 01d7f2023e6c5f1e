//! What a soak shows: the verdicts over its samples, and its chart.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::chart::{self, Line, Panel};
use crate::process::Processes;
use crate::screen::thousands;
use crate::soak::{Sample, SoakReport};
use crate::statistics::mean;

/// Growth of memory that is noise: a twentieth, or a few MiB of buffers that fill late.
const GROWTH: f64 = 0.05;
const SLACK_MIB: f64 = 8.0;
/// Redis keeps bounded lists; they fill within the first minutes.
const REDIS_SLACK_MIB: f64 = 4.0;
const KEYS_SLACK: f64 = 50.0;
/// Pools open connections when they first need them: one of them may do so late.
const CONNECTIONS_SLACK: f64 = 4.0;
/// One row per batch under way, and a relay that is a few behind.
const OUTBOX_ROWS: f64 = 100.0;
/// Autovacuum begins at a fifth; while it works some more come.
const DEAD_SHARE: f64 = 0.5;

/// One thing that must not grow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    pub what: String,
    pub early: f64,
    pub late: f64,
    pub limit: f64,
    pub ok: bool,
}

/// Judges the samples. The first fifth is warming up; the second is compared with the last.
pub fn verdicts(samples: &[Sample]) -> Vec<Verdict> {
    let services = |sample: &Sample| -> f64 {
        let all = sample.memory.iter();
        all.filter(|(name, _)| Processes::is_service(name))
            .map(|(_, mib)| mib)
            .sum()
    };
    let connections = |sample: &Sample| sample.connections.values().sum::<f64>();
    let dead = |sample: &Sample| sample.dead.values().copied().fold(0.0, f64::max);
    let slack = |early: f64, slack: f64| early + (early * GROWTH).max(slack);
    let flat = |what, figure: &dyn Fn(&Sample) -> f64, room: f64| {
        let (early, late) = early_and_late(samples, figure);
        verdict(what, early, late, slack(early, room))
    };
    let below = |what, figure: &dyn Fn(&Sample) -> f64, limit| {
        let (early, _) = early_and_late(samples, figure);
        let most = samples.iter().map(figure).fold(0.0, f64::max);
        verdict(what, early, most, limit)
    };
    vec![
        flat("memory of the six services, MiB", &services, SLACK_MIB),
        flat("connections to PostgreSQL", &connections, CONNECTIONS_SLACK),
        flat("Redis, MiB", &|sample| sample.redis_mib, REDIS_SLACK_MIB),
        flat("keys in Redis", &|sample| sample.redis_keys, KEYS_SLACK),
        below(
            "rows in the outbox, at most",
            &|sample| sample.outbox_rows,
            OUTBOX_ROWS,
        ),
        below("dead rows of a table, at most", &dead, DEAD_SHARE),
    ]
}

fn verdict(what: &str, early: f64, late: f64, limit: f64) -> Verdict {
    Verdict {
        what: what.into(),
        early,
        late,
        limit,
        ok: late <= limit,
    }
}

/// The means of the second and the last fifth.
fn early_and_late(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let values: Vec<f64> = samples.iter().map(figure).collect();
    let fifth = values.len().div_ceil(5);
    let early = values.get(fifth..(2 * fifth).min(values.len()));
    let late = values.get(values.len().saturating_sub(fifth)..);
    (
        early.filter(|all| !all.is_empty()).map_or(0.0, mean),
        late.map_or(0.0, mean),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(usize) -> f64) -> Vec<Sample> {
        (0..50)
            .map(|index| Sample {
                seconds: index as f64 * 5.0,
                memory: BTreeMap::from([("edge".into(), memory(index))]),
                connections: BTreeMap::from([("weir_contact".into(), 4.0)]),
                ..Default::default()
            })
            .collect()
    }

    fn is_flat(samples: &[Sample]) -> bool {
        verdicts(samples)[0].ok
    }

    #[test]
    fn memory_that_grows_while_warming_up_is_flat() {
        assert!(is_flat(&samples(|index| if index < 10 {
            50.0
        } else {
            200.0
        })));
    }

    #[test]
    fn memory_that_keeps_growing_is_not() {
        assert!(!is_flat(&samples(|index| 50.0 + index as f64)));
    }

    #[test]
    fn an_outbox_that_piled_up_once_is_found() {
        let mut samples = samples(|_| 10.0);
        samples[30].outbox_rows = 5_000.0;
        let verdicts = verdicts(&samples);
        let outbox = verdicts.iter().find(|one| one.what.contains("outbox"));
        assert!(!outbox.unwrap().ok);
    }

    #[test]
    fn the_shortest_soaks_have_verdicts_too() {
        for length in 0..4 {
            assert_eq!(verdicts(&samples(|_| 1.0)[..length]).len(), 6);
        }
    }
}
