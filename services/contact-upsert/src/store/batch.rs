//! The transaction of one batch.
//!
//! Locks are taken in one order: the account's row (shared), contacts by id, then identifiers
//! by key as they are written. Identifiers are read without a lock: whoever changes one holds
//! its contact, and the fold sees it when that happened in between.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;

use super::micros_of;
use crate::domain::{Batch, Changes, Facts, Key, Stamp, StoredContact, StoredLink};

mod sql;
mod write;

/// Plans are made while tables are small and kept while they grow: without this, a plan that
/// reads a whole table could be among them. Every statement of a batch finds rows by key.
const PLAN_BY_KEY: &str = "SET LOCAL enable_seqscan = off; \
                           SET LOCAL enable_hashjoin = off; \
                           SET LOCAL enable_mergejoin = off";

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// Its epoch is past, or it was closed: nothing of it may be stored any more.
    #[error("the batch may no longer be stored")]
    Closed,
    /// Another transaction was faster: the same again.
    #[error("another transaction was faster")]
    Conflict,
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
            other => Self::Failed(other),
        }
    }
}

impl From<tokio_postgres::Error> for NotStored {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            // Someone made the same identifier or receipt in the meantime.
            Some(&SqlState::UNIQUE_VIOLATION) => Self::Conflict,
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Self::Aftermath,
            _ => Failure::from(error).into(),
        }
    }
}

/// Rows of a batch; the domain's view borrows from them.
pub struct Loaded {
    links: Vec<Row>,
    contacts: Vec<Row>,
    receipts: Vec<Row>,
}

impl Loaded {
    /// Contacts as the fold takes them.
    pub fn contacts(&self) -> Vec<StoredContact<'_>> {
        let contact = |row| StoredContact::from(row);
        self.contacts.iter().map(contact).collect()
    }

    /// Identifiers as the fold takes them.
    pub fn links(&self) -> Vec<StoredLink<'_>> {
        self.links.iter().map(StoredLink::from).collect()
    }

    /// Receipts as the fold takes them.
    pub fn receipts(&self) -> Vec<(Uuid, ContactId)> {
        let receipts = self.receipts.iter();
        receipts
            .map(|row| (row.get(0), ContactId(row.get(1))))
            .collect()
    }
}

impl<'a> From<&'a Row> for StoredContact<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            id: ContactId(row.get(0)),
            has_user_id: row.get(1),
            fields: row.get(2),
            registers: row.get(3),
            redirected: row.get(4),
        }
    }
}

impl<'a> From<&'a Row> for StoredLink<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            key: Key {
                kind: row.get(0),
                value: row.get::<_, &str>(1).into(),
            },
            contact: ContactId(row.get(2)),
            version: row.get(3),
            linked_micros: micros_of(row.get(4)),
            stamp: Stamp::new(micros_of(row.get(5)), row.get(6)),
        }
    }
}

/// One batch under way. Dropped without `commit`, nothing of it was.
pub struct BatchTransaction<'c> {
    transaction: Transaction<'c>,
    batch: &'c Batch,
    now: DateTime<Utc>,
}

impl<'c> BatchTransaction<'c> {
    /// Begins.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn begin(
        client: &'c mut Client,
        batch: &'c Batch,
        now: DateTime<Utc>,
    ) -> Result<Self, NotStored> {
        Ok(Self {
            transaction: client.transaction().await?,
            batch,
            now,
        })
    }

    /// Loads what the events may touch, and locks the contacts among it.
    ///
    /// # Errors
    /// When the batch's epoch is past, the account has no anchor, or PostgreSQL refuses.
    pub async fn load(&self, facts: &[Facts<'_>], all_receipts: bool) -> Result<Loaded, NotStored> {
        // Sorted and unique: neighbours in the index are looked up one after another.
        let keys: BTreeSet<&Key<'_>> = facts.iter().flat_map(Facts::keys).collect();
        let kinds: Vec<&str> = keys.iter().map(|key| key.kind).collect();
        let values: Vec<&str> = keys.iter().map(|key| key.value.as_ref()).collect();
        let receipts: BTreeSet<Uuid> = facts
            .iter()
            .filter(|facts| all_receipts || facts.needs_receipt(&self.batch.settings))
            .map(|facts| facts.event.key)
            .collect();
        let receipts: Vec<Uuid> = receipts.into_iter().collect();

        let account = &self.batch.account.0;
        let epoch = self.transaction.prepare_cached(sql::EPOCH).await?;
        let by_key = self.transaction.prepare_cached(sql::LINKS).await?;
        let by_event = self.transaction.prepare_cached(sql::RECEIPTS).await?;
        let lock = self.transaction.prepare_cached(sql::LOCK_CONTACTS).await?;
        let whose: [&(dyn ToSql + Sync); 1] = [account];
        let sought: [&(dyn ToSql + Sync); 3] = [account, &kinds, &values];
        let (plan, epoch, links) = tokio::join!(
            biased;
            self.transaction.batch_execute(PLAN_BY_KEY),
            self.transaction.query_opt(&epoch, &whose),
            self.transaction.query(&by_key, &sought),
        );
        plan?;
        let epoch: i64 = epoch?.ok_or(NotStored::NewAccount)?.get(0);
        if epoch > self.batch.epoch {
            return Err(NotStored::Closed);
        }
        let links = links?;
        let contacts: BTreeSet<Uuid> = links.iter().map(|row| row.get(2)).collect();
        let contacts: Vec<Uuid> = contacts.into_iter().collect();
        // Receipts are read behind the locks: whoever stores the same event at the same time
        // holds its contact, so its receipt is seen here instead of colliding at the end.
        let (contacts, receipts) = tokio::join!(
            biased;
            async {
                if contacts.is_empty() {
                    return Ok(Vec::new());
                }
                let sought: [&(dyn ToSql + Sync); 2] = [account, &contacts];
                self.transaction.query(&lock, &sought).await
            },
            async {
                if receipts.is_empty() {
                    return Ok(Vec::new());
                }
                let sought: [&(dyn ToSql + Sync); 2] = [account, &receipts];
                self.transaction.query(&by_event, &sought).await
            }
        );
        let (contacts, receipts) = (contacts?, receipts?);
        Ok(Loaded {
            links,
            contacts,
            receipts,
        })
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

    /// Writes what changed and commits. `message` is for the relay.
    ///
    /// # Errors
    /// [`NotStored::Closed`] when the batch was closed; [`NotStored::Conflict`] when an
    /// identifier or receipt was made by another in the meantime. Nothing is written then.
    pub async fn commit(
        self,
        changes: &Changes<'_>,
        message: Option<String>,
    ) -> Result<(), NotStored> {
        self.write(changes, message.as_deref()).await?;
        Ok(self.transaction.commit().await?)
    }
}
