//! Rows whose time is over, that no partition takes with it: account by account, some at a
//! time, found by their days and deleted by their keys, so that no table is ever read.

use chrono::NaiveDate;
use futures_util::future::try_join_all;
use weir_ids::AccountId;
use weir_postgres::work;

use super::{NotDone, Param, Store};

// Whoever did it for a day did it for all replicas.
const FORGOTTEN: &str = "/* every account */
    SELECT day >= $1 AS is_done FROM housekeeping WHERE task = 'forgetting'";

const NOTE: &str = "/* every account */
    UPDATE housekeeping SET day = GREATEST(day, $1) WHERE task = 'forgetting'";

/// Rows of a table whose day is past, by an index of the days, and the deletion of one of them
/// by its full key, told in two texts (`one`, `two`). What is locked is not waited for: whoever
/// holds it makes it live on, or the next day finds it.
pub(super) struct Old {
    pub find: &'static str,
    pub delete: &'static str,
}

pub(super) const COUNTS: Old = Old {
    find: "SELECT contact_id::text AS one, day::text AS two FROM attached_counts
        WHERE account_id = $1 AND day < $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
    delete: "DELETE FROM attached_counts
        WHERE account_id = $1 AND contact_id = $2::text::uuid AND day = $3::text::date",
};

pub(super) const RECEIPTS: Old = Old {
    find: "SELECT receipt_key::text AS one, forget_day::text AS two FROM undated_receipts
        WHERE account_id = $1 AND forget_day < $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
    delete: "DELETE FROM undated_receipts
        WHERE account_id = $1 AND receipt_key = $2::text::uuid AND forget_day = $3::text::date",
};

pub(super) const DELETIONS: Old = Old {
    find: "SELECT encode(identifier_hash, 'hex') AS one, '' AS two FROM deletions
        WHERE account_id = $1 AND delete_time < $2::date LIMIT $3 FOR UPDATE SKIP LOCKED",
    delete: "DELETE FROM deletions
        WHERE account_id = $1 AND identifier_hash = decode($2::text, 'hex')
            AND $3::text IS NOT NULL",
};

pub(super) const ERASURES: Old = Old {
    find: "SELECT deletion_id::text AS one, forget_day::text AS two FROM erasures
        WHERE account_id = $1 AND forget_day < $2 LIMIT $3 FOR UPDATE SKIP LOCKED",
    delete: "DELETE FROM erasures
        WHERE account_id = $1 AND deletion_id = $2::text::uuid AND forget_day = $3::text::date",
};

pub(super) const IDENTIFIERS: Old = Old {
    find: "SELECT kind::text AS one, value::text AS two FROM identifiers
        WHERE account_id = $1 AND contact_id IS NULL AND forget_day < $2
        LIMIT $3 FOR UPDATE SKIP LOCKED",
    delete: "DELETE FROM identifiers
        WHERE account_id = $1 AND kind = $2::text AND value = $3::text",
};

const ACCOUNTS_A_PAGE: i64 = 500;
/// Deleted by one transaction: some tens of milliseconds.
const ROWS: i64 = 1_000;

/// What came before these days is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Windows of the ledger.
    pub usage: NaiveDate,
    /// Days of which attached backlog is counted.
    pub counts: NaiveDate,
    /// Days that rows name themselves.
    pub named: NaiveDate,
    /// Deletions of people.
    pub deletions: NaiveDate,
    /// Days whose counts of activities are folded.
    pub folded: NaiveDate,
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
    pub identifiers: u64,
    /// Hashes of people who were deleted.
    pub deletions: u64,
    /// What deletions of people deleted.
    pub erasures: u64,
}

impl Forgotten {
    /// As tables are called.
    pub fn by_table(self) -> [(&'static str, u64); 6] {
        [
            ("usage", self.usage),
            ("attached_counts", self.counts),
            ("undated_receipts", self.receipts),
            ("identifiers", self.identifiers),
            ("deletions", self.deletions),
            ("erasures", self.erasures),
        ]
    }
}

impl Store {
    /// Whether all was forgotten that was to be on `today`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn has_forgotten(&self, today: NaiveDate) -> Result<bool, NotDone> {
        let client = self.connection().await?.client;
        let row = client.unscoped().query_one(FORGOTTEN, &[&today]).await?;
        Ok(row.get::<_, Option<bool>>("is_done").unwrap_or(false))
    }

    /// All was.
    ///
    /// # Errors
    /// Of the database.
    pub async fn note_forgotten(&self, today: NaiveDate) -> Result<(), NotDone> {
        let client = self.connection().await?.client;
        client.unscoped().execute(NOTE, &[&today]).await?;
        Ok(())
    }

    /// The next accounts after one, in order; none after the last.
    ///
    /// # Errors
    /// Of the database.
    pub async fn accounts_after(&self, last: AccountId) -> Result<Vec<AccountId>, NotDone> {
        let client = self.connection().await?.client;
        let next = work::after(&client, work::KEEP, last, ACCOUNTS_A_PAGE).await?;
        Ok(next.into_iter().map(|(account, _)| account).collect())
    }

    /// Forgets some of an account's rows, and answers how many; whether there may be more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn forget(
        &self,
        account: AccountId,
        limits: Limits,
    ) -> Result<(Forgotten, bool), NotDone> {
        let mut connection = self.connection().await?;
        let tx = connection.begin(account);
        let usage = weir_ledger::purge(&tx.inner, account, limits.usage).await?;
        tx.commit().await?;
        let mut deleted = [0; 5];
        let mut is_more = usage > 0;
        for (deleted, (old, before)) in deleted.iter_mut().zip([
            (COUNTS, limits.counts),
            (RECEIPTS, limits.named),
            (IDENTIFIERS, limits.named),
            (DELETIONS, limits.deletions),
            (ERASURES, limits.named),
        ]) {
            let tx = connection.begin(account);
            let rows = tx.query(old.find, &[&account.0, &before, &ROWS]).await?;
            let delete = tx.prepare(old.delete).await?;
            let deleting = rows.iter().map(|row| async {
                let (one, two): (&str, &str) = (row.get("one"), row.get("two"));
                let params: [Param<'_>; 3] = [&account.0, &one, &two];
                tx.inner.execute(&delete, &params).await
            });
            *deleted = try_join_all(deleting).await?.iter().sum();
            tx.commit().await?;
            is_more |= i64::try_from(rows.len()).is_ok_and(|rows| rows == ROWS);
        }
        let [counts, receipts, identifiers, deletions, erasures] = deleted;
        let forgotten = Forgotten {
            usage,
            counts,
            receipts,
            identifiers,
            deletions,
            erasures,
        };
        Ok((forgotten, is_more))
    }
}
