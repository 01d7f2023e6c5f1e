//! Reading what waits for identifiers (semantics 4.8, 4.9).

use chrono::NaiveDate;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::SourceId;

use super::reading::{BESIDE, read};
use super::{NotDone, Param, Tx};
use crate::domain::{Identifier, KeyCursor, Kind, WaitingActivity, WaitingIdentifier};

/// More of one identifier are not counted where all are listed: a device that everybody sends.
const MOST_COUNTED: i64 = 10_000;

// The row behind the page's bytes comes along, and says that there is more.
pub(super) const LIST: &str = "
    SELECT * FROM (
        SELECT p.*, sum(p.size) OVER (ORDER BY p.activity_key ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (
            SELECT b.*, $8 + octet_length(b.event_name) + octet_length(b.message_id)
                + octet_length(b.attributes::text) AS size
            FROM backlog b
            WHERE b.account_id = $1 AND b.kind = $2 AND b.value = $3 AND b.activity_key > $4
                AND b.expire_day >= $5
            ORDER BY b.activity_key LIMIT $6
        ) p
    ) p
    WHERE p.bytes - p.size <= $7
    ORDER BY p.activity_key";

/// From one identifier to the next: a probe each, whatever waits for it.
pub(super) const IDENTIFIERS: &str = "
    WITH RECURSIVE waiting AS (
        (SELECT b.kind, b.value, 1 AS n FROM backlog b
        WHERE b.account_id = $1 AND (b.kind, b.value) > ($2, $3) AND b.expire_day >= $4
        ORDER BY b.kind, b.value LIMIT 1)
        UNION ALL
        SELECT b.kind, b.value, waiting.n + 1 FROM waiting CROSS JOIN LATERAL (
            SELECT b.kind, b.value FROM backlog b
            WHERE b.account_id = $1 AND (b.kind, b.value) > (waiting.kind, waiting.value)
                AND b.expire_day >= $4
            ORDER BY b.kind, b.value LIMIT 1
        ) b
        WHERE waiting.n < $5
    )
    SELECT waiting.kind, waiting.value, c.count, c.first_day, c.last_day
    FROM waiting CROSS JOIN LATERAL (
        SELECT count(*) AS count, min(b.expire_day) AS first_day, max(b.expire_day) AS last_day
        FROM (
            SELECT b.expire_day FROM backlog b
            WHERE b.account_id = $1 AND b.kind = waiting.kind AND b.value = waiting.value
                AND b.expire_day >= $4 LIMIT $6
        ) b
    ) c
    ORDER BY waiting.n";

/// A part of what waits for an identifier.
#[derive(Debug, Default)]
pub struct WaitingPage {
    /// Those that can be read.
    pub items: Vec<WaitingActivity>,
    /// Where the next part begins; none where this is the last.
    pub next: Option<KeyCursor>,
    /// So many could not be read, and are left out.
    pub unreadable: usize,
}

impl Tx<'_> {
    /// What waits for an identifier, oldest first, behind this key.
    ///
    /// # Errors
    /// Of the database.
    pub async fn waiting_of(
        &self,
        identifier: &Identifier,
        after: KeyCursor,
        today: NaiveDate,
        size: usize,
        max_bytes: usize,
    ) -> Result<WaitingPage, NotDone> {
        let Identifier { kind, value } = identifier;
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let limit = i64::try_from(size + 1).unwrap_or(i64::MAX);
        let params: [Param<'_>; 8] = [
            &self.account_id.0,
            &kind.letter(),
            &&**value,
            &after.0,
            &today,
            &limit,
            &max_bytes,
            &BESIDE,
        ];
        let rows = self.query(LIST, &params).await?;
        let mut page = WaitingPage::default();
        let mut last = None;
        for (shown, row) in rows.iter().enumerate() {
            let is_too_much = row.get::<_, i64>("bytes") > max_bytes && shown > 0;
            if shown == size || is_too_much {
                page.next = last;
                break;
            }
            last = Some(KeyCursor(row.get("activity_key")));
            match waiting(row) {
                Some(item) => page.items.push(item),
                None => page.unreadable += 1,
            }
        }
        Ok(page)
    }

    /// The next identifiers after one for which something waits.
    ///
    /// # Errors
    /// Of the database.
    pub async fn waiting_identifiers(
        &self,
        after: Option<&Identifier>,
        today: NaiveDate,
        limit: i32,
    ) -> Result<Vec<WaitingIdentifier>, NotDone> {
        let (kind, value) = after.map_or(("", ""), |one| (one.kind.letter(), &*one.value));
        let params: [Param<'_>; 6] = [
            &self.account_id.0,
            &kind,
            &value,
            &today,
            &limit,
            &MOST_COUNTED,
        ];
        let rows = self.query(IDENTIFIERS, &params).await?;
        let identifiers = rows.iter().map(|row| WaitingIdentifier {
            identifier: Identifier {
                kind: Kind::of_letter(row.get("kind")),
                value: row.get::<_, String>("value").into(),
            },
            waiting: row.get("count"),
            first_day: row.get("first_day"),
            last_day: row.get("last_day"),
        });
        Ok(identifiers.collect())
    }
}

fn waiting(row: &Row) -> Option<WaitingActivity> {
    Some(WaitingActivity {
        activity: read(row)?,
        source_id: row.get::<_, Option<Uuid>>("source_id").map(SourceId),
        deferred: row.get("deferred"),
    })
}
