//! What other services are to be told, one row a batch.

use deadpool_postgres::{Client, Transaction};
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::Store;
use crate::domain::Message;

/// Sent over several accounts: it finds those with work, oldest first.
const WAITING: &str = "
    SELECT account_id, min(outbox_id::text)::uuid FROM outbox /* every account */
    GROUP BY account_id ORDER BY 2 LIMIT $1";

const CLAIM: &str = "
    SELECT outbox_id, payload FROM outbox
    WHERE account_id = $1
    ORDER BY outbox_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED";

const DELETE: &str = "
    DELETE FROM outbox o USING unnest($2::uuid[]) AS k (outbox_id)
    WHERE o.account_id = $1 AND o.outbox_id = k.outbox_id";

/// Receipts are dropped by this many a statement, so that none runs long.
const PURGE: &str = "
    DELETE FROM receipts /* every account */
    WHERE (account_id, event_key) IN (
        SELECT account_id, event_key FROM receipts WHERE receive_time < $1 LIMIT $2)";

/// Rows of one account, claimed until it is dropped.
pub struct Parcel<'c> {
    transaction: Transaction<'c>,
    account: AccountId,
    ids: Vec<Uuid>,
    payloads: Vec<String>,
}

impl<'c> Parcel<'c> {
    /// Claims up to `limit` rows, the oldest that no other replica has; none when there are none.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn claim(
        client: &'c mut Client,
        account: AccountId,
        limit: i64,
    ) -> Result<Option<Self>, Failure> {
        let transaction = client.transaction().await?;
        let claim = transaction.prepare_cached(CLAIM).await?;
        let rows = transaction.query(&claim, &[&account.0, &limit]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            transaction,
            account,
            ids: rows.iter().map(|row| row.get(0)).collect(),
            payloads: rows.iter().map(|row| row.get(1)).collect(),
        }))
    }

    /// What is to be told, oldest first. A row that can't be read is ours to mend: it is left
    /// out and logged, so that it does not hold up the rest.
    pub fn messages(&self) -> Vec<Message<'_>> {
        self.payloads
            .iter()
            .filter_map(|payload| match serde_json::from_str(payload) {
                Ok(message) => Some(message),
                Err(_) => {
                    tracing::error!("an outbox row can't be read; it is dropped");
                    None
                }
            })
            .collect()
    }

    /// All of it was told: the rows go.
    ///
    /// # Errors
    /// When PostgreSQL refuses; then it will be told again.
    pub async fn delivered(self) -> Result<(), Failure> {
        let delete = self.transaction.prepare_cached(DELETE).await?;
        let parameters = &[&self.account.0 as _, &self.ids as _];
        self.transaction.execute(&delete, parameters).await?;
        Ok(self.transaction.commit().await?)
    }
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

    /// Drops receipts from before `time`, at most `limit` of them; answers how many there were.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn purge_receipts(
        &self,
        time: chrono::DateTime<chrono::Utc>,
        limit: i64,
    ) -> Result<u64, Failure> {
        let client = self.client().await?;
        let purge = client.prepare_cached(PURGE).await?;
        Ok(client.execute(&purge, &[&time, &limit]).await?)
    }
}
