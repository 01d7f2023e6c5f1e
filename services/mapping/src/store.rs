//! PostgreSQL and Redis: the only place that knows them.
//!
//! PostgreSQL holds the configuration; Redis holds rings of samples, names and log lines,
//! which may be lost. Every statement names its account, and its transaction is the account's; but
//! for those that are marked `every account`: they read [`OPEN`] tables, directories that are
//! searched before an account is known.

mod accounts;
mod activities;
mod aged;
mod alerts;
mod changes;
mod codes;
mod counts;
mod deletions;
mod deliveries;
mod fields;
mod kept;
mod kept_people;
mod keys;
mod link;
mod mappings;
mod removal;
mod replay_work;
mod replays;
mod rings;
mod snapshots;
mod sources;
mod spending;
mod stored;
mod tokens;
mod versions;
mod watch;

use std::collections::HashSet;

use tokio::sync::Notify;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use weir_ids::AccountId;
use weir_postgres::{Failure, Migration, Open, Pool, Scoped, Statements, Tx, work};

use crate::domain::Listed;
use crate::metrics;

pub use accounts::{
    LockedAccount, account_named, doubt_identifiers, get_account, get_identifiers, insert_account,
    list_accounts, lock_account, put_identifiers, raise_version, reserve_name, update_account,
};
pub use activities::{
    all_mapped_names, count_mapped, delete_mapping, find_activity, get_mapping, list_mappings,
    mapped_names, put_activity, put_mapping,
};
pub use aged::{Aged, accounts_after, drop_aged};
pub use alerts::{
    count_alerts, forget_alerts, hide_values, insert_alert, list_alerts, repeat_alert,
    resolve_alert, shown_values, unresolved_alerts,
};
pub use changes::{
    changed_before, done_before, list_changes, record_change, shown_activity, shown_fields,
};
pub use counts::{
    add_counts, begin_flush, count_answers, lock_sources, stored_subjects, summarize,
};
pub use deletions::{
    begin_deletion, claim_deletion, erase_tables, forget_deletions, get_deletion, put_deletion,
};
pub use deliveries::{
    Claimed, Due, Told, accounts_undelivered, arrival_mail, claim_delivery, count_undelivered,
    due_deliveries, finish_delivery, forget_deliveries, forget_files, has_kept_mail,
    insert_deliveries, last_undelivered, list_deliveries, revive_deliveries, settle,
};
pub use fields::{count_fields, get_field_named, insert_field, list_fields, types_of};
pub use kept::{
    Owner, choose_kept, count_kept, known, known_keys, list_kept, lock_kept, mark_done, put_kept,
    rates, recount_deferred, set_room, trim,
};
pub use kept_people::{KeptRaw, drop_kept, kept_raw};
pub use keys::{
    find_key, insert_key, key_of_request, list_keys, lock_key, note_uses, rehash_keys, revoke_key,
    set_key_end,
};
pub use link::RingsAway;
pub use mappings::{
    get_contact_mapping, has_contact_mapping, put_contact_mapping, raise_mapping_version,
};
pub use removal::{delete_field, delete_source, rename_source, sources_with_field};
pub use replay_work::{
    add_work, defer_further, delete_deferred, due_work, lease, leave_out, next_repair,
    portion_of_repair, portion_of_replay, put_outcomes, put_said, release, remove_work,
    size_of_deferred, tries_of, try_again,
};
pub use replays::{
    find_replay, get_replay, insert_events, insert_replay, is_waiting, list_replays,
    running_replay, set_state,
};
pub use rings::{Pending, Rings, Write};
pub use snapshots::{load_draft, load_snapshot, read_version};
pub use sources::{
    find_source, get_source, insert_source, list_sources, paused_sources, set_pause, set_status,
    update_source,
};
pub use spending::{add_spending, known_subjects, spenders, spent_by_window};
pub use tokens::{
    change_tokens, count_tokens, drop_ended_tokens, forget_account_of_tokens, get_token,
    good_tokens_by_name, insert_token, list_people, list_tokens, live_tokens, note_token_uses,
    rehash_tokens, revoke_tokens, token_of_request, version_of_tokens,
};
pub use versions::{
    Saved, Subject, get_version, keep_activity_version, keep_contact_version, list_versions,
};

const MIGRATIONS: [Migration; 7] = [
    Migration {
        number: 1,
        oldest: 1,
        name: "mapping",
        sql: include_str!("../migrations/0001_mapping.sql"),
    },
    work::migration(2),
    Migration {
        number: 3,
        oldest: 3,
        name: "work of before",
        sql: include_str!("../migrations/0003_work_of_before.sql"),
    },
    Migration {
        number: 4,
        oldest: 4,
        name: "classic",
        sql: include_str!("../migrations/0004_classic.sql"),
    },
    weir_changes::migration(5),
    Migration {
        number: 6,
        oldest: 6,
        name: "tokens",
        sql: include_str!("../migrations/0006_tokens.sql"),
    },
    Migration {
        number: 7,
        oldest: 7,
        name: "units",
        sql: include_str!("../migrations/0007_units.sql"),
    },
];

/// Tables with an `account_id` that have no policy. Nothing that was received is in them.
pub const OPEN: Open = &[
    work::OPEN,
    (
        "account_names",
        "whose a name is: asked before an account is known",
    ),
    (
        "source_keys",
        "whose a key is, by its hash: asked before an account is known",
    ),
    (
        "account_deletions",
        "which accounts are being erased, looked through for work",
    ),
    (
        "replay_work",
        "what is to be replayed, looked through for work",
    ),
];

pub use watch::{HourCount, hourly_counts, most_counted};

/// Brings the schema up to date.
///
/// # Errors
/// The first statement that fails.
pub async fn migrate(pool: &Pool, away: &Notify) -> anyhow::Result<()> {
    weir_postgres::migrate_once_there(pool, &MIGRATIONS, OPEN, away).await?;
    Ok(())
}

/// Whether PostgreSQL answers.
pub async fn answers(pool: &Pool) -> bool {
    let Ok(client) = pool.get().await else {
        return false;
    };
    client.unscoped().simple_query("").await.is_ok()
}

/// What every function of this module asks with, but those over open tables: a transaction of an
/// account, or a connection on which each statement is one.
pub trait Client: Statements {}
impl Client for Tx<'_> {}
impl Client for Scoped {}

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

async fn rows(
    client: &impl Statements,
    sql: &str,
    params: Params<'_>,
) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

async fn row(
    client: &impl Statements,
    sql: &str,
    params: Params<'_>,
) -> Result<Option<Row>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, params).await?)
}

async fn execute(client: &impl Statements, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, params).await?)
}

/// One of the pool, until it is dropped.
pub type Connection = weir_postgres::Client;

/// Waits for a connection.
///
/// # Errors
/// Where none came in time.
pub async fn connection(pool: &Pool) -> Result<Connection, Failure> {
    Ok(pool.get().await?)
}

/// Waits for a connection, for statements of this account.
///
/// # Errors
/// Where none came in time.
pub async fn scoped(pool: &Pool, account_id: AccountId) -> Result<Scoped, Failure> {
    Ok(Scoped::new(pool.get().await?, account_id))
}

/// Begins a transaction of an account; it is undone unless it is committed.
pub fn begin(connection: &mut Connection, account_id: AccountId) -> Tx<'_> {
    Tx::begin(connection, account_id)
}

/// Ends a transaction.
///
/// # Errors
/// Where it did not commit.
pub async fn commit(transaction: Tx<'_>) -> Result<(), Failure> {
    Ok(transaction.commit().await?)
}

/// One unreadable row never fails a page: it is counted, and logged by what could not read it.
fn listed<K, T>(
    rows: &[Row],
    key: impl Fn(&Row) -> K,
    read: impl Fn(&Row) -> Result<T, Failure>,
) -> Vec<Listed<K, T>> {
    let item = |row| {
        let item = read(row).ok();
        if item.is_none() {
            metrics::unreadable_rows().increment(1);
        }
        (key(row), item)
    };
    rows.iter().map(item).collect()
}

/// Something in the database that this code can't have written.
fn corrupt(what: &'static str) -> Failure {
    tracing::error!(what, "a row can't be read");
    Failure::Internal
}

/// Event names that this source maps.
pub type MappedNames = HashSet<String>;
