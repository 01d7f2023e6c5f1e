//! Housekeeping over all accounts: partitions come and go, old ledger rows go.

use chrono::NaiveDate;
use tokio_postgres::error::SqlState;
use uuid::Uuid;
use weir_postgres::Failure;

use super::{Connection, Store};
use crate::domain::Range;

const TABLES: [&str; 2] = ["activities", "backlog"];

/// DDL that waits longer than this for the writers before it lets them go on, and comes
/// again with the next round.
const GIVE_UP: &str = "SET LOCAL lock_timeout = '2s'";

const TURN: &str =
    "/* every account */ SELECT FROM housekeeping WHERE task = 'partitions' FOR UPDATE";

const PARTITIONS: &str = "
    /* every account */
    SELECT p.relname::text FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = $1::text::regclass";

const ACCOUNTS: &str = "
    /* every account */
    SELECT account_id FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2";

const FORGET_USAGE: &str = "DELETE FROM usage WHERE account_id = $1 AND window_day < $2";

const FORGET_COUNTS: &str = "DELETE FROM attached_counts WHERE account_id = $1 AND day < $2";

const ACCOUNTS_A_PAGE: i64 = 500;

/// What a round of housekeeping did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Partitions made.
    pub made: usize,
    /// Partitions dropped with all that had expired in them.
    pub dropped: usize,
}

impl Store {
    /// Makes the partitions that `range` needs and drops those that are past. Replicas that
    /// do it at once take turns, and the later ones find nothing to do.
    ///
    /// # Errors
    /// Of the database.
    pub async fn sweep_partitions(&self, range: Range) -> Result<Swept, Failure> {
        let mut connection = self.connection().await?;
        let made = make(&mut connection, range).await?;
        let dropped = drop_past(&mut connection, range).await?;
        Ok(Swept { made, dropped })
    }

    /// Forgets ledger rows of windows before `usage_before` and counts of days before
    /// `counts_before`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn forget(
        &self,
        usage_before: NaiveDate,
        counts_before: NaiveDate,
    ) -> Result<(), Failure> {
        let client = self.connection().await?.client;
        let mut last = Uuid::nil();
        loop {
            let page = client.query(ACCOUNTS, &[&last, &ACCOUNTS_A_PAGE]).await?;
            for row in &page {
                last = row.get(0);
                client
                    .execute(FORGET_USAGE, &[&last, &usage_before])
                    .await?;
                client
                    .execute(FORGET_COUNTS, &[&last, &counts_before])
                    .await?;
            }
            if page.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Made on the side and attached, which does not block writers.
async fn make(connection: &mut Connection, range: Range) -> Result<usize, Failure> {
    let months: Vec<NaiveDate> = range.months().collect();
    let transaction = connection.client.transaction().await?;
    transaction.query_one(TURN, &[]).await?;
    let mut made = 0;
    for table in TABLES {
        let existing = partitions(&transaction, table).await?;
        for month in months.iter().copied() {
            let partition = name_of(table, month);
            if existing.contains(&partition) {
                continue;
            }
            let end = month
                .checked_add_months(chrono::Months::new(1))
                .ok_or(Failure::Internal)?;
            transaction
                .batch_execute(&format!(
                    "/* every account */
                     CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
                     /* every account */
                     ALTER TABLE {table} ATTACH PARTITION {partition}
                         FOR VALUES FROM ('{month}') TO ('{end}');"
                ))
                .await?;
            made += 1;
        }
    }
    transaction.commit().await?;
    Ok(made)
}

async fn drop_past(connection: &mut Connection, range: Range) -> Result<usize, Failure> {
    let transaction = connection.client.transaction().await?;
    transaction.query_one(TURN, &[]).await?;
    transaction.batch_execute(GIVE_UP).await?;
    let mut dropped = 0;
    for table in TABLES {
        for partition in partitions(&transaction, table).await? {
            if !month_of(table, &partition).is_some_and(|month| range.is_past(month)) {
                continue;
            }
            let done = transaction
                .batch_execute(&format!(
                    "/* every account */
                     ALTER TABLE {table} DETACH PARTITION {partition};
                     /* every account */
                     DROP TABLE {partition};"
                ))
                .await;
            match done {
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                    tracing::info!(partition, "busy; dropped in a later round");
                    return Ok(0);
                }
                done => done?,
            }
            dropped += 1;
        }
    }
    transaction.commit().await?;
    Ok(dropped)
}

async fn partitions(
    transaction: &deadpool_postgres::Transaction<'_>,
    table: &str,
) -> Result<Vec<String>, Failure> {
    let rows = transaction.query(PARTITIONS, &[&table]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn name_of(table: &str, month: NaiveDate) -> String {
    format!("{table}_{}", month.format("%Y_%m"))
}

fn month_of(table: &str, partition: &str) -> Option<NaiveDate> {
    let month = partition.strip_prefix(table)?.strip_prefix('_')?;
    NaiveDate::parse_from_str(&format!("{month}_01"), "%Y_%m_%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_month() {
        let month: NaiveDate = "2026-02-01".parse().unwrap();
        assert_eq!(name_of("backlog", month), "backlog_2026_02");
        assert_eq!(month_of("backlog", "backlog_2026_02"), Some(month));
        assert_eq!(month_of("backlog", "backlog_old"), None);
        assert_eq!(month_of("backlog", "activities_2026_02"), None);
    }
}
