//! Writes prepared transactions, each in one round trip.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::rows::Job;
use super::statements::Write;
use crate::drive::{Done, Worker};

/// A connection with its prepared statements.
pub struct Writer {
    client: Client,
    begin: Statement,
    commit: Statement,
    statements: BTreeMap<Write, Statement>,
}

impl Writer {
    /// Connects and prepares.
    ///
    /// # Errors
    /// Where PostgreSQL refuses a statement.
    pub async fn connect(url: &str) -> Result<Self> {
        let client = weir_servers::postgres::connect(url).await?;
        let mut statements = BTreeMap::new();
        for write in Write::ALL {
            let statement = client
                .prepare(write.sql())
                .await
                .with_context(|| format!("preparing {}", write.sql()))?;
            statements.insert(write, statement);
        }
        Ok(Self {
            begin: client.prepare("BEGIN").await?,
            commit: client.prepare("COMMIT").await?,
            client,
            statements,
        })
    }

    /// Connects several at once.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_all(url: &str, count: u64) -> Result<Vec<Self>> {
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let url = url.to_owned();
            tasks.spawn(async move { Self::connect(&url).await });
        }
        tasks.join_all().await.into_iter().collect()
    }

    /// One transaction: everything is sent before the first answer is read. Where a statement
    /// fails, PostgreSQL turns the commit into a rollback, and its error is the one returned.
    async fn transact(&self, writes: &[(Write, Vec<Box<dyn ToSql + Send + Sync>>)]) -> Result<()> {
        let begin = self.client.execute(&self.begin, &[]);
        let statements = writes.iter().map(|(write, parameters)| {
            let parameters = parameters.iter().map(|parameter| &**parameter as _);
            self.client.execute_raw(
                &self.statements[write],
                parameters.collect::<Vec<&(dyn ToSql + Sync)>>(),
            )
        });
        let commit = self.client.execute(&self.commit, &[]);
        let (begun, written, committed) =
            tokio::join!(begin, futures_util::future::join_all(statements), commit);
        begun?;
        for (result, (write, _)) in written.into_iter().zip(writes) {
            result.with_context(|| format!("{write:?}"))?;
        }
        committed?;
        Ok(())
    }
}

impl Worker for Writer {
    type Job = Job;

    async fn perform(&mut self, job: Job) -> Result<Done> {
        for transaction in &job.transactions {
            self.transact(transaction).await?;
        }
        Ok(Done {
            events: job.events,
            statuses: BTreeMap::new(),
        })
    }
}
