//! Citus, where that is what PostgreSQL is: several nodes, of which one, the coordinator, makes
//! tables, and each has them.
//!
//! Files of migrations distribute what goes by account. Whatever they leave on the coordinator alone
//! is put on all nodes here, so that services may come in by any of them.

use deadpool_postgres::Transaction;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// Citus connects to its workers as whoever works here, and says there what it must be a superuser
/// for: to become the owner there, too, would keep it from that. Elsewhere it is a word.
pub(crate) const NO_ROLES: &str = "citus.propagate_set_commands = none";

/// What of a cluster one is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    /// Of none: a PostgreSQL.
    Only,
    Coordinator,
    Worker,
}

const WHICH: &str = "SELECT citus_is_coordinator()";

/// Tables of the connection's schema that are on this node alone, those first that others refer to:
/// they were there before.
const HERE_ALONE: &str = "
    SELECT c.oid::regclass::text AS name, c.relforcerowsecurity AS is_forced FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
      AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = c.oid)
    ORDER BY c.oid";

/// Of a PostgreSQL that has the extension.
pub(crate) async fn node(client: &Client) -> Result<Node, Error> {
    let said = client.simple_query(WHICH).await?;
    let is_coordinator = said
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
    Ok(if is_coordinator {
        Node::Coordinator
    } else {
        Node::Worker
    })
}

/// Puts the tables that this node alone has on all nodes; the coordinator's.
pub(crate) async fn spread(tx: &Transaction<'_>) -> Result<usize, Error> {
    let tables = tx.query(HERE_ALONE, &[]).await?;
    for table in &tables {
        let name: &str = table.get("name");
        // The owner, who moves the rows, would see none of them. It is locked again behind this.
        if table.get("is_forced") {
            let open = format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY");
            tx.batch_execute(&open).await?;
        }
        tx.execute(
            "SELECT create_reference_table($1::text::regclass)",
            &[&name],
        )
        .await?;
    }
    Ok(tables.len())
}
