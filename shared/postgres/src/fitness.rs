//! Whether a PostgreSQL that somebody else runs can be worked with, in a sentence each, before
//! anything is begun in it.
//!
//! What does not matter: the collation of the database, since what is compared as more or less is
//! declared `COLLATE "C"`, and all else is compared as equal alone. What does: its encoding.

use deadpool_postgres::ClientWrapper;
use tokio::time::{Duration, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

use crate::citus::{self, Node};

/// Of older ones we know nothing.
const OLDEST: i64 = 150_000;
const ENCODING: &str = "UTF8";
/// A setting of a connection that nobody else has: where it does not arrive, no other does.
pub(crate) const DIRECT: &str = "weir.direct=on";
/// A pooler that has no second connection to PostgreSQL makes us wait for it.
const ANSWER: Duration = Duration::from_secs(2);
/// Whether two clients meet on one connection is a matter of chance, where others are about.
const TRIES: usize = 3;

/// One statement without parameters, since poolers may keep no others.
const LOOK: &str = "
    SELECT current_setting('server_version_num') AS version,
        current_setting('server_version') AS called,
        pg_encoding_to_char(d.encoding) AS encoding,
        pg_is_in_recovery()::text AS in_recovery,
        current_setting('transaction_read_only') AS read_only,
        coalesce(current_setting('weir.direct', true), '') AS direct,
        (EXISTS (SELECT FROM pg_extension WHERE extname = 'citus'))::text AS citus,
        least(current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true)::int, 0),
            NULLIF(d.datconnlimit, -1),
            NULLIF(r.rolconnlimit, -1))::text AS connections
    FROM pg_database d, pg_roles r
    WHERE d.datname = current_database() AND r.rolname = current_user";

/// Why a PostgreSQL can't be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is too old.
    #[error("it is PostgreSQL {0}; Weir needs 15 or newer")]
    Old(String),
    /// Not all characters can be stored.
    #[error(
        "its encoding is {0}, which can't hold every character: make a database with ENCODING \
         'UTF8' (TEMPLATE template0) and name that one"
    )]
    Encoding(String),
    /// It follows another one.
    #[error(
        "it is in recovery (a standby, or being restored) and takes no writes: name the primary, or \
         wait until it is promoted"
    )]
    Recovery,
    /// Somebody has set it so.
    #[error(
        "it takes no writes: default_transaction_read_only is on, for the server, the database or \
         this role"
    )]
    ReadOnly,
    /// Some calls would wait in vain for one.
    #[error(
        "it takes {found} connections of this role at most (max_connections less those that are \
         reserved, or a limit of the database or the role), and {needed} are needed: raise it, or \
         lower WEIR_DATABASE_CONNECTIONS of the services"
    )]
    Connections {
        /// So many it takes.
        found: i64,
        /// So many may be made at a time.
        needed: i64,
    },
    /// It takes no settings, and says so.
    #[error(
        "a pooler in between refuses the settings of a connection: let it ignore them \
         (PgBouncer: ignore_startup_parameters = options)"
    )]
    Options,
    /// Transactions of one client go by several connections, which know nothing of each other.
    #[error(
        "a pooler in between gives each transaction another connection and keeps no prepared \
         statements: let it pool sessions (PgBouncer: pool_mode = session), or take PgBouncer 1.21 \
         or newer with max_prepared_statements above 0"
    )]
    Statements,
    /// There is nowhere to make tables, or nowhere of its own.
    #[error(
        "the role in WEIR_DATABASE_URL has no schema of its own: make roles and schemas first \
         (./weir roles, or roles.sql), and name the service's role (weir_mapping, weir_contact, \
         weir_activity, weir_audience)"
    )]
    Schema,
    /// It makes no tables, and those that are needed are not there.
    #[error(
        "it is a worker of a Citus cluster, and tables are made through the coordinator alone: name \
         the coordinator (once everything is made, services may come in by any node)"
    )]
    Worker,
}

impl Unfit {
    /// Whether it may pass by itself, with nobody changing anything here.
    pub fn passes(&self) -> bool {
        // Others may come in by the coordinator.
        matches!(self, Self::Recovery | Self::Worker)
    }
}

/// What a PostgreSQL says of itself.
pub(crate) struct Seen {
    /// Whether settings of a connection arrive, so that nothing stands in between.
    pub is_direct: bool,
    pub node: Node,
}

/// Whether roles and tables can be made and rows be written by this connection, and `needed`
/// connections be made at a time.
///
/// # Errors
/// As PostgreSQL has it; within, why not.
pub async fn check(client: &Client, needed: usize) -> Result<Result<(), Unfit>, Error> {
    let seen = look(client, needed).await?;
    Ok(seen.and_then(|seen| match seen.node {
        Node::Worker => Err(Unfit::Worker),
        Node::Only | Node::Coordinator => Ok(()),
    }))
}

pub(crate) async fn look(client: &Client, needed: usize) -> Result<Result<Seen, Unfit>, Error> {
    let said = client.simple_query(LOOK).await?;
    let row = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else {
        return Ok(Ok(Seen {
            is_direct: true,
            node: Node::Only,
        }));
    };
    Ok(match judge(row, needed) {
        Ok(mut seen) if row.get("citus") == Some("true") => {
            seen.node = citus::node(client).await?;
            Ok(seen)
        }
        judged => judged,
    })
}

/// What is seen of it; of a cluster's node, as if it were none.
fn judge(row: &SimpleQueryRow, needed: usize) -> Result<Seen, Unfit> {
    let text = |name: &str| row.get(name).unwrap_or_default();
    let number = |name: &str| text(name).parse::<i64>().ok();
    if number("version").is_some_and(|version| version < OLDEST) {
        return Err(Unfit::Old(text("called").to_owned()));
    }
    if text("encoding") != ENCODING {
        return Err(Unfit::Encoding(text("encoding").to_owned()));
    }
    // One in recovery is read-only as well.
    if text("in_recovery") == "true" {
        return Err(Unfit::Recovery);
    }
    if text("read_only") == "on" {
        return Err(Unfit::ReadOnly);
    }
    let needed = i64::try_from(needed).unwrap_or(i64::MAX);
    match number("connections").filter(|found| *found < needed) {
        Some(found) => Err(Unfit::Connections { found, needed }),
        None => Ok(Seen {
            is_direct: text("direct") == "on",
            node: Node::Only,
        }),
    }
}

/// Whether what one client prepared is there in each of its transactions, whatever another one
/// does meanwhile. Both are new connections, by a pooler.
pub(crate) async fn keeps_statements(
    one: &ClientWrapper,
    other: &ClientWrapper,
) -> Result<bool, Error> {
    let sql = "SELECT pg_backend_pid() AS pid";
    let statement = match one.prepare(sql).await {
        Err(error) if is_unkept(&error) => return Ok(false),
        statement => statement?,
    };
    for _ in 0..TRIES {
        match one.query_one(&statement, &[]).await {
            Err(error) if is_unkept(&error) => return Ok(false),
            done => done?,
        };
        // It takes the connection that the first one has just left, where they share them.
        other.batch_execute("BEGIN").await?;
        let again = timeout(ANSWER, one.query_one(&statement, &[])).await;
        other.batch_execute("ROLLBACK").await?;
        match again {
            Ok(Err(error)) if is_unkept(&error) => return Ok(false),
            Ok(done) => done?,
            // It waits for a connection that the pooler does not have.
            Err(_) => return Ok(true),
        };
    }
    Ok(true)
}

fn is_unkept(error: &Error) -> bool {
    let unkept = [
        &SqlState::INVALID_SQL_STATEMENT_NAME,
        &SqlState::DUPLICATE_PSTATEMENT,
    ];
    error.code().is_some_and(|code| unkept.contains(&code))
}

/// Whether somebody in between does not take what a connection begins with.
pub(crate) fn is_of_options(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        *said.code() == SqlState::PROTOCOL_VIOLATION && said.message().contains("startup parameter")
    })
}
