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
//! in one order of tables and keys: so no two batches wait for each other.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::{Client, Failure, JsonText, Transaction};

use super::{OutboxRow, micros_of};
use crate::domain::{
    Batch, Care, Changes, Facts, Key, KeyId, NOBODY, Receipt, Snapshot, Stamp, StoredContact,
    StoredLink, Unreadable, Unusable,
};

mod kept;
mod sql;
mod write;

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// It was closed, or stored before: nothing of it may be stored any more.
    #[error("the batch may no longer be stored")]
    Closed,
    /// Its epoch is past; this one stands.
    #[error("the batch's epoch is past")]
    EpochPast(i64),
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

/// Rows of some keys and of the contacts that they lead to; the domain's view borrows from them.
pub struct Rows {
    /// Which identifiers are compared without case is written down otherwise than the batch
    /// has it.
    caseless_differ: bool,
    /// Links that need not be read.
    kept: Vec<(KeyId, StoredLink<'static>)>,
    sought: Vec<KeyId>,
    links: Vec<Row>,
    contacts: Vec<Row>,
}

impl Rows {
    /// Contacts as the fold takes them.
    pub fn contacts(&self) -> Vec<StoredContact<'_>> {
        let contact = |row| StoredContact::from(row);
        self.contacts.iter().map(contact).collect()
    }

    /// Identifiers as the fold takes them.
    pub fn links(&self) -> Vec<(KeyId, StoredLink<'_>)> {
        self.kept.iter().cloned().chain(self.read_links()).collect()
    }

    /// Whether it is to be written down which identifiers are compared without case.
    pub fn caseless_differ(&self) -> bool {
        self.caseless_differ
    }

    /// Those that were not read.
    pub fn kept(&self) -> impl Iterator<Item = KeyId> {
        self.kept.iter().map(|(id, _)| *id)
    }

    /// Those that were read.
    pub fn read_links(&self) -> impl Iterator<Item = (KeyId, StoredLink<'_>)> {
        let key = |row: &Row| {
            let ordinal: i64 = row.get(0);
            // PostgreSQL counts from one.
            let index = usize::try_from(ordinal - 1).expect("it is one of those that were sent");
            self.sought[index]
        };
        let links = self.links.iter();
        links.map(move |row| (key(row), stored_link(row, 1)))
    }
}

impl<'a> From<&'a Row> for StoredContact<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            id: ContactId(row.get(0)),
            has_user_id: row.get(1),
            fields: row.get::<_, JsonText<'_>>(2).0,
            registers: row.get::<_, JsonText<'_>>(3).0,
            redirected: row.get(4),
        }
    }
}

/// The link in the columns from `first` on.
fn stored_link(row: &Row, first: usize) -> StoredLink<'_> {
    StoredLink {
        contact: ContactId(row.get(first)),
        version: row.get(first + 1),
        linked_micros: micros_of(row.get(first + 2)),
        stamp: Stamp::new(micros_of(row.get(first + 3)), row.get(first + 4)),
    }
}

/// A row of [`BatchTransaction::held_links`].
pub fn held_link(row: &Row) -> (Key<'_>, StoredLink<'_>) {
    let key = Key {
        kind: row.get(0),
        value: row.get::<_, &str>(1).into(),
    };
    (key, stored_link(row, 2))
}

/// One batch under way. Dropped without `commit`, nothing of it was.
pub struct BatchTransaction<'c> {
    transaction: Transaction<'c>,
    batch: &'c Batch,
    care: Care,
    now: DateTime<Utc>,
}

impl<'c> BatchTransaction<'c> {
    /// Begins.
    pub fn begin(client: &'c mut Client, batch: &'c Batch, care: Care, now: DateTime<Utc>) -> Self {
        Self {
            transaction: Transaction::begin(client),
            batch,
            care,
            now,
        }
    }

    /// Finds these keys and locks their contacts, and those of `kept` links, in order; and
    /// finds the receipts of these events.
    ///
    /// # Errors
    /// When the batch's epoch or version is past, the account has no anchor, or PostgreSQL
    /// refuses.
    pub async fn begin_load(
        &self,
        facts: &Facts<'_>,
        kept: Vec<(KeyId, StoredLink<'static>)>,
        sought: Vec<KeyId>,
        events: &[Uuid],
    ) -> Result<(Rows, Vec<Receipt>), NotStored> {
        let account = &self.batch.account.0;
        let whose: [&(dyn ToSql + Sync); 1] = [account];
        let of_account = self.transaction.prepare_cached(sql::ACCOUNT).await?;
        // What is prepared is sent at once, in this order.
        self.transaction.prepare_cached(sql::LOCK_CONTACTS).await?;
        self.transaction.prepare_cached(sql::RECEIPTS).await?;
        let (of_account, links) = tokio::join!(
            biased;
            self.transaction.query_opt(&of_account, &whose),
            self.links(facts, &sought),
        );
        // Of two errors the first is the cause.
        let of_account = of_account?.ok_or(NotStored::NewAccount)?;
        let links = links?;
        self.check_account(of_account.get(0), of_account.get(1))?;
        // Receipts are read behind the locks: whoever stores the same event at the same time
        // holds its contact, so its receipt is seen here instead of colliding at the end.
        let (contacts, receipts) = tokio::join!(
            biased;
            self.lock_contacts(&kept, &links, sql::LOCK_CONTACTS, |_| false),
            self.receipts(events),
        );
        let (contacts, receipts) = (contacts?, receipts?);
        if self.care == Care::Heal {
            self.are_still(&links, self.links(facts, &sought).await?)?;
        }
        let stand: Vec<&str> = of_account.get(2);
        let rows = Rows {
            caseless_differ: !self.batch.settings.told_caseless().eq(stand),
            kept,
            sought,
            links,
            contacts,
        };
        Ok((rows, receipts))
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

    /// Whether links that were read before their contacts were locked are the same behind the
    /// locks. Only then one that its contact does not bear out is really out of step.
    fn are_still(&self, before: &[Row], behind: Vec<Row>) -> Result<(), NotStored> {
        let link = |row: &Row| -> (i64, Uuid, i64) { (row.get(0), row.get(1), row.get(2)) };
        let mut before: Vec<_> = before.iter().map(link).collect();
        let mut behind: Vec<_> = behind.iter().map(link).collect();
        before.sort_unstable();
        behind.sort_unstable();
        if before == behind {
            Ok(())
        } else {
            Err(NotStored::Conflict)
        }
    }

    /// The receipts of these events.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn receipts(&self, events: &[Uuid]) -> Result<Vec<Receipt>, NotStored> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let by_event = self.transaction.prepare_cached(sql::RECEIPTS).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &events];
        let receipts = self.transaction.query(&by_event, &sought).await?;
        let receipts = receipts.iter().map(|row| Receipt {
            key: row.get(0),
            contact: row.get::<_, Option<Uuid>>(1).map(ContactId),
            is_stored: row.get(2),
            first_micros: row.get::<_, Option<_>>(3).map(micros_of),
        });
        Ok(receipts.collect())
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
            .lock_contacts(&[], &links, lock, |contact| known.knows(contact))
            .await?;
        Ok(Rows {
            caseless_differ: false,
            kept: Vec::new(),
            sought,
            links,
            contacts,
        })
    }

    async fn links(
        &self,
        facts: &Facts<'_>,
        sought: &[KeyId],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if sought.is_empty() {
            return Ok(Vec::new());
        }
        let (kinds, values): (Vec<&str>, Vec<&str>) = sought
            .iter()
            .map(|id| facts.key(*id))
            .map(|key| (key.kind, &*key.value))
            .unzip();
        let by_key = self.transaction.prepare_cached(sql::LINKS).await?;
        let sought: [&(dyn ToSql + Sync); 3] = [&self.batch.account.0, &kinds, &values];
        self.transaction.query(&by_key, &sought).await
    }

    async fn lock_contacts(
        &self,
        kept: &[(KeyId, StoredLink<'_>)],
        links: &[Row],
        sql: &str,
        known: impl Fn(ContactId) -> bool,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let kept = kept.iter().map(|(_, link)| link.contact.0);
        let contacts = kept.chain(links.iter().map(|row| row.get(1)));
        let contacts = contacts.filter(|id| *id != NOBODY.0 && !known(ContactId(*id)));
        let mut contacts: Vec<Uuid> = contacts.collect();
        contacts.sort_unstable();
        contacts.dedup();
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.transaction.prepare_cached(sql).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &contacts];
        self.transaction.query(&lock, &sought).await
    }

    /// Every identifier of these contacts, which are locked.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn held_links(&self, contacts: &[ContactId]) -> Result<Vec<Row>, NotStored> {
        let ids: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
        let held = self.transaction.prepare_cached(sql::HELD_LINKS).await?;
        let account = &self.batch.account.0;
        Ok(self.transaction.query(&held, &[account, &ids]).await?)
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

    /// Commits what was written.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn commit(self) -> Result<(), NotStored> {
        Ok(self.transaction.commit().await?)
    }
}
