//! Rows whose time is over, that no partition takes with it: account by account, some at a
//! time, found by their days and reached by their place, so that no table is ever read.

use chrono::NaiveDate;
use uuid::Uuid;
use weir_ids::AccountId;

use super::{Failure, Store};

// Whoever does it for a day does it for all replicas.
const TURN: &str = "/* every account */
    UPDATE housekeeping SET day = $1
    WHERE task = 'forgetting' AND (day IS NULL OR day < $1)";

const ACCOUNTS: &str = "
    /* every account */
    SELECT account_id FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2";

/// Rows that are locked are not waited for: who holds them makes them live on, or the next day
/// finds them.
macro_rules! forget {
    ($table:literal, $condition:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE account_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM ",
            $table,
            " WHERE account_id = $1 AND ",
            $condition,
            " LIMIT $3 FOR UPDATE SKIP LOCKED))"
        )
    };
}

pub(super) const USAGE: &str = forget!("usage", "window_day < $2");
pub(super) const COUNTS: &str = forget!("attached_counts", "day < $2");
pub(super) const RECEIPTS: &str = forget!("undated_receipts", "forget_day < $2");
pub(super) const IDENTITIES: &str = forget!("identities", "contact_id IS NULL AND forget_day < $2");

const ACCOUNTS_A_PAGE: i64 = 500;
/// Deleted by one statement: some milliseconds.
const ROWS: i64 = 2_000;

/// What came before these days is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Windows of the ledger.
    pub usage: NaiveDate,
    /// Days of which attached backlog is counted.
    pub counts: NaiveDate,
    /// Days that rows name themselves.
    pub named: NaiveDate,
}

/// Rows that were forgotten.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// Of the ledger.
    pub usage: u64,
    /// Counts of attached backlog.
    pub counts: u64,
    /// Receipts of undated tracks.
    pub receipts: u64,
    /// Identifiers of visitors who never said who they are.
    pub identities: u64,
}

impl Store {
    /// Whether it is this replica's turn to forget on `today`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn takes_turn_to_forget(&self, today: NaiveDate) -> Result<bool, Failure> {
        let client = self.connection().await?.client;
        Ok(client.execute(TURN, &[&today]).await? > 0)
    }

    /// The next accounts after one, in order; none after the last.
    ///
    /// # Errors
    /// Of the database.
    pub async fn accounts_after(&self, last: AccountId) -> Result<Vec<AccountId>, Failure> {
        let client = self.connection().await?.client;
        let rows = client.query(ACCOUNTS, &[&last.0, &ACCOUNTS_A_PAGE]).await?;
        Ok(rows.iter().map(|row| AccountId(row.get(0))).collect())
    }

    /// Forgets some of an account's rows, and answers how many; whether there may be more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn forget(
        &self,
        account: AccountId,
        limits: Limits,
    ) -> Result<(Forgotten, bool), Failure> {
        let client = self.connection().await?.client;
        let mut deleted = [0; 4];
        let mut is_more = false;
        for (deleted, (sql, before)) in deleted.iter_mut().zip([
            (USAGE, limits.usage),
            (COUNTS, limits.counts),
            (RECEIPTS, limits.named),
            (IDENTITIES, limits.named),
        ]) {
            let statement = client.prepare_cached(sql).await?;
            let params: [super::Param<'_>; 3] = [&account.0 as &Uuid, &before, &ROWS];
            *deleted = client.execute(&statement, &params).await?;
            is_more |= i64::try_from(*deleted).is_ok_and(|rows| rows == ROWS);
        }
        let [usage, counts, receipts, identities] = deleted;
        let forgotten = Forgotten {
            usage,
            counts,
            receipts,
            identities,
        };
        Ok((forgotten, is_more))
    }
}
