//! Runs a service's numbered SQL files, once each, in order.
//!
//! Replicas that start together wait for each other at a lock row; advisory locks are not
//! used, since distributed engines lack them.

use deadpool_postgres::Pool;
use tokio_postgres::error::SqlState;

/// One numbered file.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps.
    pub number: i32,
    /// For the log.
    pub name: &'static str,
    /// May hold several statements.
    pub sql: &'static str,
}

const PREPARE: &str = "
    CREATE TABLE IF NOT EXISTS migrations (
        number integer PRIMARY KEY,
        name text NOT NULL
    );
    INSERT INTO migrations (number, name) VALUES (0, 'lock row') ON CONFLICT DO NOTHING;";

/// Brings the schema that the pool's role works in up to date.
///
/// # Errors
/// The first statement that fails; nothing of its file is applied then.
pub async fn migrate(pool: &Pool, migrations: &[Migration]) -> Result<(), MigrateError> {
    let mut client = pool.get().await?;
    // Two replicas that create the table in the same instant: one of them is told so by the
    // catalogue, in one of these ways, and finds the table on its second try.
    if let Err(error) = client.batch_execute(PREPARE).await {
        let met = [
            &SqlState::UNIQUE_VIOLATION,
            &SqlState::DUPLICATE_OBJECT,
            &SqlState::DUPLICATE_TABLE,
        ];
        if !error.code().is_some_and(|code| met.contains(&code)) {
            return Err(error.into());
        }
        client.batch_execute(PREPARE).await?;
    }
    for migration in migrations {
        let transaction = client.transaction().await?;
        transaction
            .execute("SELECT FROM migrations WHERE number = 0 FOR UPDATE", &[])
            .await?;
        let done = transaction
            .query_opt(
                "SELECT FROM migrations WHERE number = $1",
                &[&migration.number],
            )
            .await?;
        if done.is_none() {
            transaction.batch_execute(migration.sql).await?;
            transaction
                .execute(
                    "INSERT INTO migrations (number, name) VALUES ($1, $2)",
                    &[&migration.number, &migration.name],
                )
                .await?;
            tracing::info!(
                number = migration.number,
                name = migration.name,
                "schema migrated"
            );
        }
        transaction.commit().await?;
    }
    Ok(())
}

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection.
    #[error("no connection to the database")]
    Connection(#[from] deadpool_postgres::PoolError),
    /// A statement failed.
    #[error("a migration failed")]
    Statement(#[from] tokio_postgres::Error),
}
