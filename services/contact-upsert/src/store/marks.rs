//! Accounts that may have rows in the outbox, marked before they have any: so that what a process
//! left that ended is found without a look at all accounts.
//!
//! A batch would pay for a mark of its own. So a mark stands for minutes, and whoever stores a
//! batch renews it only when it is about to end.
//!
//! **Invariant:** a row of the outbox is written under a mark that stands for a while yet. One
//! that is over is dropped when nothing is found, by the relay; what is younger is never.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use weir_ids::AccountId;
use weir_postgres::{Client, Failure, Tx, work};

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
    /// Sees to it that the account is marked for as long as a batch of now may take.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn keep(
        &self,
        client: &mut Client,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        if self.stands(account, now) {
            return Ok(());
        }
        let tx = Tx::begin(client, account);
        work::extend(&tx, account, OUTBOX, now + STANDS).await?;
        tx.commit().await?;
        self.made(account, now + STANDS);
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
