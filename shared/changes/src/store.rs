//! The record in PostgreSQL.

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Statements};

use crate::change::{Actor, Author, Change, Entry, Field, Thing};

/// Purged by one statement: some ten milliseconds' work.
const PIECE: i64 = 5_000;

const TOKEN: i16 = 1;
const PERSON: i16 = 2;
const SERVICE: i16 = 3;
const ANYBODY: i16 = 4;

const INSERT: &str = "
    INSERT INTO changes (account_id, change_id, change_time, actor, actor_id, actor_name, method,
        thing, thing_id, fields, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Under the thing's id as that of a request: all calls meet in one row.
const COUNT: &str = "
    INSERT INTO changes (account_id, change_id, change_time, actor, actor_id, actor_name, method,
        thing, thing_id, fields, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
        json_build_array(json_build_array($10::text, NULL, $11::bigint)), $12)
    ON CONFLICT (account_id, request_id) WHERE request_id IS NOT NULL DO UPDATE
    SET change_time = excluded.change_time,
        fields = json_build_array(json_build_array($10::text, NULL,
            (changes.fields->0->>2)::bigint + $11::bigint))
    WHERE changes.thing = excluded.thing";

const OF_REQUEST: &str = "
    SELECT method, thing_id FROM changes
    WHERE account_id = $1 AND request_id = $2 AND request_id IS NOT NULL";

const CHANGED: &str = "
    SELECT fields FROM changes
    WHERE account_id = $1 AND request_id = $2 AND request_id IS NOT NULL";

const LIST: &str = "
    SELECT change_id, change_time, actor, actor_id, actor_name, method, thing, thing_id, fields
    FROM changes
    WHERE account_id = $1 AND change_id < $2
      AND ($3::smallint[] IS NULL OR thing = ANY($3))
      AND ($4::timestamptz IS NULL OR change_time >= $4)
      AND ($5::timestamptz IS NULL OR change_time < $5)
    ORDER BY change_id DESC LIMIT $6";

const PURGE: &str = "
    DELETE FROM changes
    WHERE account_id = $1 AND change_time < $2 AND change_time <= COALESCE((
        SELECT change_time FROM changes
        WHERE account_id = $1 AND change_time < $2
        ORDER BY change_time LIMIT 1 OFFSET $3), $2)";

type Fields = Vec<(String, Value, Value)>;

/// Writes a change down; to be called in the transaction that makes it.
///
/// # Errors
/// When PostgreSQL refuses; a conflict where the same request is just being carried out.
pub async fn record(
    on: &impl Statements,
    account: AccountId,
    author: &Author,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let (actor, actor_id) = columns(&author.actor);
    let fields = change.fields.iter().cloned();
    let fields: Fields = fields
        .map(|field| (field.name, field.before, field.after))
        .collect();
    let params: [&(dyn ToSql + Sync); 11] = [
        &account.0,
        &weir_ids::fresh(),
        &now,
        &actor,
        &actor_id,
        &author.name(),
        &author.method,
        &change.thing.code(),
        &change.thing_id,
        &Json(fields),
        &author.request_id,
    ];
    let insert = on.prepare_cached(INSERT).await?;
    match on.execute(&insert, &params).await {
        Ok(_) => Ok(()),
        // It is looked up before; so it came in between.
        Err(error) if is_taken(&error) && author.request_id.is_some() => Err(Failure::Conflict),
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION)
}

/// How much of one thing a call changed that many calls change together.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub thing: Thing,
    /// By which the calls are known to belong together.
    pub thing_id: Uuid,
    pub field: &'static str,
    pub count: i64,
}

/// Writes down that so many were changed, in the entry that the calls before it made, where they
/// did.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn count(
    on: &impl Statements,
    account: AccountId,
    author: &Author,
    counted: &Counted,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let (actor, actor_id) = columns(&author.actor);
    let params: [&(dyn ToSql + Sync); 12] = [
        &account.0,
        &weir_ids::fresh(),
        &now,
        &actor,
        &actor_id,
        &author.name(),
        &author.method,
        &counted.thing.code(),
        &counted.thing_id.to_string(),
        &counted.field,
        &counted.count,
        &counted.thing_id,
    ];
    let add = on.prepare_cached(COUNT).await?;
    if on.execute(&add, &params).await? == 0 {
        tracing::error!("the id of what is counted is that of another call");
        return Err(Failure::Internal);
    }
    Ok(())
}

fn columns(actor: &Actor) -> (i16, Option<Uuid>) {
    match actor {
        Actor::Token(id, _) => (TOKEN, Some(*id)),
        Actor::Person(_) => (PERSON, None),
        Actor::Service(_) => (SERVICE, None),
        Actor::Anybody => (ANYBODY, None),
    }
}

/// What a request did before that comes again: the id of its thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing, in the last 90 days.
    Nothing,
    Done(String),
    /// Another method has its id.
    Taken,
}

/// What an author's request did before; nothing of one that has no id.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn done_before(
    on: &impl Statements,
    account: AccountId,
    author: &Author,
) -> Result<Before, Failure> {
    let Some(request_id) = author.request_id else {
        return Ok(Before::Nothing);
    };
    let select = on.prepare_cached(OF_REQUEST).await?;
    let found = on.query_opt(&select, &[&account.0, &request_id]).await?;
    Ok(match found {
        None => Before::Nothing,
        Some(row) if row.get::<_, &str>("method") == author.method => {
            Before::Done(row.get("thing_id"))
        }
        Some(_) => Before::Taken,
    })
}

/// What an author's request changed before; nothing where it has no id, or did nothing.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn changed_before(
    on: &impl Statements,
    account: AccountId,
    author: &Author,
) -> Result<Vec<Field>, Failure> {
    let select = on.prepare_cached(CHANGED).await?;
    let params: [&(dyn ToSql + Sync); 2] = [&account.0, &author.request_id];
    let found = on.query_opt(&select, &params).await?;
    let fields = found.map(|row| row.get::<_, Json<Fields>>("fields").0);
    Ok(fields.map_or_else(Vec::new, named))
}

/// Which changes are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// None: all of them.
    pub things: Option<Vec<Thing>>,
    pub from: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
}

/// Newest first, before `before`. None in the place of one that can't be read.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn list(
    on: &impl Statements,
    account: AccountId,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, Option<Entry>)>, Failure> {
    let things = filter.things.as_ref();
    let things = things.map(|all| all.iter().map(|one| one.code()).collect::<Vec<_>>());
    let params: [&(dyn ToSql + Sync); 6] = [
        &account.0,
        &before.unwrap_or(Uuid::max()),
        &things,
        &filter.from,
        &filter.until,
        &limit,
    ];
    let select = on.prepare_cached(LIST).await?;
    let rows = on.query(&select, &params).await?;
    let listed = rows.iter().map(|row| (row.get("change_id"), entry(row)));
    Ok(listed.collect())
}

fn entry(row: &Row) -> Option<Entry> {
    let read = read(row);
    if read.is_none() {
        tracing::error!("a change can't be read");
    }
    read
}

fn read(row: &Row) -> Option<Entry> {
    let name: String = row.get("actor_name");
    let actor = match row.get::<_, i16>("actor") {
        TOKEN => Actor::Token(row.get::<_, Option<Uuid>>("actor_id")?, name),
        PERSON => Actor::Person(name),
        SERVICE => Actor::Service(name),
        ANYBODY => Actor::Anybody,
        _ => return None,
    };
    let Json(fields): Json<Fields> = row.try_get("fields").ok()?;
    Some(Entry {
        change_id: row.get("change_id"),
        time: row.get("change_time"),
        actor,
        method: row.get("method"),
        thing: Thing::of(row.get("thing"))?,
        thing_id: row.get("thing_id"),
        fields: named(fields),
    })
}

fn named(fields: Fields) -> Vec<Field> {
    let field = |(name, before, after)| Field {
        name,
        before,
        after,
    };
    fields.into_iter().map(field).collect()
}

/// Drops a piece of what an account has from before `time`; answers how many rows that were. None
/// are left once it answers 0.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn purge(
    on: &impl Statements,
    account: AccountId,
    time: DateTime<Utc>,
) -> Result<u64, Failure> {
    let purge = on.prepare_cached(PURGE).await?;
    Ok(on.execute(&purge, &[&account.0, &time, &PIECE]).await?)
}
