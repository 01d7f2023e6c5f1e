//! Rows whose time is over go: account by account, a bounded piece a statement.
//!
//! Each statement finds its rows at one end of an index by (account, time) or a key that begins
//! so: an account that has none costs a probe. Replicas may do it at the same time; they meet
//! in the order of the index, and who comes second finds nothing.

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use weir_ids::AccountId;
use weir_postgres::{Failure, Tx, work};

use super::{Store, kept};

const CLOCK: &str = "SELECT now() AS now";

/// So many rows a statement, and those of the same moment: some ten milliseconds' work.
const PIECE: i64 = 5_000;

const RECEIPTS: &str = "
    DELETE FROM receipts
    WHERE account_id = $1 AND receive_time < $2 AND receive_time <= COALESCE((
        SELECT receive_time FROM receipts
        WHERE account_id = $1 AND receive_time < $2
        ORDER BY receive_time LIMIT 1 OFFSET $3), $2)";

const DELETIONS: &str = "
    DELETE FROM deletions
    WHERE account_id = $1 AND delete_time < $2 AND delete_time <= COALESCE((
        SELECT delete_time FROM deletions
        WHERE account_id = $1 AND delete_time < $2
        ORDER BY delete_time LIMIT 1 OFFSET $3), $2)";

const ERASURES: &str = "
    DELETE FROM erasures
    WHERE account_id = $1 AND request_time < $2 AND request_time <= COALESCE((
        SELECT request_time FROM erasures
        WHERE account_id = $1 AND request_time < $2
        ORDER BY request_time LIMIT 1 OFFSET $3), $2)";

const MERGES: &str = "
    UPDATE merges SET identifiers = NULL, before = NULL
    WHERE account_id = $1 AND merge_time < $2 AND identifiers IS NOT NULL
      AND merge_time <= COALESCE((
        SELECT merge_time FROM merges
        WHERE account_id = $1 AND merge_time < $2 AND identifiers IS NOT NULL
        ORDER BY merge_time LIMIT 1 OFFSET $3), $2)";

const ABSORPTIONS: &str = "
    DELETE FROM absorptions
    WHERE account_id = $1 AND day < $2 AND day <= COALESCE((
        SELECT day FROM absorptions
        WHERE account_id = $1 AND day < $2
        ORDER BY day LIMIT 1 OFFSET $3), $2)";

/// What is dropped for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    Receipts,
    /// The snapshots for a split; the rows stay with their contact.
    Merges,
    Deletions,
    /// What contacts took over on a day (semantics 3.1).
    Absorptions,
    /// Receipts of deletions.
    Erasures,
    Usage,
    /// Removes for people who did not become known (semantics 4.7).
    KeptRemoves,
    /// Who changed what (semantics 9.5).
    Changes,
}

impl Aged {
    /// For the log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Merges => "merges",
            Self::Deletions => "deletions",
            Self::Absorptions => "absorptions",
            Self::Erasures => "erasures",
            Self::Usage => "usage",
            Self::KeptRemoves => "kept_removes",
            Self::Changes => "changes",
        }
    }
}

impl Store {
    /// What PostgreSQL takes the time to be.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn clock(&self) -> Result<DateTime<Utc>, Failure> {
        let client = self.client().await?;
        let clock = client.unscoped().prepare_cached(CLOCK).await?;
        Ok(client.unscoped().query_one(&clock, &[]).await?.get("now"))
    }

    /// Accounts behind `after`, in order.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn accounts(&self, after: AccountId, limit: i64) -> Result<Vec<AccountId>, Failure> {
        let client = self.client().await?;
        let accounts = work::after(&client, work::KEEP, after, limit).await?;
        Ok(accounts.into_iter().map(|(account, _)| account).collect())
    }

    /// Drops a piece of what an account has from before `time`; answers how many rows that
    /// were. None are left once it answers 0.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn purge(
        &self,
        account: AccountId,
        what: Aged,
        time: DateTime<Utc>,
    ) -> Result<u64, Failure> {
        let sql = match what {
            Aged::Receipts => RECEIPTS,
            Aged::Merges => MERGES,
            Aged::Deletions => DELETIONS,
            Aged::Absorptions => ABSORPTIONS,
            Aged::Erasures => ERASURES,
            Aged::Usage => {
                let mut client = self.client().await?;
                let tx = Tx::begin(&mut client, account);
                let purged = weir_ledger::purge(&tx, account, time.date_naive()).await?;
                tx.commit().await?;
                return Ok(purged);
            }
            Aged::Changes => {
                let mut client = self.client().await?;
                let tx = Tx::begin(&mut client, account);
                let purged = weir_changes::purge(&tx, account, time).await?;
                tx.commit().await?;
                return Ok(purged);
            }
            Aged::KeptRemoves => {
                let mut client = self.client().await?;
                let tx = Tx::begin(&mut client, account);
                let dropped = kept::drop_oldest(&tx, account, time, kept::PIECE).await?;
                tx.commit().await?;
                return Ok(dropped);
            }
        };
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let purge = tx.prepare_cached(sql).await?;
        let day = time.date_naive();
        let before: &(dyn ToSql + Sync) = match what {
            Aged::Absorptions => &day,
            _ => &time,
        };
        Ok(tx
            .commit_with(&purge, &[&account.0, before, &PIECE])
            .await?)
    }
}
