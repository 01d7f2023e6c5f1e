//! PostgreSQL: the only place that knows it.
//!
//! Every statement names the account, first of all; the one that looks for work of several
//! accounts says so in a comment. Ids and times come as parameters.
//!
//! What a batch asks for is reached by full keys, whatever the statistics of a table say: each
//! look-up is a subquery of its own that the planner can't turn round ([`HOT`]), and what is
//! stored goes in by its primary key.
//!
//! Locks are taken in one order by all: the account's row, then existing memberships by
//! (audience, contact), then new ones by the same, then who waits, then the account's row of
//! the sync. Merges of contacts, and the end of a sync, take the account's row for themselves, so
//! that no membership appears under an id while it is merged away, and nobody waits unseen.

mod audiences;
mod memberships;
mod merges;
mod sync;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::{Client, Failure, Migration, Pool, Transaction};

use crate::domain::{Aliases, Origin};
use crate::metrics;

pub use audiences::Created;
pub use memberships::{Entry, Key, Stored};
pub use sync::Claim;

/// In order; never changed once they were released.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "audiences",
    sql: include_str!("../migrations/0001_audiences.sql"),
}];

/// How long a probe waits: a database that is stopped is away, however long it stays so.
const PROBE_TIME: Duration = Duration::from_secs(1);
/// Accounts whose anchor row is known to be there; beyond this many they are forgotten and
/// looked up again.
const ANCHORS_KEPT: usize = 100_000;
/// Statements that are sent before the first is answered.
const AT_ONCE: usize = 500;

/// The statements that every batch runs, with the tables whose rows they reach.
pub const HOT: &[(&str, &str)] = &[
    ("share the account", SHARE_ACCOUNT),
    ("who contacts are today", merges::ALIASES),
    ("origins of audiences", audiences::ORIGINS),
    ("lock memberships", memberships::LOCK),
    ("insert memberships", memberships::INSERT),
    ("put memberships", memberships::PUT),
    ("insert who waits", sync::INSERT_WAITING),
    ("note work for the sync", sync::NOTE_WORK),
];

const SHARE_ACCOUNT: &str = "SELECT FROM accounts WHERE account_id = $1 FOR KEY SHARE";

/// The pool, and what need not be asked again.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    anchored: Arc<Mutex<HashSet<AccountId>>>,
}

/// A connection of one's own.
pub struct Session(Client);

/// A transaction of one account. Dropped, it is rolled back.
pub struct Batch<'a> {
    account: AccountId,
    transaction: Transaction<'a>,
}

/// A row that can't be read must not cost the others of its page: it is left out, and counted.
fn read<T>(kind: &'static str, row: Result<T, tokio_postgres::Error>) -> Option<T> {
    row.inspect_err(|_| {
        metrics::unreadable(kind);
        tracing::error!(kind, "a stored row can't be read");
    })
    .ok()
}

impl Store {
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            anchored: Arc::default(),
        }
    }

    /// Whether PostgreSQL answers, within a second.
    pub async fn healthy(&self) -> bool {
        let probe = async {
            match self.pool.get().await {
                Ok(client) => client.simple_query("").await.is_ok(),
                Err(_) => false,
            }
        };
        tokio::time::timeout(PROBE_TIME, probe)
            .await
            .unwrap_or(false)
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub async fn session(&self) -> Result<Session, Failure> {
        Ok(Session(self.pool.get().await?))
    }

    /// Sees to it that the account's anchor row is there. For accounts that mapping knows.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn anchor(&self, session: &Session, account: AccountId) -> Result<(), Failure> {
        if self.anchors().contains(&account) {
            return Ok(());
        }
        let insert = "INSERT INTO accounts (account_id) VALUES ($1)
            ON CONFLICT (account_id) DO NOTHING";
        let statement = session.0.prepare_cached(insert).await?;
        session.0.execute(&statement, &[&account.0]).await?;
        self.remember_anchor(account);
        Ok(())
    }

    /// Whether the account's anchor row is there.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn is_anchored(&self, account: AccountId) -> Result<bool, Failure> {
        if self.anchors().contains(&account) {
            return Ok(true);
        }
        let session = self.session().await?;
        let select = "SELECT FROM accounts WHERE account_id = $1";
        let statement = session.0.prepare_cached(select).await?;
        let found = session.0.query_opt(&statement, &[&account.0]).await?;
        if found.is_some() {
            self.remember_anchor(account);
        }
        Ok(found.is_some())
    }

    fn remember_anchor(&self, account: AccountId) {
        let mut anchors = self.anchors();
        if anchors.len() >= ANCHORS_KEPT {
            anchors.clear();
        }
        anchors.insert(account);
    }

    /// An anchor that was known is gone (the database was set back): look again.
    pub fn forget_anchor(&self, account: AccountId) {
        self.anchors().remove(&account);
    }

    fn anchors(&self) -> std::sync::MutexGuard<'_, HashSet<AccountId>> {
        self.anchored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Begins a transaction of one account.
    pub fn begin(&mut self, account: AccountId) -> Batch<'_> {
        Batch {
            account,
            transaction: Transaction::begin(&mut self.0),
        }
    }
}

impl Batch<'_> {
    /// Keeps merges of contacts out until the end, but not other batches. `false`: there is
    /// no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn share_account(&self) -> Result<bool, Failure> {
        self.lock(SHARE_ACCOUNT).await
    }

    /// [`Self::share_account`], then who the contacts are today and where the audiences come
    /// from; in one round trip. None: there is no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn open(
        &self,
        contacts: &[ContactId],
        audiences: &[AudienceId],
    ) -> Result<Option<(Aliases, HashMap<AudienceId, Origin>)>, Failure> {
        let share = self.transaction.prepare_cached(SHARE_ACCOUNT).await?;
        let aliases = self.transaction.prepare_cached(merges::ALIASES).await?;
        let origins = self.transaction.prepare_cached(audiences::ORIGINS).await?;
        let contacts: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
        let audiences: Vec<Uuid> = audiences.iter().map(|id| id.0).collect();
        let account: &(dyn ToSql + Sync) = &self.account.0;
        let (one, two, three) = ([account], [account, &contacts], [account, &audiences]);
        // Sent in this order, so the database runs them in it: aliases are read under the lock.
        let (found, aliases, origins) = tokio::try_join!(
            biased;
            self.transaction.query_opt(&share, &one),
            self.transaction.query(&aliases, &two),
            self.transaction.query(&origins, &three),
        )?;
        Ok(found.map(|_| {
            (
                Aliases::new(aliases.iter().map(merges::alias_of)),
                origins.iter().map(audiences::origin_row).collect(),
            )
        }))
    }

    /// Keeps everybody else out until the end. `false`: there is no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn own_account(&self) -> Result<bool, Failure> {
        self.lock("SELECT FROM accounts WHERE account_id = $1 FOR UPDATE")
            .await
    }

    async fn lock(&self, sql: &str) -> Result<bool, Failure> {
        let statement = self.transaction.prepare_cached(sql).await?;
        let found = self
            .transaction
            .query_opt(&statement, &[&self.account.0])
            .await?;
        Ok(found.is_some())
    }

    /// Runs a statement once for each key, all sent at once: each finds its row by its key.
    async fn execute_each(&self, sql: &str, keys: &[Key]) -> Result<(), Failure> {
        let statement = self.transaction.prepare_cached(sql).await?;
        for keys in keys.chunks(AT_ONCE) {
            let each = keys.iter().map(|(audience, contact)| async {
                let key: [&(dyn ToSql + Sync); 3] = [&self.account.0, &audience.0, &contact.0];
                self.transaction.execute(&statement, &key).await
            });
            futures_util::future::try_join_all(each).await?;
        }
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// Where the database fails: it may or may not have committed then.
    pub async fn commit(self) -> Result<(), Failure> {
        Ok(self.transaction.commit().await?)
    }
}
