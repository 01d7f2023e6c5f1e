//! A batch of events: map under one snapshot, and note what it leaves behind.

use std::sync::Arc;

use tokio::sync::oneshot;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::recorder::Note;
use super::{App, Error};
use crate::domain::event::{EventKind, RawEvent};
use crate::domain::log::LogEntry;
use crate::domain::mapper::{Ignored, MAX_BATCH_TEXT, Mapper, Outcome};
use crate::domain::sample::{Candidate, pick};
use crate::domain::snapshot::Snapshot;
use crate::metrics;

/// An event and what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct BatchEvent<'a> {
    pub event: RawEvent<'a>,
    /// All of it, for the sample.
    pub raw: &'a [u8],
    /// By the edge, which logs it along with what it answered: here it is for its sample.
    pub refused: bool,
}

/// What a batch leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Samples and lines.
    All,
    /// Of events that are replayed: they left their samples when they came.
    Lines,
    /// Of events that are mapped again: they left both the first time.
    Nothing,
}

impl App {
    /// The snapshot to map a batch under.
    pub async fn snapshot(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Arc<Snapshot>, Error> {
        self.snapshots.get(account, source).await
    }

    /// As [`snapshot`](Self::snapshot), with all that was saved before the call.
    pub async fn newest_snapshot(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Arc<Snapshot>, Error> {
        self.snapshots.newest(account, source).await
    }

    /// As [`snapshot`](Self::snapshot), for a batch that contact-upsert refused since the
    /// account's unique identifiers are no longer of version `refused`: it is asked anew where
    /// nothing newer is known here, which also heals what a crash left between both.
    pub async fn snapshot_after_refusal(
        &self,
        account: AccountId,
        source: SourceId,
        refused: i64,
        deadline: Deadline,
    ) -> Result<Arc<Snapshot>, Error> {
        let app = self.clone();
        // It is rare, and large: ordinary batches do not carry it.
        let mend = Box::pin(async move {
            let adopted = app.adopt_identifiers(account, deadline).await;
            adopted.map(drop)
        });
        let mend = weir_service::detached(mend);
        self.snapshots
            .after_refusal(account, source, refused, mend)
            .await
    }

    /// One outcome for each event, in order, and the values that were ignored. Of a refused event
    /// it means nothing.
    ///
    /// # Errors
    /// Where the answer would outgrow a message: then nothing is left behind, and the batch
    /// comes again in parts.
    pub fn map_events<'s>(
        &self,
        snapshot: &'s Snapshot,
        events: &[BatchEvent<'_>],
        leaves: Leaves,
    ) -> Result<(Vec<Outcome<'s>>, Ignored), Error> {
        let places = self.places.load();
        let mut mapper = Mapper::new(snapshot, places.as_deref());
        let mut outcomes = Vec::with_capacity(events.len());
        for batch in events {
            outcomes.push(if batch.refused {
                mapper.skip();
                Outcome::NoMapping
            } else {
                mapper.map(&batch.event)
            });
            if mapper.is_outgrown() {
                metrics::outgrown_batches().increment(1);
                return Err(Error::Exhausted(
                    Reason::AnswerTooLarge,
                    format!("the values of these events come to more than {MAX_BATCH_TEXT} bytes"),
                ));
            }
        }
        let ignored = mapper.take_ignored();
        if leaves == Leaves::Nothing {
            return Ok((outcomes, ignored));
        }
        let log = mapper.into_log();
        count(events, &outcomes, &ignored);
        let candidates = events.iter().map(|batch| Candidate {
            receive_time: batch.event.received.time,
            kind: batch.event.kind,
            event_name: batch.event.event_name,
            raw: batch.raw,
        });
        self.recorder.record(Note {
            picked: match leaves {
                Leaves::All => pick(candidates),
                Leaves::Lines | Leaves::Nothing => pick(std::iter::empty()),
            },
            log,
            is_first_identify: identifies_first(snapshot, events),
            ..Note::of((snapshot.source.account_id, snapshot.source.source_id))
        });
        Ok((outcomes, ignored))
    }

    /// Appends lines that later stages found. They are written, or kept since Redis is away, when
    /// this ends.
    pub async fn append_log(
        &self,
        account: AccountId,
        source: SourceId,
        entries: Vec<LogEntry>,
    ) -> Result<(), Error> {
        // Also checks that the source is the account's.
        let snapshot = self.snapshot(account, source).await?;
        if entries.is_empty() {
            return Ok(());
        }
        let log = entries.into_iter().map(|mut entry| {
            if entry.path.is_empty() {
                entry.path = path_of(&snapshot, &entry);
            }
            entry.bounded()
        });
        let (told, written) = oneshot::channel();
        self.recorder.record(Note {
            log: log.collect(),
            told: Some(told),
            ..Note::of((account, source))
        });
        // The other end is dropped where there is no room.
        written.await.map_err(|_| {
            let message = "more lines wait for Redis than there is room for";
            Error::Exhausted(Reason::Overloaded, message.to_owned())
        })
    }
}

/// Where in an event the value of a field stands, under the present mapping: later stages know
/// the field alone. Empty where nothing fills it (any more).
fn path_of(snapshot: &Snapshot, entry: &LogEntry) -> String {
    let Some(contact) = snapshot.contact.as_ref() else {
        return String::new();
    };
    let mut rows = contact.traits.rows.iter();
    if let Some(row) = rows.find(|row| row.target == entry.field_id) {
        return row.source.within("traits");
    }
    // Of a track it describes the activity (semantics 2.7).
    let mut parts = contact.location.iter();
    parts
        .find(|part| part.field == entry.field_id && entry.kind != EventKind::Track)
        .map_or_else(String::new, |part| format!("location.{}", part.name))
}

/// Whether the source leaves its first state: only an identify that was not refused does that.
/// Until the snapshot is looked at again the next batches say the same; that is known then, and
/// changes nothing.
fn identifies_first(snapshot: &Snapshot, events: &[BatchEvent<'_>]) -> bool {
    snapshot.waits_for_events()
        && events
            .iter()
            .any(|batch| !batch.refused && batch.event.kind != EventKind::Track)
}

fn count(events: &[BatchEvent<'_>], outcomes: &[Outcome<'_>], ignored: &Ignored) {
    let (mut mapped, mut no_mapping, mut old) = (0, 0, 0);
    let mut refused = 0;
    for (batch, outcome) in events.iter().zip(outcomes) {
        match outcome {
            _ if batch.refused => refused += 1,
            Outcome::Mapped { .. } => mapped += 1,
            Outcome::NoMapping => no_mapping += 1,
            Outcome::PastRetention(_) => old += 1,
        }
    }
    let counts: [(&'static str, u64); 4] = [
        ("mapped", mapped),
        ("no_mapping", no_mapping),
        ("past_retention", old),
        ("refused", refused),
    ];
    for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        metrics::events(outcome).increment(count);
    }
    metrics::ignored_values().increment(ignored.count().unsigned_abs());
}
