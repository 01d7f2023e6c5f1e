//! What other services are to be told, one row a batch.

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Client, Failure, Tx, work};

use super::Store;
use super::marks::OUTBOX;
use crate::domain::Message;

const OLDEST: &str = "
    SELECT outbox_id FROM outbox WHERE account_id = $1 ORDER BY outbox_id LIMIT 1";

const CLAIM: &str = "
    SELECT outbox_id, payload FROM outbox
    WHERE account_id = $1 AND outbox_id < $2
    ORDER BY outbox_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED";

/// One row by its whole key. Some at a time might be planned as a walk over all of the
/// account's rows, which are many just when somebody was away.
const DELETE: &str = "DELETE FROM outbox WHERE account_id = $1 AND outbox_id = $2";

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
            id: weir_ids::fresh(),
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
    tx: Tx<'c>,
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
        let tx = Tx::begin(client, account);
        let claim = tx.prepare_cached(CLAIM).await?;
        let parameters = &[&account.0 as _, &first_id_of(before) as _, &limit as _];
        let rows = tx.query(&claim, parameters).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let rows = rows.iter().map(|row| OutboxRow {
            account,
            id: row.get("outbox_id"),
            payload: row.get("payload"),
        });
        Ok(Some(Self {
            rows: rows.collect(),
            tx,
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
        let delete = self.tx.prepare_cached(DELETE).await?;
        let deletes = self.rows.iter().map(|row| {
            let key: [&(dyn ToSql + Sync); 2] = [&row.account.0, &row.id];
            let (tx, delete) = (&self.tx, &delete);
            async move { tx.execute(delete, &key).await }
        });
        try_join_all(deletes).await?;
        Ok(self.tx.commit().await?)
    }
}

/// No id that is made later is smaller.
pub fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

impl Store {
    /// Up to `limit` accounts behind `after` that may have something to tell, in order, and until
    /// when they are marked so.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn marked(
        &self,
        after: AccountId,
        limit: i64,
    ) -> Result<Vec<(AccountId, DateTime<Utc>)>, Failure> {
        let client = self.client().await?;
        work::after(&client, OUTBOX, after, limit).await
    }

    /// The account's oldest row, which has its time in it. Where there is none, and its mark was
    /// over by `now`, that goes.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn oldest_message(
        &self,
        account: AccountId,
        marked_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let mut is_over = marked_until < now;
        if is_over {
            let until = work::hold(&tx, account, OUTBOX).await?;
            is_over = until.is_some_and(|until| until < now);
        }
        let oldest = tx.prepare_cached(OLDEST).await?;
        let row = tx.query_opt(&oldest, &[&account.0]).await?;
        if row.is_none() && is_over {
            work::strike(&tx, account, OUTBOX).await?;
            tx.commit().await?;
        }
        Ok(row.map(|row| row.get("outbox_id")))
    }

    /// Rows of one account were told: they go.
    ///
    /// # Errors
    /// When PostgreSQL refuses; then they will be told again.
    pub async fn delivered(&self, rows: &[OutboxRow]) -> Result<(), Failure> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, first.account);
        let delete = tx.prepare_cached(DELETE).await?;
        let deletes = rows.iter().map(|row| {
            let key: [&(dyn ToSql + Sync); 2] = [&row.account.0, &row.id];
            let (tx, delete) = (&tx, &delete);
            async move { tx.execute(delete, &key).await }
        });
        try_join_all(deletes).await?;
        Ok(tx.commit().await?)
    }
}
