//! Samples, names, log lines and first identifies, written after the answer.
//!
//! **Invariant:** a batch never waits for this, and what waits is bounded: a full queue
//! drops, and counts. The task merges what came in meanwhile, so that under load a source
//! costs one round trip for many batches.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool};
use weir_service::{Background, Clock, Pulse};

use crate::domain::event::EventKind;
use crate::domain::log::LogEntry;
use crate::domain::sample::{ListKey, MAX_SAMPLES, Picked, Sample};
use crate::domain::source::SourceStatus;
use crate::metrics;
use crate::store::{self, Pending, Rings, Told};

/// Batches that may wait; half a megabyte each at most (`sample::MAX_BATCH_BYTES`), a few
/// kilobytes most of the time.
const QUEUE: usize = 64;
/// Between two rounds: short enough for a person who waits for a sample, long enough to
/// merge the batches of a busy source.
const PAUSE: Duration = Duration::from_millis(20);
/// Where nothing comes, the loop says this often that it is alive.
const IDLE: Duration = Duration::from_secs(5);
/// The longest time for one source: what is written can wait no longer.
const ROUND: Duration = Duration::from_secs(10);
/// Between two beats lies the writing for one source, or an idle moment.
const WITHIN: Duration = Duration::from_secs(30);
/// Shutdown waits this long for samples and log lines that are still to be written.
const FLUSH: Duration = Duration::from_secs(2);

type Key = (AccountId, SourceId);

/// What a batch leaves behind.
#[derive(Debug)]
pub struct Note {
    pub key: Key,
    pub picked: Picked,
    pub log: Vec<LogEntry>,
    /// The source waits for an identify, and this is one.
    pub is_first_identify: bool,
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

/// Waits for what is still to be written.
pub struct Flusher(oneshot::Receiver<()>);

impl Flusher {
    /// Call it when every recorder is gone.
    pub async fn finish(self) {
        // The other end is dropped when the loop is through.
        if tokio::time::timeout(FLUSH, self.0).await.is_err() {
            tracing::warn!("samples or log lines were left unwritten");
        }
    }
}

/// Starts the loop; it ends when the last recorder is gone.
pub fn start(
    pool: &Pool,
    rings: &Rings,
    clock: Clock,
    background: &Background,
) -> (Recorder, Flusher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (through, flushed) = oneshot::channel();
    let (pool, rings) = (pool.clone(), rings.clone());
    background.spawn("recorder", WITHIN, |pulse| async move {
        write_all(receiver, pool, rings, clock, pulse).await;
        drop(through);
    });
    (Recorder(sender), Flusher(flushed))
}

async fn write_all(
    mut notes: Receiver<Note>,
    pool: Pool,
    rings: Rings,
    clock: Clock,
    pulse: Pulse,
) {
    let mut waiting = Vec::with_capacity(QUEUE);
    loop {
        pulse.beat();
        match tokio::time::timeout(IDLE, notes.recv_many(&mut waiting, QUEUE)).await {
            Err(_) => continue,
            Ok(0) => return,
            Ok(_) => {}
        }
        let mut merged: HashMap<Key, Pending> = HashMap::new();
        let mut identified = HashSet::new();
        for note in waiting.drain(..) {
            if note.is_first_identify {
                identified.insert(note.key);
            }
            merge(merged.entry(note.key).or_default(), note.picked, note.log);
        }
        for key in identified {
            pulse.beat();
            note_first_identify(&pool, &clock, key).await;
        }
        for ((account, source), pending) in merged {
            pulse.beat();
            if rings.write(account, source, &pending).await.is_err() {
                metrics::lost_notes("redis").increment(1);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The new status and, where a person has to map now, the mail that says so: in one transaction,
/// so that each source has one (semantics 7.2). Repeated by the next batch when it fails: its
/// snapshot still waits for events.
async fn note_first_identify(pool: &Pool, clock: &Clock, (account, source): Key) {
    let written = async {
        let mut client = store::connection(pool).await?;
        let transaction = store::begin(&mut client).await?;
        let locked = store::lock_account(&transaction, account).await?;
        if let Some(found) = store::get_source(&transaction, account, source).await? {
            let mapped = store::has_contact_mapping(&transaction, account, source).await?;
            let status = found.status.after_identify(mapped);
            if status != found.status {
                store::set_status(&transaction, account, source, status).await?;
                if status == SourceStatus::WaitingForMapping {
                    let has_webhook = locked.is_some_and(|one| one.settings.webhook.is_some());
                    let (told, now) = (Told::Arrived(source), clock.now());
                    store::insert_deliveries(&transaction, account, told, has_webhook, now).await?;
                }
                store::raise_version(&transaction, account).await?;
            }
        }
        store::commit(transaction).await
    };
    let outcome: Result<Result<(), Failure>, _> = tokio::time::timeout(ROUND, written).await;
    if !matches!(outcome, Ok(Ok(()))) {
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
    pending.lines.extend(log);
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
}
