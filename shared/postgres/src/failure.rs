//! What an error of the database means to a caller.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::error::SqlState;

use crate::PoolError;

/// How often a prepared statement was found to be of a schema of before.
static OUTDATED: AtomicU64 = AtomicU64::new(0);

/// PostgreSQL's routine that finds it. The SQLSTATE has other meanings as well.
const FINDS_OUTDATED: &str = "RevalidateCachedQuery";

/// Why a transaction did not commit. The text is for callers: it says nothing of the inside.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Lost against another transaction; the same again may succeed at once.
    #[error("the database asks for another try")]
    Conflict,
    /// PostgreSQL is away, starting, stopping, out of connections, or was too slow.
    #[error("the database is away")]
    Unavailable,
    /// PostgreSQL does not take a value, whatever the others are: one of another batch would
    /// be taken. Which one it is, it does not say.
    #[error("the database does not take a value")]
    Refused,
    /// Ours to mend; the details are in the log.
    #[error("an internal error")]
    Internal,
}

impl From<tokio_postgres::Error> for Failure {
    /// Logs what does not leave the service: once, here.
    fn from(error: tokio_postgres::Error) -> Self {
        let failure = failure_of(&error);
        if is_outdated(&error) {
            OUTDATED.fetch_add(1, Ordering::Relaxed);
        }
        match failure {
            Self::Conflict => tracing::debug!(code = code(&error), "conflict in the database"),
            Self::Unavailable => tracing::warn!(code = code(&error), "the database is away"),
            // The message quotes the value (`invalid input syntax for type …: "…"`).
            Self::Refused => {
                tracing::error!(code = code(&error), "the database does not take a value");
            }
            Self::Internal => {
                // The message names columns and constraints; `detail`, which would show a
                // row's values, stays out.
                let message = error.as_db_error().map_or_else(
                    || error.to_string(),
                    |db| db.message().chars().take(200).collect(),
                );
                tracing::error!(
                    code = code(&error),
                    message,
                    "the database refused a statement"
                );
            }
        }
        failure
    }
}

impl From<PoolError> for Failure {
    /// Whatever the reason, there is no connection.
    fn from(error: PoolError) -> Self {
        // What PostgreSQL says of a role or a database is ours to know, and has no values.
        let reason = match &error {
            PoolError::Backend(error) => causes(error),
            other => other.to_string(),
        };
        tracing::warn!(reason, "no connection to the database");
        Self::Unavailable
    }
}

/// Why there is no connection, or none any more, with all that is behind it and each of it once.
/// What PostgreSQL itself says then has no values: it speaks of roles, databases and addresses.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let passed_on = next.is_some_and(|cause| cause.to_string() == error.to_string());
        let by_server = error.downcast_ref::<tokio_postgres::Error>();
        let word = match by_server.and_then(tokio_postgres::Error::as_db_error) {
            // Not `detail`, which would be the next.
            Some(db) => {
                next = None;
                let message: String = db.message().chars().take(200).collect();
                format!("{message} ({})", db.code().code())
            }
            None if passed_on => continue,
            None => error.to_string(),
        };
        if !words.last().is_some_and(|last| last.contains(&word)) {
            words.push(word);
        }
    }
    words.join(": ")
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("connection", SqlState::code)
}

/// It rises when statements that were prepared before are to be prepared anew.
pub(crate) fn outdated() -> u64 {
    OUTDATED.load(Ordering::Relaxed)
}

/// Whether a table that a prepared statement takes all columns of has another one since.
fn is_outdated(error: &tokio_postgres::Error) -> bool {
    let said = error.as_db_error();
    said.is_some_and(|said| {
        *said.code() == SqlState::FEATURE_NOT_SUPPORTED && said.routine() == Some(FINDS_OUTDATED)
    })
}

/// Sorts an error by its SQLSTATE, never by a constraint's name.
pub fn failure_of(error: &tokio_postgres::Error) -> Failure {
    let Some(state) = error.code() else {
        // Everything that PostgreSQL itself did not say is trouble on the way to it,
        // or a value that could not be converted, which is a bug.
        return if error.is_closed() || std::error::Error::source(error).is_some_and(is_io) {
            Failure::Unavailable
        } else {
            Failure::Internal
        };
    };
    if is_outdated(error) {
        return Failure::Conflict;
    }
    let class = &state.code()[..2];
    match (state, class) {
        (&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED, _) => {
            Failure::Conflict
        }
        // Another one has become the primary, or somebody lets nothing be written for a while.
        (&SqlState::READ_ONLY_SQL_TRANSACTION, _) => Failure::Unavailable,
        // Connection exceptions, insufficient resources, operator intervention (which also
        // holds the statement timeout), and a disk that is full.
        (_, "08" | "53" | "57" | "58") => Failure::Unavailable,
        // A value that is out of range, malformed or too long (data exceptions), too large for
        // an index or a row, or nested too deeply.
        (_, "22") | (&SqlState::PROGRAM_LIMIT_EXCEEDED | &SqlState::STATEMENT_TOO_COMPLEX, _) => {
            Failure::Refused
        }
        _ => Failure::Internal,
    }
}

fn is_io(source: &(dyn std::error::Error + 'static)) -> bool {
    source.is::<std::io::Error>()
}
