//! Accounts whose row is known to be there: it need not be asked for again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_ids::AccountId;

/// Beyond this many all are forgotten, and looked up again.
const KEPT: usize = 100_000;

/// Shared by all connections of a process.
#[derive(Clone, Default)]
pub(super) struct KnownAccounts(Arc<Mutex<HashSet<AccountId>>>);

impl KnownAccounts {
    pub fn contains(&self, account: AccountId) -> bool {
        self.lock().contains(&account)
    }

    pub fn insert(&self, account: AccountId) {
        let mut known = self.lock();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(account);
    }

    pub fn forget(&self, account: AccountId) {
        self.lock().remove(&account);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<AccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
