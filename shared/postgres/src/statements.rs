//! What statements are run on: a connection, or a transaction on one.

use std::future::Future;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Runs statements.
pub trait Statements: Sync {
    /// The statement, as this connection knows it.
    fn prepare_cached(&self, sql: &str) -> impl Future<Output = Result<Statement, Error>> + Send;

    /// Its rows.
    fn query(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;

    /// Its only row, if it has one.
    fn query_opt(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Option<Row>, Error>> + Send;

    /// The number of rows that it wrote.
    fn execute(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

macro_rules! statements {
    ($on:ty, $prepares:ty, $runs:ty) => {
        impl Statements for $on {
            async fn prepare_cached(&self, sql: &str) -> Result<Statement, Error> {
                <$prepares>::prepare_cached(self, sql).await
            }

            async fn query(
                &self,
                statement: &Statement,
                params: Params<'_>,
            ) -> Result<Vec<Row>, Error> {
                <$runs>::query(self, statement, params).await
            }

            async fn query_opt(
                &self,
                statement: &Statement,
                params: Params<'_>,
            ) -> Result<Option<Row>, Error> {
                <$runs>::query_opt(self, statement, params).await
            }

            async fn execute(
                &self,
                statement: &Statement,
                params: Params<'_>,
            ) -> Result<u64, Error> {
                <$runs>::execute(self, statement, params).await
            }
        }
    };
}

statements!(ClientWrapper, ClientWrapper, tokio_postgres::Client);
statements!(crate::Tx<'_>, crate::Tx<'_>, crate::Tx<'_>);
