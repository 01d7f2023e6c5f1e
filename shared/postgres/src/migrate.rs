//! Runs a service's numbered SQL files, once each, in order.
//!
//! Replicas that start together wait for each other at a lock row; advisory locks are not
//! used, since some distributed engines lack them, and this must not happen twice. Statements go one by one: such engines hand a
//! string of several on as it is, and their workers refuse it.
//!
//! A migration has a connection of its own. An index on a large table takes longer than any
//! statement of a call may, and is planned without a pool's settings; what it must not do is
//! wait for a lock while everybody else waits behind it, so it gives up such a wait soon, and
//! tries again. It works as the schema's owner, whom the service's own role may become, and is
//! not: that one only reads and writes rows. All of that is set anew in each transaction, since a
//! pooler may have the next one done by another connection.
//!
//! Behind the last file the tables of accounts are locked, also those that a file has just made. A
//! file that changes rows of accounts itself takes the lock off before (`ALTER TABLE … NO FORCE ROW
//! LEVEL SECURITY`): the owner is bound by it, too. It is put back with the others.
//!
//! Each file says which programs work on what it leaves ([`Migration::oldest`]), and the database
//! keeps that: a program of before may be started on a schema that is newer than itself where all
//! that came since allows it, and then leaves the schema alone. So versions may be mixed while one
//! replaces the other, and whoever went forward may go back (decision 25).
//!
//! **Invariant:** a file that was applied never changes, and a program never works on a newer
//! schema that does not say that it may: both are refused.

mod arrival;
mod script;
mod standing;

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::citus::{self, NO_ROLES, Node};
use crate::dial::DialError;
use crate::fitness::Unfit;
use crate::isolation::{Open, as_owner, lock_all, warn_of_role};
use crate::{PLAN_BY_KEY, Pool};
use arrival::once_there;
use standing::Applied;

/// How long a file may wait for its locks, all of them together: behind each of them everybody else
/// waits, and callers wait for no more than a few seconds.
const LOCKS: Duration = Duration::from_secs(1);
/// Of one of them, at least: longer than a batch holds it.
const A_LOCK: Duration = Duration::from_millis(200);
const NO_TIMEOUT: &str = "statement_timeout = 0";
/// Between two tries for a lock, and how long it is tried.
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(300);

/// One numbered file.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps.
    pub number: i32,
    /// Of the programs that work on what this leaves, how much of the files the oldest one knows:
    /// `number` where those of before do not, less where it only adds what they need not know, or
    /// takes away what they do not use any more.
    pub oldest: i32,
    /// For the log.
    pub name: &'static str,
    /// Statements, each ended by a semicolon. They are applied together or not at all.
    pub sql: &'static str,
}

const PREPARE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS migrations (
        number integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        oldest integer
    )",
    "INSERT INTO migrations (number, name, checksum) VALUES (0, 'lock row', '')
     ON CONFLICT (number) DO NOTHING",
];

/// Databases of before did not have it; asked first, since to add it waits for everybody.
const HAS_OLDEST: &str = "SELECT FROM pg_attribute
    WHERE attrelid = 'migrations'::regclass AND attname = 'oldest'";
const ADD_OLDEST: &str = "ALTER TABLE migrations ADD COLUMN IF NOT EXISTS oldest integer";

const APPLIED: &str = "SELECT number, name, checksum, coalesce(oldest, number) AS oldest
    FROM migrations WHERE number > 0";

/// Held by whoever changes the schema.
const LOCK_ROW: &str = "SELECT FROM migrations WHERE number = 0 FOR UPDATE";

/// Brings the schema that the pool's role works in up to date, and locks its tables by account,
/// but for those that are `open`. While PostgreSQL is away, or starts, it is waited for.
///
/// # Errors
/// The first statement that fails; nothing of its file is applied then. A file that was
/// applied and is another one now; a schema that is newer than this program, and does not work with
/// it.
pub async fn migrate(
    pool: &Pool,
    migrations: &[Migration],
    open: Open,
) -> Result<(), MigrateError> {
    migrate_once_there(pool, migrations, open, &Notify::new()).await
}

/// As [`migrate`]; `away` is notified where PostgreSQL has to be waited for.
///
/// # Errors
/// As there.
pub async fn migrate_once_there(
    pool: &Pool,
    migrations: &[Migration],
    open: Open,
    away: &Notify,
) -> Result<(), MigrateError> {
    migrate_beside(pool, 0, migrations, open, away).await
}

/// As [`migrate_once_there`], of a service whose other pools take `others` connections.
///
/// # Errors
/// As there.
pub async fn migrate_beside(
    pool: &Pool,
    others: usize,
    migrations: &[Migration],
    open: Open,
    away: &Notify,
) -> Result<(), MigrateError> {
    // With the one that jobs share.
    let needed = pool.status().max_size + others + 1;
    let target = pool.manager().target();
    let (mut client, node) = once_there(target, needed, migrations, away).await?;
    warn_of_role(&client).await?;
    if node == Node::Worker {
        tracing::info!("a worker of Citus, where everything is made");
        return Ok(());
    }
    prepare(&mut client).await?;
    if client.query_opt(HAS_OLDEST, &[]).await?.is_none() {
        patiently(&mut client, Step::Oldest).await?;
    }
    let known = standing::last(migrations);
    let there = applied(&client).await?;
    standing::are_ours(&there, migrations)?;
    if let Some(schema) = standing::newer(&there, migrations)? {
        tracing::warn!(
            schema,
            known,
            "the schema is newer than this program, and works with it"
        );
        return Ok(());
    }
    for migration in migrations {
        patiently(&mut client, Step::File(migration)).await?;
    }
    if node == Node::Coordinator {
        patiently(&mut client, Step::Spread).await?;
    }
    patiently(&mut client, Step::Lock(open, known)).await
}

async fn applied(client: &ClientWrapper) -> Result<Vec<Applied>, Error> {
    let rows = client.query(APPLIED, &[]).await?;
    let applied = rows.iter().map(|row| Applied {
        number: row.get("number"),
        name: row.get("name"),
        checksum: row.get("checksum"),
        oldest: row.get("oldest"),
    });
    Ok(applied.collect())
}

/// What is done in one transaction.
#[derive(Clone, Copy)]
enum Step<'m> {
    Oldest,
    File(&'m Migration),
    /// On Citus.
    Spread,
    /// With the last file that is known.
    Lock(Open, i32),
}

/// A transaction of the schema's owner.
async fn begin(client: &mut ClientWrapper) -> Result<Transaction<'_>, Error> {
    let transaction = client.transaction().await?;
    // The role may have those of a pool.
    let plans = PLAN_BY_KEY.iter().map(|off| off.replace("=off", " = on"));
    let settings = [
        NO_ROLES.to_owned(),
        lock_timeout(LOCKS),
        NO_TIMEOUT.to_owned(),
    ];
    for setting in settings.into_iter().chain(plans) {
        let set = format!("SET LOCAL {setting}");
        transaction.batch_execute(&set).await?;
    }
    as_owner(&transaction).await?;
    Ok(transaction)
}

fn lock_timeout(left: Duration) -> String {
    format!("lock_timeout = {}", left.max(A_LOCK).as_millis())
}

/// Two replicas that create the table in the same instant: one of them is told so by the
/// catalogue, in one of these ways, and finds the table on its second try.
async fn prepare(client: &mut ClientWrapper) -> Result<(), Error> {
    let met = [
        &SqlState::UNIQUE_VIOLATION,
        &SqlState::DUPLICATE_OBJECT,
        &SqlState::DUPLICATE_TABLE,
    ];
    for statement in PREPARE {
        match alone(client, statement).await {
            Err(error) if error.code().is_some_and(|code| met.contains(&code)) => {
                alone(client, statement).await?;
            }
            done => done?,
        }
    }
    Ok(())
}

async fn alone(client: &mut ClientWrapper, statement: &str) -> Result<(), Error> {
    let transaction = begin(client).await?;
    transaction.batch_execute(statement).await?;
    transaction.commit().await
}

async fn patiently(client: &mut ClientWrapper, step: Step<'_>) -> Result<(), MigrateError> {
    let began = Instant::now();
    let busy = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    loop {
        let done = match step {
            Step::Oldest => alone(client, ADD_OLDEST).await.map_err(Into::into),
            Step::File(migration) => apply(client, migration).await,
            Step::Spread => spread(client).await,
            Step::Lock(open, known) => lock_tables(client, open, known).await,
        };
        match done {
            Err(MigrateError::Statement(error))
                if error.code().is_some_and(|code| busy.contains(code))
                    && began.elapsed() < PATIENCE =>
            {
                tracing::warn!("a migration waits for other transactions");
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

async fn apply(client: &mut ClientWrapper, migration: &Migration) -> Result<(), MigrateError> {
    let Migration {
        number,
        oldest,
        name,
        sql,
    } = *migration;
    let transaction = begin(client).await?;
    transaction.execute(LOCK_ROW, &[]).await?;
    let done = "SELECT checksum FROM migrations WHERE number = $1";
    if let Some(row) = transaction.query_opt(done, &[&number]).await? {
        return standing::same(migration, row.get(0));
    }
    let begun = Instant::now();
    for statement in script::statements(sql) {
        // What it is busy with on a table that nobody else can have meanwhile takes its time once.
        let left = LOCKS.saturating_sub(begun.elapsed());
        let set = format!("SET LOCAL {}", lock_timeout(left));
        transaction.batch_execute(&set).await?;
        transaction.batch_execute(statement).await?;
    }
    let insert = "INSERT INTO migrations (number, name, checksum, oldest) VALUES ($1, $2, $3, $4)";
    transaction
        .execute(insert, &[&number, &name, &standing::checksum(sql), &oldest])
        .await?;
    transaction.commit().await?;
    tracing::info!(number, name, oldest, "schema migrated");
    Ok(())
}

async fn spread(client: &mut ClientWrapper) -> Result<(), MigrateError> {
    let transaction = begin(client).await?;
    transaction.execute(LOCK_ROW, &[]).await?;
    let tables = citus::spread(&transaction).await?;
    transaction.commit().await?;
    if tables > 0 {
        tracing::info!(tables, "tables that all nodes have");
    }
    Ok(())
}

async fn lock_tables(
    client: &mut ClientWrapper,
    open: Open,
    known: i32,
) -> Result<(), MigrateError> {
    let transaction = begin(client).await?;
    transaction.execute(LOCK_ROW, &[]).await?;
    let newest = "SELECT max(number) FROM migrations";
    let newest: i32 = transaction.query_one(newest, &[]).await?.get(0);
    if newest > known {
        // A newer program came meanwhile, which knows of its tables which ones stay open.
        return Ok(());
    }
    let tables = lock_all(&transaction, open).await?;
    transaction.commit().await?;
    if tables > 0 {
        tracing::info!(tables, "tables locked by account");
    }
    Ok(())
}

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection.
    #[error("no connection to the database")]
    Connection(#[from] DialError),
    /// No word from PostgreSQL.
    #[error("the database does not answer")]
    Silent,
    /// It answers, and is of no use.
    #[error("the database can't be used: {0}")]
    Unfit(#[from] Unfit),
    /// A statement failed.
    #[error("a migration failed")]
    Statement(#[from] Error),
    /// Another file than the one that was applied.
    #[error(
        "migration {number} ({name}) was applied to this database, and has changed since: \
         what was applied must stay as it is (add a new migration), or the database be made anew"
    )]
    Changed {
        /// The file's number.
        number: i32,
        /// The file's name.
        name: &'static str,
    },
    /// Another service's.
    #[error(
        "the schema is another service's: it begins with migration {found}, and this service's with \
         {known}; name the service's own role in WEIR_DATABASE_URL"
    )]
    Foreign {
        /// What its first migration is called.
        found: String,
        /// And what it is called here.
        known: &'static str,
    },
    /// Made for another service, which has made nothing there yet.
    #[error(
        "the schema {schema} is that of another service, and this one's is {own}; name the service's \
         own role, weir_{own}, in WEIR_DATABASE_URL"
    )]
    Theirs {
        /// The role's.
        schema: String,
        /// That of this service.
        own: &'static str,
    },
    /// A program of another day.
    #[error(
        "the database is newer than this program: it is at migration {found}, which takes programs \
         that know {oldest}, and this one knows {known}; start a newer program, or restore the backup \
         from before the upgrade"
    )]
    Newer {
        /// The latest that was applied.
        found: i32,
        /// What it takes.
        oldest: i32,
        /// The latest that is known here.
        known: i32,
    },
}
