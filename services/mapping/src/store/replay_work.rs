//! Portions of replays and repairs, and what became of them (semantics 7.5, 1.7).

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId, TimedKey};
use weir_postgres::Failure;
use weir_reasons::Reason;

use super::kept::{COLUMNS, read_kept, status_code};
use super::{Client, Connection, execute, row, rows};
use crate::domain::kept::{Kept, Room};
use crate::domain::replay::{Claim, Outcome, PORTION};

/// There is work of this kind from now on: it is due at `time`, or earlier where it was.
pub async fn add_work(
    client: &impl Client,
    (account, source): (AccountId, SourceId),
    work_id: Uuid,
    is_repair: bool,
    time: DateTime<Utc>,
) -> Result<(), Failure> {
    let insert = "INSERT INTO replay_work (account_id, work_id, source_id, repair, next_time,
            lease_end)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account_id, work_id) DO UPDATE
            SET next_time = least(replay_work.next_time, excluded.next_time)";
    let nobodys = DateTime::UNIX_EPOCH;
    let params: super::Params<'_> = &[&account.0, &work_id, &source.0, &is_repair, &time, &nobodys];
    execute(client, insert, params).await?;
    Ok(())
}

pub async fn remove_work(
    client: &impl Client,
    account_id: AccountId,
    work_id: Uuid,
) -> Result<(), Failure> {
    let delete = "DELETE FROM replay_work WHERE account_id = $1 AND work_id = $2";
    execute(client, delete, &[&account_id.0, &work_id]).await?;
    Ok(())
}

/// What is due and nobody's, whosever it is: what has been due longest first.
pub async fn due_work(
    client: &Connection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(AccountId, Uuid)>, Failure> {
    let select = "/* every account */ SELECT account_id, work_id FROM replay_work
        WHERE next_time <= $1 AND lease_end <= $1 ORDER BY next_time LIMIT $2";
    let found = rows(client.unscoped(), select, &[&now, &limit]).await?;
    let due = |row: &Row| (AccountId(row.get("account_id")), row.get("work_id"));
    Ok(found.iter().map(due).collect())
}

/// Takes the lease of what is due; none where another was quicker.
pub async fn lease(
    client: &impl Client,
    (account_id, work_id): (AccountId, Uuid),
    token: Uuid,
    now: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<Option<Claim>, Failure> {
    let update = "UPDATE replay_work SET lease_token = $3, lease_end = $5
        WHERE account_id = $1 AND work_id = $2 AND next_time <= $4 AND lease_end <= $4
        RETURNING source_id, repair";
    let params: super::Params<'_> = &[&account_id.0, &work_id, &token, &now, &end];
    let taken = row(client, update, params).await?;
    Ok(taken.map(|row| Claim {
        account_id,
        source_id: SourceId(row.get("source_id")),
        work_id,
        is_repair: row.get("repair"),
        token,
    }))
}

/// Gives a lease back; the rest is due at `next`. Of a lease that another has by now it is
/// nothing.
pub async fn release(
    client: &impl Client,
    claim: &Claim,
    next: DateTime<Utc>,
) -> Result<(), Failure> {
    let update = "UPDATE replay_work SET lease_token = NULL, lease_end = $5, next_time = $4
        WHERE account_id = $1 AND work_id = $2 AND lease_token = $3";
    let nobodys = DateTime::UNIX_EPOCH;
    let params: super::Params<'_> = &[
        &claim.account_id.0,
        &claim.work_id,
        &claim.token,
        &next,
        &nobodys,
    ];
    execute(client, update, params).await?;
    Ok(())
}

/// Those of a replay that are next; none where the kept event is gone.
pub async fn portion_of_replay(
    client: &impl Client,
    claim: &Claim,
) -> Result<Vec<(TimedKey, Option<Kept>)>, Failure> {
    let select = format!(
        "SELECT r.event_key AS chosen_key, k.account_id IS NOT NULL AS is_there, {COLUMNS}
        FROM replay_events r LEFT JOIN kept_events k ON k.account_id = r.account_id
            AND k.source_id = $3 AND k.event_key = r.event_key
        WHERE r.account_id = $1 AND r.replay_id = $2 AND r.status IS NULL
        ORDER BY r.tries, r.position LIMIT $4"
    );
    let params: super::Params<'_> = &[
        &claim.account_id.0,
        &claim.work_id,
        &claim.source_id.0,
        &PORTION,
    ];
    let found = rows(client, &select, params).await?;
    let read = |row: &Row| {
        let is_there: bool = row.get("is_there");
        let kept = is_there.then(|| read_kept(row)).transpose();
        // One that can't be read is as good as gone; it is logged.
        (TimedKey(row.get("chosen_key")), kept.unwrap_or_default())
    };
    Ok(found.iter().map(read).collect())
}

/// Those whose contacts are to be made up for now.
pub async fn portion_of_repair(
    client: &impl Client,
    claim: &Claim,
    now: DateTime<Utc>,
) -> Result<Vec<Kept>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM kept_events k
        WHERE k.account_id = $1 AND k.source_id = $2 AND k.deferred AND k.next_time <= $3
        ORDER BY k.next_time, k.receive_time LIMIT $4"
    );
    let params: super::Params<'_> = &[&claim.account_id.0, &claim.source_id.0, &now, &PORTION];
    let found = rows(client, &select, params).await?;
    Ok(found.iter().filter_map(|row| read_kept(row).ok()).collect())
}

/// Events of a replay that are left out after all.
pub async fn leave_out(
    client: &impl Client,
    claim: &Claim,
    keys: &[Uuid],
    why: Reason,
) -> Result<(), Failure> {
    let update = "UPDATE replay_events SET status = 0, code = $4
        WHERE account_id = $1 AND replay_id = $2 AND status IS NULL AND event_key = ANY ($3)";
    let (account, code) = (claim.account_id.0, why.code());
    execute(client, update, &[&account, &claim.work_id, &keys, &code]).await?;
    Ok(())
}

/// How often events of a portion were tried before, as far as nothing final is known of them.
pub async fn tries_of(
    client: &impl Client,
    claim: &Claim,
    keys: &[Uuid],
) -> Result<Vec<(TimedKey, i32)>, Failure> {
    let found = if claim.is_repair {
        let select = "SELECT event_key, tries FROM kept_events
            WHERE account_id = $1 AND source_id = $2 AND deferred AND event_key = ANY ($3)";
        let params: super::Params<'_> = &[&claim.account_id.0, &claim.source_id.0, &keys];
        rows(client, select, params).await?
    } else {
        let select = "SELECT event_key, tries FROM replay_events
            WHERE account_id = $1 AND replay_id = $2 AND status IS NULL AND event_key = ANY ($3)";
        let params: super::Params<'_> = &[&claim.account_id.0, &claim.work_id, &keys];
        rows(client, select, params).await?
    };
    let tries = |row: &Row| (TimedKey(row.get("event_key")), row.get("tries"));
    Ok(found.iter().map(tries).collect())
}

/// What became of events of a replay, for good.
pub async fn put_outcomes(
    client: &impl Client,
    claim: &Claim,
    outcomes: &[&Outcome],
) -> Result<(), Failure> {
    let keys: Vec<Uuid> = outcomes.iter().map(|one| one.key.0).collect();
    let statuses: Vec<i16> = outcomes.iter().map(|one| status_code(one.status)).collect();
    // Of one that was stored but for a value: why that was ignored.
    let codes: Vec<&str> = outcomes.iter().map(|one| one.said().1).collect();
    let update = "UPDATE replay_events r SET status = u.status, code = u.code
        FROM unnest($3::uuid[], $4::smallint[], $5::text[]) u (event_key, status, code)
        WHERE r.account_id = $1 AND r.replay_id = $2 AND r.event_key = u.event_key
            AND r.status IS NULL";
    let params: super::Params<'_> = &[
        &claim.account_id.0,
        &claim.work_id,
        &keys,
        &statuses,
        &codes,
    ];
    execute(client, update, params).await?;
    Ok(())
}

/// Events of a replay were tried, and are to be tried again behind the others.
pub async fn try_again(client: &impl Client, claim: &Claim, keys: &[Uuid]) -> Result<(), Failure> {
    let update = "UPDATE replay_events SET tries = tries + 1
        WHERE account_id = $1 AND replay_id = $2 AND status IS NULL AND event_key = ANY ($3)";
    let params: super::Params<'_> = &[&claim.account_id.0, &claim.work_id, &keys];
    execute(client, update, params).await?;
    Ok(())
}

/// What kept events say from now on. A deferred one that has its outcome is one like all others.
pub async fn put_said(
    client: &impl Client,
    claim: &Claim,
    outcomes: &[&Outcome],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let keys: Vec<Uuid> = outcomes.iter().map(|one| one.key.0).collect();
    let said = || outcomes.iter().map(|one| one.said());
    let statuses: Vec<i16> = said().map(|(status, _, _)| status_code(status)).collect();
    let codes: Vec<&str> = said().map(|(_, code, _)| code).collect();
    let stored: Vec<bool> = said().map(|(_, _, stored)| stored).collect();
    let messages: Vec<&str> = outcomes.iter().map(|one| one.message.as_str()).collect();
    let done: Vec<bool> = outcomes.iter().map(|one| one.is_done()).collect();
    // One that is done keeps the reason for which it was kept, and what was stored stays so.
    let update = "UPDATE kept_events k SET deferred = false, next_time = NULL,
            done_time = CASE WHEN u.done THEN $9::timestamptz END,
            status = CASE WHEN u.done THEN k.status ELSE u.status END,
            code = CASE WHEN u.done THEN k.code ELSE u.code END,
            message = CASE WHEN u.done THEN k.message ELSE u.message END,
            stored = k.stored OR u.stored OR k.done_time IS NOT NULL
        FROM unnest($3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::boolean[],
            $8::boolean[]) u (event_key, status, code, message, stored, done)
        WHERE k.account_id = $1 AND k.source_id = $2 AND k.event_key = u.event_key
            AND k.deferred = $10";
    let params: super::Params<'_> = &[
        &claim.account_id.0,
        &claim.source_id.0,
        &keys,
        &statuses,
        &codes,
        &messages,
        &stored,
        &done,
        &now,
        &claim.is_repair,
    ];
    execute(client, update, params).await?;
    Ok(())
}

/// Deferred events that are to be tried again, each at its time.
pub async fn defer_further(
    client: &impl Client,
    claim: &Claim,
    keys: &[Uuid],
    times: &[DateTime<Utc>],
) -> Result<(), Failure> {
    let update = "UPDATE kept_events k SET next_time = u.next_time, tries = k.tries + 1
        FROM unnest($3::uuid[], $4::timestamptz[]) u (event_key, next_time)
        WHERE k.account_id = $1 AND k.source_id = $2 AND k.event_key = u.event_key AND k.deferred";
    let params: super::Params<'_> = &[&claim.account_id.0, &claim.source_id.0, &keys, &times];
    execute(client, update, params).await?;
    Ok(())
}

/// Deletes deferred events whose contacts are made up for.
pub async fn delete_deferred(
    client: &impl Client,
    claim: &Claim,
    keys: &[Uuid],
) -> Result<(), Failure> {
    let delete = "DELETE FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND deferred AND event_key = ANY ($3)";
    let params: super::Params<'_> = &[&claim.account_id.0, &claim.source_id.0, &keys];
    execute(client, delete, params).await?;
    Ok(())
}

/// What these deferred events take.
pub async fn size_of_deferred(
    client: &impl Client,
    claim: &Claim,
    keys: &[Uuid],
) -> Result<Room, Failure> {
    let select = "SELECT count(*) AS events, coalesce(sum(octet_length(raw)), 0)::bigint AS bytes
        FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND deferred AND event_key = ANY ($3)";
    let params: super::Params<'_> = &[&claim.account_id.0, &claim.source_id.0, &keys];
    let found = row(client, select, params).await?;
    Ok(found.map_or_else(Room::default, |row| Room {
        events: row.get("events"),
        bytes: row.get("bytes"),
    }))
}

/// When the next contact of a source is to be made up for; none where none is left.
pub async fn next_repair(
    client: &impl Client,
    (account, source): (AccountId, SourceId),
) -> Result<Option<DateTime<Utc>>, Failure> {
    let select = "SELECT min(next_time) AS next FROM kept_events
        WHERE account_id = $1 AND source_id = $2 AND deferred";
    let found = row(client, select, &[&account.0, &source.0]).await?;
    Ok(found.and_then(|row| row.get("next")))
}
