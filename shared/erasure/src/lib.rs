//! How everything of an account goes where it is kept in PostgreSQL: rows of whatever table has
//! an `account_id`, some thousand at a time.
//!
//! **Invariant:** whatever table a later version adds, its rows go along: the tables are those
//! that the catalogue names, not a list of ours. What broke off goes on with the next call.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod grpc;

use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Statements, Tx};

pub use grpc::Erasure;

/// Deleted by one statement: some ten milliseconds' work.
const PIECE: i64 = 5_000;
/// In one call: a second or two, far within its deadline.
const PIECES: usize = 20;

/// What a call erased, and whether there may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub rows: i64,
    pub more: bool,
}

/// Which tables there are besides those that just hold rows of accounts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tables {
    /// Not erased.
    pub kept: &'static [&'static str],
    /// Erased last, in this order: others refer to them.
    pub last: &'static [&'static str],
}

/// A service whose tables refer to none of each other, and go with the account, all of them.
pub const ALL: Tables = Tables {
    kept: &[],
    // What inserts anchor on: without it a late batch finds no place.
    last: &["account_work", "accounts"],
};

/// Erases some of what the tables of the connection's schema hold of the account.
///
/// # Errors
/// When PostgreSQL refuses; what was erased stays so.
pub async fn erase(pool: &Pool, account: AccountId, of: Tables) -> Result<Erased, Failure> {
    let mut client = pool.get().await?;
    let mut erased = Erased {
        rows: 0,
        more: false,
    };
    let mut pieces = 0;
    for table in tables(client.unscoped(), of).await? {
        // By place, which no index is needed for. The parts of a partitioned table have places
        // alike: whatever is found there is the account's, too.
        let delete = format!(
            "DELETE FROM {table} WHERE account_id = $1 AND ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE account_id = $1 LIMIT $2))"
        );
        loop {
            let tx = Tx::begin(&mut client, account);
            let delete = tx.prepare_cached(&delete).await?;
            let rows = tx.commit_with(&delete, &[&account.0, &PIECE]).await?;
            erased.rows += i64::try_from(rows).unwrap_or(i64::MAX);
            pieces += usize::from(rows > 0);
            if rows == 0 {
                break;
            }
            if pieces >= PIECES {
                erased.more = true;
                return Ok(erased);
            }
        }
    }
    Ok(erased)
}

/// Of the connection's schema, quoted; without the parts of partitioned ones.
async fn tables(client: &impl Statements, of: Tables) -> Result<Vec<String>, Failure> {
    let select = "SELECT c.relname AS name, quote_ident(c.relname) AS quoted
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND a.attname = 'account_id' AND NOT a.attisdropped
        ORDER BY c.relname";
    let select = client.prepare_cached(select).await?;
    let found = client.query(&select, &[]).await?;
    let named = found.iter().map(|row| {
        let (name, quoted): (String, String) = (row.get("name"), row.get("quoted"));
        (name, quoted)
    });
    Ok(ordered(named, of))
}

fn ordered(found: impl Iterator<Item = (String, String)>, of: Tables) -> Vec<String> {
    let kept = |name: &str| of.kept.contains(&name);
    let mut tables: Vec<_> = found.filter(|(name, _)| !kept(name)).collect();
    tables.sort_by_key(|(name, _)| of.last.iter().position(|last| last == name));
    tables.into_iter().map(|(_, quoted)| quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_refer_to_goes_last_and_what_is_kept_stays() {
        let found = ["accounts", "activities", "deletions", "sources", "usage"];
        let named = found.map(|name| (name.to_owned(), format!("q_{name}")));
        let of = Tables {
            kept: &["deletions"],
            last: &["activities", "accounts"],
        };
        let order = ordered(named.into_iter(), of);
        assert_eq!(
            order,
            ["q_sources", "q_usage", "q_activities", "q_accounts"]
        );
    }
}
