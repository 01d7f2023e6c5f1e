//! Which accounts may have leases, and which are near a limit: for the sweeper of whichever
//! replica is alive.

use chrono::{DateTime, Utc};
use weir_ids::AccountId;

use super::connection::Work;
use super::{Error, LEASES, STATE_TTL_SECONDS, Store, key};
use crate::domain::Window;

/// Spreads the registry over a cluster's slots.
pub const SHARDS: u8 = 16;
/// Accounts read at once: Redis does nothing else meanwhile.
pub const ACTIVE_PAGE: usize = 1_000;

fn shard_key(shard: u8) -> String {
    format!("weir:quota:active:{shard}")
}

fn near_key(window: Window, shard: u8) -> String {
    format!("weir:quota:near:{window}:{shard}")
}

fn shard_of(account: AccountId) -> u8 {
    account.0.as_bytes()[15] % SHARDS
}

impl Store {
    /// Notes that the account reserves at `time`.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn note_active(&self, account: AccountId, time: DateTime<Utc>) -> Result<(), Error> {
        let key = shard_key(shard_of(account));
        self.note(key, account, time).await
    }

    /// Notes that so much of a window's units is reserved that a limit is near.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn note_near(
        &self,
        account: AccountId,
        window: Window,
        time: DateTime<Utc>,
    ) -> Result<(), Error> {
        let key = near_key(window, shard_of(account));
        self.note(key, account, time).await
    }

    async fn note(
        &self,
        key: String,
        account: AccountId,
        time: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut call = self.scripts.note.key(key);
        call.arg(account.to_string())
            .arg(time.timestamp())
            .arg(STATE_TTL_SECONDS);
        self.run(&call).await?;
        Ok(())
    }

    /// A page of the accounts of one shard, with when they were noted last: `skip` come before
    /// it. Answers whether more may follow.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn active(
        &self,
        shard: u8,
        skip: usize,
    ) -> Result<(Vec<(AccountId, DateTime<Utc>)>, bool), Error> {
        self.noted(shard_key(shard), skip).await
    }

    /// The same of those that are near a limit of a window.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn near(
        &self,
        window: Window,
        shard: u8,
        skip: usize,
    ) -> Result<(Vec<(AccountId, DateTime<Utc>)>, bool), Error> {
        self.noted(near_key(window, shard), skip).await
    }

    async fn noted(
        &self,
        key: String,
        skip: usize,
    ) -> Result<(Vec<(AccountId, DateTime<Utc>)>, bool), Error> {
        let mut call = self.scripts.active.key(key);
        call.arg(skip).arg(skip + ACTIVE_PAGE - 1);
        let found: Vec<(String, i64)> = self.redis.call(Work::Script(&call)).await?;
        let more = found.len() == ACTIVE_PAGE;
        let known = found.into_iter().filter_map(|(account, time)| {
            Some((account.parse().ok()?, DateTime::from_timestamp(time, 0)?))
        });
        Ok((known.collect(), more))
    }

    /// Forgets everything of an account, of these windows what it was near; answers how many keys
    /// that were.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn erase(&self, account: AccountId, near: &[Window]) -> Result<i64, Error> {
        let mut erase = redis::cmd("DEL");
        erase.arg(key(account, "")).arg(key(account, LEASES));
        erase.arg(key(account, ":rebuild"));
        let mut erased: i64 = self.redis.call(Work::Command(&erase)).await?;
        let shard = shard_of(account);
        let near = near.iter().map(|window| near_key(*window, shard));
        for noted in near.chain([shard_key(shard)]) {
            let mut forget = redis::cmd("ZREM");
            forget.arg(noted).arg(account.to_string());
            erased += self.redis.call::<i64>(Work::Command(&forget)).await?;
        }
        Ok(erased)
    }

    /// Forgets an account, unless it was noted after `time`.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn forget_active(
        &self,
        account: AccountId,
        time: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut call = self.scripts.forget.key(shard_key(shard_of(account)));
        call.arg(account.to_string()).arg(time.timestamp());
        self.run(&call).await?;
        Ok(())
    }
}
