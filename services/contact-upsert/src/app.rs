//! Load, decide, commit: the only place that orders effects.

mod background;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use tokio::sync::mpsc;
use tracing::Instrument;
use weir_ids::{AccountId, BatchId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;

pub use background::purge_receipts;

use crate::domain::{self, Batch, Care, Changes, Facts, Message, Register, Snapshot, Status};
use crate::metrics;
use crate::store::{
    BatchTransaction, ContactKey, NotStored, OutboxRow, Parcel, Store, StoredProfile, held_link,
};

/// A batch that loses this often against others is given back to its sender.
const MAX_ATTEMPTS: u32 = 10;
/// An attempt that begins with less time left than this can't end in time.
const LEAST_TIME: Duration = Duration::from_millis(20);
/// Losers of one race come again at different moments.
const BACKOFF: Duration = Duration::from_millis(3);
/// Rows that wait for the relay in memory; some megabytes at most. What comes beyond them is
/// found in the table.
const OUTBOX: usize = 64;
/// A row of the outbox that is younger is under way in some replica's memory. Where clocks
/// differ by more, it is told twice, or later.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(2);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The batch was closed, or its epoch is past.
    #[error("the batch may no longer be stored")]
    Closed,
    /// The fields of the event at this position are no object.
    #[error("the fields of an event can't be read")]
    InvalidFields(usize),
    /// Nothing was stored; the same may succeed later.
    #[error("the database is away or too busy")]
    Unavailable,
    /// Ours to mend; logged.
    #[error("an internal error")]
    Internal,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict | Failure::Unavailable => Self::Unavailable,
            Failure::Refused | Failure::Internal => Self::Internal,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Answer {
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
    /// Field id and reason.
    pub ignored: Vec<(String, &'static str)>,
}

/// A contact, read back.
#[derive(Debug)]
pub struct Profile<'a> {
    pub stored: &'a StoredProfile,
    /// By field id; cleared ones are left out.
    pub fields: Vec<Register<'a>>,
}

/// The service behind its RPCs.
#[derive(Clone)]
pub struct App {
    store: Store,
    /// The same tables over connections that calls never wait for.
    background: Store,
    /// To the relay: rows of the outbox that were written here.
    outbox: mpsc::Sender<OutboxRow>,
}

impl App {
    /// Over its tables: `store` for calls, `background` for the relay, which gets what is
    /// to be told from the second.
    pub fn new(store: Store, background: Store) -> (Self, mpsc::Receiver<OutboxRow>) {
        let (outbox, written) = mpsc::channel(OUTBOX);
        let app = Self {
            store,
            background,
            outbox,
        };
        (app, written)
    }

    /// Stores one batch in one transaction.
    ///
    /// # Errors
    /// See [`Error`]; nothing of the batch is stored then.
    pub async fn upsert(&self, batch: Batch, deadline: Deadline) -> Result<Answer, Error> {
        let app = self.clone();
        // In a task of its own: a caller that goes away must not leave a half-used connection.
        let work = async move { app.upsert_in_attempts(&batch, deadline).await };
        let work = tokio::spawn(work.instrument(tracing::Span::current()));
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a batch panicked");
            Err(Error::Internal)
        })
    }

    async fn upsert_in_attempts(&self, batch: &Batch, deadline: Deadline) -> Result<Answer, Error> {
        let facts = Facts::of(&batch.events, &batch.settings)
            .map_err(|(position, _)| Error::InvalidFields(position))?;
        for attempt in 0..MAX_ATTEMPTS {
            if deadline.remaining() < LEAST_TIME {
                break;
            }
            if attempt > 0 {
                metrics::batch_retried();
                tokio::time::sleep(BACKOFF * attempt).await;
            }
            match self.attempt(batch, &facts, attempt).await {
                Ok(answer) => {
                    metrics::batch_stored(&answer);
                    return Ok(answer);
                }
                Err(NotStored::NewAccount) => self.store.anchor(batch.account).await?,
                Err(NotStored::Conflict) => {}
                Err(NotStored::Closed) => return Err(Error::Closed),
                Err(NotStored::Failed(failure)) => return Err(failure.into()),
                Err(NotStored::Aftermath) => return Err(Error::Internal),
            }
        }
        tracing::warn!("a batch lost against others until its time was up");
        Err(Error::Unavailable)
    }

    async fn attempt(
        &self,
        batch: &Batch,
        facts: &Facts<'_>,
        attempt: u32,
    ) -> Result<Answer, NotStored> {
        let now = Utc::now().trunc_subsecs(6);
        let care = match attempt {
            0 => Care::InSteps,
            1 => Care::AtOnce,
            _ => Care::Heal,
        };
        let mut client = self.store.client().await?;
        let transaction = BatchTransaction::begin(&mut client, batch, now);
        let mut all_receipts = false;
        loop {
            let mut snapshot = Snapshot::new(facts, care);
            let receipts = facts.with_receipts(&batch.settings, all_receipts);
            let mut keys = snapshot.first_keys();
            let kept = match care {
                Care::InSteps => self.store.kept_links(batch.account, facts, &mut keys),
                Care::AtOnce | Care::Heal => Vec::new(),
            };
            let load = transaction.begin_load(facts, kept, keys, &receipts);
            let (first, receipts) = load.await?;
            snapshot
                .add(first.links(), &first.contacts())
                .inspect_err(|_| self.store.forget_links(batch.account, facts, &first))?;
            self.store.keep_links(batch.account, facts, &first);
            snapshot.add_receipts(receipts, all_receipts);
            let keys = snapshot.other_keys();
            let more;
            if !keys.is_empty() {
                more = transaction.load_more(facts, keys, &snapshot).await?;
                snapshot.add(more.links(), &more.contacts())?;
            }
            let folded = domain::fold(&batch.settings, facts, snapshot, ContactId::new);
            if folded.needs_all_receipts {
                all_receipts = true;
                continue;
            }
            let answer = answer_of(&folded);
            self.commit(batch, transaction, folded.changes, now).await?;
            return Ok(answer);
        }
    }

    async fn commit(
        &self,
        batch: &Batch,
        transaction: BatchTransaction<'_>,
        changes: Changes<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), NotStored> {
        if changes.is_empty() {
            // Dropped, it rolls back; there is nothing to keep.
            return Ok(());
        }
        let joined = changes.joined_contacts();
        let held = if joined.is_empty() {
            Vec::new()
        } else {
            transaction.held_links(&joined).await?
        };
        let changes = changes.with_held_links(held.iter().map(held_link).collect());
        let message = Message::of(&changes, now.timestamp_micros());
        let message = message.map(|message| OutboxRow::new(batch.account, &message));
        transaction.commit(&changes, message.as_ref()).await?;
        self.store.keep_changes(batch.account, &changes, now);
        metrics::contacts_written(&changes);
        if let Some(message) = message {
            // Where the relay is far behind, it finds the row in the table.
            let _ = self.outbox.try_send(message);
        }
        Ok(())
    }

    /// One contact, or the one that it was joined into.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn contact(
        &self,
        account: AccountId,
        key: &ContactKey,
    ) -> Result<Option<StoredProfile>, Error> {
        Ok(self.store.contact(account, key).await?)
    }

    /// Contacts by age.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn contacts(
        &self,
        account: AccountId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<StoredProfile>, Error> {
        Ok(self.store.contacts(account, after, limit).await?)
    }

    /// Closes batches and answers what each has stored.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn close_batches(
        &self,
        account: AccountId,
        batches: &[(NaiveDate, BatchId)],
    ) -> Result<Vec<i64>, Error> {
        Ok(self.store.close_batches(account, batches).await?)
    }

    /// Raises the epoch and answers it, with the sums of what is stored from `day` on.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn fence_usage(
        &self,
        account: AccountId,
        epoch: i64,
        day: NaiveDate,
    ) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
        Ok(self.store.fence_usage(account, epoch, day).await?)
    }

    /// Whether PostgreSQL answers.
    pub async fn is_healthy(&self) -> bool {
        self.store.is_there().await
    }

    /// Accounts with something to tell, the longest waiting first.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn accounts_with_messages(&self, limit: i64) -> Result<Vec<AccountId>, Error> {
        let waiting = self.background.accounts_with_messages(limit).await?;
        metrics::outbox_waits(waiting.first().map(|(_, oldest)| *oldest));
        Ok(waiting.into_iter().map(|(account, _)| account).collect())
    }

    /// Hands rows of one account that were written here to `tell`, and drops them when it
    /// succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What `tell` failed at stays in the table, and is no error here.
    pub async fn deliver_written<T>(&self, rows: &[OutboxRow], tell: T) -> Result<Delivery, Error>
    where
        T: AsyncFnOnce(&[Message<'_>]) -> bool,
    {
        if !tell(&messages_of(rows)).await {
            return Ok(Delivery::Failed);
        }
        self.background.delivered(rows).await?;
        Ok(Delivery::Done)
    }

    /// Hands up to `limit` rows of an account that nobody told in time to `tell`, and drops
    /// them when it succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What `tell` failed at stays, and is no error here.
    pub async fn deliver_left<T>(
        &self,
        account: AccountId,
        limit: i64,
        tell: T,
    ) -> Result<Delivery, Error>
    where
        T: AsyncFnOnce(&[Message<'_>]) -> bool,
    {
        let mut client = self.background.client().await?;
        let before = Utc::now() - UNDER_WAY;
        let Some(parcel) = Parcel::claim(&mut client, account, before, limit).await? else {
            return Ok(Delivery::Nothing);
        };
        if !tell(&messages_of(parcel.rows())).await {
            return Ok(Delivery::Failed);
        }
        parcel.delivered().await?;
        Ok(Delivery::Done)
    }
}

fn messages_of(rows: &[OutboxRow]) -> Vec<Message<'_>> {
    rows.iter().filter_map(OutboxRow::message).collect()
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// There was nothing, or another replica has it.
    Nothing,
    Done,
    /// The receiver is away.
    Failed,
}

/// Reads a stored contact's fields.
///
/// # Errors
/// Where its row is broken.
pub fn profile_of(stored: &StoredProfile) -> Result<Profile<'_>, Error> {
    let registers = domain::read_registers(&stored.fields, &stored.registers);
    let registers = registers.map_err(|error| {
        tracing::error!(%error, "a contact's row is broken");
        Error::Internal
    })?;
    let fields = registers.into_iter().filter(|r| r.value.is_some());
    Ok(Profile {
        stored,
        fields: fields.collect(),
    })
}

fn answer_of(folded: &domain::Folded<'_>) -> Answer {
    let outcomes = folded.outcomes.iter().map(|outcome| Outcome {
        status: outcome.status,
        contact: outcome.contact,
        ignored: outcome
            .ignored
            .iter()
            .map(|ignored| (ignored.field.to_owned(), ignored.reason))
            .collect(),
    });
    Answer {
        outcomes: outcomes.collect(),
        units: folded.changes.units.into(),
    }
}
