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

const OF_REQUEST: &str = "
    SELECT method, thing_id FROM changes
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
    let (actor, actor_id) = match &author.actor {
        Actor::Token(id, _) => (TOKEN, Some(*id)),
        Actor::Person(_) => (PERSON, None),
        Actor::Service(_) => (SERVICE, None),
        Actor::Anybody => (ANYBODY, None),
    };
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
        &change.request_id,
    ];
    let insert = on.prepare_cached(INSERT).await?;
    match on.execute(&insert, &params).await {
        Ok(_) => Ok(()),
        // It is looked up before; so it came in between.
        Err(error) if is_taken(&error) && change.request_id.is_some() => Err(Failure::Conflict),
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION)
}

/// What a request did that comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    pub method: String,
    pub thing_id: String,
}

/// What was done under a request's id; None where nothing was, in the last 90 days.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn of_request(
    on: &impl Statements,
    account: AccountId,
    request_id: Uuid,
) -> Result<Option<Earlier>, Failure> {
    let select = on.prepare_cached(OF_REQUEST).await?;
    let found = on.query_opt(&select, &[&account.0, &request_id]).await?;
    Ok(found.map(|row| Earlier {
        method: row.get("method"),
        thing_id: row.get("thing_id"),
    }))
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
    let field = |(name, before, after)| Field {
        name,
        before,
        after,
    };
    Some(Entry {
        change_id: row.get("change_id"),
        time: row.get("change_time"),
        actor,
        method: row.get("method"),
        thing: Thing::of(row.get("thing"))?,
        thing_id: row.get("thing_id"),
        fields: fields.into_iter().map(field).collect(),
    })
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
