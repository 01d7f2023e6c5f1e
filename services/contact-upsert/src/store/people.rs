//! The history of merges, read back.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Failure, Tx};

use super::Store;
use super::batch::past_merge;
use crate::domain::{ListedMerge, MergeCursor, Source};

/// Merges of a contact and of all that were merged into it, also those that were undone.
const MERGES: &str = "
    WITH RECURSIVE family AS (
        SELECT $2::uuid AS contact_id
        UNION
        SELECT next.merged_id
        FROM family CROSS JOIN LATERAL (
            SELECT merged_id FROM merges
            WHERE account_id = $1 AND survivor_id = family.contact_id AND split_time IS NULL
            OFFSET 0
        ) AS next
    ), found AS (
        SELECT m.merge_id FROM family CROSS JOIN LATERAL (
            SELECT merge_id FROM merges
            WHERE account_id = $1 AND survivor_id = family.contact_id OFFSET 0
        ) AS m
        UNION
        SELECT m.merge_id FROM family CROSS JOIN LATERAL (
            SELECT merge_id FROM merges
            WHERE account_id = $1 AND merged_id = family.contact_id OFFSET 0
        ) AS m
    )
    SELECT m.merge_id, m.merged_id, m.survivor_id, m.turn, m.merge_time, m.split_time,
           m.event_time, m.message_id, m.source, m.identifiers::text AS identifiers,
           m.before::text AS before, c.fields::text AS merged_fields,
           c.registers::text AS merged_registers
    FROM found
    CROSS JOIN LATERAL (
        SELECT * FROM merges
        WHERE account_id = $1 AND merge_id = found.merge_id LIMIT 1
    ) AS m
    LEFT JOIN LATERAL (
        SELECT fields, registers FROM contacts
        WHERE account_id = $1 AND contact_id = m.merged_id
          AND m.split_time IS NULL AND m.before IS NOT NULL
        LIMIT 1
    ) AS c ON true
    WHERE (m.merge_time, m.merge_id) < ($3, $4)
    ORDER BY m.merge_time DESC, m.merge_id DESC
    LIMIT $5";

impl Store {
    /// Merges in which the contact or any that was merged into it took part, newest first.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn merges(
        &self,
        account: AccountId,
        contact: ContactId,
        after: MergeCursor,
        limit: i64,
    ) -> Result<Vec<ListedMerge>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let merges = tx.prepare_cached(MERGES).await?;
        let parameters = &[
            &account.0 as _,
            &contact.0 as _,
            &after.time as _,
            &after.id as _,
            &limit as _,
        ];
        let rows = tx.query(&merges, parameters).await?;
        Ok(rows.iter().map(listed).collect())
    }
}

fn listed(row: &Row) -> ListedMerge {
    let source: Option<i32> = row.get("source");
    let source = source.and_then(|number| u16::try_from(number).ok());
    let message: Option<String> = row.get("message_id");
    let time: Option<DateTime<Utc>> = row.get("event_time");
    let merged: Option<String> = row.get("merged_fields");
    ListedMerge {
        cause: time.map(|time| {
            let source = Source(source.unwrap_or_default());
            (time, message.unwrap_or_default(), source)
        }),
        merged: merged.zip(row.get("merged_registers")),
        row: past_merge(row),
    }
}
