//! Rows whose time is over go: account by account, a bounded piece a statement. Replicas may do
//! it at the same time: who comes second finds nothing.

use chrono::{DateTime, Utc};
use weir_ids::AccountId;
use weir_postgres::{Failure, work};

use super::{Client, Connection, execute};

/// So many rows a statement, and those of the same hour: some ten milliseconds' work.
const PIECE: i64 = 5_000;

/// What is dropped for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    Counts,
    Units,
    Flushes,
    /// But those whose contact is to be made up for.
    KeptEvents,
    /// What became of their events, which goes before they do.
    ReplayEvents,
    Replays,
    Changes,
}

impl Aged {
    /// For the log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counts => "reason_counts",
            Self::Units => "unit_counts",
            Self::Flushes => "count_flushes",
            Self::KeptEvents => "kept_events",
            Self::ReplayEvents => "replay_events",
            Self::Replays => "replays",
            Self::Changes => "changes",
        }
    }
}

/// Accounts behind `after`, in order.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn accounts_after(
    client: &Connection,
    after: AccountId,
    limit: i64,
) -> Result<Vec<AccountId>, Failure> {
    let accounts = work::after(client, work::KEEP, after, limit).await?;
    Ok(accounts.into_iter().map(|(account, _)| account).collect())
}

/// Drops a piece of what an account has from before `time`; answers how many rows that were. None
/// are left once it answers 0.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn drop_aged(
    client: &impl Client,
    account_id: AccountId,
    what: Aged,
    time: DateTime<Utc>,
) -> Result<u64, Failure> {
    match what {
        Aged::Counts => {
            let delete = "DELETE FROM reason_counts
                WHERE account_id = $1 AND hour < $2 AND hour <= COALESCE((
                    SELECT hour FROM reason_counts WHERE account_id = $1 AND hour < $2
                    ORDER BY hour LIMIT 1 OFFSET $3), $2)";
            execute(client, delete, &[&account_id.0, &time, &PIECE]).await
        }
        Aged::Units => {
            let delete = "DELETE FROM unit_counts
                WHERE account_id = $1 AND window_day < $2 AND window_day <= COALESCE((
                    SELECT window_day FROM unit_counts WHERE account_id = $1 AND window_day < $2
                    ORDER BY window_day LIMIT 1 OFFSET $3), $2)";
            let day = time.date_naive();
            execute(client, delete, &[&account_id.0, &day, &PIECE]).await
        }
        // One row a process.
        Aged::Flushes => {
            let delete = "DELETE FROM count_flushes WHERE account_id = $1 AND flush_time < $2";
            execute(client, delete, &[&account_id.0, &time]).await
        }
        Aged::KeptEvents => {
            let delete = "DELETE FROM kept_events WHERE account_id = $1
                AND (source_id, event_key) IN (
                    SELECT source_id, event_key FROM kept_events
                    WHERE account_id = $1 AND NOT deferred AND receive_time < $2 LIMIT $3)";
            execute(client, delete, &[&account_id.0, &time, &PIECE]).await
        }
        Aged::ReplayEvents => {
            let delete = "DELETE FROM replay_events WHERE account_id = $1
                AND (replay_id, event_key) IN (
                    SELECT e.replay_id, e.event_key FROM replay_events e
                    JOIN replays r ON r.account_id = e.account_id AND r.replay_id = e.replay_id
                    WHERE e.account_id = $1 AND r.create_time < $2 LIMIT $3)";
            execute(client, delete, &[&account_id.0, &time, &PIECE]).await
        }
        Aged::Changes => weir_changes::purge(client, account_id, time).await,
        Aged::Replays => {
            let delete = "DELETE FROM replay_work WHERE account_id = $1 AND work_id IN (
                SELECT replay_id FROM replays WHERE account_id = $1 AND create_time < $2)";
            execute(client, delete, &[&account_id.0, &time]).await?;
            let delete = "DELETE FROM replays WHERE account_id = $1 AND create_time < $2";
            execute(client, delete, &[&account_id.0, &time]).await
        }
    }
}
