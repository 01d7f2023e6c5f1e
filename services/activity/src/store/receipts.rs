//! Receipts of tracks that brought no timestamp (semantics 4.5, 5.4).

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::TimedKey;

use super::{NotDone, Tx};
use crate::domain::{Event, ReceiptKey};

pub(super) const RECEIVED: &str = "
    SELECT u.receipt_key
    FROM unnest($2::uuid[]) u (receipt_key)
    CROSS JOIN LATERAL (
        SELECT FROM undated_receipts r
        WHERE r.account_id = $1 AND r.receipt_key = u.receipt_key LIMIT 1
    ) r";

pub(super) const RECEIVE: &str = "
    INSERT INTO undated_receipts (account_id, receipt_key, forget_day)
    SELECT a.account_id, u.receipt_key, $3
    FROM accounts a CROSS JOIN unnest($2::uuid[]) u (receipt_key)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, receipt_key) DO NOTHING
    RETURNING receipt_key";

/// As all receipts (semantics 1.4): for 30 days after the day of the first.
const KEPT: Days = Days::new(31);

impl Tx<'_> {
    /// Which of `events` were stored before without a timestamp.
    ///
    /// # Errors
    /// Of the database.
    pub async fn received(&self, events: &[&Event]) -> Result<HashSet<ReceiptKey>, NotDone> {
        let keys: Vec<Uuid> = receipts(events.iter().copied()).collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = self.query(RECEIVED, &[&self.account_id.0, &keys]).await?;
        Ok(rows.iter().map(receipt_of).collect())
    }

    /// Leaves receipts of those of `events` that have no timestamp of their own; answers those
    /// that were not there. Waits for others that leave the same.
    ///
    /// # Errors
    /// Of the database.
    pub async fn receive(
        &self,
        events: impl Iterator<Item = &Event>,
        today: NaiveDate,
    ) -> Result<HashSet<ReceiptKey>, NotDone> {
        let mut keys: Vec<Uuid> = receipts(events).collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        keys.sort_unstable();
        let forget_day = today.checked_add_days(KEPT).unwrap_or(NaiveDate::MAX);
        let rows = self
            .query(RECEIVE, &[&self.account_id.0, &keys, &forget_day])
            .await?;
        Ok(rows.iter().map(receipt_of).collect())
    }
}

fn receipt_of(row: &Row) -> ReceiptKey {
    ReceiptKey(TimedKey(row.get("receipt_key")))
}

fn receipts<'a>(events: impl Iterator<Item = &'a Event>) -> impl Iterator<Item = Uuid> {
    events.filter_map(|event| event.receipt.map(|ReceiptKey(key)| key.0))
}
