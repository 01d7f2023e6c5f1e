//! PostgreSQL: the only place that knows it.
//!
//! Every statement names the account, first of all, and its transaction is the account's; those
//! that look for work of several accounts say so in a comment, and read [`OPEN`] tables. Ids and times come as parameters.
//!
//! What a batch asks for is reached by full keys, whatever the statistics of a table say: each
//! look-up is a subquery of its own that the planner can't turn round ([`HOT`]), and what is
//! stored goes in by its primary key.
//!
//! Locks are taken in one order by all: the account's row, then existing memberships by
//! (audience, contact), then new ones by the same, then who waits, then the account's row of
//! the sync, then counts by (audience, day). Merges of contacts, and the end of a sync, take the account's row for themselves, so
//! that no membership appears under an id while it is merged away, and nobody waits unseen.

mod accounts;
mod audiences;
mod batch;
mod deletions;
mod export;
mod history;
mod known;
mod memberships;
mod merges;
mod people;
mod sync;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::{Client, Failure, Migration, Open, Pool, work};

use crate::domain::Key;
use crate::metrics;
use known::KnownAccounts;

pub use batch::HOT;
pub use export::{Exporting, Source};
pub use history::Chronicle;
pub use people::Erased;
pub use sync::Claim;

/// In order; never changed once they were released.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        oldest: 1,
        name: "audiences",
        sql: include_str!("../migrations/0001_audiences.sql"),
    },
    weir_changes::migration(2),
    work::migration(3),
    Migration {
        number: 4,
        oldest: 4,
        name: "histories",
        sql: include_str!("../migrations/0004_histories.sql"),
    },
];

/// Tables with an `account_id` that have no policy, as they are read before an account is chosen;
/// nothing else is in them.
pub const OPEN: Open = &[
    ("accounts", "which accounts there are"),
    (
        "sync_work",
        "which of them wait for the daily sync, and since when",
    ),
    work::OPEN,
];

/// How long a probe waits: a database that is stopped is away, however long it stays so.
const PROBE_TIME: Duration = Duration::from_secs(1);
/// Rows that an audience's counts of a day are in.
const SLOTS: u16 = 8;
/// Statements that are sent before the first is answered.
const AT_ONCE: usize = 500;

/// The tables, behind a pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    known: KnownAccounts,
    turns: Arc<AtomicU16>,
}

/// One connection.
pub struct Connection(Client);

/// A transaction of one account. Dropped without a commit, it is undone.
pub struct Tx<'a> {
    inner: weir_postgres::Tx<'a>,
    account: AccountId,
}

/// A row of a list: its key, and what it says, where that can be read.
pub type Listed<K, T> = (K, Option<T>);

type Param<'a> = &'a (dyn ToSql + Sync);

impl Store {
    /// Connects on first use.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            known: KnownAccounts::default(),
            turns: Arc::default(),
        }
    }

    /// Which row of an audience's counts is next to be added to: batches of one audience that meet
    /// seldom meet there.
    pub fn slot(&self) -> i16 {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) % SLOTS;
        i16::try_from(turn).unwrap_or_default()
    }

    /// Whether PostgreSQL answers, within a second.
    pub async fn is_up(&self) -> bool {
        let probe = async {
            match self.connection().await {
                Ok(connection) => connection.0.unscoped().simple_query("").await.is_ok(),
                Err(_) => false,
            }
        };
        tokio::time::timeout(PROBE_TIME, probe)
            .await
            .unwrap_or(false)
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub async fn connection(&self) -> Result<Connection, Failure> {
        Ok(Connection(self.pool.get().await?))
    }
}

impl Connection {
    /// Begins a transaction of one account.
    pub fn begin(&mut self, account: AccountId) -> Tx<'_> {
        Tx {
            inner: weir_postgres::Tx::begin(&mut self.0, account),
            account,
        }
    }

    /// Reads, in a transaction of its own, which is the account's.
    async fn query(
        &mut self,
        account: AccountId,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        self.begin(account).query(sql, params).await
    }

    async fn query_opt(
        &mut self,
        account: AccountId,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Failure> {
        self.begin(account).query_opt(sql, params).await
    }

    /// Writes, and commits.
    async fn execute(
        &mut self,
        account: AccountId,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, Failure> {
        let tx = self.begin(account);
        let statement = tx.prepare(sql).await?;
        Ok(tx.inner.commit_with(&statement, params).await?)
    }

    /// Reads a table that is no account's.
    async fn query_open(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let statement = self.0.unscoped().prepare_cached(sql).await?;
        Ok(self.0.unscoped().query(&statement, params).await?)
    }
}

impl Tx<'_> {
    /// Makes it last.
    ///
    /// # Errors
    /// Where the database fails: it may or may not have committed then.
    pub async fn commit(self) -> Result<(), Failure> {
        Ok(self.inner.commit().await?)
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.inner.prepare_cached(sql).await?)
    }

    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.inner.query(&statement, params).await?)
    }

    async fn query_opt(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.inner.query_opt(&statement, params).await?)
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
        let statement = self.prepare(sql).await?;
        Ok(self.inner.execute(&statement, params).await?)
    }

    /// Runs a statement once for each key, all sent at once: each finds its row by its key.
    async fn execute_each(&self, sql: &str, keys: &[Key]) -> Result<(), Failure> {
        let statement = self.prepare(sql).await?;
        for keys in keys.chunks(AT_ONCE) {
            let each = keys.iter().map(|(audience, contact)| async {
                let key: [Param<'_>; 3] = [&self.account.0, &audience.0, &contact.0];
                self.inner.execute(&statement, &key).await
            });
            futures_util::future::try_join_all(each).await?;
        }
        Ok(())
    }
}

/// Keys as the two arrays that statements take.
fn columns_of<'a>(keys: impl Iterator<Item = &'a Key>) -> (Vec<Uuid>, Vec<Uuid>) {
    keys.map(|(audience, contact)| (audience.0, contact.0))
        .unzip()
}

fn key_of(row: &Row) -> Key {
    let (audience, contact) = (row.get("audience_id"), row.get("contact_id"));
    (AudienceId(audience), ContactId(contact))
}

/// A row that can't be read must not cost the others of its page: it is left out, and counted.
fn read<T>(kind: &'static str, row: Result<T, tokio_postgres::Error>) -> Option<T> {
    row.inspect_err(|_| {
        metrics::unreadable(kind);
        tracing::error!(kind, "a stored row can't be read");
    })
    .ok()
}
