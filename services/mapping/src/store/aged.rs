//! Rows whose time is over go: account by account, a bounded piece a statement. Replicas may do
//! it at the same time: who comes second finds nothing.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::{Client, execute, rows};

/// So many rows a statement, and those of the same hour: some ten milliseconds' work.
const PIECE: i64 = 5_000;

/// What is dropped for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    Counts,
    Flushes,
}

impl Aged {
    /// For the log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counts => "reason_counts",
            Self::Flushes => "count_flushes",
        }
    }
}

/// Accounts behind `after`, in order.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn accounts_after(
    client: &impl Client,
    after: AccountId,
    limit: i64,
) -> Result<Vec<AccountId>, Failure> {
    let select = "SELECT account_id FROM accounts /* every account */
        WHERE account_id > $1 ORDER BY account_id LIMIT $2";
    let found = rows(client, select, &[&after.0, &limit]).await?;
    let id = |row: &tokio_postgres::Row| AccountId(row.get::<_, Uuid>("account_id"));
    Ok(found.iter().map(id).collect())
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
        // One row a process.
        Aged::Flushes => {
            let delete = "DELETE FROM count_flushes WHERE account_id = $1 AND flush_time < $2";
            execute(client, delete, &[&account_id.0, &time]).await
        }
    }
}
