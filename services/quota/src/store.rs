//! Redis: the counters of each account, and the reservations that stand.
//!
//! Everything of an account is one hash, `weir:{ACCOUNT}:quota`, so that it is there whole or
//! not at all:
//!
//! | field | what |
//! |---|---|
//! | `run` | the run id of the Redis process that it was built in |
//! | `epoch` | the epoch that both ledgers were raised to when it was built |
//! | `grants` | how many it has made: one that has made fewer than it had was put back |
//! | `floor` | the oldest window it speaks of; an absent one from there on has no units |
//! | `DAY:profile.used`, `DAY:profile.reserved`, `DAY:activity.…` | units |
//! | `lease:BATCH` | a reservation: its window, grants, deadline, and whether it is settled |
//!
//! It ends three days after its last grant. Beside it are
//! - `weir:{ACCOUNT}:quota:leases`: the leases in the order of their deadlines, and the epoch of
//!   the state that they are of. It says where to look, not what stands: where it is lost or
//!   another state's, it is made anew from the hash. Ends with the hash.
//! - `weir:{ACCOUNT}:quota:rebuild`: ends after four seconds.
//! - `weir:quota:active:SHARD`: the accounts that may have leases. An account is in it for an
//!   hour after its last lease, the whole ends after three days of quiet.
//! - `weir:quota:sweeper`: the process that sweeps; ends six seconds after it said so last.
//!
//! Each operation is one script and one round trip. All keys of an account carry the same
//! hash tag, so the same scripts run on a cluster, where a script has one slot.

mod active;
mod connection;
mod error;
mod rebuild;
mod reservation;
mod sweeper;

use redis::Script;
use weir_ids::AccountId;

pub use active::{ACTIVE_PAGE, SHARDS};
pub use error::Error;
pub use rebuild::{Begun, Sum};
pub use reservation::{Expired, Read, Reserved};
pub use sweeper::SWEEPER_LEASE;

use connection::{Connection, Work};

/// How long the state of an account that sends nothing is kept: the windows of yesterday and
/// today, with room. What is forgotten is rebuilt from the ledgers.
const STATE_TTL_SECONDS: u64 = 3 * 24 * 3_600;
/// Of the account's key with the leases by deadline.
const LEASES: &str = ":leases";

/// The connection, and the scripts that run over it.
#[derive(Clone)]
pub struct Store {
    redis: Connection,
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
    note: Script,
    active: Script,
    forget: Script,
    sweeper: Script,
    leave: Script,
}

impl Store {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the URL is not one, or a file can't be used.
    pub fn connect(
        url: &str,
        options: &weir_redis::RedisOptions,
    ) -> Result<Self, weir_redis::AddressError> {
        let script = |body: &str| {
            Script::new(&format!(
                "{}{body}",
                include_str!("store/scripts/prelude.lua")
            ))
        };
        Ok(Self {
            redis: Connection::to(url, options)?,
            scripts: std::sync::Arc::new(Scripts {
                reserve: script(include_str!("store/scripts/reserve.lua")),
                settle: script(include_str!("store/scripts/settle.lua")),
                expired: script(include_str!("store/scripts/expired.lua")),
                usage: script(include_str!("store/scripts/usage.lua")),
                begin: script(include_str!("store/scripts/begin.lua")),
                install: script(include_str!("store/scripts/install.lua")),
                abandon: script(include_str!("store/scripts/abandon.lua")),
                note: script(include_str!("store/scripts/note.lua")),
                active: script(include_str!("store/scripts/active.lua")),
                forget: script(include_str!("store/scripts/forget.lua")),
                sweeper: script(include_str!("store/scripts/sweeper.lua")),
                leave: script(include_str!("store/scripts/leave.lua")),
            }),
        })
    }

    /// Whether parts of it may be away while others are there.
    pub fn is_cluster(&self) -> bool {
        self.redis.is_to_a_cluster()
    }

    /// Looks whether a Redis that answers can be worked with: one that forgets what it was told, or is
    /// too old, can't. One that follows another may soon be the master.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), weir_redis::Unfit> {
        self.redis.check().await
    }

    /// Whether Redis answers, within a second; of a cluster, every part of it.
    pub async fn healthy(&self) -> bool {
        self.redis.answers().await
    }

    /// Runs a prepared script. Every script may be repeated: batches and rebuilds are
    /// recognised by their ids.
    async fn run(&self, call: &redis::ScriptInvocation<'_>) -> Result<Vec<String>, Error> {
        self.redis.call(Work::Script(call)).await
    }
}

/// All keys of an account have the same slot.
fn key(account: AccountId, rest: &str) -> String {
    format!("weir:{{{account}}}:quota{rest}")
}
