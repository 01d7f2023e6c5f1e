//! Which accounts may have leases: for the sweeper of whichever replica is alive.

use chrono::{DateTime, Utc};
use weir_ids::AccountId;

use super::connection::Work;
use super::{Error, LEASES, STATE_TTL_SECONDS, Store, key};

/// Spreads the registry over a cluster's slots.
pub const SHARDS: u8 = 16;
/// Accounts read at once: Redis does nothing else meanwhile.
pub const ACTIVE_PAGE: usize = 1_000;

fn shard_key(shard: u8) -> String {
    format!("weir:quota:active:{shard}")
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
        let mut call = self.scripts.active.key(shard_key(shard));
        call.arg(skip).arg(skip + ACTIVE_PAGE - 1);
        let found: Vec<(String, i64)> = self.redis.call(Work::Script(&call)).await?;
        let more = found.len() == ACTIVE_PAGE;
        let known = found.into_iter().filter_map(|(account, time)| {
            Some((account.parse().ok()?, DateTime::from_timestamp(time, 0)?))
        });
        Ok((known.collect(), more))
    }

    /// Forgets everything of an account; answers how many keys that were.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn erase(&self, account: AccountId) -> Result<i64, Error> {
        let mut erase = redis::cmd("DEL");
        erase.arg(key(account, "")).arg(key(account, LEASES));
        erase.arg(key(account, ":rebuild"));
        let erased: i64 = self.redis.call(Work::Command(&erase)).await?;
        let mut forget = redis::cmd("ZREM");
        forget
            .arg(shard_key(shard_of(account)))
            .arg(account.to_string());
        let noted: i64 = self.redis.call(Work::Command(&forget)).await?;
        Ok(erased + noted)
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
