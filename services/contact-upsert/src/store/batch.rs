//! The transaction of one batch.
//!
//! Locks are taken in one order: the account's row (shared), contacts by id, then identifiers
//! by key as they are written. Identifiers are read without a lock: whoever changes one holds
//! its contact, and the fold sees it when that happened in between.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use deadpool_postgres::{Client, Transaction};
use futures_util::future::{BoxFuture, join_all};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;

use super::{micros_of, time_of};
use crate::domain::{Batch, Changes, Facts, Key, Stamp, StoredContact, StoredLink};

mod sql;

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
        let whose: [&(dyn ToSql + Sync); 1] = [account];
        let sought: [&(dyn ToSql + Sync); 3] = [account, &kinds, &values];
        let (plan, epoch, links, receipts) = tokio::join!(
            biased;
            self.transaction.batch_execute(PLAN_BY_KEY),
            self.transaction.query_opt(&epoch, &whose),
            self.transaction.query(&by_key, &sought),
            async {
                if receipts.is_empty() {
                    return Ok(Vec::new());
                }
                let sought: [&(dyn ToSql + Sync); 2] = [account, &receipts];
                self.transaction.query(&by_event, &sought).await
            }
        );
        plan?;
        let epoch: i64 = epoch?.ok_or(NotStored::NewAccount)?.get(0);
        if epoch > self.batch.epoch {
            return Err(NotStored::Closed);
        }
        let (links, receipts) = (links?, receipts?);
        let contacts: BTreeSet<Uuid> = links.iter().map(|row| row.get(2)).collect();
        let contacts = self.lock_contacts(contacts.into_iter().collect()).await?;
        Ok(Loaded {
            links,
            contacts,
            receipts,
        })
    }

    async fn lock_contacts(&self, ids: Vec<Uuid>) -> Result<Vec<Row>, NotStored> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.transaction.prepare_cached(sql::LOCK_CONTACTS).await?;
        let account = &self.batch.account.0;
        Ok(self.transaction.query(&lock, &[account, &ids]).await?)
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

    async fn write(&self, changes: &Changes<'_>, message: Option<&str>) -> Result<(), NotStored> {
        let mut writes: Vec<BoxFuture<'_, Result<(), NotStored>>> = Vec::new();
        if changes.units > 0 {
            writes.push(Box::pin(self.insert_usage(changes.units)));
        }
        if !changes.contacts_new.is_empty() {
            writes.push(Box::pin(self.insert_contacts(changes)));
        }
        if !changes.contacts_changed.is_empty() {
            writes.push(Box::pin(self.update_contacts(changes)));
        }
        if !changes.contacts_moved.is_empty() {
            writes.push(Box::pin(self.move_registers(changes)));
        }
        if !changes.links_gone.is_empty() {
            writes.push(Box::pin(self.delete_links(changes)));
        }
        if !changes.links_moved.is_empty() {
            writes.push(Box::pin(self.move_links(changes)));
        }
        if !changes.links_new.is_empty() {
            writes.push(Box::pin(self.insert_links(changes)));
        }
        if !changes.receipts.is_empty() {
            writes.push(Box::pin(self.insert_receipts(changes)));
        }
        if !changes.joins.is_empty() {
            writes.push(Box::pin(self.insert_joins(changes)));
        }
        if let Some(message) = message {
            writes.push(Box::pin(self.insert_message(message)));
        }
        let failures = join_all(writes).await.into_iter().filter_map(Result::err);
        let cause = failures.reduce(|first, next| match first {
            NotStored::Aftermath => next,
            cause => cause,
        });
        cause.map_or(Ok(()), Err)
    }

    async fn insert_usage(&self, units: i32) -> Result<(), NotStored> {
        let batch = self.batch;
        let insert = self.transaction.prepare_cached(sql::INSERT_USAGE).await?;
        let parameters = &[
            &batch.account.0 as _,
            &batch.window as _,
            &batch.id.0 as _,
            &units as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await;
        match inserted {
            // Closed, or stored already by a call that nobody waited for.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(NotStored::Closed)
            }
            other => self.expect(other?, 1),
        }
    }

    async fn insert_contacts(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.contacts_new;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
        let users: Vec<bool> = rows.iter().map(|row| row.has_user_id).collect();
        let fields: Vec<&str> = rows.iter().map(|row| row.fields.as_str()).collect();
        let registers: Vec<&str> = rows.iter().map(|row| row.registers.as_str()).collect();
        let redirects: Vec<Option<Uuid>> = rows
            .iter()
            .map(|row| row.redirect_to.map(|id| id.0))
            .collect();
        let insert = self
            .transaction
            .prepare_cached(sql::INSERT_CONTACTS)
            .await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &users as _,
            &fields as _,
            &registers as _,
            &redirects as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, ids.len())
    }

    async fn update_contacts(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.contacts_changed;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
        let users: Vec<bool> = rows.iter().map(|row| row.has_user_id).collect();
        let fields: Vec<&str> = rows.iter().map(|row| row.fields.as_str()).collect();
        let registers: Vec<&str> = rows.iter().map(|row| row.registers.as_str()).collect();
        let redirects: Vec<Option<Uuid>> = rows
            .iter()
            .map(|row| row.redirect_to.map(|id| id.0))
            .collect();
        let update = self
            .transaction
            .prepare_cached(sql::UPDATE_CONTACTS)
            .await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &users as _,
            &fields as _,
            &registers as _,
            &redirects as _,
            &self.now as _,
        ];
        let updated = self.transaction.execute(&update, parameters).await?;
        self.expect(updated, ids.len())
    }

    async fn move_registers(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.contacts_moved;
        let ids: Vec<Uuid> = rows.iter().map(|(id, _)| id.0).collect();
        let registers: Vec<&str> = rows.iter().map(|(_, json)| json.as_str()).collect();
        let update = self.transaction.prepare_cached(sql::MOVE_REGISTERS).await?;
        let parameters = &[&self.batch.account.0 as _, &ids as _, &registers as _];
        let updated = self.transaction.execute(&update, parameters).await?;
        self.expect(updated, ids.len())
    }

    async fn delete_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let kinds: Vec<&str> = changes.links_gone.iter().map(|key| key.kind).collect();
        let values: Vec<&str> = changes.links_gone.iter().map(|key| &*key.value).collect();
        let delete = self.transaction.prepare_cached(sql::DELETE_LINKS).await?;
        let parameters = &[&self.batch.account.0 as _, &kinds as _, &values as _];
        self.transaction.execute(&delete, parameters).await?;
        Ok(())
    }

    async fn move_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_moved;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let times: Vec<DateTime<Utc>> = rows
            .iter()
            .map(|row| row.linked_micros.map_or(self.now, time_of))
            .collect();
        let update = self.transaction.prepare_cached(sql::MOVE_LINKS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &times as _,
        ];
        self.transaction.execute(&update, parameters).await?;
        Ok(())
    }

    async fn insert_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_new;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        let insert = self.transaction.prepare_cached(sql::INSERT_LINKS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &times as _,
            &messages as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, kinds.len())
    }

    async fn insert_receipts(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let keys: Vec<Uuid> = changes.receipts.iter().map(|(key, _)| *key).collect();
        let contacts: Vec<Uuid> = changes.receipts.iter().map(|(_, id)| id.0).collect();
        let insert = self
            .transaction
            .prepare_cached(sql::INSERT_RECEIPTS)
            .await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &keys as _,
            &contacts as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, keys.len())
    }

    async fn insert_joins(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let joined: Vec<Uuid> = changes.joins.iter().map(|join| join.joined.0).collect();
        let survivors: Vec<Uuid> = changes.joins.iter().map(|join| join.survivor.0).collect();
        let identifiers: Vec<String> = changes
            .joins
            .iter()
            .map(|join| {
                let keys: Vec<(&str, &str)> = join
                    .identifiers
                    .iter()
                    .map(|key| (key.kind, &*key.value))
                    .collect();
                serde_json::to_string(&keys).expect("pairs of texts are always JSON")
            })
            .collect();
        let insert = self.transaction.prepare_cached(sql::INSERT_JOINS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &joined as _,
            &survivors as _,
            &identifiers as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, joined.len())
    }

    async fn insert_message(&self, message: &str) -> Result<(), NotStored> {
        let insert = self.transaction.prepare_cached(sql::INSERT_MESSAGE).await?;
        let id = Uuid::now_v7();
        let parameters = &[&self.batch.account.0 as _, &id as _, &message as _];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, 1)
    }

    /// Rows that are locked, or inserted through an anchor that is, can't be fewer.
    fn expect(&self, rows: u64, expected: usize) -> Result<(), NotStored> {
        if rows == expected as u64 {
            return Ok(());
        }
        tracing::error!(
            rows,
            expected,
            "a write touched another number of rows than it had to"
        );
        Err(NotStored::Failed(Failure::Internal))
    }
}
