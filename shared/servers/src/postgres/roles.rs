//! The roles and schemas of the services, in whoever's PostgreSQL.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use postgres_protocol::password::scram_sha_256;
use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// Roles and schemas of the services.
pub const ROLES: &str = include_str!("../../sql/roles.sql");

/// For so long a transaction that stands open may keep a lock that is wanted here: what is silent
/// for longer looks dead.
const LOCK_TIMEOUT: &str = "8s";

/// With each of them somebody else got further.
const CLASHES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

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
    let mut statements = format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {ROLES}");
    for (schema, password) in passwords {
        // PostgreSQL logs statements where it is told to.
        let verifier = scram_sha_256(password.as_bytes());
        statements.push_str(&format!("ALTER ROLE weir_{schema} PASSWORD '{verifier}'; "));
    }
    statements.push_str("COMMIT");
    let mut clashes = 0;
    loop {
        match make(administrator, &statements).await {
            Err(error) if is_clash(&error) && clashes < CLASHES => {
                clashes += 1;
                sleep(PAUSE * clashes).await;
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                return Err(in_the_way(administrator).await);
            }
            done => return Ok(done?),
        }
    }
}

/// What keeps the lock is most likely the transaction that is open for longest.
async fn in_the_way(administrator: &Client) -> anyhow::Error {
    let oldest = "SELECT pid, coalesce(usename, '?')::text AS name,
            extract(epoch FROM clock_timestamp() - xact_start)::bigint AS seconds
        FROM pg_stat_activity
        WHERE datname = current_database() AND xact_start IS NOT NULL
          AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        ORDER BY xact_start LIMIT 1";
    let oldest = administrator.query_opt(oldest, &[]).await.ok().flatten();
    let oldest = oldest.map_or_else(String::new, |row| {
        let (pid, name, seconds): (i32, &str, i64) =
            (row.get("pid"), row.get("name"), row.get("seconds"));
        format!("; the oldest is of {name}, process {pid}, open for {seconds} s")
    });
    anyhow!(
        "a transaction that stands open in this database kept a lock for {LOCK_TIMEOUT}{oldest}: \
         let it end, or end it (pg_terminate_backend), and come again"
    )
}

async fn make(administrator: &Client, statements: &str) -> Result<(), Error> {
    if let Err(error) = administrator.batch_execute(statements).await {
        let _ = administrator.batch_execute("ROLLBACK").await;
        return Err(error);
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

/// Whether somebody else made the same in this very moment: done again, it is there.
fn is_clash(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let made = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_OBJECT,
            SqlState::DUPLICATE_SCHEMA,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        // "tuple concurrently updated" has no code of its own, and no translation.
        let changed = *said.code() == SqlState::INTERNAL_ERROR
            && said.message().contains("tuple concurrently");
        changed || made.contains(said.code())
    })
}
