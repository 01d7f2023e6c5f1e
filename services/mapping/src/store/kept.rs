//! Kept events (semantics 7.5, 1.7).

use std::collections::HashSet;

use bytes::Bytes;
use chrono::{DateTime, TimeZone, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId, TimedKey};
use weir_postgres::Failure;

use super::codes::Code;
use super::{Client, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::event::EventKind;
use crate::domain::kept::{AGE, Filter, Kept, KeptCount, MAX_COUNTS, PER_REASON, PER_SOURCE};
use crate::domain::kept::{Position, Rates, Room, ToKeep, Whole, second};
use crate::domain::replay::Chosen;

/// Whose events they are.
pub type Owner = (AccountId, SourceId);

pub(super) const COLUMNS: &str = "k.event_key, k.kind, k.raw, k.message_id, k.nameless, k.user_id,
    k.anonymous_id, k.event_name, k.event_time, k.receive_time, k.event_index, k.status, k.code,
    k.message, k.stored, k.deferred, k.done_time";

/// Locks what is kept of an account: whoever keeps events of it, or tells what became of them,
/// goes on one after the other. Answers what its deferred events take.
pub async fn lock_kept(client: &impl Client, account_id: AccountId) -> Result<Room, Failure> {
    let insert = "INSERT INTO kept_accounts (account_id, deferred_events, deferred_bytes)
        SELECT a.account_id, 0, 0 FROM accounts a WHERE a.account_id = $1
        ON CONFLICT (account_id) DO NOTHING";
    execute(client, insert, &[&account_id.0]).await?;
    let select = "SELECT deferred_events, deferred_bytes FROM kept_accounts
        WHERE account_id = $1 FOR UPDATE";
    let found = row(client, select, &[&account_id.0]).await?;
    let found = found.ok_or_else(|| corrupt("kept events of an account"))?;
    Ok(Room {
        events: found.get("deferred_events"),
        bytes: found.get("deferred_bytes"),
    })
}

pub async fn set_room(
    client: &impl Client,
    account_id: AccountId,
    room: Room,
) -> Result<(), Failure> {
    let update = "UPDATE kept_accounts SET deferred_events = $2, deferred_bytes = $3
        WHERE account_id = $1";
    execute(client, update, &[&account_id.0, &room.events, &room.bytes]).await?;
    Ok(())
}

/// Counts anew what the account's deferred events take: some went with their source.
pub async fn recount_deferred(client: &impl Client, account_id: AccountId) -> Result<(), Failure> {
    let update = "UPDATE kept_accounts SET (deferred_events, deferred_bytes) = (
            SELECT count(*), coalesce(sum(octet_length(k.raw)), 0)::bigint FROM kept_events k
            WHERE k.account_id = $1 AND k.deferred)
        WHERE account_id = $1";
    execute(client, update, &[&account_id.0]).await?;
    Ok(())
}

/// Which of the keys are kept, with whether each is deferred.
pub async fn known_keys(
    client: &impl Client,
    (account, source): Owner,
    keys: &[Uuid],
) -> Result<Vec<(TimedKey, bool)>, Failure> {
    let select = "SELECT k.event_key, k.deferred
        FROM kept_events k JOIN unnest($3::uuid[]) u (event_key) ON k.event_key = u.event_key
        WHERE k.account_id = $1 AND k.source_id = $2";
    let found = rows(client, select, &[&account.0, &source.0, &keys]).await?;
    let known = |row: &Row| (TimedKey(row.get("event_key")), row.get("deferred"));
    Ok(found.iter().map(known).collect())
}

/// How many were received in the seconds of these events, by reason.
pub async fn rates(
    client: &impl Client,
    (account, source): Owner,
    events: &[ToKeep],
) -> Result<Rates, Failure> {
    let (Some(first), Some(last)) = (
        events.iter().map(second).min(),
        events.iter().map(second).max(),
    ) else {
        return Ok(Rates::new());
    };
    let select =
        "SELECT code, extract(epoch FROM date_trunc('second', receive_time))::bigint AS at,
            count(*) AS count
        FROM kept_events WHERE account_id = $1 AND source_id = $2 AND NOT deferred
            AND receive_time >= $3 AND receive_time < $4
        GROUP BY code, at";
    let time = |second: i64| Utc.timestamp_opt(second, 0).single();
    let (Some(from), Some(to)) = (time(first), time(last + 1)) else {
        return Ok(Rates::new());
    };
    let found = rows(client, select, &[&account.0, &source.0, &from, &to]).await?;
    let counted = |row: &Row| {
        let count = usize::try_from(row.get::<_, i64>("count")).unwrap_or(usize::MAX);
        ((row.get("code"), row.get("at")), count)
    };
    Ok(found.iter().map(counted).collect())
}

/// Writes events, each once; of one that is there what it was answered last. One that is deferred
/// stays as it is, and so does one that was stored since it came this time: what is told of it
/// behind its answer is late.
pub async fn put_kept(
    client: &impl Client,
    (account, source): Owner,
    events: &[ToKeep],
    deferred_until: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let columns = Columns::of(events);
    let insert = "INSERT INTO kept_events (account_id, source_id, event_key, kind, raw, message_id,
            nameless, user_id, anonymous_id, event_name, event_time, receive_time, event_index,
            status, code, message, stored, deferred, next_time, tries)
        SELECT a.account_id, $2, u.event_key, u.kind, u.raw, u.message_id, u.nameless, u.user_id,
            u.anonymous_id, u.event_name, u.event_time, u.receive_time, u.event_index, u.status,
            u.code, u.message, u.stored, $18::timestamptz IS NOT NULL, $18::timestamptz, 0
        FROM kept_accounts a CROSS JOIN unnest($3::uuid[], $4::smallint[], $5::bytea[],
            $6::text[], $7::boolean[], $8::text[], $9::text[], $10::text[], $11::timestamptz[],
            $12::timestamptz[], $13::bigint[], $14::smallint[], $15::text[], $16::text[],
            $17::boolean[]) u (event_key, kind, raw, message_id, nameless, user_id, anonymous_id,
            event_name, event_time, receive_time, event_index, status, code, message, stored)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, source_id, event_key) DO UPDATE SET status = excluded.status,
            code = excluded.code, message = excluded.message,
            stored = kept_events.stored OR excluded.stored OR kept_events.done_time IS NOT NULL,
            deferred = excluded.deferred, next_time = excluded.next_time, tries = 0,
            done_time = NULL
        WHERE NOT kept_events.deferred AND (excluded.deferred OR kept_events.done_time IS NULL
            OR kept_events.done_time <= excluded.receive_time)";
    execute(
        client,
        insert,
        &[
            &account.0,
            &source.0,
            &columns.keys,
            &columns.kinds,
            &columns.raws,
            &columns.message_ids,
            &columns.nameless,
            &columns.user_ids,
            &columns.anonymous_ids,
            &columns.event_names,
            &columns.event_times,
            &columns.receive_times,
            &columns.indexes,
            &columns.statuses,
            &columns.codes,
            &columns.messages,
            &columns.stored,
            &deferred_until,
        ],
    )
    .await?;
    Ok(())
}

/// Notes that events were stored meanwhile.
pub async fn mark_done(
    client: &impl Client,
    (account, source): Owner,
    keys: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let update = "UPDATE kept_events k SET done_time = $4
        FROM unnest($3::uuid[]) u (event_key)
        WHERE k.account_id = $1 AND k.source_id = $2 AND k.event_key = u.event_key
            AND NOT k.deferred AND k.done_time IS NULL";
    execute(client, update, &[&account.0, &source.0, &keys, &now]).await?;
    Ok(())
}

/// Brings what is kept of a source within its bounds, the oldest first; answers how many went.
pub async fn trim(client: &impl Client, owner: Owner, now: DateTime<Utc>) -> Result<u64, Failure> {
    let (account, source) = owner;
    let delete = "DELETE FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND NOT deferred AND receive_time < $3";
    let old = now - AGE;
    let mut gone = execute(client, delete, &[&account.0, &source.0, &old]).await?;
    let select = "SELECT code, count(*) AS count FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND NOT deferred GROUP BY code";
    let mut all = 0;
    for found in rows(client, select, &[&account.0, &source.0]).await? {
        let count: i64 = found.get("count");
        if count > PER_REASON {
            let code: &str = found.get("code");
            let over = count - PER_REASON;
            gone += execute(client, OLDEST_OF, &[&account.0, &source.0, &over, &code]).await?;
        }
        all += count.min(PER_REASON);
    }
    if all > PER_SOURCE {
        let over = all - PER_SOURCE;
        gone += execute(client, OLDEST, &[&account.0, &source.0, &over]).await?;
    }
    Ok(gone)
}

const OLDEST_OF: &str = "DELETE FROM kept_events
    WHERE account_id = $1 AND source_id = $2 AND event_key IN (
        SELECT event_key FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND NOT deferred AND code = $4
        ORDER BY receive_time, event_key LIMIT $3)";

const OLDEST: &str = "DELETE FROM kept_events
    WHERE account_id = $1 AND source_id = $2 AND event_key IN (
        SELECT event_key FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND NOT deferred
        ORDER BY receive_time, event_key LIMIT $3)";

const FILTER: &str = "k.account_id = $1 AND k.source_id = $2
    AND ($3::text[] IS NULL OR k.code = ANY ($3))
    AND ($4::text[] IS NULL OR k.event_name = ANY ($4))
    AND ($5::timestamptz IS NULL OR k.receive_time >= $5)
    AND ($6::timestamptz IS NULL OR k.receive_time < $6)
    AND ($7::text IS NULL OR (k.message_id = $7 AND NOT k.nameless))
    AND ($8::uuid[] IS NULL OR k.event_key = ANY ($8))
    AND ($9 OR k.done_time IS NULL)";

/// What [`FILTER`] is filled with, and one more.
fn arguments<'a>(
    (account, source): &'a Owner,
    filter: &'a Filter,
    include_done: &'a bool,
    limit: &'a i64,
) -> [&'a (dyn ToSql + Sync); 10] {
    [
        &account.0,
        &source.0,
        &filter.codes,
        &filter.event_names,
        &filter.from_time,
        &filter.to_time,
        &filter.message_id,
        &filter.keys,
        include_done,
        limit,
    ]
}

/// What a replay of all that the filter matches has: oldest first, without the events themselves.
pub async fn choose_kept(
    client: &impl Client,
    owner: Owner,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Chosen>, Failure> {
    let select = format!(
        "SELECT k.event_key, k.deferred FROM kept_events k WHERE {FILTER}
        ORDER BY k.receive_time, k.event_index, k.event_key LIMIT $10"
    );
    let found = rows(
        client,
        &select,
        &arguments(&owner, filter, &filter.include_done, &limit),
    )
    .await?;
    let chosen = |row: &Row| {
        let key = TimedKey(row.get("event_key"));
        Chosen::of(key, row.get("deferred"))
    };
    Ok(found.iter().map(chosen).collect())
}

/// How many events the filter matches, by reason and event name, most first; with those that were
/// stored since, whatever the filter says of them.
pub async fn count_kept(
    client: &impl Client,
    owner: Owner,
    filter: &Filter,
) -> Result<Vec<KeptCount>, Failure> {
    let select = format!(
        "SELECT k.code, k.event_name, count(*) AS count, count(k.done_time) AS done
        FROM kept_events k WHERE {FILTER} AND NOT k.deferred
        GROUP BY k.code, k.event_name ORDER BY count DESC, k.code, k.event_name LIMIT $10"
    );
    let found = rows(
        client,
        &select,
        &arguments(&owner, filter, &true, &MAX_COUNTS),
    )
    .await?;
    let counted = |row: &Row| KeptCount {
        code: row.get("code"),
        event_name: row.get("event_name"),
        count: row.get("count"),
        done: row.get("done"),
    };
    Ok(found.iter().map(counted).collect())
}

/// Newest first, behind `after`.
pub async fn list_kept(
    client: &impl Client,
    (account, source): Owner,
    filter: &Filter,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Listed<Position, Kept>>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM kept_events k WHERE {FILTER}
            AND ($10::timestamptz IS NULL OR (k.receive_time, k.event_key) < ($10, $11))
        ORDER BY k.receive_time DESC, k.event_key DESC LIMIT $12"
    );
    let (time, key) = (
        after.map(|after| after.receive_time),
        after.map(|after| after.key),
    );
    let found = rows(
        client,
        &select,
        &[
            &account.0,
            &source.0,
            &filter.codes,
            &filter.event_names,
            &filter.from_time,
            &filter.to_time,
            &filter.message_id,
            &filter.keys,
            &filter.include_done,
            &time,
            &key,
            &limit,
        ],
    )
    .await?;
    let position = |row: &Row| Position {
        receive_time: row.get("receive_time"),
        key: row.get("event_key"),
    };
    Ok(listed(&found, position, read_kept))
}

pub(super) fn read_kept(row: &Row) -> Result<Kept, Failure> {
    let raw: &[u8] = row.get("raw");
    let index: i64 = row.get("event_index");
    Ok(Kept {
        event: ToKeep {
            whole: Whole {
                kind: EventKind::of(row.get("kind"))?,
                key: TimedKey(row.get("event_key")),
                raw: Bytes::copy_from_slice(raw),
                message_id: row.get("message_id"),
                nameless: row.get("nameless"),
                receive_time: row.get("receive_time"),
                index: u32::try_from(index).map_err(|_| corrupt("index of an event"))?,
            },
            user_id: row.get("user_id"),
            anonymous_id: row.get("anonymous_id"),
            event_name: row.get("event_name"),
            event_time: row.get("event_time"),
            status: u16::try_from(row.get::<_, i16>("status"))
                .map_err(|_| corrupt("status of an event"))?,
            code: row.get("code"),
            message: row.get("message"),
            stored: row.get("stored"),
        },
        deferred: row.get("deferred"),
        done_time: row.get("done_time"),
    })
}

/// Keys as they are known here.
pub fn known(found: &[(TimedKey, bool)]) -> HashSet<TimedKey> {
    found.iter().map(|(key, _)| *key).collect()
}

/// Events as the arrays that a statement takes.
#[derive(Default)]
struct Columns<'a> {
    keys: Vec<Uuid>,
    kinds: Vec<i16>,
    raws: Vec<&'a [u8]>,
    message_ids: Vec<&'a str>,
    nameless: Vec<bool>,
    user_ids: Vec<&'a str>,
    anonymous_ids: Vec<&'a str>,
    event_names: Vec<&'a str>,
    event_times: Vec<Option<DateTime<Utc>>>,
    receive_times: Vec<DateTime<Utc>>,
    indexes: Vec<i64>,
    statuses: Vec<i16>,
    codes: Vec<&'a str>,
    messages: Vec<&'a str>,
    stored: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(events: &'a [ToKeep]) -> Self {
        let mut columns = Self::default();
        for event in events {
            let whole = &event.whole;
            columns.keys.push(whole.key.0);
            columns.kinds.push(whole.kind.code());
            columns.raws.push(&whole.raw);
            columns.message_ids.push(&whole.message_id);
            columns.nameless.push(whole.nameless);
            columns.user_ids.push(&event.user_id);
            columns.anonymous_ids.push(&event.anonymous_id);
            columns.event_names.push(&event.event_name);
            columns.event_times.push(event.event_time);
            columns.receive_times.push(whole.receive_time);
            columns.indexes.push(i64::from(whole.index));
            columns.statuses.push(status_code(event.status));
            columns.codes.push(&event.code);
            columns.messages.push(&event.message);
            columns.stored.push(event.stored);
        }
        columns
    }
}

/// As it stands in a table.
pub(super) fn status_code(status: u16) -> i16 {
    i16::try_from(status).unwrap_or(i16::MAX)
}
