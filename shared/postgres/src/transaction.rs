//! A transaction without round trips of its own.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use crate::Client;

type Reply<'c> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'c>>;
type Param<'a> = &'a (dyn ToSql + Sync);

/// A transaction whose BEGIN goes along with its first statements, and whose COMMIT can go
/// along with its last: the client library waits for both. Dropped without a commit, it is
/// rolled back.
pub struct Tx<'c> {
    client: &'c ClientWrapper,
    /// What BEGIN is answered, until that is known.
    begun: Mutex<Option<Reply<'c>>>,
    open: bool,
}

impl<'c> Tx<'c> {
    /// Sends BEGIN. Where that fails, so does whatever is asked first.
    pub fn begin(client: &'c mut Client) -> Self {
        let client: &ClientWrapper = client;
        Self {
            client,
            begun: Mutex::new(Some(send(client, "BEGIN"))),
            open: true,
        }
    }

    /// The statement, as this connection knows it.
    ///
    /// # Errors
    /// As PostgreSQL has it.
    pub async fn prepare_cached(&self, sql: &str) -> Result<Statement, Error> {
        self.client.prepare_cached(sql).await
    }

    /// Its rows.
    ///
    /// # Errors
    /// As PostgreSQL has it.
    pub async fn query(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Error> {
        let rows = self.client.query(statement, params).await?;
        self.has_begun().map(|()| rows)
    }

    /// Its only row, if it has one.
    ///
    /// # Errors
    /// As PostgreSQL has it; also where there are more rows.
    pub async fn query_opt(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Error> {
        let row = self.client.query_opt(statement, params).await?;
        self.has_begun().map(|()| row)
    }

    /// The number of rows that it wrote.
    ///
    /// # Errors
    /// As PostgreSQL has it.
    pub async fn execute(&self, statement: &Statement, params: &[Param<'_>]) -> Result<u64, Error> {
        let rows = self.client.execute(statement, params).await?;
        self.has_begun().map(|()| rows)
    }

    /// Makes it last.
    ///
    /// # Errors
    /// As PostgreSQL has it; where the connection broke, it may have lasted.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.open = false;
        self.client.batch_execute("COMMIT").await?;
        self.has_begun()
    }

    /// Makes it last, if one more statement succeeds; answers the number of rows that it wrote.
    ///
    /// # Errors
    /// That of the statement, and then nothing lasts; else as [`commit`](Self::commit).
    pub async fn commit_with(
        mut self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<u64, Error> {
        let client = self.client;
        let mut last = Box::pin(client.execute(statement, params));
        if let Some(rows) = (&mut last).now_or_never() {
            // It could not be sent, most likely; COMMIT must not be sent without it.
            let rows = rows?;
            return self.commit().await.map(|()| rows);
        }
        // Behind a statement that failed, COMMIT rolls back.
        self.open = false;
        let committed = send(client, "COMMIT");
        let rows = last.await?;
        committed.await?;
        self.has_begun().map(|()| rows)
    }

    /// To be asked when something else was answered: answers come in the order of what was
    /// sent, so that of BEGIN is there.
    fn has_begun(&self) -> Result<(), Error> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match begun.take() {
            None => Ok(()),
            Some(answer) => answer.now_or_never().expect("PostgreSQL answers in order"),
        }
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open {
            drop(send(self.client, "ROLLBACK"));
        }
    }
}

/// Sends a command at once; what is awaited is the answer.
fn send<'c>(client: &'c ClientWrapper, command: &'static str) -> Reply<'c> {
    let mut answer: Reply<'c> = Box::pin(client.batch_execute(command));
    match (&mut answer).now_or_never() {
        Some(failed) => Box::pin(std::future::ready(failed)),
        None => answer,
    }
}
