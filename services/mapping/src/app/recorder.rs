//! Samples, names, log lines, recent events and first identifies, written after the answer.
//!
//! **Invariant:** a batch never waits for this, and what waits is bounded: a full queue
//! drops, and counts. The task merges what came in meanwhile, so that under load a source
//! costs one round trip for many batches. While Redis is away it keeps what comes, and writes it
//! when Redis is back.

mod buffer;

use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool};
use weir_service::{Background, Clock, Pulse};

use crate::domain::log::LogEntry;
use crate::domain::recent::Noted;
use crate::domain::sample::Picked;
use crate::domain::source::SourceStatus;
use crate::metrics;
use crate::store::{self, Rings, RingsAway, Told};
use buffer::{Buffer, Sending};

/// Batches that may wait; half a megabyte each at most (`sample::MAX_BATCH_BYTES`), a few
/// kilobytes most of the time.
const QUEUE: usize = 64;
/// Between two rounds: short enough for a person who waits for a sample, long enough to
/// merge the batches of a busy source.
const PAUSE: Duration = Duration::from_millis(20);
/// Before Redis is asked again, where it was away.
const AWAY: Duration = Duration::from_millis(250);
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
    pub recent: Noted,
    /// The source waits for an identify, and this is one.
    pub is_first_identify: bool,
    /// Who waits until it is written, or kept since Redis is away.
    pub told: Option<oneshot::Sender<()>>,
}

impl Note {
    /// An empty one.
    pub fn of(key: Key) -> Self {
        Self {
            key,
            picked: Picked::default(),
            log: Vec::new(),
            recent: Noted::default(),
            is_first_identify: false,
            told: None,
        }
    }
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
    /// Of a loop that drops the other end when it is through.
    pub(super) fn of(through: oneshot::Receiver<()>) -> Self {
        Self(through)
    }

    /// Call it when every recorder is gone.
    pub async fn finish(self) {
        // The other end is dropped when the loop is through.
        if tokio::time::timeout(FLUSH, self.0).await.is_err() {
            tracing::warn!("samples, log lines or uses of keys were left unwritten");
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

/// What goes to Redis at the moment: one write at a time.
type Writing = Pin<Box<dyn Future<Output = (Sending, Result<(), RingsAway>)> + Send>>;

async fn write_all(
    mut notes: Receiver<Note>,
    pool: Pool,
    rings: Rings,
    clock: Clock,
    pulse: Pulse,
) {
    let mut came = Vec::with_capacity(QUEUE);
    let mut buffer = Buffer::default();
    let mut writing: Option<Writing> = None;
    // The next write begins then.
    let mut next = Instant::now();
    let (mut is_open, mut is_away) = (true, false);
    while is_open || writing.is_some() || !buffer.is_empty() {
        pulse.beat();
        let is_waiting = writing.is_none() && !buffer.is_empty();
        tokio::select! {
            count = notes.recv_many(&mut came, QUEUE), if is_open => {
                is_open = count > 0;
                let identified = take_all(&mut came, &mut buffer);
                for key in identified {
                    pulse.beat();
                    note_first_identify(&pool, &clock, key).await;
                }
                if is_away {
                    buffer.tell_all();
                }
            }
            (mut sent, written) = going(&mut writing) => {
                writing = None;
                sent.tell();
                is_away = written == Err(RingsAway::Silent);
                next = Instant::now() + if is_away { AWAY } else { PAUSE };
                if is_away {
                    metrics::kept_writes().increment(1);
                    buffer.put_back(sent.write);
                    buffer.tell_all();
                } else if written.is_err() {
                    // It would be refused again, and keep all others waiting.
                    metrics::lost_notes("redis").increment(1);
                }
            }
            () = tokio::time::sleep_until(next), if is_waiting => {
                writing = buffer.next(&rings).map(|sending| write(rings.clone(), sending));
            }
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

fn write(rings: Rings, mut sending: Sending) -> Writing {
    Box::pin(async move {
        let written = rings.send(&mut sending.write).await;
        (sending, written)
    })
}

/// Never, where nothing is on its way.
async fn going(writing: &mut Option<Writing>) -> (Sending, Result<(), RingsAway>) {
    match writing {
        Some(writing) => writing.await,
        None => std::future::pending().await,
    }
}

/// Answers the sources that leave their first state.
fn take_all(came: &mut Vec<Note>, buffer: &mut Buffer) -> HashSet<Key> {
    let mut identified = HashSet::new();
    for note in came.drain(..) {
        if note.is_first_identify {
            identified.insert(note.key);
        }
        if !buffer.take(note) {
            metrics::lost_notes("overflow").increment(1);
        }
    }
    identified
}

/// The new status and, where a person has to map now, the mail that says so: in one transaction,
/// so that each source has one (semantics 7.2). Repeated by the next batch when it fails: its
/// snapshot still waits for events.
async fn note_first_identify(pool: &Pool, clock: &Clock, (account, source): Key) {
    let written = async {
        let mut client = store::connection(pool).await?;
        let transaction = store::begin(&mut client, account);
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
