//! Redis: the counters of each account, and the reservations that stand.
//!
//! Everything of an account is one hash, `weir:{ACCOUNT}:quota`, so that it is there whole or
//! not at all:
//!
//! | field | what |
//! |---|---|
//! | `run` | the run id of the Redis process that it was built in |
//! | `epoch` | the epoch that both ledgers were raised to when it was built |
//! | `floor` | the oldest window it speaks of; an absent one from there on has no units |
//! | `DAY:profile.used`, `DAY:profile.reserved`, `DAY:activity.…` | units |
//! | `lease:BATCH` | a reservation: its window, grants, deadline, and whether it is settled |
//!
//! Each operation is one script and one round trip. All keys of an account carry the same
//! hash tag, so the same code runs on a cluster.

mod active;
mod error;
mod rebuild;
mod reservation;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script};
use weir_ids::AccountId;

pub use active::SHARDS;
pub use error::Error;
pub use rebuild::{Begun, Sum};
pub use reservation::{
    Expired, Known, MAX_SETTLEMENTS, Read, Reservation, Reserved, Settlement, Wanted,
};

/// A script that takes longer is taken for lost: they take microseconds, and the edge gives
/// a batch 8 s in all.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Short and few, so that callers are told soon, and a Redis that came back is found soon.
const RECONNECT_DELAY: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(200);
const RECONNECT_TRIES: usize = 3;
/// How long the state of an account that sends nothing is kept: the windows of yesterday and
/// today, with room. What is forgotten is rebuilt from the ledgers.
const STATE_TTL_SECONDS: u64 = 3 * 24 * 3_600;

/// The connection, and the scripts that run over it.
#[derive(Clone)]
pub struct Store {
    redis: ConnectionManager,
    scripts: std::sync::Arc<Scripts>,
}

struct Scripts {
    reserve: Script,
    settle: Script,
    expired: Script,
    usage: Script,
    begin: Script,
    install: Script,
    abandon: Script,
}

impl Store {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(url: &str) -> Result<Self, redis::RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_min_delay(RECONNECT_DELAY)
            .set_max_delay(RECONNECT_DELAY_MAX)
            .set_number_of_retries(RECONNECT_TRIES);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        let script = |body: &str| {
            Script::new(&format!(
                "{}{body}",
                include_str!("store/scripts/prelude.lua")
            ))
        };
        Ok(Self {
            redis,
            scripts: std::sync::Arc::new(Scripts {
                reserve: script(include_str!("store/scripts/reserve.lua")),
                settle: script(include_str!("store/scripts/settle.lua")),
                expired: script(include_str!("store/scripts/expired.lua")),
                usage: script(include_str!("store/scripts/usage.lua")),
                begin: script(include_str!("store/scripts/begin.lua")),
                install: script(include_str!("store/scripts/install.lua")),
                abandon: script(include_str!("store/scripts/abandon.lua")),
            }),
        })
    }

    /// Whether Redis answers.
    pub async fn healthy(&self) -> bool {
        let mut redis = self.redis.clone();
        redis::cmd("PING")
            .query_async::<String>(&mut redis)
            .await
            .is_ok()
    }

    /// Runs a prepared script; once more where the connection broke under it. Every script
    /// may be repeated: batches and rebuilds are recognised by their ids.
    async fn run(&self, call: &redis::ScriptInvocation<'_>) -> Result<Vec<String>, Error> {
        let mut redis = self.redis.clone();
        match call.invoke_async::<Vec<String>>(&mut redis).await {
            Err(error) if error.is_unrecoverable_error() => {
                Ok(call.invoke_async(&mut redis).await?)
            }
            other => Ok(other?),
        }
    }
}

/// All keys of an account have the same slot.
fn key(account: AccountId, rest: &str) -> String {
    format!("weir:{{{account}}}:quota{rest}")
}
