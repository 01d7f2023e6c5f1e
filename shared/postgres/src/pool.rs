//! The pool of connections.
//!
//! **Invariant:** who gets a connection from here gets one that owes nothing and is in no
//! transaction, whatever became of its last user; and none of which PostgreSQL was silent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, Metrics, QueueMode, RecycleError, RecycleResult};
use deadpool_postgres::{ClientWrapper, PoolConfig, Runtime, Timeouts};
use tokio::time::{Instant, timeout};

use crate::dial::{DialError, dial};
use crate::failure::outdated;
use crate::link::Link;
use crate::target::{Target, UrlError};

/// How long a request waits for a free connection before it is told "unavailable":
/// well under the edge's deadline of 8 s.
const WAIT: Duration = Duration::from_secs(4);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// No statement of ours takes longer, unless something is wrong. Less than the edge's deadline:
/// what nobody waits for any more need not be finished.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(7);
/// PostgreSQL ends a statement by itself before this: who is still silent is gone.
const SILENCE: Duration = Duration::from_secs(8);
/// What the last user of a connection left behind (a ROLLBACK, most likely) is answered within
/// this, or the connection is closed.
const SETTLE: Duration = Duration::from_millis(300);
/// After trouble with another connection, one that was not heard of since is asked first.
/// With [`SETTLE`] and a new connection it fits into a health probe's second.
const PING: Duration = Duration::from_millis(300);

const GIVEN_UP: &str = "database_connections_given_up_total";

/// For a service whose every statement finds rows by their keys. The statistics of a young
/// table would talk the planner into reading all of it instead, and a prepared plan outlives
/// that youth.
pub const PLAN_BY_KEY: &[&str] = &[
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
];

/// A pool; clones are one and the same.
pub type Pool = managed::Pool<Manager>;
/// A connection of a pool, which it goes back to when it is dropped.
pub type Client = managed::Object<Manager>;
/// Why a pool gave no connection.
pub type PoolError = managed::PoolError<DialError>;

/// Makes a pool for `url`, of at most `connections`; connects on first use. Each connection
/// begins with these `settings`, whoever uses it first.
///
/// # Errors
/// Where the URL is not one, or names files that can't be used.
pub fn connect(url: &str, connections: usize, settings: &[&str]) -> Result<Pool, UrlError> {
    let mut target = Target::read(url)?;
    target.config.application_name(application_name());
    metrics::describe_counter!(
        GIVEN_UP,
        "Connections to PostgreSQL that were closed: silent, broken, or left in the middle of something."
    );
    // Whoever asks for an increase has to see it from 0 on.
    metrics::counter!(GIVEN_UP).increment(0);
    let manager = Manager {
        watched: with_settings(&target, STATEMENT_TIMEOUT, settings),
        plain: target,
        trouble: Mutex::default(),
    };
    Ok(Pool::builder(manager)
        .config(PoolConfig {
            max_size: connections.max(1),
            timeouts: Timeouts {
                wait: Some(WAIT),
                create: Some(CONNECT),
                recycle: Some(SETTLE + PING + PING),
            },
            // The one that was used last knows most statements; and where it was left in the
            // middle of something, the next one to ask finds out.
            queue_mode: QueueMode::Lifo,
        })
        .runtime(Runtime::Tokio1)
        .build()
        .expect("all that a pool with timeouts needs is a runtime"))
}

/// Options that the URL has are kept.
pub(crate) fn with_settings(target: &Target, statements: Duration, settings: &[&str]) -> Target {
    let mut target = target.clone();
    let mut options = target.config.get_options().unwrap_or_default().to_owned();
    options.push_str(&format!(" -c statement_timeout={}", statements.as_millis()));
    for setting in settings {
        options.push_str(" -c ");
        options.push_str(setting);
    }
    target.config.options(options);
    target
}

/// A connection, as `deadpool_postgres` wraps it, and what is known of it.
pub struct Connection {
    client: ClientWrapper,
    link: Arc<Link>,
    /// What [`outdated`] was when its statements were prepared.
    prepared: u64,
}

impl Connection {
    /// For what is no account's: a directory, the accounts with work, the catalogue. Tables of
    /// accounts are empty to it; their rows are for a [`Tx`](crate::Tx).
    pub fn unscoped(&self) -> &ClientWrapper {
        &self.client
    }

    /// As well.
    pub fn unscoped_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }
}

/// Makes connections, and judges those that come back.
pub struct Manager {
    watched: Target,
    /// As the URL has it.
    plain: Target,
    trouble: Mutex<Trouble>,
}

/// What happened to other connections.
#[derive(Debug, Default, Clone, Copy)]
struct Trouble {
    /// When one of them was last found to be silent: those that were not heard of since may
    /// be, too.
    suspected: Option<Instant>,
    /// When one of them was last asked for nothing but an answer, and gave none: those that
    /// were not heard of since are gone, too.
    certain: Option<Instant>,
}

impl Manager {
    /// What the URL says, without the settings of the pool.
    pub(crate) fn target(&self) -> &Target {
        &self.plain
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection that comes back can be given away again; else why not.
    async fn judge(&self, connection: &Connection) -> Result<(), &'static str> {
        let Connection { client, link, .. } = connection;
        if client.is_closed() {
            // Whoever ended it, the others may be gone as well.
            self.trouble().suspected = Some(Instant::now());
            return Err("it is closed");
        }
        if !link.is_settled() && timeout(SETTLE, link.settled()).await.is_err() {
            self.trouble().suspected = Some(Instant::now());
            return Err("it is still busy with what nobody waits for");
        }
        let trouble = *self.trouble();
        let heard = link.heard();
        if trouble.certain.is_some_and(|since| heard < since) {
            return Err("others are silent");
        }
        if trouble.suspected.is_some_and(|since| heard < since) {
            let asked = Instant::now();
            if !matches!(timeout(PING, client.simple_query("")).await, Ok(Ok(_))) {
                self.trouble().certain = Some(asked);
                return Err("it is silent");
            }
        }
        Ok(())
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DialError;

    async fn create(&self) -> Result<Connection, DialError> {
        let (client, link) = Box::pin(dial(&self.watched, SILENCE)).await?;
        Ok(Connection {
            client,
            link,
            prepared: outdated(),
        })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<DialError> {
        self.judge(connection).await.map_err(|reason| {
            tracing::warn!(reason, "a connection to the database is given up");
            metrics::counter!(GIVEN_UP).increment(1);
            RecycleError::message(reason)
        })?;
        let outdated = outdated();
        if connection.prepared < outdated {
            connection.client.statement_cache.clear();
            connection.prepared = outdated;
        }
        Ok(())
    }
}

/// The binary's name, so that `pg_stat_activity` tells who is connected.
fn application_name() -> String {
    std::env::args()
        .next()
        .and_then(|path| path.rsplit('/').next().map(str::to_owned))
        .unwrap_or_else(|| "weir".to_owned())
}
