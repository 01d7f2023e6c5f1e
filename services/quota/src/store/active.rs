//! Which accounts may have leases: for the sweeper of whichever replica is alive.

use chrono::{DateTime, Utc};
use weir_ids::AccountId;

use super::{Error, Store};

/// Spreads the registry over a cluster's slots.
pub const SHARDS: u8 = 16;

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
        let mut redis = self.redis.clone();
        redis::cmd("ZADD")
            .arg(shard_key(shard_of(account)))
            .arg(time.timestamp())
            .arg(account.to_string())
            .query_async::<()>(&mut redis)
            .await?;
        Ok(())
    }

    /// The accounts of one shard, with when they were noted last.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn active(&self, shard: u8) -> Result<Vec<(AccountId, DateTime<Utc>)>, Error> {
        let mut redis = self.redis.clone();
        let found: Vec<(String, i64)> = redis::cmd("ZRANGE")
            .arg(shard_key(shard))
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES")
            .query_async(&mut redis)
            .await?;
        Ok(found
            .into_iter()
            .filter_map(|(account, time)| {
                Some((account.parse().ok()?, DateTime::from_timestamp(time, 0)?))
            })
            .collect())
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
        let mut redis = self.redis.clone();
        let script = redis::Script::new(
            "local noted = redis.call('ZSCORE', KEYS[1], ARGV[1]) \
             if noted and tonumber(noted) <= tonumber(ARGV[2]) then \
             redis.call('ZREM', KEYS[1], ARGV[1]) end return 0",
        );
        script
            .key(shard_key(shard_of(account)))
            .arg(account.to_string())
            .arg(time.timestamp())
            .invoke_async::<i64>(&mut redis)
            .await?;
        Ok(())
    }
}
