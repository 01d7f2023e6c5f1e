//! Partitions come and go, and the database's clock, which has a say in it.
//!
//! One statement a call: a distributed engine takes no two at once.

use chrono::{DateTime, Months, NaiveDate, Utc};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use weir_postgres::{as_owner, lock};

use super::{Connection, NotDone, Store};
use crate::domain::{Range, may_drop_before};

const TABLES: [&str; 2] = ["activities", "backlog"];

/// DDL that waits longer than this for the writers before it lets them go on, and comes
/// again with the next round.
const GIVE_UP: &str = "SET LOCAL lock_timeout = '500ms'";

const CLOCK: &str = "/* every account */ SELECT clock_timestamp() AS now";

const TURN: &str =
    "/* every account */ SELECT day FROM housekeeping WHERE task = 'partitions' FOR UPDATE";

const SEEN: &str = "/* every account */
    UPDATE housekeeping SET day = GREATEST(day, $1) WHERE task = 'partitions'";

// The statistics' guess at the rows is near enough for a log.
const PARTITIONS: &str = "
    /* every account */
    SELECT p.relname::text AS name, GREATEST(p.reltuples, 0)::bigint AS about_rows
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = $1::text::regclass ORDER BY p.relname";

/// A partition of which everything has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    table: &'static str,
    /// Its name.
    pub partition: String,
    about_rows: i64,
}

impl Past {
    /// Whether it says when somebody did something.
    pub fn has_activities(&self) -> bool {
        self.table == "activities"
    }
}

impl Store {
    /// What time it is in the database.
    ///
    /// # Errors
    /// Of the database.
    pub async fn clock(&self) -> Result<DateTime<Utc>, NotDone> {
        let client = self.connection().await?.client;
        Ok(client
            .unscoped()
            .query_one(CLOCK, &[])
            .await?
            .try_get("now")?)
    }

    /// Makes the partitions that `range` needs. Replicas that do it at once take turns, and
    /// the later ones find nothing to do. Writers are not blocked: each is made on the side
    /// and attached.
    ///
    /// # Errors
    /// Of the database.
    pub async fn make_partitions(&self, range: Range) -> Result<usize, NotDone> {
        let mut connection = self.connection().await?;
        let tx = connection.client.unscoped_mut().transaction().await?;
        tx.query_one(TURN, &[]).await?;
        as_owner(&tx).await?;
        let mut made = 0;
        for table in TABLES {
            let existing = partitions(&tx, table).await?;
            for month in range.months() {
                let partition = partition_of(table, month);
                if existing.iter().any(|(name, _)| *name == partition) {
                    continue;
                }
                make(&tx, table, &partition, month).await?;
                made += 1;
            }
        }
        tx.commit().await?;
        Ok(made)
    }

    /// The partitions that are past by `range`, oldest first, in turns with other replicas; no
    /// more than a month beyond what was dropped before.
    ///
    /// # Errors
    /// Of the database.
    pub async fn past_partitions(&self, range: Range) -> Result<Vec<Past>, NotDone> {
        let mut connection = self.connection().await?;
        let before = next_horizon(&mut connection, range).await?;
        let mut found = Vec::new();
        for table in TABLES {
            let partitions = past(&connection, table, before).await?.into_iter();
            found.extend(partitions.map(|(partition, about_rows)| Past {
                table,
                partition,
                about_rows,
            }));
        }
        Ok(found)
    }

    /// Drops one; whether it was dropped, or another time.
    ///
    /// # Errors
    /// Of the database.
    pub async fn drop_partition(&self, past: &Past) -> Result<bool, NotDone> {
        let Past {
            table,
            partition,
            about_rows,
        } = past;
        let mut connection = self.connection().await?;
        let is_dropped = drop_one(&mut connection, table, partition).await?;
        if is_dropped {
            tracing::warn!(partition, about_rows, "dropped what has expired");
        } else {
            tracing::info!(partition, "busy; dropped in a later round");
        }
        Ok(is_dropped)
    }
}

async fn make(
    tx: &deadpool_postgres::Transaction<'_>,
    table: &str,
    partition: &str,
    month: NaiveDate,
) -> Result<(), NotDone> {
    let end = month
        .checked_add_months(Months::new(1))
        .ok_or(weir_postgres::Failure::Internal)?;
    let create =
        format!("/* every account */ CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)");
    tx.batch_execute(&create).await?;
    // LIKE takes no policy along, and whoever asks a part itself is not bound by the whole's.
    for statement in lock(partition) {
        tx.batch_execute(&statement).await?;
    }
    let attach = format!(
        "/* every account */ ALTER TABLE {table} ATTACH PARTITION {partition}
         FOR VALUES FROM ('{month}') TO ('{end}')"
    );
    tx.batch_execute(&attach).await?;
    Ok(())
}

/// Before which month this pass may drop, noted for the next.
async fn next_horizon(connection: &mut Connection, range: Range) -> Result<NaiveDate, NotDone> {
    let tx = connection.client.unscoped_mut().transaction().await?;
    let seen = tx.query_one(TURN, &[]).await?.try_get("day")?;
    let before = may_drop_before(range, seen);
    tx.execute(SEEN, &[&before]).await?;
    tx.commit().await?;
    Ok(before)
}

/// The partitions of months before `before`, oldest first, with about how many rows they have.
async fn past(
    connection: &Connection,
    table: &str,
    before: NaiveDate,
) -> Result<Vec<(String, i64)>, NotDone> {
    let client = connection.client.unscoped();
    let rows = client.query(PARTITIONS, &[&table]).await?;
    let is_past = |(name, _): &(String, i64)| month_of(table, name).is_some_and(|m| m < before);
    Ok(rows.iter().map(partition).filter(is_past).collect())
}

/// Whether it was dropped: not where a writer is in the way, nor where another replica was
/// first. Each is a transaction of its own, which holds no lock while it waits for another.
async fn drop_one(
    connection: &mut Connection,
    table: &str,
    partition: &str,
) -> Result<bool, NotDone> {
    let tx = connection.client.unscoped_mut().transaction().await?;
    tx.query_one(TURN, &[]).await?;
    as_owner(&tx).await?;
    let existing = partitions(&tx, table).await?;
    if !existing.iter().any(|(name, _)| *name == partition) {
        return Ok(false);
    }
    tx.batch_execute(GIVE_UP).await?;
    for statement in [
        format!("/* every account */ ALTER TABLE {table} DETACH PARTITION {partition}"),
        format!("/* every account */ DROP TABLE {partition}"),
    ] {
        match tx.batch_execute(&statement).await {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Ok(false),
            done => done?,
        }
    }
    tx.commit().await?;
    Ok(true)
}

async fn partitions(
    tx: &deadpool_postgres::Transaction<'_>,
    table: &str,
) -> Result<Vec<(String, i64)>, NotDone> {
    let rows = tx.query(PARTITIONS, &[&table]).await?;
    Ok(rows.iter().map(partition).collect())
}

/// Its name, and about how many rows it has.
fn partition(row: &Row) -> (String, i64) {
    (row.get("name"), row.get("about_rows"))
}

/// Where a table keeps what expires on `day`.
pub(super) fn partition_of(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y_%m"))
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
        assert_eq!(partition_of("backlog", month), "backlog_2026_02");
        assert_eq!(month_of("backlog", "backlog_2026_02"), Some(month));
        assert_eq!(month_of("backlog", "backlog_old"), None);
        assert_eq!(month_of("backlog", "activities_2026_02"), None);
    }
}
