//! PostgreSQL: the only place that knows it.
//!
//! One transaction per call and account. Statements take arrays, and every one names
//! `account_id` (those of housekeeping, marked `/* every account */`, excepted), and sees no
//! others' rows whatever it says. Inserts
//! anchor on the account's row, so that a distributed engine sends them to one node.
//! Look-ups probe an index for each element of their arrays: `LATERAL (… LIMIT 1)` (or
//! `OFFSET 0` where there may be more) is what the planner can't turn into reading all rows
//! of an account, which it would like to do while a table is young and has no statistics.
//!
//! **Order of locks**: the account's row (shared); receipts, then activities of settled
//! identifiers, each by key; merges, sorted; identifiers, sorted; attach locks, sorted; receipts,
//! activities and backlog of locked identifiers; counts; those of activities, by key; the usage row. Every transaction takes
//! what it needs in this order. The rows of an activity belong to one identifier (its key says
//! whose it is), and those behind the identifiers are touched by nobody without the identifier's
//! lock, so that nobody waits there. One case would break the order: an identifier that a batch
//! took for open and, once it has its lock, finds settled; its activities belong ahead. The
//! batch begins anew then (`app::record`).

mod attach;
mod columns;
mod correct;
mod counts;
mod export;
mod forget;
mod history;
mod links;
mod not_done;
mod occurrences;
mod partitions;
mod people;
#[cfg(test)]
mod plans;
mod raw_time;
mod reading;
mod receipts;
mod record;
mod settled;
mod usage;
mod waiting;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use weir_ids::AccountId;
use weir_postgres::{Migration, Open, Pool, work};

use crate::domain::{Identifier, Link};
use settled::Settled;

pub use export::Following;
pub use forget::Limits;
pub use history::{Found, Sought};
pub use links::{Families, Linked};
pub use not_done::NotDone;

/// The schema, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        oldest: 1,
        name: "activities",
        sql: include_str!("../migrations/0001_activities.sql"),
    },
    weir_ledger::migration(2),
    work::migration(3),
    Migration {
        number: 4,
        oldest: 4,
        name: "work of before",
        sql: include_str!("../migrations/0004_work_of_before.sql"),
    },
    Migration {
        number: 5,
        oldest: 5,
        name: "history",
        sql: include_str!("../migrations/0005_history.sql"),
    },
    weir_ledger::days_migration(6),
    weir_ledger::grants_migration(7),
];

/// Tables with an `account_id` that have no policy.
pub const OPEN: Open = &[work::OPEN];

/// Every statement here finds rows by their keys. The statistics of a young table would talk
/// the planner into reading all of it instead, and a prepared plan outlives that youth.
pub const PLAN_BY_KEY: [&str; 1] = ["enable_seqscan=off"];

/// The tables, behind a pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    settled: Settled,
}

impl Store {
    /// Connects on first use. The pool must be this store's alone. Of so many identifiers
    /// it keeps in mind whose they are.
    pub fn new(pool: Pool, link_cache_entries: u32) -> Self {
        Self {
            pool,
            settled: Settled::new(link_cache_entries),
        }
    }

    /// A connection of one's own, to begin a transaction on.
    ///
    /// # Errors
    /// UNAVAILABLE when none is free or can be made in time.
    pub async fn connection(&self) -> Result<Connection, NotDone> {
        let client = self.pool.get().await?;
        Ok(Connection {
            client,
            settled: self.settled.clone(),
        })
    }

    /// Keeps in mind whose these identifiers are: they are linked, and nothing of theirs is
    /// left in the backlog.
    pub fn keep_links(&self, account_id: AccountId, links: &[Link]) {
        let generation = self.settled.generation(account_id);
        let era = settled::Era {
            account: account_id,
            generation,
        };
        self.settled.learn_links(era, links);
    }

    /// Whether the database answers.
    pub async fn is_up(&self) -> bool {
        match self.connection().await {
            Ok(connection) => {
                let client = connection.client.unscoped();
                client.simple_query("SELECT").await.is_ok()
            }
            Err(_) => false,
        }
    }
}

/// One connection.
pub struct Connection {
    client: weir_postgres::Client,
    settled: Settled,
}

impl Connection {
    /// Begins a transaction of one account. Dropped without a commit, it is undone.
    pub fn begin(&mut self, account_id: AccountId) -> Tx<'_> {
        Tx {
            inner: weir_postgres::Tx::begin(&mut self.client, account_id),
            account_id,
            settled: &self.settled,
        }
    }
}

/// A transaction of one account.
pub struct Tx<'a> {
    inner: weir_postgres::Tx<'a>,
    account_id: AccountId,
    settled: &'a Settled,
}

type Param<'a> = &'a (dyn ToSql + Sync);

impl Tx<'_> {
    /// Makes it last.
    ///
    /// # Errors
    /// Of the database; then nothing is stored, or (when the connection broke) it is not known.
    pub async fn commit(self) -> Result<(), NotDone> {
        Ok(self.inner.commit().await?)
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, NotDone> {
        Ok(self.inner.prepare_cached(sql).await?)
    }

    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, NotDone> {
        let statement = self.prepare(sql).await?;
        Ok(self.inner.query(&statement, params).await?)
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, NotDone> {
        let statement = self.prepare(sql).await?;
        Ok(self.inner.execute(&statement, params).await?)
    }
}

/// Identifiers as the two arrays that statements take.
fn kinds_and_values<'a>(
    identifiers: impl Iterator<Item = &'a Identifier>,
) -> (Vec<&'static str>, Vec<&'a str>) {
    identifiers
        .map(|identifier| (identifier.kind.letter(), &*identifier.value))
        .unzip()
}

/// The index in Rust of the array's element that a row is of; `WITH ORDINALITY` counts from 1.
fn index_of(row: &Row) -> usize {
    let ordinality: i64 = row.get("n");
    usize::try_from(ordinality - 1).expect("ordinality counts from one")
}
