//! What other services are to be told, one row a batch.

use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Client, Failure};

use super::Store;
use crate::domain::Message;

/// Sent over several accounts: it finds those with work, oldest first.
const WAITING: &str = "
    SELECT account_id, min(outbox_id::text)::uuid FROM outbox /* every account */
    GROUP BY account_id ORDER BY 2 LIMIT $1";

const CLAIM: &str = "
    SELECT outbox_id, payload FROM outbox
    WHERE account_id = $1 AND outbox_id < $2
    ORDER BY outbox_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED";

const DELETE: &str = "
    DELETE FROM outbox o USING unnest($2::uuid[]) AS k (outbox_id)
    WHERE o.account_id = $1 AND o.outbox_id = k.outbox_id";

/// Receipts are dropped by this many a statement, so that none runs long.
const PURGE: &str = "
    DELETE FROM receipts /* every account */
    WHERE (account_id, event_key) IN (
        SELECT account_id, event_key FROM receipts WHERE receive_time < $1 LIMIT $2)";

/// What one batch left to be told.
#[derive(Debug)]
pub struct OutboxRow {
    account: AccountId,
    /// It has its time in it.
    id: Uuid,
    payload: String,
}

impl OutboxRow {
    /// A row of its own for a message.
    pub fn new(account: AccountId, message: &Message<'_>) -> Self {
        Self {
            account,
            id: Uuid::now_v7(),
            payload: message.to_json(),
        }
    }

    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.account.0, &self.id, &self.payload]
    }

    /// Whose.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// What is to be told. A row that can't be read is ours to mend: it is logged and left
    /// out, so that it does not hold up the rest.
    pub fn message(&self) -> Option<Message<'_>> {
        let message = serde_json::from_str(&self.payload);
        if message.is_err() {
            tracing::error!("an outbox row can't be read; it is dropped");
        }
        message.ok()
    }
}

/// Rows of one account, claimed until it is dropped.
pub struct Parcel<'c> {
    transaction: Transaction<'c>,
    rows: Vec<OutboxRow>,
}

impl<'c> Parcel<'c> {
    /// Claims up to `limit` rows from before a time, the oldest that no other replica has;
    /// none when there are none.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn claim(
        client: &'c mut Client,
        account: AccountId,
        before: DateTime<Utc>,
        limit: i64,
    ) -> Result<Option<Self>, Failure> {
        let transaction = client.transaction().await?;
        let claim = transaction.prepare_cached(CLAIM).await?;
        let parameters = &[&account.0 as _, &first_id_of(before) as _, &limit as _];
        let rows = transaction.query(&claim, parameters).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let rows = rows.iter().map(|row| OutboxRow {
            account,
            id: row.get(0),
            payload: row.get(1),
        });
        Ok(Some(Self {
            rows: rows.collect(),
            transaction,
        }))
    }

    /// What was claimed, oldest first.
    pub fn rows(&self) -> &[OutboxRow] {
        &self.rows
    }

    /// All of it was told: the rows go.
    ///
    /// # Errors
    /// When PostgreSQL refuses; then it will be told again.
    pub async fn delivered(self) -> Result<(), Failure> {
        let delete = self.transaction.prepare_cached(DELETE).await?;
        let (account, ids) = keys(&self.rows);
        let parameters = &[&account as _, &ids as _];
        self.transaction.execute(&delete, parameters).await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Of rows of one account.
fn keys(rows: &[OutboxRow]) -> (Option<Uuid>, Vec<Uuid>) {
    let account = rows.first().map(|row| row.account.0);
    (account, rows.iter().map(|row| row.id).collect())
}

/// No id that is made later is smaller.
fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

impl Store {
    /// Accounts with something to tell, and their oldest row, which has its time in it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn accounts_with_messages(
        &self,
        limit: i64,
    ) -> Result<Vec<(AccountId, Uuid)>, Failure> {
        let client = self.client().await?;
        let waiting = client.prepare_cached(WAITING).await?;
        let rows = client.query(&waiting, &[&limit]).await?;
        let pairs = rows.iter();
        Ok(pairs
            .map(|row| (AccountId(row.get(0)), row.get(1)))
            .collect())
    }

    /// Rows of one account were told: they go.
    ///
    /// # Errors
    /// When PostgreSQL refuses; then they will be told again.
    pub async fn delivered(&self, rows: &[OutboxRow]) -> Result<(), Failure> {
        let client = self.client().await?;
        let delete = client.prepare_cached(DELETE).await?;
        let (account, ids) = keys(rows);
        client.execute(&delete, &[&account, &ids]).await?;
        Ok(())
    }

    /// Drops receipts from before `time`, at most `limit` of them; answers how many there were.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn purge_receipts(&self, time: DateTime<Utc>, limit: i64) -> Result<u64, Failure> {
        let client = self.client().await?;
        let purge = client.prepare_cached(PURGE).await?;
        Ok(client.execute(&purge, &[&time, &limit]).await?)
    }
}
