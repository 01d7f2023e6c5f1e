//! Accounts that may have rows in the outbox, marked along with these: so that what a process left
//! that ended is found without a look at all accounts.
//!
//! A batch would pay for a mark of its own. So a mark stands for minutes, and whoever writes such
//! a row renews it only when it is about to end: along with COMMIT, so that it takes no further
//! round trip, and nobody who has the mark's row waits for anything else.
//!
//! **Invariant:** a row of the outbox is written under a mark that stands for a while yet. One
//! that is over is dropped when nothing is found, by the relay; what is younger is never.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::types::ToSql;
use weir_ids::AccountId;
use weir_postgres::{Failure, Tx, work};

/// For how long a mark stands.
const STANDS: TimeDelta = TimeDelta::minutes(10);
/// For how long it must stand yet: much longer than a batch takes, and than clocks differ.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Accounts that are known to be marked; beyond them all are marked anew.
const ACCOUNTS: usize = 10_000;

/// As [`work`] names it.
pub(super) const OUTBOX: &str = "outbox";

/// The marks that this process has made: accounts, and until when theirs stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(Arc<Mutex<HashMap<AccountId, DateTime<Utc>>>>);

impl Marks {
    /// Commits a batch that wrote a message, and sees to it that the account is marked for as long
    /// as that may wait for the relay to look.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn commit(
        &self,
        tx: Tx<'_>,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        if self.stands(account, now) {
            return Ok(tx.commit().await?);
        }
        let until = now + STANDS;
        let extend = tx.prepare_cached(work::EXTEND).await?;
        let mark: [&(dyn ToSql + Sync); 3] = [&account.0, &OUTBOX, &until];
        tx.commit_with(&extend, &mark).await?;
        self.made(account, until);
        Ok(())
    }

    fn stands(&self, account: AccountId, now: DateTime<Utc>) -> bool {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks
            .get(&account)
            .is_some_and(|until| *until > now + AHEAD)
    }

    fn made(&self, account: AccountId, until: DateTime<Utc>) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= ACCOUNTS {
            marks.clear();
        }
        marks.insert(account, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_renewed_long_before_it_ends() {
        let (marks, account, now) = (
            Marks::default(),
            AccountId::new(),
            DateTime::<Utc>::UNIX_EPOCH,
        );
        assert!(!marks.stands(account, now));
        marks.made(account, now + STANDS);
        assert!(marks.stands(account, now));
        assert!(!marks.stands(account, now + AHEAD));
        assert!(!marks.stands(AccountId::new(), now));
    }
}
