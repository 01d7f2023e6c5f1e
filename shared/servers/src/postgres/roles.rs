//! The roles and schemas of the services, in whoever's PostgreSQL.

use std::collections::BTreeMap;

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;

/// Roles and schemas of the services.
pub const ROLES: &str = include_str!("../../sql/roles.sql");

/// Makes the roles and schemas of the services in the database that `administrator` is connected to,
/// or brings them up to date, and gives the roles these passwords, by their schemas; a role that
/// none is given for keeps the one that it has. All of it, or nothing.
///
/// # Errors
/// A statement fails.
pub async fn make_roles(
    administrator: &Client,
    passwords: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut statements = format!("BEGIN; {ROLES}");
    for (schema, password) in passwords {
        // PostgreSQL logs statements where it is told to.
        let verifier = scram_sha_256(password.as_bytes());
        statements.push_str(&format!("ALTER ROLE weir_{schema} PASSWORD '{verifier}'; "));
    }
    statements.push_str("COMMIT");
    if let Err(error) = administrator.batch_execute(&statements).await {
        let _ = administrator.batch_execute("ROLLBACK").await;
        return Err(error.into());
    }
    let preloaded = "SELECT rolsuper AND current_setting('shared_preload_libraries')
                         LIKE '%pg_stat_statements%'
                     FROM pg_roles WHERE rolname = current_user";
    if administrator.query_one(preloaded, &[]).await?.get(0) {
        let statistics = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
        administrator.batch_execute(statistics).await?;
    }
    Ok(())
}
