//! Jobs that one replica of a service does at a time.
//!
//! Whoever does a job holds an advisory lock of PostgreSQL, on a connection that all jobs of the
//! process share and nothing else uses: its locks are free again when it ends, however it ends.
//! PostgreSQL asks after a host that fell silent, so that is so within some ten seconds; a process
//! that dies frees them at once.
//!
//! Where a pooler stands between, a lock of a session would be the pooler's: held when its holder
//! has long gone. There it is a lock of a transaction, which is left open for as long as it is
//! held: no pooler gives that away, and each ends it with its client.
//!
//! **Invariant:** no promise rests on it. Two replicas may both take a job for theirs for some
//! seconds (the connection is lost, and not known to be yet), and where an engine has no such
//! locks, or each of several nodes has its own, all of them do: every job is one that may be
//! done twice. What it saves is the work.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::Pool;
use crate::dial::{DialError, dial};
use crate::failure::causes;
use crate::fitness::DIRECT;
use crate::pool::with_settings;
use crate::target::Target;

/// How often a replica asks for a job that another does, and one that does it whether its
/// connection still stands.
const LOOK: Duration = Duration::from_secs(2);
/// How long the connection may take to be made, and to answer.
const CONNECT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(3);
/// PostgreSQL would believe in a host that is gone for hours.
const SETTINGS: [&str; 4] = [
    "tcp_keepalives_idle=4",
    "tcp_keepalives_interval=2",
    "tcp_keepalives_count=3",
    DIRECT,
];
const IS_DIRECT: &str =
    "SELECT coalesce(current_setting('weir.direct', true), '') = 'on' AS direct";
/// What is left open has read nothing that vacuum would have to keep.
const HOLD_ON: [&str; 3] = [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    // From PostgreSQL 17 on; where it is not known the name is anybody's, and means nothing.
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'",
];

/// By schema, so that a job is called the same in several services.
const LOCK: &str = "/* every account */
    SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.' || $1::text, 0)) AS mine";

/// The same on a transaction.
const HOLD: &str = "/* every account */
    SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.' || $1::text, 0)) AS mine";

const FREE: &str = "/* every account */
    SELECT pg_advisory_unlock(hashtextextended(current_schema() || '.' || $1::text, 0))";

/// By `of`.
const HERE: &str = "background_jobs_here";

/// The jobs of one process.
#[derive(Clone)]
pub struct Jobs(Arc<Session>);

struct Session {
    target: Target,
    connection: Mutex<Connection>,
}

/// The present connection, and which one it is: what a former one held is lost.
#[derive(Default)]
struct Connection {
    client: Option<ClientWrapper>,
    number: u64,
    /// Its locks are those of a transaction.
    is_pooled: bool,
    /// It could not be made: until then nobody tries again, so that jobs do not wait for each
    /// other's tries.
    is_away_until: Option<Instant>,
}

impl Jobs {
    /// Those of the service whose pool it is.
    pub fn new(pool: &Pool) -> Self {
        metrics::describe_gauge!(HERE, "Whether this replica does the job, by job.");
        Self(Arc::new(Session {
            target: with_settings(pool.manager().target(), SILENCE, &SETTINGS),
            connection: Mutex::default(),
        }))
    }

    /// One of them. A process asks for each once: it would not be refused what it holds.
    pub fn sole(&self, job: &'static str) -> Sole {
        Sole {
            job,
            session: self.0.clone(),
            held_on: None,
            is_mine: false,
            stands_until: Instant::now(),
        }
    }
}

/// A job, and whether it is this replica's.
pub struct Sole {
    job: &'static str,
    session: Arc<Session>,
    /// The number of the connection that holds its lock.
    held_on: Option<u64>,
    is_mine: bool,
    /// What was said last stands until then.
    stands_until: Instant,
}

impl Sole {
    /// Whether the job is this replica's: it was, and the connection stands, or it was nobody's.
    /// To be asked in every round; PostgreSQL is asked every two seconds at most.
    pub async fn is_mine(&mut self) -> bool {
        if Instant::now() >= self.stands_until {
            let asked = self.ask().await.unwrap_or_else(|error| {
                let error = causes(&error);
                tracing::warn!(job = self.job, error, "not known whose job it is");
                false
            });
            self.set(asked);
            self.stands_until = Instant::now() + LOOK;
        }
        self.is_mine
    }

    /// Lets another do it, since what fails here may not fail there. This replica asks again
    /// when it has rested.
    pub async fn give_up(&mut self, rest: Duration) {
        self.set(false);
        self.stands_until = Instant::now() + rest;
        let Some(number) = self.held_on.take() else {
            return;
        };
        let mut connection = self.session.connection.lock().await;
        if connection.number != number {
            return;
        }
        let freed = match &connection.client {
            Some(_) if connection.is_pooled => {
                connection.client = None;
                return;
            }
            Some(client) => client.query_one(FREE, &[&self.job]).await,
            None => return,
        };
        if freed.is_err() {
            // Its end frees the lock, with those of the other jobs: they ask anew.
            connection.client = None;
        }
    }

    async fn ask(&mut self) -> Result<bool, DialError> {
        let mut connection = self.session.connection.lock().await;
        let asked = connection
            .ask(&self.session.target, self.job, self.held_on)
            .await;
        if asked.is_err() {
            connection.client = None;
        }
        let is_mine = asked?;
        self.held_on = is_mine.then_some(connection.number);
        Ok(is_mine)
    }

    fn set(&mut self, is_mine: bool) {
        if is_mine != self.is_mine {
            tracing::info!(job = self.job, is_mine, "whose job it is has changed");
        }
        self.is_mine = is_mine;
        metrics::gauge!(HERE, "of" => self.job).set(if is_mine { 1.0 } else { 0.0 });
    }
}

impl Connection {
    /// Whether the job's lock is held, by then or from now on.
    async fn ask(
        &mut self,
        target: &Target,
        job: &'static str,
        held_on: Option<u64>,
    ) -> Result<bool, DialError> {
        let stands = self.client.take().filter(|one| !one.is_closed());
        let client = match stands {
            Some(client) => client,
            None => self.connect(target).await?,
        };
        let client = self.client.insert(client);
        if held_on == Some(self.number) {
            client.simple_query("").await?;
            return Ok(true);
        }
        let lock = if self.is_pooled { HOLD } else { LOCK };
        match client.query_one(lock, &[&job]).await {
            Ok(row) => Ok(row.get("mine")),
            Err(error) if knows_no_locks(&error) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn connect(&mut self, target: &Target) -> Result<ClientWrapper, DialError> {
        if self
            .is_away_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        self.number += 1;
        let dialled = tokio::time::timeout(CONNECT, Box::pin(dial(target, SILENCE))).await;
        let dialled = dialled
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut).into())
            .flatten();
        self.is_away_until = dialled.is_err().then(|| Instant::now() + LOOK);
        let client = dialled?.0;
        let direct = client.query_one(IS_DIRECT, &[]).await?;
        self.is_pooled = !direct.get::<_, bool>("direct");
        if self.is_pooled {
            for statement in HOLD_ON {
                client.batch_execute(statement).await?;
            }
        }
        Ok(client)
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
