//! Accounts that are being erased: a small table, which is looked through for work.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;
use weir_erasure::{Erased, Tables};
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool, Statements};

use super::{Client, Connection, corrupt, execute, row, rows};
use crate::domain::deletion::{Deletion, Keeper, Step};

const COLUMNS: &str = "account_id, source_ids, start_time, due_time, finish_time, steps";

/// All but the deletions themselves; a mapping goes before what it belongs to.
const TABLES: Tables = Tables {
    kept: &["account_deletions"],
    last: &[
        "account_work",
        "fields",
        "activities",
        "sources",
        "accounts",
    ],
};

/// By service: what it erased, and whether it is through.
type StoredSteps = BTreeMap<String, (i64, bool)>;

/// From now on the account is unknown, and its name and keys are free.
pub async fn begin_deletion(
    client: &impl Client,
    deletion: &Deletion,
    name: &str,
) -> Result<(), Failure> {
    let account = deletion.account_id.0;
    let sources: Vec<Uuid> = deletion.source_ids.iter().map(|id| id.0).collect();
    let insert = "INSERT INTO account_deletions (account_id, name, source_ids, start_time,
            due_time, steps)
         VALUES ($1, $2, $3, $4, $5, $6)";
    let params: super::Params<'_> = &[
        &account,
        &name,
        &sources,
        &deletion.start_time,
        &deletion.due_time,
        &Json(stored(&deletion.steps)),
    ];
    execute(client, insert, params).await?;
    let hide = "UPDATE accounts SET delete_time = $2, version = version + 1
        WHERE account_id = $1";
    execute(client, hide, &[&account, &deletion.start_time]).await?;
    for table in ["account_names", "source_keys"] {
        let delete = format!("DELETE FROM {table} WHERE account_id = $1");
        execute(client, &delete, &[&account]).await?;
    }
    Ok(())
}

/// Of an account, with the name that it had.
pub async fn get_deletion(
    client: &impl Statements,
    account_id: AccountId,
) -> Result<Option<(Deletion, String)>, Failure> {
    let select = format!("SELECT {COLUMNS}, name FROM account_deletions WHERE account_id = $1");
    let Some(row) = row(client, &select, &[&account_id.0]).await? else {
        return Ok(None);
    };
    Ok(Some((read_deletion(&row)?, row.get("name"))))
}

/// One that is due, which is this caller's until `until`.
pub async fn claim_deletion(
    client: &Connection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Deletion>, Failure> {
    let select = "/* every account */ SELECT account_id FROM account_deletions
        WHERE finish_time IS NULL AND due_time <= $1 ORDER BY due_time LIMIT 1";
    let Some(found) = row(client.unscoped(), select, &[&now]).await? else {
        return Ok(None);
    };
    let account: Uuid = found.get("account_id");
    // Of two who found it one comes first.
    let claim = format!(
        "UPDATE account_deletions SET due_time = $3
         WHERE account_id = $1 AND finish_time IS NULL AND due_time <= $2 RETURNING {COLUMNS}"
    );
    let claimed = row(client.unscoped(), &claim, &[&account, &now, &until]).await?;
    claimed.as_ref().map(read_deletion).transpose()
}

/// How far it is.
pub async fn put_deletion(client: &Connection, deletion: &Deletion) -> Result<(), Failure> {
    let update = "UPDATE account_deletions SET due_time = $2, finish_time = $3, steps = $4
        WHERE account_id = $1";
    let params: super::Params<'_> = &[
        &deletion.account_id.0,
        &deletion.due_time,
        &deletion.finish_time,
        &Json(stored(&deletion.steps)),
    ];
    execute(client.unscoped(), update, params).await?;
    Ok(())
}

/// Forgets those that were through before `before`; some at a time.
pub async fn forget_deletions(client: &Connection, before: DateTime<Utc>) -> Result<(), Failure> {
    let select = "/* every account */ SELECT account_id FROM account_deletions
        WHERE finish_time < $1 LIMIT 100";
    for found in rows(client.unscoped(), select, &[&before]).await? {
        let account: Uuid = found.get("account_id");
        let delete = "DELETE FROM account_deletions WHERE account_id = $1";
        execute(client.unscoped(), delete, &[&account]).await?;
    }
    Ok(())
}

/// Erases what the tables of this service hold of an account, some at a time.
pub async fn erase_tables(pool: &Pool, account_id: AccountId) -> Result<Erased, Failure> {
    weir_erasure::erase(pool, account_id, TABLES).await
}

fn stored(steps: &[Step]) -> StoredSteps {
    let step = |step: &Step| (step.keeper.name().to_owned(), (step.erased, step.done));
    steps.iter().map(step).collect()
}

fn read_deletion(row: &Row) -> Result<Deletion, Failure> {
    let Json(stored): Json<StoredSteps> = row
        .try_get("steps")
        .map_err(|_| corrupt("steps of a deletion"))?;
    let sources: Vec<Uuid> = row.get("source_ids");
    // A service that a later version adds begins from nothing.
    let step = |keeper: Keeper| {
        let (erased, done) = stored.get(keeper.name()).copied().unwrap_or_default();
        Step {
            keeper,
            erased,
            done,
        }
    };
    Ok(Deletion {
        account_id: AccountId(row.get("account_id")),
        source_ids: sources.into_iter().map(SourceId).collect(),
        start_time: row.get("start_time"),
        due_time: row.get("due_time"),
        finish_time: row.get("finish_time"),
        steps: Keeper::ALL.map(step).into(),
    })
}
