//! Whether anything grew that must not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::process::Processes;
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

/// What is read every few seconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sample {
    pub seconds: f64,
    /// Events answered so far.
    pub events: u64,
    /// Resident memory by process, in MiB.
    pub memory: BTreeMap<String, f64>,
    /// Connections to PostgreSQL by role.
    pub connections: BTreeMap<String, f64>,
    pub outbox_rows: f64,
    pub redis_mib: f64,
    pub redis_keys: f64,
    /// Dead rows by table, as a share of all its rows.
    pub dead: BTreeMap<String, f64>,
    pub database_mib: f64,
}

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
