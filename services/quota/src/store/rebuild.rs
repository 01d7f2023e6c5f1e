//! Building an account's state anew from the ledgers.
//!
//! A rebuild is begun, both ledgers are fenced, and what they answered is installed; why
//! that is safe is told where it is done, in `app/rebuild.rs`.
//!
//! **Invariant:** a state is installed only by the rebuild that stands, in the life of the
//! server in which it was begun, and at most once. So between `begin` and `install` nobody
//! reserved anything, and the sums are those of a ledger that takes no older epoch any more.

use std::time::Duration;

use uuid::Uuid;
use weir_ids::AccountId;

use super::{Error, LEASES, STATE_TTL_SECONDS, Store, key};
use crate::domain::{Progress, Units, Window};

/// Answer of [`Store::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is the caller's to go on with.
    Begun,
    /// Another rebuild is under way.
    Busy,
    /// Someone has built it meanwhile.
    Valid,
}

/// What was stored in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub window: Window,
    pub units: Units,
}

impl Store {
    /// Begins a rebuild, unless there is a state that has come at least so far. Others may try
    /// when `patience` is over.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn begin(
        &self,
        account: AccountId,
        nonce: Uuid,
        patience: Duration,
        least: Progress,
    ) -> Result<Begun, Error> {
        let mut call = self.scripts.begin.key(key(account, ""));
        call.key(key(account, LEASES))
            .key(key(account, ":rebuild"))
            .arg(nonce.simple().to_string())
            .arg(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
            .arg(least.epoch)
            .arg(least.grants);
        let answer = self.run(&call).await?;
        match answer.first().map(String::as_str) {
            Some("valid") => Ok(Begun::Valid),
            Some("busy") => Ok(Begun::Busy),
            Some("begun") => Ok(Begun::Begun),
            _ => Err(Error::Unreadable),
        }
    }

    /// Installs what the ledgers answered. `false`: the rebuild does not stand any more.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn install(
        &self,
        account: AccountId,
        nonce: Uuid,
        epoch: i64,
        floor: Window,
        sums: &[Sum],
    ) -> Result<bool, Error> {
        let mut call = self.scripts.install.key(key(account, ""));
        call.key(key(account, LEASES))
            .key(key(account, ":rebuild"))
            .arg(nonce.simple().to_string())
            .arg(epoch)
            .arg(floor.to_string())
            .arg(STATE_TTL_SECONDS);
        for sum in sums {
            call.arg(sum.window.to_string())
                .arg(sum.units.profile)
                .arg(sum.units.activity);
        }
        Ok(self.run(&call).await?.first().map(String::as_str) == Some("1"))
    }

    /// Gives a rebuild up, so that others need not wait. Best effort.
    pub async fn abandon(&self, account: AccountId, nonce: Uuid) {
        let mut call = self.scripts.abandon.key(key(account, ":rebuild"));
        call.arg(nonce.simple().to_string());
        let _ = self.run(&call).await;
    }
}
