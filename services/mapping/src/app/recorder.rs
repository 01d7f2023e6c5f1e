//! Samples, names, log lines and first events, written after the answer.
//!
//! **Invariant:** a batch never waits for this, and what waits is bounded: a full queue
//! drops, and counts. The task merges what came in meanwhile, so that under load a source
//! costs one round trip for many batches.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool};

use crate::domain::event::EventKind;
use crate::domain::log::{LogEntry, MAX_LINES};
use crate::domain::sample::{MAX_SAMPLES, Picked, Sample};
use crate::metrics;
use crate::store::{self, ListKey, Pending, Rings};

/// Batches that may wait; half a megabyte each at most (`sample::MAX_BATCH_BYTES`), a few
/// kilobytes most of the time.
const QUEUE: usize = 64;
/// Between two rounds: short enough for a person who waits for a sample, long enough to
/// merge the batches of a busy source.
const PAUSE: Duration = Duration::from_millis(20);

type Key = (AccountId, SourceId);

/// What a batch leaves behind.
#[derive(Debug)]
pub struct Note {
    pub key: Key,
    pub picked: Picked,
    pub log: Vec<LogEntry>,
    /// The account's first events, or the source's first identify.
    pub first: Option<First>,
}

/// What a batch is the first of.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// There is an identify: the source leaves its first state.
    pub identified: bool,
}

/// Where notes go.
#[derive(Clone)]
pub struct Recorder(Sender<Note>);

impl Recorder {
    /// Hands a note over, or drops it when too many wait.
    pub fn record(&self, note: Note) {
        if self.0.try_send(note).is_err() {
            metrics::lost_notes("full").increment(1);
        }
    }
}

/// Starts the task; it ends when the last recorder is gone.
pub fn start(pool: Pool, rings: Rings) -> (Recorder, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (
        Recorder(sender),
        tokio::spawn(write_all(receiver, pool, rings)),
    )
}

async fn write_all(mut notes: Receiver<Note>, pool: Pool, rings: Rings) {
    let mut waiting = Vec::with_capacity(QUEUE);
    while notes.recv_many(&mut waiting, QUEUE).await > 0 {
        let mut merged: HashMap<Key, Pending> = HashMap::new();
        let mut firsts: HashMap<Key, First> = HashMap::new();
        for note in waiting.drain(..) {
            if let Some(first) = note.first {
                firsts.entry(note.key).or_insert(first).identified |= first.identified;
            }
            merge(merged.entry(note.key).or_default(), note.picked, note.log);
        }
        for (key, first) in firsts {
            note_first(&pool, key, first).await;
        }
        for ((account, source), pending) in merged {
            if rings.write(account, source, &pending).await.is_err() {
                metrics::lost_notes("redis").increment(1);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Repeated by the next batch when it fails: its snapshot still waits for events.
async fn note_first(pool: &Pool, (account, source): Key, first: First) {
    let written = async {
        let mut client = store::connection(pool).await?;
        let transaction = store::begin(&mut client).await?;
        store::lock_account(&transaction, account).await?;
        let mut changed = store::note_first_events(&transaction, account).await?;
        if first.identified
            && let Some(found) = store::get_source(&transaction, account, source).await?
        {
            let mapped = store::has_contact_mapping(&transaction, account, source).await?;
            let status = found.status.after_identify(mapped);
            if status != found.status {
                store::set_status(&transaction, account, source, status).await?;
                changed = true;
            }
        }
        if changed {
            store::raise_version(&transaction, account).await?;
        }
        store::commit(transaction).await
    };
    let outcome: Result<(), Failure> = written.await;
    if outcome.is_err() {
        metrics::lost_notes("postgres").increment(1);
    }
}

fn merge(pending: &mut Pending, picked: Picked, log: Vec<LogEntry>) {
    let mut newer: HashMap<ListKey, Vec<Sample>> = HashMap::new();
    for sample in picked.samples {
        let list = match sample.kind {
            EventKind::Track => ListKey::Tracks(sample.event_name.clone()),
            EventKind::Identify | EventKind::Member => ListKey::Identifies,
        };
        newer.entry(list).or_default().push(sample);
    }
    for (list, mut samples) in newer {
        let kept = pending.samples.entry(list).or_default();
        samples.append(kept);
        samples.truncate(MAX_SAMPLES);
        *kept = samples;
    }
    for (name, time) in picked.names {
        let seen = pending.names.entry(name).or_insert(time);
        *seen = time.max(*seen);
    }
    pending.log.extend(log);
    if pending.log.len() > MAX_LINES {
        pending.log.drain(..pending.log.len() - MAX_LINES);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn picked(raws: &[&str]) -> Picked {
        let sample = |raw: &&str| Sample {
            receive_time: DateTime::UNIX_EPOCH,
            kind: EventKind::Identify,
            event_name: String::new(),
            raw: (*raw).to_owned(),
        };
        Picked {
            samples: raws.iter().map(sample).collect(),
            names: vec![],
        }
    }

    #[test]
    fn the_newest_five_of_several_batches_are_kept() {
        let mut pending = Pending::default();
        merge(&mut pending, picked(&["3", "2", "1"]), vec![]);
        merge(&mut pending, picked(&["7", "6", "5", "4"]), vec![]);
        let raws: Vec<&str> = pending.samples[&ListKey::Identifies]
            .iter()
            .map(|sample| sample.raw.as_str())
            .collect();
        assert_eq!(raws, ["7", "6", "5", "4", "3"]);
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let line = |number: usize| LogEntry {
            time: DateTime::UNIX_EPOCH,
            batch_id: String::new(),
            index: 0,
            kind: EventKind::Track,
            event_name: String::new(),
            message_id: number.to_string(),
            status: 0,
            code: "".into(),
            path: String::new(),
            field_id: String::new(),
            reason: String::new(),
            value: String::new(),
            count: 1,
        };
        let mut pending = Pending::default();
        merge(&mut pending, picked(&[]), (0..400).map(line).collect());
        merge(&mut pending, picked(&[]), (400..800).map(line).collect());
        assert_eq!(pending.log.len(), MAX_LINES);
        assert_eq!(pending.log[0].message_id, "300");
    }
}
