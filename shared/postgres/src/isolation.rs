//! Rows of an account are seen and written by nobody who did not say that he works for it
//! (semantics 9.6): the lock behind the accounts that each statement names.
//!
//! **Invariant:** whatever table a later migration makes, if it has an `account_id` it is locked:
//! the tables are those that the catalogue names, not a list of ours. What is left open is on a
//! list, with its reason.

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::Error;

/// Tables with an `account_id` that every transaction sees all of, and why that must be so.
pub type Open = &'static [(&'static str, &'static str)];

/// What no account's transaction set out for has no account, so it has no rows. `FORCE`: the
/// owner is bound as well.
const POLICY: &str = "USING (account_id = NULLIF(current_setting('app.account', true), '')::uuid)";

const NOT_LOCKED: &str = "
    SELECT quote_ident(c.relname) AS quoted, p.oid IS NOT NULL AS has_policy
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'account'
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attname = 'account_id' AND NOT a.attisdropped AND c.relname <> ALL ($1::text[])
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND p.oid IS NOT NULL)
    ORDER BY c.relname";

const OWNER: &str = "
    SELECT quote_ident(pg_get_userbyid(nspowner)) AS owner, pg_get_userbyid(nspowner) = current_user
        AS is_self, rolsuper OR rolbypassrls AS sees_all
    FROM pg_namespace, pg_roles WHERE nspname = current_schema() AND rolname = current_user";

/// What locks a table, or a part of one. One by one: some engines take no more in one string.
pub fn lock(table: &str) -> [String; 2] {
    [
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
        format!("CREATE POLICY account ON {table} {POLICY}"),
    ]
}

/// Locks the tables of the connection's schema that are not, but for the open ones.
pub(crate) async fn lock_all(tx: &Transaction<'_>, open: Open) -> Result<usize, Error> {
    let open: Vec<&str> = open.iter().map(|(table, _)| *table).collect();
    let tables = tx.query(NOT_LOCKED, &[&open]).await?;
    for table in &tables {
        let [forced, policy] = lock(table.get("quoted"));
        let missing = (!table.get::<_, bool>("has_policy")).then_some(policy);
        for statement in [Some(forced), missing].into_iter().flatten() {
            tx.batch_execute(&statement).await?;
        }
    }
    Ok(tables.len())
}

/// What a migration makes is of the schema's owner. Where that is the role that the service works
/// as, or that role is bound by no policy, the lock is none: it is said.
pub(crate) async fn warn_of_role(client: &ClientWrapper) -> Result<(), Error> {
    let row = client.query_one(OWNER, &[]).await?;
    if row.get("sees_all") {
        tracing::warn!("the role in WEIR_DATABASE_URL is bound by no row-level security");
    } else if row.get("is_self") {
        tracing::warn!("the role in WEIR_DATABASE_URL owns its tables: run roles.sql once more");
    }
    Ok(())
}

/// The rest of this transaction is the schema's owner's, whom its tables are.
///
/// # Errors
/// As PostgreSQL has it; also where the connection's role may not be the owner.
pub async fn as_owner(tx: &Transaction<'_>) -> Result<(), Error> {
    let owner: String = tx.query_one(OWNER, &[]).await?.get("owner");
    tx.batch_execute(&format!("SET LOCAL ROLE {owner}")).await
}
