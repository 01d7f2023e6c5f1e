//! Tokens, by their keyed hash; and the one row that tells that they changed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_access::{Accounts, LiveToken, Role, TokenHash};
use weir_ids::AccountId;
use weir_postgres::{Failure, Statements};

use super::codes::Code;
use super::{Connection, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::access::{LISTED_ACCOUNTS, Person, Token, Within};

const COLUMNS: &str = "token_id, name, hint, role, account_ids, create_time, expire_time,
    last_use_time, revoke_time, created_by, revoked_by";

/// Of a list that is asked for by accounts ($1): those that are good for some of these and for
/// none besides.
const WITHIN: &str = "($1::uuid[] IS NULL
    OR (account_ids IS NOT NULL AND account_ids <> '{}' AND account_ids <@ $1))";

/// Neither revoked nor past its end, by the time that is parameter `$number`.
fn good(number: usize) -> String {
    format!("(revoke_time IS NULL AND (expire_time IS NULL OR expire_time > ${number}))")
}

fn within(accounts: &Within) -> Option<Vec<Uuid>> {
    let accounts = accounts.as_ref();
    accounts.map(|some| some.iter().map(|account| account.0).collect())
}

/// Locks the list, whose version is another one from now on: every change of a token begins so.
pub async fn change_tokens(client: &impl Statements) -> Result<(), Failure> {
    let update = "UPDATE token_list SET version = version + 1 /* every account */";
    execute(client, update, &[]).await?;
    Ok(())
}

/// By which it is seen that some token changed.
pub async fn version_of_tokens(client: &Connection) -> Result<i64, Failure> {
    let select = "SELECT version FROM token_list /* every account */";
    let found = row(client.unscoped(), select, &[]).await?;
    Ok(found
        .ok_or_else(|| corrupt("list of tokens"))?
        .get("version"))
}

/// How many are good now.
pub async fn count_tokens(client: &impl Statements, now: DateTime<Utc>) -> Result<usize, Failure> {
    let good = good(1);
    let select = format!("SELECT count(*) AS count FROM tokens /* every account */ WHERE {good}");
    let found = row(client, &select, &[&now]).await?;
    let count: i64 = found
        .ok_or_else(|| corrupt("count of tokens"))?
        .get("count");
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Those that are good now, up to `limit`.
pub async fn live_tokens(
    client: &Connection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<LiveToken>, Failure> {
    let select = format!(
        "SELECT token_id, token_hash, name, role, account_ids, expire_time
         FROM tokens /* every account */ WHERE {} ORDER BY token_id LIMIT $2",
        good(1)
    );
    let found = rows(client.unscoped(), &select, &[&now, &limit]).await?;
    let listed = listed(&found, |_| (), read_live);
    Ok(listed.into_iter().filter_map(|(_, token)| token).collect())
}

pub async fn insert_token(
    client: &impl Statements,
    token: &Token,
    hash: &TokenHash,
    request_id: Option<Uuid>,
) -> Result<(), Failure> {
    let accounts = match &token.accounts {
        Accounts::All => None,
        Accounts::Only(some) => Some(some.iter().map(|id| id.0).collect::<Vec<_>>()),
    };
    let insert = "/* every account */ INSERT INTO tokens (token_id, token_hash, name, hint, role,
            account_ids, create_time, expire_time, created_by, revoked_by, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10)";
    let params: super::Params<'_> = &[
        &token.token_id,
        &hash.as_slice(),
        &token.name,
        &token.hint,
        &token.role.code(),
        &accounts,
        &token.create_time,
        &token.expire_time,
        &token.created_by,
        &request_id,
    ];
    execute(client, insert, params).await?;
    Ok(())
}

/// The token that a call made before.
pub async fn token_of_request(
    client: &impl Statements,
    request_id: Uuid,
) -> Result<Option<Token>, Failure> {
    let select = format!("/* every account */ SELECT {COLUMNS} FROM tokens WHERE request_id = $1");
    let found = row(client, &select, &[&request_id]).await?;
    found.as_ref().map(read_token).transpose()
}

pub async fn get_token(
    client: &impl Statements,
    accounts: &Within,
    token_id: Uuid,
) -> Result<Option<Token>, Failure> {
    let select = format!(
        "/* every account */ SELECT {COLUMNS} FROM tokens WHERE {WITHIN} AND token_id = $2"
    );
    let found = row(client, &select, &[&within(accounts), &token_id]).await?;
    found.as_ref().map(read_token).transpose()
}

/// Oldest first, after `after`; ended ones too, but where those are asked for that are good at a
/// time.
pub async fn list_tokens(
    client: &Connection,
    accounts: &Within,
    good_at: Option<DateTime<Utc>>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Token>>, Failure> {
    let after = after.unwrap_or(Uuid::nil());
    let select = format!(
        "/* every account */ SELECT {COLUMNS} FROM tokens
         WHERE {WITHIN} AND token_id > $2 AND ($4::timestamptz IS NULL OR {})
         ORDER BY token_id LIMIT $3",
        good(4)
    );
    let found = rows(
        client.unscoped(),
        &select,
        &[&within(accounts), &after, &limit, &good_at],
    )
    .await?;
    Ok(listed(&found, |row| row.get("token_id"), read_token))
}

/// Tokens folded by their name, in its order, behind `after`; of one name alone where one is said.
pub async fn list_people(
    client: &Connection,
    accounts: &Within,
    now: DateTime<Utc>,
    (name, after): (Option<&str>, &str),
    limit: i64,
) -> Result<Vec<Listed<String, Person>>, Failure> {
    let good = good(2);
    let select = format!(
        "/* every account */ WITH page AS (
            SELECT name, max(role) FILTER (WHERE {good}) AS role,
                count(*) FILTER (WHERE {good}) AS good_token_count,
                bool_or(account_ids IS NULL) FILTER (WHERE {good}) AS all_accounts,
                min(create_time) AS first_create_time, max(create_time) AS last_create_time,
                max(last_use_time) AS last_use_time
            FROM tokens
            WHERE {WITHIN} AND ($3::text IS NULL OR name = $3) AND name COLLATE \"C\" > $4
            GROUP BY name ORDER BY name COLLATE \"C\" LIMIT $5
         ), touched AS (
            SELECT DISTINCT name, unnest(account_ids) AS account_id
            FROM tokens JOIN page USING (name) WHERE {WITHIN} AND {good}
         ), accounts AS (
            SELECT name, count(*) AS account_count,
                (array_agg(account_id ORDER BY account_id))[1:{LISTED_ACCOUNTS}] AS account_ids
            FROM touched GROUP BY name
         )
         SELECT page.*, account_count, account_ids FROM page LEFT JOIN accounts USING (name)
         ORDER BY name COLLATE \"C\""
    );
    let params: super::Params<'_> = &[&within(accounts), &now, &name, &after, &limit];
    let found = rows(client.unscoped(), &select, params).await?;
    Ok(listed(&found, |row| row.get("name"), read_person))
}

pub async fn good_tokens_by_name(
    client: &impl Statements,
    accounts: &Within,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Token>, Failure> {
    let select = format!(
        "/* every account */ SELECT {COLUMNS} FROM tokens
         WHERE {WITHIN} AND name = $2 AND {} ORDER BY token_id",
        good(3)
    );
    let found = rows(client, &select, &[&within(accounts), &name, &now]).await?;
    found.iter().map(read_token).collect()
}

pub async fn revoke_tokens(
    client: &impl Statements,
    token_ids: &[Uuid],
    now: DateTime<Utc>,
    by: &str,
) -> Result<(), Failure> {
    let update = "/* every account */ UPDATE tokens SET revoke_time = $2, revoked_by = $3
        WHERE token_id = ANY($1) AND revoke_time IS NULL";
    execute(client, update, &[&token_ids, &now, &by]).await?;
    Ok(())
}

/// Takes an account out of all tokens; those that were good for no other end, and are answered.
pub async fn forget_account_of_tokens(
    client: &impl Statements,
    account_id: AccountId,
    now: DateTime<Utc>,
    by: &str,
) -> Result<Vec<Uuid>, Failure> {
    let end = "/* every account */ UPDATE tokens SET revoke_time = $2, revoked_by = $3
        WHERE account_ids = ARRAY[$1::uuid] AND revoke_time IS NULL RETURNING token_id";
    let ended = rows(client, end, &[&account_id.0, &now, &by]).await?;
    let forget = "/* every account */ UPDATE tokens
        SET account_ids = array_remove(account_ids, $1::uuid)
        WHERE account_ids @> ARRAY[$1::uuid]";
    execute(client, forget, &[&account_id.0]).await?;
    Ok(ended.iter().map(|row| row.get("token_id")).collect())
}

/// Notes when tokens were used, where that is later than what is known.
pub async fn note_token_uses(
    client: &Connection,
    uses: &[(Uuid, DateTime<Utc>)],
) -> Result<(), Failure> {
    let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = uses.iter().copied().unzip();
    let update = "/* every account */ UPDATE tokens t SET last_use_time = u.use_time
        FROM unnest($1::uuid[], $2::timestamptz[]) AS u (token_id, use_time)
        WHERE t.token_id = u.token_id
          AND (t.last_use_time IS NULL OR t.last_use_time < u.use_time)";
    execute(client.unscoped(), update, &[&ids, &times]).await?;
    Ok(())
}

/// Keeps tokens under other hashes; answers of how many that was new.
pub async fn rehash_tokens(
    client: &impl Statements,
    rehashed: &[(Uuid, TokenHash)],
) -> Result<u64, Failure> {
    let (ids, hashes): (Vec<Uuid>, Vec<&[u8]>) = rehashed
        .iter()
        .map(|(id, hash)| (*id, hash.as_slice()))
        .unzip();
    let update = "/* every account */ UPDATE tokens t SET token_hash = u.token_hash
        FROM unnest($1::uuid[], $2::bytea[]) AS u (token_id, token_hash)
        WHERE t.token_id = u.token_id AND t.token_hash <> u.token_hash
          AND NOT EXISTS (SELECT FROM tokens o WHERE o.token_hash = u.token_hash)";
    execute(client, update, &[&ids, &hashes]).await
}

/// Drops those that ended before `time`; answers how many.
pub async fn drop_ended_tokens(client: &Connection, time: DateTime<Utc>) -> Result<u64, Failure> {
    let delete = "/* every account */ DELETE FROM tokens
        WHERE revoke_time < $1 OR expire_time < $1";
    execute(client.unscoped(), delete, &[&time]).await
}

fn read_token(row: &Row) -> Result<Token, Failure> {
    Ok(Token {
        token_id: row.get("token_id"),
        name: row.get("name"),
        role: Role::of(row.get("role"))?,
        accounts: accounts(row),
        hint: row.get("hint"),
        create_time: row.get("create_time"),
        expire_time: row.get("expire_time"),
        last_use_time: row.get("last_use_time"),
        revoke_time: row.get("revoke_time"),
        created_by: row.get("created_by"),
        revoked_by: row.get("revoked_by"),
    })
}

fn read_person(row: &Row) -> Result<Person, Failure> {
    let role: Option<i16> = row.get("role");
    let all: Option<bool> = row.get("all_accounts");
    let some: Option<Vec<Uuid>> = row.get("account_ids");
    let some = some.unwrap_or_default().into_iter().map(AccountId);
    let accounts = match all.unwrap_or_default() {
        true => Accounts::All,
        false => Accounts::only(some),
    };
    let account_count: Option<i64> = row.get("account_count");
    Ok(Person {
        name: row.get("name"),
        role: role.map(Role::of).transpose()?,
        account_count: match accounts {
            Accounts::All => 0,
            Accounts::Only(_) => account_count.unwrap_or_default(),
        },
        accounts,
        good_token_count: row.get("good_token_count"),
        first_create_time: row.get("first_create_time"),
        last_create_time: row.get("last_create_time"),
        last_use_time: row.get("last_use_time"),
    })
}

fn read_live(row: &Row) -> Result<LiveToken, Failure> {
    let hash: &[u8] = row.get("token_hash");
    let name: &str = row.get("name");
    Ok(LiveToken {
        hash: hash.try_into().map_err(|_| corrupt("hash of a token"))?,
        id: row.get("token_id"),
        name: Arc::from(name),
        role: Role::of(row.get("role"))?,
        accounts: accounts(row),
        expire_time: row.get("expire_time"),
    })
}

fn accounts(row: &Row) -> Accounts {
    let some: Option<Vec<Uuid>> = row.get("account_ids");
    let only = |some: Vec<Uuid>| Accounts::only(some.into_iter().map(AccountId));
    some.map_or(Accounts::All, only)
}
