//! Replays: what they have, and how far they are (semantics 7.5).

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::Failure;

use super::codes::Code;
use super::{Client, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::replay::{Chosen, Count, Replay, ReplayState};

const COLUMNS: &str = "r.replay_id, r.source_id, r.request_id, r.request, r.state, r.event_count,
    r.create_time, r.end_time";

/// With its counts.
pub async fn get_replay(
    client: &impl Client,
    account_id: AccountId,
    replay_id: Uuid,
) -> Result<Option<Replay>, Failure> {
    let select =
        format!("SELECT {COLUMNS} FROM replays r WHERE r.account_id = $1 AND r.replay_id = $2");
    let found = row(client, &select, &[&account_id.0, &replay_id]).await?;
    let Some(found) = found else { return Ok(None) };
    let mut replay = read_replay(&found)?;
    count(client, account_id, &mut replay).await?;
    Ok(Some(replay))
}

/// As it was made by a request; without counts.
pub async fn find_replay(
    client: &impl Client,
    account_id: AccountId,
    request_id: &str,
) -> Result<Option<Replay>, Failure> {
    let select =
        format!("SELECT {COLUMNS} FROM replays r WHERE r.account_id = $1 AND r.request_id = $2");
    let found = row(client, &select, &[&account_id.0, &request_id]).await?;
    found.as_ref().map(read_replay).transpose()
}

/// The replay of a source that runs.
pub async fn running_replay(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<Option<Uuid>, Failure> {
    let select = "SELECT replay_id FROM replays
        WHERE account_id = $1 AND source_id = $2 AND state = $3 LIMIT 1";
    let running = ReplayState::Running.code();
    let found = row(client, select, &[&account_id.0, &source_id.0, &running]).await?;
    Ok(found.map(|row| row.get("replay_id")))
}

/// Newest first, behind `after`; with their counts.
pub async fn list_replays(
    client: &impl Client,
    account_id: AccountId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Replay>>, Failure> {
    let after = after.unwrap_or(Uuid::max());
    let select = format!(
        "SELECT {COLUMNS} FROM replays r WHERE r.account_id = $1 AND r.replay_id < $2
         ORDER BY r.replay_id DESC LIMIT $3"
    );
    let found = rows(client, &select, &[&account_id.0, &after, &limit]).await?;
    let mut replays = listed(&found, |row| row.get("replay_id"), read_replay);
    for replay in replays.iter_mut().filter_map(|(_, replay)| replay.as_mut()) {
        count(client, account_id, replay).await?;
    }
    Ok(replays)
}

async fn count(
    client: &impl Client,
    account_id: AccountId,
    replay: &mut Replay,
) -> Result<(), Failure> {
    let select = "SELECT status, code, count(*) AS count FROM replay_events
        WHERE account_id = $1 AND replay_id = $2 GROUP BY status, code";
    for found in rows(client, select, &[&account_id.0, &replay.replay_id]).await? {
        let count: i64 = found.get("count");
        match found.get::<_, Option<i16>>("status") {
            None => replay.waiting_count += count,
            Some(status) => replay.counts.push(Count {
                status: u16::try_from(status).unwrap_or_default(),
                code: found.get("code"),
                count,
            }),
        }
    }
    replay.counts.sort_unstable();
    Ok(())
}

pub async fn insert_replay(
    client: &impl Client,
    account_id: AccountId,
    replay: &Replay,
) -> Result<(), Failure> {
    execute(
        client,
        "INSERT INTO replays (account_id, replay_id, source_id, request_id, request, state,
            event_count, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &account_id.0,
            &replay.replay_id,
            &replay.source_id.0,
            &replay.request_id,
            &replay.request,
            &replay.state.code(),
            &replay.event_count,
            &replay.create_time,
        ],
    )
    .await?;
    Ok(())
}

/// What a replay is to have, in its order.
pub async fn insert_events(
    client: &impl Client,
    account_id: AccountId,
    replay_id: Uuid,
    chosen: &[Chosen],
) -> Result<(), Failure> {
    let keys: Vec<Uuid> = chosen.iter().map(|one| one.key.0).collect();
    let positions: Vec<i32> = (0..).take(chosen.len()).collect();
    let left_out = |one: &Chosen| one.left_out.map(|_| 0_i16);
    let statuses: Vec<Option<i16>> = chosen.iter().map(left_out).collect();
    let code = |one: &Chosen| one.left_out.map_or("", |why| why.code());
    let codes: Vec<&str> = chosen.iter().map(code).collect();
    let insert = "INSERT INTO replay_events (account_id, replay_id, event_key, position, tries,
            status, code)
        SELECT a.account_id, $2, u.event_key, u.position, 0, u.status, u.code
        FROM kept_accounts a CROSS JOIN unnest($3::uuid[], $4::integer[], $5::smallint[],
            $6::text[]) u (event_key, position, status, code)
        WHERE a.account_id = $1";
    let params: super::Params<'_> = &[
        &account_id.0,
        &replay_id,
        &keys,
        &positions,
        &statuses,
        &codes,
    ];
    execute(client, insert, params).await?;
    Ok(())
}

pub async fn set_state(
    client: &impl Client,
    account_id: AccountId,
    replay_id: Uuid,
    state: ReplayState,
    end_time: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let update = "UPDATE replays SET state = $3, end_time = $4
        WHERE account_id = $1 AND replay_id = $2";
    let params: super::Params<'_> = &[&account_id.0, &replay_id, &state.code(), &end_time];
    execute(client, update, params).await?;
    Ok(())
}

/// Whether something of it waits.
pub async fn is_waiting(
    client: &impl Client,
    account_id: AccountId,
    replay_id: Uuid,
) -> Result<bool, Failure> {
    let select = "SELECT 1 FROM replay_events
        WHERE account_id = $1 AND replay_id = $2 AND status IS NULL LIMIT 1";
    let found = row(client, select, &[&account_id.0, &replay_id]).await?;
    Ok(found.is_some())
}

fn read_replay(row: &Row) -> Result<Replay, Failure> {
    let state: i16 = row.get("state");
    Ok(Replay {
        replay_id: row.get("replay_id"),
        source_id: SourceId(row.get("source_id")),
        request_id: row.get("request_id"),
        request: row.get("request"),
        state: ReplayState::of(state).map_err(|_| corrupt("state of a replay"))?,
        create_time: row.get("create_time"),
        end_time: row.get("end_time"),
        event_count: row.get("event_count"),
        waiting_count: 0,
        counts: Vec::new(),
    })
}
