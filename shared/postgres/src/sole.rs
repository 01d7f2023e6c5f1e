//! Jobs that one replica of a service does at a time.
//!
//! Whoever does a job holds an advisory lock of PostgreSQL, on a connection of the job's own:
//! it is free again when that ends, however it ends. PostgreSQL asks after a host that fell
//! silent, so that is so within some ten seconds; a process that dies frees it at once.
//!
//! **Invariant:** no promise rests on it. Two replicas may both take a job for theirs for some
//! seconds (the connection is lost, and not known to be yet), and where an engine has no such
//! locks, or each of several nodes has its own, all of them do: every job is one that may be
//! done twice. What it saves is the work.

use std::io;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error};

use crate::Pool;
use crate::dial::{DialError, dial};
use crate::pool::with_settings;

/// How often a replica asks for a job that another does, and one that does it whether its
/// connection still stands.
const LOOK: Duration = Duration::from_secs(2);
/// How long the connection may take to be made, and to answer.
const CONNECT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(3);
/// PostgreSQL would believe in a host that is gone for hours.
const KEEPALIVE: [&str; 3] = [
    "tcp_keepalives_idle=4",
    "tcp_keepalives_interval=2",
    "tcp_keepalives_count=3",
];

/// By schema, so that a job is called the same in several services.
const LOCK: &str = "/* every account */
    SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.' || $1::text, 0)) AS mine";

/// By `job`.
const HERE: &str = "background_jobs_here";

/// A job, and whether it is this replica's.
pub struct Sole {
    job: &'static str,
    config: Config,
    connection: Option<ClientWrapper>,
    is_mine: bool,
    /// What was said last stands until then.
    stands_until: Instant,
}

impl Sole {
    /// A job of the service whose pool it is.
    pub fn new(pool: &Pool, job: &'static str) -> Self {
        metrics::describe_gauge!(HERE, "Whether this replica does the job, by job.");
        Self {
            job,
            config: with_settings(pool.manager().config(), SILENCE, &KEEPALIVE),
            connection: None,
            is_mine: false,
            stands_until: Instant::now(),
        }
    }

    /// Whether the job is this replica's: it was, and the connection stands, or it was nobody's.
    /// To be asked in every round; PostgreSQL is asked every two seconds at most.
    pub async fn is_mine(&mut self) -> bool {
        if Instant::now() >= self.stands_until {
            let asked = self.ask().await.unwrap_or_else(|error| {
                tracing::warn!(job = self.job, %error, "not known whose job it is");
                self.connection = None;
                false
            });
            self.set(asked);
            self.stands_until = Instant::now() + LOOK;
        }
        self.is_mine
    }

    /// Lets another do it, since what fails here may not fail there. This replica asks again
    /// when it has rested.
    pub fn give_up(&mut self, rest: Duration) {
        self.connection = None;
        self.set(false);
        self.stands_until = Instant::now() + rest;
    }

    async fn ask(&mut self) -> Result<bool, DialError> {
        let stands = self.connection.take().filter(|one| !one.is_closed());
        let was_mine = self.is_mine && stands.is_some();
        let connection = match stands {
            Some(connection) => connection,
            None => {
                let dialled = tokio::time::timeout(CONNECT, dial(&self.config, SILENCE)).await;
                dialled
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
                    .0
            }
        };
        let connection = self.connection.insert(connection);
        if was_mine {
            connection.simple_query("").await?;
            return Ok(true);
        }
        match connection.query_one(LOCK, &[&self.job]).await {
            Ok(row) => Ok(row.get("mine")),
            Err(error) if knows_no_locks(&error) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn set(&mut self, is_mine: bool) {
        if is_mine != self.is_mine {
            tracing::info!(job = self.job, is_mine, "whose job it is has changed");
        }
        self.is_mine = is_mine;
        metrics::gauge!(HERE, "job" => self.job).set(if is_mine { 1.0 } else { 0.0 });
    }
}

/// Then everybody does it, which is more work and no harm.
fn knows_no_locks(error: &Error) -> bool {
    let none = [
        &SqlState::FEATURE_NOT_SUPPORTED,
        &SqlState::UNDEFINED_FUNCTION,
    ];
    error.code().is_some_and(|code| none.contains(&code))
}
