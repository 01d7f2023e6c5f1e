//! The connection that migrations have: to a PostgreSQL that is there, and can be worked with.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::{MigrateError, Migration, applied, standing};
use crate::citus::Node;
use crate::dial::{DialError, dial};
use crate::failure::causes;
use crate::fitness::{self, DIRECT, Unfit};
use crate::pool::with_settings;
use crate::target::Target;

/// How long making the connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// PostgreSQL is silent while it makes an index.
const SILENCE: Duration = Duration::from_secs(6 * 3600);
/// Between two tries to make it.
const AWAY: Duration = Duration::from_millis(500);
/// How often the log says that PostgreSQL is still away.
const SAID: Duration = Duration::from_secs(30);

/// A connection as soon as there is somebody to connect to: processes start in any order.
pub(super) async fn once_there(
    target: &Target,
    needed: usize,
    migrations: &[Migration],
    away: &Notify,
) -> Result<(ClientWrapper, Node), MigrateError> {
    let mut said: Option<Instant> = None;
    loop {
        match fit(target, needed, migrations).await {
            Err(error) if is_away(&error) => {
                away.notify_one();
                if said.is_none_or(|said| said.elapsed() > SAID) {
                    tracing::warn!(error = causes(&error), "waiting for PostgreSQL");
                    said = Some(Instant::now());
                }
                tokio::time::sleep(AWAY).await;
            }
            done => return done,
        }
    }
}

/// Whether the same may succeed later, with nobody changing anything here.
fn is_away(error: &MigrateError) -> bool {
    match error {
        MigrateError::Silent | MigrateError::Connection(DialError::Io(_)) => true,
        MigrateError::Unfit(unfit) => unfit.passes(),
        MigrateError::Connection(DialError::Postgres(error)) => match error.code() {
            Some(code) => {
                let away = [
                    &SqlState::CANNOT_CONNECT_NOW,
                    &SqlState::TOO_MANY_CONNECTIONS,
                    &SqlState::ADMIN_SHUTDOWN,
                    &SqlState::CRASH_SHUTDOWN,
                ];
                away.contains(&code)
            }
            // It never said a word, or broke off.
            None => {
                let cause = std::error::Error::source(error);
                error.is_closed() || cause.is_some_and(|cause| cause.is::<std::io::Error>())
            }
        },
        _ => false,
    }
}

/// A connection to a PostgreSQL that can be worked with.
async fn fit(
    target: &Target,
    needed: usize,
    migrations: &[Migration],
) -> Result<(ClientWrapper, Node), MigrateError> {
    let client = connection(target).await?;
    let seen = fitness::look(&client, needed).await??;
    if seen.node == Node::Worker && !is_made(&client, migrations).await? {
        return Err(Unfit::Worker.into());
    }
    if !has_own_schema(&client).await? {
        return Err(Unfit::Schema.into());
    }
    let schema = client.query_one("SELECT current_schema()::text", &[]);
    standing::is_for(schema.await?.get(0), migrations)?;
    if !seen.is_direct {
        tracing::info!("a pooler stands between, which passes no settings of a connection on");
        let other = connection(target).await?;
        if !fitness::keeps_statements(&client, &other).await? {
            return Err(Unfit::Statements.into());
        }
    }
    Ok((client, seen.node))
}

async fn connection(target: &Target) -> Result<ClientWrapper, MigrateError> {
    let target = with_settings(target, Duration::ZERO, &[DIRECT]);
    let dialled = tokio::time::timeout(CONNECT, Box::pin(dial(&target, SILENCE))).await;
    match dialled.map_err(|_| MigrateError::Silent)? {
        Ok((client, _)) => Ok(client),
        Err(DialError::Postgres(error)) if fitness::is_of_options(&error) => {
            Err(Unfit::Options.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whoever is bound by nothing would make everything in the schema that is everybody's.
const OWN_SCHEMA: &str = "
    SELECT current_schema() IS NOT NULL AND (current_schema() <> 'public'
        OR NOT (rolsuper OR rolbypassrls) OR to_regclass('migrations') IS NOT NULL) AS is_own
    FROM pg_roles WHERE rolname = current_user";

async fn has_own_schema(client: &ClientWrapper) -> Result<bool, MigrateError> {
    Ok(client.query_one(OWN_SCHEMA, &[]).await?.get("is_own"))
}

/// A worker makes nothing: what is needed is there, or it is of no use.
async fn is_made(client: &ClientWrapper, migrations: &[Migration]) -> Result<bool, MigrateError> {
    let there = "SELECT to_regclass('migrations') IS NOT NULL";
    let is_there: bool = client.query_one(there, &[]).await?.get(0);
    Ok(is_there && standing::is_whole(&applied(client).await?, migrations)?)
}
