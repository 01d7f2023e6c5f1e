//! Connections to a PostgreSQL that somebody else runs: it is there, or soon, or it is not.

use std::io;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use weir_postgres::{DialError, connect_once};

/// Whoever lets nobody in for so long is away.
const PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(200);

/// A connection for a few statements.
pub async fn dial(url: &str) -> Result<Client, DialError> {
    match timeout(PATIENCE, connect_once(url)).await {
        Ok(connected) => connected,
        Err(_) => Err(DialError::Io(io::Error::other("it does not answer"))),
    }
}

/// The same, of one that may have been started a moment ago.
pub async fn dial_patiently(url: &str) -> Result<Client, DialError> {
    let mut last = None;
    let trying = async {
        loop {
            match connect_once(url).await {
                Err(error) if may_pass(&error) => last = Some(error),
                ended => return ended,
            }
            sleep(POLL).await;
        }
    };
    let ended = timeout(PATIENCE, trying).await;
    ended.unwrap_or_else(|_| {
        Err(last.unwrap_or_else(|| DialError::Io(io::Error::other("it does not answer"))))
    })
}

/// Nobody listens yet, or who listens is not done starting.
fn may_pass(error: &DialError) -> bool {
    match error {
        DialError::Io(_) => true,
        DialError::Postgres(error) => error
            .code()
            .is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW),
        DialError::Tls(_) | DialError::Url(_) => false,
    }
}

pub fn is(error: &DialError, code: &SqlState) -> bool {
    matches!(error, DialError::Postgres(error) if error.code() == Some(code))
}

/// What PostgreSQL says of who knocks has names, and no passwords.
pub fn said(error: &DialError) -> anyhow::Error {
    match error {
        DialError::Postgres(error) => match error.as_db_error() {
            Some(said) => anyhow!("{}", said.message()),
            None => anyhow!("{error}"),
        },
        other => anyhow!("{other}"),
    }
}
