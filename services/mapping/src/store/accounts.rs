//! Accounts and their names.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Statements, work};
use weir_values::{BlockedValue, BlockedValues, FieldId};

use super::codes::Code;
use super::{Client, Connection, accounts_after, begin, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::account::{Account, AccountSettings, Identifiers, KeyStrategy, Plan};
use crate::domain::webhook::{Webhook, WebhookSecret};

const COLUMNS: &str = "account_id, name, included_contacts, additional_contacts, activity_slots,
    profile_factor, activity_factor, notification_address, webhook_url, webhook_secret,
    unique_identifiers, key_strategy, identifiers_version, identifiers_in_doubt,
    next_unique_identifiers, blocked_values, keep_user_ids_apart, create_time, version";

/// An account whose row is locked: nothing of its configuration changes meanwhile.
#[derive(Debug)]
pub struct LockedAccount {
    pub settings: AccountSettings,
    pub next_unique_identifiers: Vec<FieldId>,
    pub identifiers_version: i64,
    /// contact-upsert was asked to change them, and its answer is not stored here.
    pub identifiers_in_doubt: bool,
    /// Of all that is set up in it.
    pub version: i64,
}

/// Takes a name for `account_id`, or answers whose it is.
pub async fn reserve_name(
    client: &impl Statements,
    name: &str,
    account_id: AccountId,
) -> Result<AccountId, Failure> {
    let insert = "/* every account */ INSERT INTO account_names (name, account_id)
        VALUES ($1, $2) ON CONFLICT DO NOTHING";
    execute(client, insert, &[&name, &account_id.0]).await?;
    let owner = find_name(client, name).await?;
    owner.ok_or_else(|| corrupt("name of an account"))
}

/// Whose a name is.
pub async fn account_named(client: &Connection, name: &str) -> Result<Option<AccountId>, Failure> {
    find_name(client.unscoped(), name).await
}

async fn find_name(client: &impl Statements, name: &str) -> Result<Option<AccountId>, Failure> {
    let select = "/* every account */ SELECT account_id FROM account_names WHERE name = $1";
    let found = row(client, select, &[&name]).await?;
    Ok(found.map(|row| AccountId(row.get("account_id"))))
}

pub async fn insert_account(
    client: &impl Client,
    account_id: AccountId,
    settings: &AccountSettings,
    create_time: DateTime<Utc>,
) -> Result<(), Failure> {
    let plan = &settings.plan;
    let (url, secret) = webhook_columns(settings);
    execute(
        client,
        "INSERT INTO accounts (account_id, name, included_contacts, additional_contacts,
            activity_slots, profile_factor, activity_factor, notification_address,
            unique_identifiers, key_strategy, version, identifiers_version,
            identifiers_in_doubt, next_unique_identifiers, blocked_values,
            blocked_values_version, keep_user_ids_apart, create_time, webhook_url, webhook_secret)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, 0, false, '{}', $12, 1, $13, $11,
            $14, $15)",
        &[
            &account_id.0,
            &settings.name,
            &plan.included_contacts,
            &plan.additional_contacts,
            &plan.activity_slots,
            &plan.profile_factor,
            &plan.activity_factor,
            &settings.notification_address,
            &texts(&settings.unique_identifiers),
            &settings.key_strategy.code(),
            &create_time,
            &Json(StoredBlocked::of(&settings.blocked_values)),
            &settings.keep_user_ids_apart,
            &url,
            &secret,
        ],
    )
    .await?;
    work::keep(client, account_id).await
}

/// Also raises the version. The unique identifiers are not touched.
pub async fn update_account(
    client: &impl Client,
    account_id: AccountId,
    settings: &AccountSettings,
) -> Result<(), Failure> {
    let plan = &settings.plan;
    let (url, secret) = webhook_columns(settings);
    execute(
        client,
        "UPDATE accounts SET included_contacts = $2, additional_contacts = $3,
            activity_slots = $4, profile_factor = $5, activity_factor = $6,
            notification_address = $7, keep_user_ids_apart = $8, blocked_values = $9,
            blocked_values_version =
                blocked_values_version + CASE WHEN blocked_values = $9 THEN 0 ELSE 1 END,
            webhook_url = $10, webhook_secret = $11,
            version = version + 1
         WHERE account_id = $1",
        &[
            &account_id.0,
            &plan.included_contacts,
            &plan.additional_contacts,
            &plan.activity_slots,
            &plan.profile_factor,
            &plan.activity_factor,
            &settings.notification_address,
            &settings.keep_user_ids_apart,
            &Json(StoredBlocked::of(&settings.blocked_values)),
            &url,
            &secret,
        ],
    )
    .await?;
    Ok(())
}

/// Locks the account's row: every change of configuration begins with it, so that checks
/// (free slots, counts of fields) hold until the commit.
pub async fn lock_account(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Option<LockedAccount>, Failure> {
    let select = format!(
        "SELECT {COLUMNS} FROM accounts WHERE account_id = $1 AND delete_time IS NULL FOR UPDATE"
    );
    let Some(row) = row(client, &select, &[&account_id.0]).await? else {
        return Ok(None);
    };
    Ok(Some(LockedAccount {
        settings: read_settings(&row)?,
        next_unique_identifiers: read_fields(&row, "next_unique_identifiers")?,
        identifiers_version: row.get("identifiers_version"),
        identifiers_in_doubt: row.get("identifiers_in_doubt"),
        version: row.get("version"),
    }))
}

/// Everybody who holds a snapshot learns by it that something changed. Answers the new version.
pub async fn raise_version(client: &impl Client, account_id: AccountId) -> Result<i64, Failure> {
    let update = "UPDATE accounts SET version = version + 1 WHERE account_id = $1
        RETURNING version";
    raised(client, update, account_id).await
}

/// contact-upsert is about to be asked to change the unique identifiers. The version grows, so that
/// of two who saw the same one asks; answers the new one.
pub async fn doubt_identifiers(
    client: &impl Client,
    account_id: AccountId,
) -> Result<i64, Failure> {
    let update = "UPDATE accounts SET identifiers_in_doubt = true, version = version + 1
        WHERE account_id = $1 RETURNING version";
    raised(client, update, account_id).await
}

async fn raised(client: &impl Client, update: &str, account_id: AccountId) -> Result<i64, Failure> {
    let row = row(client, update, &[&account_id.0]).await?;
    let row = row.ok_or_else(|| corrupt("account that was just locked"))?;
    Ok(row.get("version"))
}

/// What contact-upsert said; also raises the version.
pub async fn put_identifiers(
    client: &impl Client,
    account_id: AccountId,
    identifiers: &Identifiers,
) -> Result<(), Failure> {
    let update = "UPDATE accounts SET unique_identifiers = $2, key_strategy = $3,
            identifiers_version = $4, next_unique_identifiers = $5,
            identifiers_in_doubt = false, version = version + 1
        WHERE account_id = $1";
    execute(
        client,
        update,
        &[
            &account_id.0,
            &texts(&identifiers.unique_identifiers),
            &identifiers.key_strategy.code(),
            &identifiers.version,
            &texts(&identifiers.next_unique_identifiers),
        ],
    )
    .await?;
    Ok(())
}

/// What tells the account's contacts apart, as it stands here.
pub async fn get_identifiers(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Option<Identifiers>, Failure> {
    let select = "SELECT unique_identifiers, key_strategy, identifiers_version,
            next_unique_identifiers
        FROM accounts WHERE account_id = $1 AND delete_time IS NULL";
    let Some(row) = row(client, select, &[&account_id.0]).await? else {
        return Ok(None);
    };
    Ok(Some(Identifiers {
        unique_identifiers: read_identifiers(&row)?,
        key_strategy: KeyStrategy::of(row.get("key_strategy"))?,
        next_unique_identifiers: read_fields(&row, "next_unique_identifiers")?,
        version: row.get("identifiers_version"),
    }))
}

pub async fn get_account(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Option<Account>, Failure> {
    let select = format!(
        "SELECT {COLUMNS}, {MAPPED} FROM accounts WHERE account_id = $1 AND delete_time IS NULL"
    );
    let found = row(client, &select, &[&account_id.0]).await?;
    found.as_ref().map(read_account).transpose()
}

/// Ordered by id, after `after`; of these, or of all where there are none.
pub async fn list_accounts(
    client: &mut Connection,
    only: &[AccountId],
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Listed<AccountId, Account>>, Failure> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut after = after.unwrap_or(AccountId(Uuid::nil()));
    let mut all = Vec::new();
    loop {
        let ids = match only {
            [] => accounts_after(client, after, limit).await?,
            only => following(only, after, wanted),
        };
        let is_last = ids.len() < wanted;
        for account_id in ids {
            after = account_id;
            let tx = begin(client, account_id);
            let select = format!(
                "SELECT {COLUMNS}, {MAPPED} FROM accounts
                 WHERE account_id = $1 AND delete_time IS NULL"
            );
            let found = rows(&tx, &select, &[&account_id.0]).await?;
            all.extend(listed(&found, |_| account_id, read_account));
            if all.len() >= wanted {
                return Ok(all);
            }
        }
        if is_last {
            return Ok(all);
        }
    }
}

/// In the order of ids, behind one.
fn following(only: &[AccountId], after: AccountId, limit: usize) -> Vec<AccountId> {
    let behind = only.iter().copied().filter(|account| *account > after);
    let ids: BTreeSet<AccountId> = behind.collect();
    ids.into_iter().take(limit).collect()
}

const MAPPED: &str = "(SELECT count(DISTINCT m.activity_id) FROM activity_mappings m
    WHERE m.account_id = accounts.account_id) AS mapped_activities";

fn read_account(row: &Row) -> Result<Account, Failure> {
    Ok(Account {
        account_id: AccountId(row.get("account_id")),
        settings: read_settings(row)?,
        create_time: row.get("create_time"),
        mapped_activities: row.get("mapped_activities"),
        next_unique_identifiers: read_fields(row, "next_unique_identifiers")?,
        settings_version: row.get("version"),
    })
}

fn read_settings(row: &Row) -> Result<AccountSettings, Failure> {
    Ok(AccountSettings {
        name: row.get("name"),
        plan: read_plan(row),
        notification_address: row.get("notification_address"),
        webhook: read_webhook(row)?,
        unique_identifiers: read_identifiers(row)?,
        key_strategy: KeyStrategy::of(row.get("key_strategy"))?,
        blocked_values: read_blocked(row)?,
        keep_user_ids_apart: row.get("keep_user_ids_apart"),
    })
}

/// None where the URL is empty.
pub(super) fn read_webhook(row: &Row) -> Result<Option<Webhook>, Failure> {
    let url: String = row.get("webhook_url");
    if url.is_empty() {
        return Ok(None);
    }
    let secret = WebhookSecret::read(row.get("webhook_secret"));
    let secret = secret.map_err(|_| corrupt("secret of a webhook"))?;
    Ok(Some(Webhook { url, secret }))
}

fn webhook_columns(settings: &AccountSettings) -> (String, String) {
    let columns = |webhook: &Webhook| (webhook.url.clone(), webhook.secret.reveal());
    settings.webhook.as_ref().map(columns).unwrap_or_default()
}

/// Values that mean nobody, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredBlocked {
    /// Kind and pattern.
    blocked: Vec<(String, String)>,
    allowed_defaults: Vec<String>,
}

impl StoredBlocked {
    fn of(values: &BlockedValues) -> Self {
        let own = values.own().iter();
        Self {
            blocked: own
                .map(|entry| (entry.kind.clone(), entry.pattern.clone()))
                .collect(),
            allowed_defaults: values.taken_off().to_vec(),
        }
    }
}

pub(super) fn read_blocked(row: &Row) -> Result<BlockedValues, Failure> {
    let wrong = || corrupt("blocked values");
    let stored = row.try_get("blocked_values");
    let Json(stored): Json<StoredBlocked> = stored.map_err(|_| wrong())?;
    let own = stored.blocked.into_iter();
    let own = own.map(|(kind, pattern)| BlockedValue { kind, pattern });
    BlockedValues::new(own.collect(), stored.allowed_defaults).map_err(|_| wrong())
}

pub(super) fn read_identifiers(row: &Row) -> Result<Vec<FieldId>, Failure> {
    read_fields(row, "unique_identifiers")
}

pub(super) fn read_fields(row: &Row, column: &str) -> Result<Vec<FieldId>, Failure> {
    let identifiers: Vec<&str> = row.get(column);
    identifiers
        .iter()
        .map(|id| id.parse().map_err(|_| corrupt("unique identifier")))
        .collect()
}

pub(super) fn read_plan(row: &Row) -> Plan {
    Plan {
        included_contacts: row.get("included_contacts"),
        additional_contacts: row.get("additional_contacts"),
        activity_slots: row.get("activity_slots"),
        profile_factor: row.get("profile_factor"),
        activity_factor: row.get("activity_factor"),
    }
}

fn texts(identifiers: &[FieldId]) -> Vec<&str> {
    identifiers.iter().map(FieldId::as_str).collect()
}
