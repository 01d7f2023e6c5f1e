//! Load, decide, commit: the only place that orders effects.

mod background;
mod counting;
mod erasing;
mod error;
mod exporting;
mod identifiers;
mod importing;
mod people;
mod reading;
mod reindex;
mod relay;
mod searching;
mod unstorable;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use weir_accounts::Accounts;
use weir_ids::ContactId;
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy};

pub use background::{PURGE_BEATS, purge};
pub use counting::PATIENCE as COUNTING;
pub use erasing::{ERASURE_BEATS, erase};
pub use error::Error;
pub use exporting::{EXPORTS, Exports, Piece, Pieces};
pub use importing::{Import, Imported, Imports, RowStatus};
pub use people::{Joining, Purpose as JoinPurpose, Separated};
pub use reading::{Profile, profile_of};
pub use reindex::{Previewed, REINDEX_BEATS, reindexing};
pub use relay::{RELAY_BEATS, relay};
pub use searching::{Match, SEARCHABLE_BEATS, Search, Searched, searchable};

use crate::clients::Mapping;
use crate::domain::{self, Batch, Care, Facts, Snapshot, Status};
use crate::metrics;
use crate::store::{BatchTx, NotStored, OutboxRow, Rows, Store, keep_caseless};

/// A batch that loses this often against others is given back to its sender. Losers of one
/// race come again at different moments. Of many that write the same few people one loses again
/// and again by chance: so it takes more tries than that happens in a row; where they take long,
/// the deadline ends them sooner.
const POLICY: Policy = Policy {
    tries: 20,
    pause: Duration::from_millis(3),
};
/// A key that was there so often without a break was not made by others in the meantime: the
/// next attempt would have read it.
const NO_RACE: u32 = 6;
/// An attempt that begins with less time left than this can't end in time.
const LEAST_TIME: Duration = Duration::from_millis(20);
/// Rows that wait for the relay in memory; some megabytes at most. What comes beyond them is
/// found in the table.
const OUTBOX: usize = 64;

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Upserted {
    /// In the order of the events.
    pub outcomes: Vec<Outcome>,
    /// Units that were charged.
    pub units: i64,
}

/// What became of one event.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: Status,
    pub contact: Option<ContactId>,
    pub ignored: Vec<Ignored>,
    /// Of an event without a timestamp that was judged before: when it came first.
    pub first_micros: Option<i64>,
}

/// A field's value that was not taken.
#[derive(Debug, Clone)]
pub struct Ignored {
    pub field: String,
    pub reason: Reason,
    /// Canonical JSON; for the source's log alone.
    pub value: String,
}

impl Outcome {
    /// Without a contact.
    fn of(status: Status) -> Self {
        Self {
            status,
            contact: None,
            ignored: Vec::new(),
            first_micros: None,
        }
    }
}

/// The service behind its RPCs.
#[derive(Clone)]
pub struct App {
    store: Store,
    /// The same tables over connections that calls never wait for.
    background: Store,
    /// Asked for accounts for which there is nothing here.
    accounts: Accounts,
    /// Asked what an account has set up.
    mapping: Mapping,
    clock: Clock,
    /// To the relay: rows of the outbox that were written here.
    outbox: mpsc::Sender<OutboxRow>,
}

impl App {
    /// Over its tables: `store` for calls, `background` for the relay, which gets what is
    /// to be told from the second.
    pub fn new(
        store: Store,
        background: Store,
        accounts: Accounts,
        mapping: Mapping,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<OutboxRow>) {
        let (outbox, written) = mpsc::channel(OUTBOX);
        let app = Self {
            store,
            background,
            accounts,
            mapping,
            clock,
            outbox,
        };
        (app, written)
    }

    /// Stores one batch in one transaction, but for events that can't be stored.
    ///
    /// # Errors
    /// See [`Error`]; nothing of the batch is stored then.
    pub async fn upsert(&self, batch: Batch, deadline: Deadline) -> Result<Upserted, Error> {
        let stored = Box::pin(self.put(batch, deadline, Purpose::Store)).await;
        match &stored {
            Ok(answer) => {
                let statuses = answer.outcomes.iter().map(|outcome| outcome.status);
                metrics::batch_stored(&statuses.collect::<Vec<_>>(), answer.units);
            }
            Err(Error::Conflict) => tracing::warn!("a batch lost against others until its end"),
            Err(_) => {}
        }
        stored
    }

    /// What [`upsert`](Self::upsert) would answer now; stores nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn rehearse(&self, batch: Batch, deadline: Deadline) -> Result<Upserted, Error> {
        Box::pin(self.put(batch, deadline, Purpose::Rehearse)).await
    }

    async fn put(
        &self,
        batch: Batch,
        deadline: Deadline,
        purpose: Purpose,
    ) -> Result<Upserted, Error> {
        let batch = Arc::new(batch);
        match self.persist(batch.clone(), deadline, purpose).await {
            Err(refusal) if refusal.is_of_events() => {
                unstorable::put_the_rest(self, &batch, refusal, deadline, purpose).await
            }
            put => put,
        }
    }

    /// Attempts until one ends, in a task of its own.
    async fn persist(
        &self,
        batch: Arc<Batch>,
        deadline: Deadline,
        purpose: Purpose,
    ) -> Result<Upserted, Error> {
        let app = self.clone();
        let taken = Arc::new(AtomicU32::new(0));
        let attempt = move |number| {
            let (app, batch, taken) = (app.clone(), batch.clone(), taken.clone());
            async move {
                if deadline.remaining() < LEAST_TIME {
                    return Err(Error::late());
                }
                if number > 0 {
                    metrics::batch_retried();
                }
                let done = app.attempt(&batch, purpose, number, deadline).await;
                if !matches!(done, Err(Error::Taken)) {
                    taken.store(0, Ordering::Relaxed);
                } else if taken.fetch_add(1, Ordering::Relaxed) + 1 < NO_RACE {
                    return Err(Error::Conflict);
                }
                done
            }
        };
        weir_service::retry(deadline, POLICY, attempt).await
    }

    async fn attempt(
        &self,
        batch: &Batch,
        purpose: Purpose,
        number: u32,
        deadline: Deadline,
    ) -> Result<Upserted, Error> {
        let facts = Facts::of(&batch.events, &batch.settings)
            .map_err(|(index, _)| Error::InvalidFields(index))?;
        let care = match number {
            0 => Care::InSteps,
            1 => Care::AtOnce,
            _ => Care::Heal,
        };
        match self.transact(batch, &facts, purpose, care).await {
            Ok(answer) => Ok(answer),
            Err(NotStored::NewAccount) => {
                self.must_exist(batch.account, deadline).await?;
                self.store.anchor(batch.account).await?;
                self.store
                    .number_source(batch.account, batch.source)
                    .await?;
                Err(Error::Conflict)
            }
            Err(NotStored::NewSource) => {
                self.store
                    .number_source(batch.account, batch.source)
                    .await?;
                Err(Error::Conflict)
            }
            // What failed before was not seen; the next attempt tells.
            Err(NotStored::Conflict | NotStored::Aftermath) => Err(Error::Conflict),
            Err(NotStored::Taken) => Err(Error::Taken),
            Err(NotStored::Closed) => Err(Error::Closed),
            Err(NotStored::EpochPast(stands)) => Err(Error::EpochPast(stands)),
            Err(NotStored::IdentifiersChanged) => Err(Error::IdentifiersChanged),
            Err(NotStored::Refused) => Err(Error::Refused),
            Err(NotStored::Unreadable(contacts)) => Err(Error::Unreadable(contacts)),
            Err(NotStored::Failed(failure)) => Err(failure.into()),
        }
    }

    async fn transact(
        &self,
        batch: &Batch,
        facts: &Facts<'_>,
        purpose: Purpose,
        care: Care,
    ) -> Result<Upserted, NotStored> {
        let now = self.clock.now();
        let mut client = self.store.client().await?;
        let mut tx = BatchTx::begin(&self.store, &mut client, batch, care, now);
        let mut snapshot = Snapshot::new(facts, care);
        let keys = snapshot.first_keys();
        // A batch that met another's receipt reads all of them, so that it meets none again.
        let all_receipts = care != Care::InSteps;
        let receipts = facts.with_receipts(all_receipts);
        let (first, receipts) = tx.begin_load(facts, keys, &receipts).await?;
        tx.add_first(&mut snapshot, facts, &first)?;
        snapshot.add_receipts(receipts, all_receipts);
        snapshot.set_transition(first.transition());
        let deleted = tx.deleted(facts, &first).await?;
        snapshot.add_deleted(deleted.iter().copied());
        let keys = snapshot.other_keys();
        let mut more = None;
        if !keys.is_empty() {
            more = Some(tx.load_more(facts, keys, &snapshot).await?);
        }
        if let Some(more) = &more {
            snapshot.add(more.links(), &more.contacts())?;
        }
        let settings = first.settings(&batch.settings);
        let mut folded = domain::fold(&settings, facts, snapshot, ContactId::new);
        if folded.needs_all_receipts {
            // Over the same rows: to look for others now, with contacts locked in two steps,
            // could be to wait for a batch that waits for this one.
            let all = facts.with_receipts(true);
            let all = tx.receipts(&all).await?;
            let mut snapshot = snapshot_of(facts, care, &first, more.as_ref())?;
            snapshot.add_receipts(all, true);
            snapshot.add_deleted(deleted);
            folded = domain::fold(&settings, facts, snapshot, ContactId::new);
        }
        let mut answer = answer_of(&folded);
        if !batch.is_charged {
            answer.units = 0;
        }
        self.write(tx, folded.changes, batch, purpose, now).await?;
        if first.caseless_differ() {
            let fields: Vec<&str> = batch.settings.told_caseless().collect();
            let kept = keep_caseless(&mut client, batch.account, &fields).await;
            // The batch is stored; the next one says it as well.
            let _ = kept.inspect_err(|failure| tracing::warn!(%failure, "caseless identifiers"));
        }
        Ok(answer)
    }

    /// Hands a row of the outbox that was committed to the relay.
    fn tell_soon(&self, message: OutboxRow) {
        // Where the relay is far behind, it finds the row in the table.
        let _ = self.outbox.try_send(message);
    }

    /// Whether PostgreSQL answers.
    pub async fn is_healthy(&self) -> bool {
        self.store.is_there().await
    }
}

/// What an attempt at a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Store,
    /// To find out whether PostgreSQL would take it; it is rolled back.
    Rehearse,
}

/// What was loaded, once more.
fn snapshot_of<'a>(
    facts: &'a Facts<'a>,
    care: Care,
    first: &'a Rows,
    more: Option<&'a Rows>,
) -> Result<Snapshot<'a>, NotStored> {
    let mut snapshot = Snapshot::new(facts, care);
    snapshot.set_source(first.source());
    snapshot.set_generation(first.generation());
    snapshot.set_corrected(first.corrected());
    snapshot.first_keys();
    snapshot.set_transition(first.transition());
    snapshot.add(first.links(), &first.contacts())?;
    snapshot.other_keys();
    if let Some(more) = more {
        snapshot.add(more.links(), &more.contacts())?;
    }
    Ok(snapshot)
}

fn answer_of(folded: &domain::Folded<'_>) -> Upserted {
    let outcomes = folded.outcomes.iter().map(|outcome| Outcome {
        status: outcome.status,
        contact: outcome.contact,
        ignored: outcome
            .ignored
            .iter()
            .map(|ignored| Ignored {
                field: ignored.field.to_owned(),
                reason: ignored.reason,
                value: ignored.value.to_owned(),
            })
            .collect(),
        first_micros: outcome.first_micros,
    });
    Upserted {
        outcomes: outcomes.collect(),
        units: folded.changes.units.into(),
    }
}
