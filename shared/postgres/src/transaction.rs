//! A transaction without round trips of its own, of one account.
//!
//! **Invariant:** whatever a statement says, it reads and writes rows of that account alone: the
//! setting that the policies go by (see [`crate::migrate`]) is made together with BEGIN, and ends
//! with the transaction.

use std::borrow::Cow;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, RowStream, Statement};
use tracing::Span;
use weir_ids::AccountId;

use crate::{Client, Statements};

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
    /// Lasts as long as the transaction, for whoever looks at traces.
    _span: Span,
}

/// Made only where traces are exported: `weir_telemetry` asks for them by their target.
fn span() -> Span {
    tracing::debug_span!(
        target: "weir_stores",
        "PostgreSQL",
        otel.kind = "client",
        db.system.name = "postgresql"
    )
}

impl<'c> Tx<'c> {
    /// Sends BEGIN, for the rows of this account. Where that fails, so does whatever is asked
    /// first.
    pub fn begin(client: &'c mut Client, account: AccountId) -> Self {
        Self::start(client, account, "BEGIN")
    }

    /// As [`begin`](Self::begin), to read all of what is asked as it is at one moment.
    pub fn snapshot(client: &'c mut Client, account: AccountId) -> Self {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Self::start(client, account, begin)
    }

    fn start(client: &'c mut Client, account: AccountId, begin: &str) -> Self {
        let client: &ClientWrapper = client.unscoped();
        Self {
            client,
            begun: Mutex::new(Some(send(client, for_account(begin, account)))),
            open: true,
            _span: span(),
        }
    }

    /// From now on the transaction is this account's: for what several accounts are told of at once,
    /// or is of none.
    ///
    /// # Errors
    /// As PostgreSQL has it.
    pub async fn turn_to(&self, account: AccountId) -> Result<(), Error> {
        let set = format!("SET LOCAL app.account = '{}'", account.0);
        self.client.batch_execute(&set).await?;
        self.has_begun()
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

    /// Its only row.
    ///
    /// # Errors
    /// As PostgreSQL has it; also where there is none, or are more.
    pub async fn query_one(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Row, Error> {
        let row = self.client.query_one(statement, params).await?;
        self.has_begun().map(|()| row)
    }

    /// Its rows, as they come.
    ///
    /// # Errors
    /// As PostgreSQL has it.
    pub async fn query_raw(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<RowStream, Error> {
        let params = params.iter().copied();
        let rows = self.client.query_raw(statement, params).await?;
        self.has_begun().map(|()| rows)
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

/// A connection for statements of one account, each a transaction of its own: BEGIN and COMMIT go
/// along with it.
pub struct Scoped {
    client: Client,
    account: AccountId,
}

impl Scoped {
    /// Takes the connection.
    pub fn new(client: Client, account: AccountId) -> Self {
        Self { client, account }
    }

    /// Runs one statement, which is sent when it is first polled.
    async fn alone<T>(&self, run: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _span = span();
        let client = self.client.unscoped();
        let begun = send(client, for_account("BEGIN", self.account));
        let mut run = pin!(run);
        if let Some(done) = run.as_mut().now_or_never() {
            // It could not be sent.
            drop(send(client, "ROLLBACK"));
            return done;
        }
        // Behind a statement that failed, COMMIT rolls back.
        let committed = send(client, "COMMIT");
        let done = run.await?;
        committed.await?;
        begun.await.map(|()| done)
    }
}

impl Statements for Scoped {
    async fn prepare_cached(&self, sql: &str) -> Result<Statement, Error> {
        self.client.unscoped().prepare_cached(sql).await
    }

    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let client = self.client.unscoped();
        self.alone(client.query(statement, params)).await
    }

    async fn query_opt(
        &self,
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Error> {
        let client = self.client.unscoped();
        self.alone(client.query_opt(statement, params)).await
    }

    async fn execute(&self, statement: &Statement, params: &[Param<'_>]) -> Result<u64, Error> {
        let client = self.client.unscoped();
        self.alone(client.execute(statement, params)).await
    }
}

fn for_account(begin: &str, account: AccountId) -> String {
    // Digits and hyphens: nothing that would have to be quoted.
    format!("{begin}; SET LOCAL app.account = '{}'", account.0)
}

/// Sends a command at once; what is awaited is the answer.
fn send<'c>(client: &'c ClientWrapper, command: impl Into<Cow<'static, str>>) -> Reply<'c> {
    let command = command.into();
    let mut answer: Reply<'c> = Box::pin(async move { client.batch_execute(&command).await });
    match (&mut answer).now_or_never() {
        Some(failed) => Box::pin(std::future::ready(failed)),
        None => answer,
    }
}
