//! Reading contacts back.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Failure, Tx};

use super::Store;
use crate::domain::{ANONYMOUS_ID, ContactKey, StoredProfile, USER_ID};

pub(super) const BY_IDENTIFIER: &str = "
    SELECT contact_id FROM identifiers WHERE account_id = $1 AND kind = $2 AND value = $3";

/// Where the redirects of a contact end; nowhere, where they go in a circle, which we do not
/// write.
pub(super) const LIVE: &str = "
    WITH RECURSIVE chain AS (
        SELECT contact_id, redirect_to FROM contacts WHERE account_id = $1 AND contact_id = $2
        UNION
        SELECT c.contact_id, c.redirect_to
        FROM chain CROSS JOIN LATERAL (
            SELECT contact_id, redirect_to FROM contacts
            WHERE account_id = $1 AND contact_id = chain.redirect_to
            LIMIT 1
        ) AS c)
    SELECT contact_id FROM chain WHERE redirect_to IS NULL";

const ONE: &str = "
    SELECT contact_id, fields::text, registers::text, create_time, update_time
    FROM contacts WHERE account_id = $1 AND contact_id = $2";

const PAGE: &str = "
    SELECT contact_id, fields::text, registers::text, create_time, update_time
    FROM contacts
    WHERE account_id = $1 AND contact_id > $2 AND redirect_to IS NULL
    ORDER BY contact_id
    LIMIT $3";

/// Of each kind the newest few, and how many there are.
const IDENTIFIERS: &str = "
    SELECT k.contact_id, i.kind, i.value, i.held
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        SELECT kind, value,
               count(*) OVER (PARTITION BY kind) AS held,
               row_number() OVER newest AS rank,
               sum(octet_length(value) + 4) OVER newest AS bytes
        FROM (
            SELECT kind, value, link_time FROM identifiers
            WHERE account_id = $1 AND contact_id = k.contact_id
            OFFSET 0
        ) AS held
        WHERE kind IN ('u', 'a')
        WINDOW newest AS (
            PARTITION BY kind ORDER BY link_time DESC, value ROWS UNBOUNDED PRECEDING)
    ) AS i
    WHERE i.rank <= $3 AND i.bytes <= $4
    ORDER BY k.contact_id, i.kind, i.rank";

/// As well. A row that leads back to one before, which we do not write, ends there.
const MERGED: &str = "
    SELECT k.contact_id, j.merged_id, j.held
    FROM unnest($2::uuid[]) AS k (contact_id)
    CROSS JOIN LATERAL (
        WITH RECURSIVE merged AS (
            SELECT merged_id FROM merges
            WHERE account_id = $1 AND survivor_id = k.contact_id AND split_time IS NULL
            UNION
            SELECT next.merged_id
            FROM merged CROSS JOIN LATERAL (
                SELECT merged_id FROM merges
                WHERE account_id = $1 AND survivor_id = merged.merged_id
                  AND split_time IS NULL
                OFFSET 0
            ) AS next)
        SELECT merged_id, count(*) OVER () AS held FROM merged
        ORDER BY merged_id DESC
        LIMIT $3
    ) AS j
    ORDER BY k.contact_id, j.merged_id DESC";

const IS_KNOWN: &str = "SELECT FROM accounts WHERE account_id = $1";

/// Of a contact's user ids, anonymous ids and merged contacts, each: a shared device collects
/// anonymous ids without end, and an answer must hold them.
const MAX_SHOWN: i64 = 1_000;
/// Of its user ids and of its anonymous ids, each with what is around it in a message.
const MAX_SHOWN_BYTES: i64 = 128 * 1024;

impl Store {
    /// Whether anything was ever stored for the account.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn knows(&self, account: AccountId) -> Result<bool, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let is_known = tx.prepare_cached(IS_KNOWN).await?;
        Ok(tx.query_opt(&is_known, &[&account.0]).await?.is_some())
    }

    /// One contact; that into which it was merged, where it was.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn contact(
        &self,
        account: AccountId,
        key: &ContactKey,
    ) -> Result<Option<StoredProfile>, Failure> {
        let mut client = self.client().await?;
        let snapshot = Tx::snapshot(&mut client, account);
        let found = match key {
            ContactKey::Id(id) => {
                let live = snapshot.prepare_cached(LIVE).await?;
                snapshot.query_opt(&live, &[&account.0, &id.0]).await?
            }
            ContactKey::Identifier(kind, value) => {
                let by = snapshot.prepare_cached(BY_IDENTIFIER).await?;
                snapshot.query_opt(&by, &[&account.0, kind, value]).await?
            }
        };
        let Some(found) = found else {
            return Ok(None);
        };
        let one = snapshot.prepare_cached(ONE).await?;
        let rows = snapshot
            .query(&one, &[&account.0, &found.get::<_, Uuid>("contact_id")])
            .await?;
        Ok(profiles(&snapshot, account, rows).await?.pop())
    }

    /// Live contacts by age, after `after`; at most `limit`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn contacts(
        &self,
        account: AccountId,
        after: Option<ContactId>,
        limit: usize,
    ) -> Result<Vec<StoredProfile>, Failure> {
        let mut client = self.client().await?;
        let snapshot = Tx::snapshot(&mut client, account);
        let page = snapshot.prepare_cached(PAGE).await?;
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = snapshot.query(&page, &[&account.0, &after, &limit]).await?;
        profiles(&snapshot, account, rows).await
    }
}

/// Completes rows of contacts with their identifiers and merges.
pub(super) async fn profiles(
    snapshot: &Tx<'_>,
    account: AccountId,
    rows: Vec<Row>,
) -> Result<Vec<StoredProfile>, Failure> {
    let mut profiles: Vec<StoredProfile> = rows
        .iter()
        .map(|row| StoredProfile {
            id: ContactId(row.get("contact_id")),
            fields: row.get("fields"),
            registers: row.get("registers"),
            create_time: row.get("create_time"),
            update_time: row.get("update_time"),
            user_ids: Vec::new(),
            user_id_count: 0,
            anonymous_ids: Vec::new(),
            anonymous_id_count: 0,
            merged: Vec::new(),
            merged_count: 0,
        })
        .collect();
    let ids: Vec<Uuid> = profiles.iter().map(|profile| profile.id.0).collect();
    let indices: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
    let identifiers = snapshot.prepare_cached(IDENTIFIERS).await?;
    let merged = snapshot.prepare_cached(MERGED).await?;
    let of_ids: [&(dyn ToSql + Sync); 4] = [&account.0, &ids, &MAX_SHOWN, &MAX_SHOWN_BYTES];
    let (identifiers, merged) = tokio::try_join!(
        snapshot.query(&identifiers, &of_ids),
        snapshot.query(&merged, &of_ids[..3]),
    )?;
    for row in identifiers {
        let profile = &mut profiles[indices[&row.get::<_, Uuid>("contact_id")]];
        let (shown, count) = match row.get("kind") {
            USER_ID => (&mut profile.user_ids, &mut profile.user_id_count),
            ANONYMOUS_ID => (&mut profile.anonymous_ids, &mut profile.anonymous_id_count),
            _ => continue,
        };
        shown.push(row.get("value"));
        *count = row.get("held");
    }
    for row in merged {
        let profile = &mut profiles[indices[&row.get::<_, Uuid>("contact_id")]];
        profile.merged.push(ContactId(row.get("merged_id")));
        profile.merged_count = row.get("held");
    }
    Ok(profiles)
}
