//! The ledger of units: what each batch of an account was charged (semantics 6.5).
//!
//! Every service that charges units keeps one in its own schema, and serves it to quota:
//!
//! - its [`migration`] makes the table `usage`. The service's own table `accounts` has a row for
//!   each account, with the account's epoch: `usage_epoch bigint NOT NULL DEFAULT 0`;
//! - the service writes a usage row ([`sql::CHARGE`]) in the transaction that stores a batch. A
//!   unique violation says that the batch was closed;
//! - [`Ledger::service`] is the gRPC service over both;
//! - [`grants_migration`] makes the tables by which the ledger grants units itself while Redis is
//!   away (semantics 6.6a);
//! - [`purge`] drops what is older than [`KEPT`].
//!
//! **Invariant:** who stores a batch holds the account's row shared (`FOR SHARE`), and has found
//! its epoch not above the batch's, until it commits. So a fence sees every batch that was stored
//! before it, and none of a lower epoch is stored after it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod book;
mod grants;
mod grpc;
pub mod sql;
mod store;

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use weir_accounts::Accounts;
use weir_ids::{AccountId, BatchId};
use weir_postgres::{Failure, Migration, Pool};
use weir_rpc::Deadline;
use weir_service::{Clock, Fault, Policy, retry};

use book::{Ask, Granted, Hold};

pub use store::{anchor, purge};

/// How long a usage row is kept, from its window on. Quota asks for today's windows, and those
/// of two days before; the rest is for people who ask what was charged last month.
pub const KEPT: TimeDelta = TimeDelta::days(35);

/// No batch of a window is under way any more when it is over for so long: what it came to is
/// written down then, for people who ask later.
pub(crate) const SETTLED_AFTER: TimeDelta = TimeDelta::days(3);
/// How long what a window came to is kept, from the window on: 90 days, and room for clocks.
pub(crate) const DAYS_KEPT: TimeDelta = TimeDelta::days(95);

/// Closing meets batches that are just being stored; one that loses to them begins anew.
const POLICY: Policy = Policy {
    tries: 6,
    pause: Duration::from_millis(3),
};

/// Makes the table of usage rows, as the service's file of that number.
pub const fn migration(number: i32) -> Migration {
    Migration {
        number,
        oldest: number,
        name: "ledger",
        sql: include_str!("../migrations/usage.sql"),
    }
}

/// Makes the table of what windows came to, as the service's file of that number.
pub const fn days_migration(number: i32) -> Migration {
    Migration {
        number,
        oldest: number,
        name: "usage days",
        sql: include_str!("../migrations/usage_days.sql"),
    }
}

/// Makes the tables of who grants and of what is granted, as the service's file of that number.
pub const fn grants_migration(number: i32) -> Migration {
    Migration {
        number,
        oldest: number,
        name: "usage grants",
        sql: include_str!("../migrations/usage_grants.sql"),
    }
}

/// What a usage row of an account is found by.
type Key = (NaiveDate, BatchId);

/// Who grants the units of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grantor {
    Redis,
    Ledgers,
}

/// The epoch that stands, and who grants under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stands {
    epoch: i64,
    grantor: Grantor,
}

/// What a fence finds.
struct Fenced {
    stands: Stands,
    /// What was charged by windows.
    sums: Vec<(NaiveDate, i64)>,
    hold: Option<Hold>,
}

/// The ledger of a service, as quota is served with it.
#[derive(Clone)]
pub struct Ledger {
    pool: Pool,
    accounts: Accounts,
    clock: Clock,
}

/// Why a call did nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Nobody who counts by one can have come to this epoch.
    #[error("the epoch is too far ahead")]
    Implausible,
    /// There is no such account.
    #[error("no such account")]
    AccountUnknown,
    /// Mapping had to be asked for the account, and gave no answer.
    #[error(transparent)]
    Silent(#[from] weir_rpc::Silent),
    /// The caller no longer waits.
    #[error("the deadline passed")]
    Late,
    /// Of the database.
    #[error(transparent)]
    Database(#[from] Failure),
}

impl Fault for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(Failure::Conflict))
    }

    fn late() -> Self {
        Self::Late
    }

    fn internal() -> Self {
        Self::Database(Failure::Internal)
    }
}

impl Ledger {
    /// Over the pool of the service's schema; `accounts` is asked for those that have no row.
    pub fn new(pool: Pool, accounts: Accounts, clock: Clock) -> Self {
        Self {
            pool,
            accounts,
            clock,
        }
    }

    /// Closes batches, and answers what each was charged.
    async fn close(
        &self,
        account: AccountId,
        batches: Vec<Key>,
        deadline: Deadline,
    ) -> Result<Vec<i64>, Error> {
        self.require_account(account, deadline).await?;
        let (pool, batches) = (self.pool.clone(), Arc::new(batches));
        retry(deadline, POLICY, move |_| {
            let (pool, batches) = (pool.clone(), Arc::clone(&batches));
            async move { Ok(store::close(&pool, account, &batches).await?) }
        })
        .await
    }

    /// Raises the account's epoch, and answers it with the sums of the windows.
    async fn fence(
        &self,
        account: AccountId,
        raised: Stands,
        from_window: NaiveDate,
        deadline: Deadline,
    ) -> Result<Fenced, Error> {
        self.require_account(account, deadline).await?;
        let (pool, now) = (self.pool.clone(), self.clock.now());
        retry(deadline, POLICY, move |_| {
            let pool = pool.clone();
            async move {
                let fenced = store::fence(&pool, account, raised, from_window, now).await?;
                fenced.ok_or(Error::Implausible)
            }
        })
        .await
    }

    /// Grants units of this ledger, where the ledgers grant.
    async fn grant(&self, ask: Ask, deadline: Deadline) -> Result<(Stands, Granted), Error> {
        let (pool, ask, clock) = (self.pool.clone(), Arc::new(ask), self.clock.clone());
        retry(deadline, POLICY, move |_| {
            let (pool, ask, now) = (pool.clone(), Arc::clone(&ask), clock.now());
            async move { Ok(grants::grant(&pool, &ask, now).await?) }
        })
        .await
    }

    /// What was charged, by window, as far as it is stored.
    async fn windows(
        &self,
        account: AccountId,
        from_window: NaiveDate,
        deadline: Deadline,
    ) -> Result<Vec<(NaiveDate, i64)>, Error> {
        let pool = self.pool.clone();
        retry(deadline, POLICY, move |_| {
            let pool = pool.clone();
            async move { Ok(store::windows(&pool, account, from_window).await?) }
        })
        .await
    }

    /// That the account is known here, or else to mapping: a row makes it known ever after.
    async fn require_account(&self, account: AccountId, deadline: Deadline) -> Result<(), Error> {
        if store::has_account(&self.pool, account).await? {
            return Ok(());
        }
        match self.accounts.exists(account, deadline).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::AccountUnknown),
            Err(silent) => Err(silent.into()),
        }
    }
}
