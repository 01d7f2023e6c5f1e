//! The transaction of one batch.
//!
//! Locks are taken in one order: the account's row (shared), contacts by id, then identifiers
//! by key as they are written. Contacts that are found only after others are locked are not
//! waited for. Identifiers are read without a lock: whoever changes one holds its contact, and
//! the fold sees it when that happened in between.
//!
//! **Invariant:** what moves or deletes an identifier names the contact that it belongs to, as
//! far as this batch knows. Where that is no longer so, the batch begins anew.
//!
//! **Invariant:** while a batch holds contacts it waits for nothing but keys that it inserts,
//! in one order of tables and keys, the mark of its message last: so no two batches wait for each
//! other.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::{Client, Failure, Tx};
use weir_tombstones::{Erased, Print};

use super::links::Era;
use super::{OutboxRow, Store, identifiers, micros_of};
use crate::domain::{
    Batch, Care, Changes, Facts, KeyId, NOBODY, Receipt, Snapshot, Source, StoredLink, Unreadable,
    Unusable,
};

mod absorbed;
mod kept;
mod look_up;
mod merges;
mod people;
mod reindex;
mod rows;
pub(super) mod sql;
mod write;

pub use people::{AccountRow, past_merge};
pub use reindex::Piece;
pub use rows::{HeldLinks, Rows};

/// Of an account that have a number; of more it is not known what came from where.
const MAX_SOURCES: usize = 1_000;

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// It was closed, or stored before: nothing of it may be stored any more.
    #[error("the batch may no longer be stored")]
    Closed,
    /// Its epoch is past; this one stands.
    #[error("the batch's epoch is past")]
    EpochPast(i64),
    /// Its source has no number in the account yet.
    #[error("the source is new")]
    NewSource,
    /// Its events were mapped under other unique identifiers.
    #[error("the unique identifiers changed")]
    IdentifiersChanged,
    /// PostgreSQL does not take some value of it.
    #[error("a value can't be stored")]
    Refused,
    /// Some of its events lead to contacts whose rows are broken.
    #[error("contacts can't be read")]
    Unreadable(Unreadable),
    /// Another transaction was faster: the same again.
    #[error("another transaction was faster")]
    Conflict,
    /// A key that it would make is there: made by another meanwhile, or else never to be made.
    #[error("a key is there already")]
    Taken,
    /// A statement before it failed, which tells why.
    #[error("the transaction had failed before")]
    Aftermath,
    /// The account has no anchor yet.
    #[error("the account is new")]
    NewAccount,
    /// See there.
    #[error(transparent)]
    Failed(Failure),
}

impl From<Failure> for NotStored {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Conflict,
            Failure::Refused => Self::Refused,
            other => Self::Failed(other),
        }
    }
}

impl From<Unusable> for NotStored {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Stale => Self::Conflict,
            Unusable::Unreadable(contacts) => Self::Unreadable(contacts),
        }
    }
}

impl From<tokio_postgres::Error> for NotStored {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            // Someone made the same identifier or receipt in the meantime.
            Some(&SqlState::UNIQUE_VIOLATION) => Self::Taken,
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Self::Aftermath,
            _ => Failure::from(error).into(),
        }
    }
}

/// One batch under way. Dropped without `commit`, nothing of it was.
pub struct BatchTx<'c> {
    store: &'c Store,
    /// Of the cache of links, as the account's row says.
    generation: i64,
    tx: Tx<'c>,
    batch: &'c Batch,
    care: Care,
    now: DateTime<Utc>,
    /// As the account's row says, once it was read.
    is_searched: bool,
    /// It wrote a row of the outbox, which stands under a mark of the account.
    has_message: AtomicBool,
}

impl<'c> BatchTx<'c> {
    /// Begins.
    pub fn begin(
        store: &'c Store,
        client: &'c mut Client,
        batch: &'c Batch,
        care: Care,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            store,
            generation: 0,
            tx: Tx::begin(client, batch.account),
            batch,
            care,
            now,
            is_searched: false,
            has_message: AtomicBool::new(false),
        }
    }

    /// Finds these keys, some of them in the cache of links, and locks their contacts in order;
    /// and finds the receipts of these events.
    ///
    /// # Errors
    /// When the batch's epoch or version is past, the account has no anchor, or PostgreSQL
    /// refuses.
    pub async fn begin_load(
        &mut self,
        facts: &Facts<'_>,
        mut sought: Vec<KeyId>,
        events: &[Uuid],
    ) -> Result<(Rows, Vec<Receipt>), NotStored> {
        let links = &self.store.links;
        self.generation = links.generation(self.batch.account);
        let cached = match self.care {
            Care::InSteps => links.take(self.era(), facts, &mut sought),
            Care::AtOnce | Care::Heal => Vec::new(),
        };
        let account = &self.batch.account.0;
        let whose: [&(dyn ToSql + Sync); 1] = [account];
        let of_account = self.tx.prepare_cached(sql::ACCOUNT).await?;
        // What is prepared is sent at once, in this order.
        self.tx.prepare_cached(sql::LOCK_CONTACTS).await?;
        self.tx.prepare_cached(sql::RECEIPTS).await?;
        let corrections = facts.corrections();
        let (of_account, links, corrected) = tokio::join!(
            biased;
            self.tx.query_opt(&of_account, &whose),
            self.links(facts, &sought),
            self.corrected(&corrections),
        );
        // Of several errors the first is the cause.
        let of_account = of_account?.ok_or(NotStored::NewAccount)?;
        let (mut links, corrected) = (links?, corrected?);
        self.note_search(&of_account);
        self.check_account(
            of_account.get("usage_epoch"),
            of_account.get("identifiers_version"),
        )?;
        self.learn_generation(of_account.get("links_generation"), !cached.is_empty())?;
        let source = self.source_number(of_account.get("source_ids"))?;
        let erased = Erased::of(
            of_account.get("last_delete_time"),
            of_account.get("erasure_key"),
            self.now,
        );
        // Receipts are read behind the locks: whoever stores the same event at the same time
        // holds its contact, so its receipt is seen here instead of colliding at the end.
        let (contacts, receipts) = tokio::join!(
            biased;
            self.lock_contacts(&cached, links.iter().chain(&corrected), sql::LOCK_CONTACTS, |_| false),
            self.receipts(events),
        );
        let (contacts, receipts) = (contacts?, receipts?);
        if self.care == Care::Heal {
            links = self.settled(&links, self.links(facts, &sought).await?)?;
        }
        let stand: Vec<&str> = of_account.get("caseless_identifiers");
        let rows = Rows {
            caseless_differ: !self.batch.settings.told_caseless().eq(stand),
            transition: identifiers::transition(&of_account),
            source,
            generation: self.generation,
            erased,
            cached,
            sought,
            links,
            corrected,
            contacts,
        };
        Ok((rows, receipts))
    }

    /// Whether the account is searched: its row is held shared, so that it stays so.
    fn note_search(&mut self, of_account: &Row) {
        self.is_searched = of_account.get("is_searched");
    }

    fn check_account(&self, epoch: i64, identifiers_version: i64) -> Result<(), NotStored> {
        if epoch > self.batch.epoch {
            return Err(NotStored::EpochPast(epoch));
        }
        if identifiers_version != self.batch.identifiers_version {
            return Err(NotStored::IdentifiersChanged);
        }
        Ok(())
    }

    /// Whose links, and of which generation.
    fn era(&self) -> Era {
        Era {
            account: self.batch.account,
            generation: self.generation,
        }
    }

    /// Links that were kept in mind before identifiers moved back by a split are worth nothing.
    fn learn_generation(&mut self, stands: i64, has_cached: bool) -> Result<(), NotStored> {
        let known = std::mem::replace(&mut self.generation, stands);
        if known == stands {
            return Ok(());
        }
        self.store.links.renew(self.era());
        if has_cached {
            Err(NotStored::Conflict)
        } else {
            Ok(())
        }
    }

    /// The number of the batch's source in its account.
    fn source_number(&self, known: Vec<Uuid>) -> Result<Source, NotStored> {
        let Some(source) = self.batch.source else {
            return Ok(Source::default());
        };
        match known.iter().position(|id| *id == source.0) {
            Some(at) => Ok(Source(u16::try_from(at + 1).unwrap_or_default())),
            None if known.len() < MAX_SOURCES => Err(NotStored::NewSource),
            None => Ok(Source::default()),
        }
    }

    /// Links as they are behind the locks of all contacts that they led to `before`, as far as
    /// there are such: nobody changes them now, as long as they lead to none but these. Only then
    /// one that its contact does not bear out is really out of step.
    fn settled(&self, before: &[Row], behind: Vec<Row>) -> Result<Vec<Row>, NotStored> {
        let leads_to = |row: &Row| -> Uuid { row.get("contact_id") };
        let locked: HashSet<Uuid> = before.iter().map(leads_to).collect();
        let is_settled = |to: Uuid| to == NOBODY.0 || locked.contains(&to);
        match behind.iter().map(leads_to).all(is_settled) {
            true => Ok(behind),
            false => Err(NotStored::Conflict),
        }
    }

    /// Gives the snapshot what was loaded first. Links that were read stay in the cache, as
    /// their contacts are locked and alive; where it was out of date, those that came out of it
    /// leave it.
    ///
    /// # Errors
    /// Where the rows are not of one moment, or can't be read.
    pub fn add_first<'a>(
        &self,
        snapshot: &mut Snapshot<'a>,
        facts: &Facts<'_>,
        first: &'a Rows,
    ) -> Result<(), NotStored> {
        let (links, era) = (&self.store.links, self.era());
        snapshot.set_source(first.source);
        snapshot.set_generation(first.generation());
        snapshot.set_corrected(first.corrected());
        if let Err(unusable) = snapshot.add(first.links(), &first.contacts()) {
            let cached = first.cached.iter();
            links.forget(era, cached.map(|(id, _)| facts.key(*id)));
            return Err(unusable.into());
        }
        let read = first
            .read_links()
            .filter(|(_, link)| link.contact != NOBODY);
        links.learn(era, read.map(|(id, link)| (facts.key(id), link)));
        Ok(())
    }

    /// The receipts of these events.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn receipts(&self, events: &[Uuid]) -> Result<Vec<Receipt>, NotStored> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let by_event = self.tx.prepare_cached(sql::RECEIPTS).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &events];
        let receipts = self.tx.query(&by_event, &sought).await?;
        let receipts = receipts.iter().map(|row| Receipt {
            key: row.get("event_key"),
            contact: row.get::<_, Option<Uuid>>("contact_id").map(ContactId),
            is_stored: row.get("is_stored"),
            first_micros: row.get::<_, Option<_>>("first_time").map(micros_of),
        });
        Ok(receipts.collect())
    }

    /// Which of the events' identifiers are of people who were deleted since, and when, in
    /// microseconds. Where all events are younger than the last deletion, nothing is asked.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn deleted(
        &self,
        facts: &Facts<'_>,
        first: &Rows,
    ) -> Result<Vec<(KeyId, i64)>, NotStored> {
        let Some(Erased { last, key }) = first.erased() else {
            return Ok(Vec::new());
        };
        let sought = facts.keys_before(micros_of(*last));
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let print = |id: &KeyId| {
            let sought = facts.key(*id);
            key.print(sought.kind, sought.value.as_bytes())
        };
        let prints: Vec<Print> = sought.iter().map(print).collect();
        let prints: Vec<&[u8]> = prints.iter().map(|print| &print[..]).collect();
        let look_up = self
            .tx
            .prepare_cached(weir_tombstones::sql::LOOK_UP)
            .await?;
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &prints];
        let rows = self.tx.query(&look_up, &parameters).await?;
        let found = rows.iter().map(|row| {
            let n: i64 = row.get("n");
            // PostgreSQL counts from one.
            let at = usize::try_from(n - 1).expect("it is one of those that were sent");
            (sought[at], micros_of(row.get("delete_time")))
        });
        Ok(found.collect())
    }

    /// Finds more keys and locks their contacts. Those that another transaction holds are left
    /// out where this one must not wait for them.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn load_more(
        &self,
        facts: &Facts<'_>,
        sought: Vec<KeyId>,
        known: &Snapshot<'_>,
    ) -> Result<Rows, NotStored> {
        let links = self.links(facts, &sought).await?;
        let lock = if known.may_wait() {
            sql::LOCK_CONTACTS
        } else {
            sql::LOCK_FREE_CONTACTS
        };
        let contacts = self
            .lock_contacts(&[], links.iter(), lock, |contact| known.knows(contact))
            .await?;
        Ok(Rows {
            sought,
            links,
            contacts,
            ..Rows::default()
        })
    }

    /// Writes what changed. `message` is for the relay; answers one more, of removes that had
    /// been kept for somebody who is known now.
    ///
    /// # Errors
    /// [`NotStored::Closed`] when the batch was closed; [`NotStored::Conflict`] when an
    /// identifier or receipt was made by another in the meantime. Nothing is written then.
    pub async fn write(
        &self,
        changes: &Changes<'_>,
        message: Option<&OutboxRow>,
    ) -> Result<Option<OutboxRow>, NotStored> {
        self.write_all(changes, message).await?;
        self.hand_over(changes).await
    }

    /// Commits what was written: the account's oldest removes beyond its limit go with it.
    /// Answers how many those were.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn commit(self, changes: &Changes<'_>) -> Result<u64, NotStored> {
        let mut dropped = 0;
        if !changes.kept.is_empty() {
            dropped = self.bound_kept(changes.kept.len()).await?;
        }
        let (store, era, now) = (self.store, self.era(), self.now);
        if self.has_message.into_inner() {
            let account = self.batch.account;
            store.marks.commit(self.tx, account, now).await?;
        } else {
            self.tx.commit().await?;
        }
        store.links.learn_changes(era, changes, micros_of(now));
        Ok(dropped)
    }
}
