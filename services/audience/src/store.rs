//! PostgreSQL: the only place that knows it.
//!
//! Every statement names the account, first of all; the two that look for work of several
//! accounts say so in a comment. Ids and times come as parameters.
//!
//! Locks are taken in one order by all: the account's row, then existing memberships by
//! (audience, contact), then new ones by the same. Joins of contacts take the account's row
//! for themselves, so that no membership appears under an id while it is joined away.

mod audiences;
mod joins;
mod memberships;
mod sync;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::{Client, Failure, Migration, Pool, Transaction};

use crate::domain::{Aliases, Origin};

pub use audiences::Created;
pub use memberships::{Entry, Key, Stored};
pub use sync::Claim;

/// In order; never changed once they were released.
pub const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "audiences",
    sql: include_str!("../migrations/0001_audiences.sql"),
}];

/// Accounts whose anchor row is known to be there; beyond this many they are forgotten and
/// looked up again.
const ANCHORS_KEPT: usize = 100_000;

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

impl Store {
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            anchored: Arc::default(),
        }
    }

    /// Whether PostgreSQL answers.
    pub async fn healthy(&self) -> bool {
        match self.pool.get().await {
            Ok(client) => client.simple_query("").await.is_ok(),
            Err(_) => false,
        }
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub async fn session(&self) -> Result<Session, Failure> {
        Ok(Session(self.pool.get().await?))
    }

    /// Sees to it that the account's anchor row is there.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn anchor(
        &self,
        session: &Session,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        if self.anchors().contains(&account) {
            return Ok(());
        }
        let statement = session
            .0
            .prepare_cached(
                "INSERT INTO accounts (account_id, synced_day) VALUES ($1, $2)
                 ON CONFLICT (account_id) DO NOTHING",
            )
            .await?;
        session
            .0
            .execute(&statement, &[&account.0, &now.date_naive()])
            .await?;
        let mut anchors = self.anchors();
        if anchors.len() >= ANCHORS_KEPT {
            anchors.clear();
        }
        anchors.insert(account);
        Ok(())
    }

    /// An anchor that was known is gone (the database was set back): look again.
    pub fn forget_anchor(&self, account: AccountId) {
        self.anchors().remove(&account);
    }

    fn anchors(&self) -> std::sync::MutexGuard<'_, HashSet<AccountId>> {
        self.anchored
            .lock()
            .expect("nothing panics while it holds this lock")
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
    /// Keeps joins of contacts out until the end, but not other batches. `false`: there is
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
        let aliases = self.transaction.prepare_cached(joins::ALIASES).await?;
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
                Aliases::new(aliases.iter().map(joins::alias_of)),
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

    /// Commits.
    ///
    /// # Errors
    /// Where the database fails: it may or may not have committed then.
    pub async fn commit(self) -> Result<(), Failure> {
        Ok(self.transaction.commit().await?)
    }
}
