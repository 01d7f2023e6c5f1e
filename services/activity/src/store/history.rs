//! Reading what all contacts of an account did (semantics 4.13).
//!
//! There is no index by name: it would cost each activity a fifth of what storing it costs
//! ([decision 23](../../../../docs/decisions/0023-what-is-read-rarely-costs-reading.md)). The
//! primary key is in the order of time, so a list reads along it, so many rows a page; the counts
//! say on which day an activity was done last.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::{ActivityId, ContactId};

use super::reading::read;
use super::{NotDone, Param, Tx};
use crate::domain::{Activity, ActivityCount, Contacted, KeyCursor, Named, Span, end_of};

/// Rows that a page reads at most: some 15 ms.
const ROWS_A_PAGE: i64 = 25_000;

/// Activities of a span in the order of their keys, from the partitions alone in which they may
/// be: by `$1` to `$18`, `$19` rows of whatever name at most. Of each whether it `is_shown`, and
/// its number. The days of expiry (`$4` to `$14`) are those of whole months: no row is thrown away
/// before it is counted.
macro_rules! of_span {
    ($order:literal) => {
        concat!(
            "SELECT t.*, row_number() OVER (ORDER BY t.activity_key ",
            $order,
            ") AS n, t.contact_id IS NOT NULL AND t.event_time >= $15 AND t.event_time < $16
                AND ($17::uuid IS NULL OR t.activity_id = $17) AND t.expire_day >= $18 AS is_shown
            FROM (
                SELECT * FROM activities t
                WHERE t.account_id = $1 AND t.activity_key > $2 AND t.activity_key < $3
                    AND t.expire_day >= $4 AND (t.expire_day BETWEEN $5 AND $6
                        OR t.expire_day BETWEEN $7 AND $8 OR t.expire_day BETWEEN $9 AND $10
                        OR t.expire_day BETWEEN $11 AND $12 OR t.expire_day BETWEEN $13 AND $14)
                ORDER BY t.activity_key ",
            $order,
            " LIMIT $19
            ) t"
        )
    };
}
pub(super) use of_span;

// The row behind the page's bytes comes along, and the last row that was read: they say that
// there is more, and where. How much of a row is kept PostgreSQL knows without reading it, and it
// is never more than its size here: rows behind a page's bytes of that are not read.
pub(super) const LIST: &str = concat!(
    "SELECT * FROM (
        SELECT p.*, sum(p.size) OVER (ORDER BY p.activity_key DESC ROWS UNBOUNDED PRECEDING)
            AS bytes
        FROM (
            SELECT s.*, CASE WHEN s.is_shown AND s.stored - s.own <= $20
                THEN $21 + COALESCE(octet_length(s.event_name), 0)
                    + COALESCE(octet_length(s.message_id), 0)
                    + COALESCE(octet_length(s.attributes::text), 0) ELSE 0 END AS size
            FROM (
                SELECT s.*, sum(s.own) OVER (ORDER BY s.activity_key DESC
                    ROWS UNBOUNDED PRECEDING) AS stored
                FROM (
                    SELECT s.*, CASE WHEN s.is_shown
                        THEN COALESCE(pg_column_size(s.attributes), 0) ELSE 0 END AS own
                    FROM (",
    of_span!("DESC"),
    ") s
                ) s
            ) s
        ) p
    ) p
    WHERE p.is_shown AND p.bytes - p.size <= $20 OR p.n = $19
    ORDER BY p.activity_key DESC LIMIT $22"
);

/// One probe for each activity that the account ever had.
pub(super) const NAMES: &str = "
    WITH RECURSIVE named AS (
        (SELECT c.activity_id, c.event_name FROM activity_counts c
        WHERE c.account_id = $1 ORDER BY c.activity_id LIMIT 1)
        UNION ALL
        SELECT n.activity_id, n.event_name FROM named CROSS JOIN LATERAL (
            SELECT c.activity_id, c.event_name FROM activity_counts c
            WHERE c.account_id = $1 AND c.activity_id > named.activity_id
            ORDER BY c.activity_id LIMIT 1
        ) n
    )
    SELECT activity_id, event_name FROM named";

pub(super) const LAST_DAY: &str = "
    SELECT c.day FROM activity_counts c
    WHERE c.account_id = $1 AND c.activity_id = $2 AND c.day BETWEEN $3 AND $4 AND c.stored > 0
    ORDER BY c.day DESC LIMIT 1";

pub(super) const COUNTS: &str = "
    SELECT c.day, sum(c.stored)::bigint AS stored, sum(c.discarded)::bigint AS discarded
    FROM activity_counts c
    WHERE c.account_id = $1 AND c.activity_id = $2 AND c.day BETWEEN $3 AND $4
    GROUP BY c.day HAVING sum(c.stored) <> 0 OR sum(c.discarded) <> 0
    ORDER BY c.day LIMIT $5";

/// Who is left of those who were merged.
pub(super) const SURVIVORS: &str = "
    WITH RECURSIVE up (origin, contact_id) AS (
        SELECT u.contact_id, u.contact_id FROM unnest($2::uuid[]) u (contact_id)
        UNION
        SELECT up.origin, m.survivor_id FROM up CROSS JOIN LATERAL (
            SELECT m.survivor_id FROM contact_merges m
            WHERE m.account_id = $1 AND m.contact_id = up.contact_id
                AND m.survivor_id IS NOT NULL LIMIT 1
        ) m
    )
    SELECT up.origin, up.contact_id FROM up LEFT JOIN LATERAL (
        SELECT m.survivor_id FROM contact_merges m
        WHERE m.account_id = $1 AND m.contact_id = up.contact_id
            AND m.survivor_id IS NOT NULL LIMIT 1
    ) m ON true
    WHERE m.survivor_id IS NULL AND up.origin <> up.contact_id";

/// What of an account is read: between two keys, neither included.
#[derive(Debug, Clone, Copy)]
pub struct Sought {
    pub span: Span,
    pub activity: Option<ActivityId>,
    pub low: Uuid,
    pub high: Uuid,
    pub today: NaiveDate,
}

impl Sought {
    /// All of a span.
    pub fn of(span: Span, activity: Option<ActivityId>, today: NaiveDate) -> Self {
        let (first, high) = span.keys();
        Self {
            span,
            activity,
            low: Uuid::from_u128(first.as_u128().saturating_sub(1)),
            high,
            today,
        }
    }
}

/// The arguments that [`of_span`] has, but for the limit, as they live somewhere.
pub(super) struct Arguments {
    account: Uuid,
    sought: Sought,
    month: NaiveDate,
    firsts: Vec<NaiveDate>,
    lasts: Vec<NaiveDate>,
    activity: Option<Uuid>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Arguments {
    pub fn new(account: Uuid, sought: Sought) -> Self {
        let (firsts, lasts) = sought.span.expiries();
        Self {
            account,
            month: sought.today.with_day(1).unwrap_or(sought.today),
            firsts,
            lasts,
            activity: sought.activity.map(|ActivityId(id)| id),
            from: sought.span.from,
            to: sought.span.to,
            sought,
        }
    }

    pub fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        let Sought {
            low, high, today, ..
        } = &self.sought;
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&self.account, low, high, &self.month];
        for (first, last) in self.firsts.iter().zip(&self.lasts) {
            params.extend([first as &(dyn ToSql + Sync), last]);
        }
        params.extend([
            &self.from as &(dyn ToSql + Sync),
            &self.to,
            &self.activity,
            today,
        ]);
        params
    }
}

/// A part of an account's list.
#[derive(Debug, Default)]
pub struct Found {
    /// As they are stored; those that can be read.
    pub items: Vec<Contacted>,
    /// Where the next part begins; none where this is the last.
    pub next: Option<KeyCursor>,
    /// So many could not be read, and are left out.
    pub unreadable: usize,
}

impl Tx<'_> {
    /// The newest of what is sought, `size` at most and of `max_bytes`; or fewer, where it is too
    /// far between.
    ///
    /// # Errors
    /// Of the database.
    pub async fn account_activities(
        &self,
        sought: Sought,
        size: usize,
        max_bytes: usize,
    ) -> Result<Found, NotDone> {
        let arguments = Arguments::new(self.account_id.0, sought);
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let limit = i64::try_from(size + 2).unwrap_or(i64::MAX);
        let mut params = arguments.params();
        params.extend([
            &ROWS_A_PAGE as &(dyn ToSql + Sync),
            &max_bytes,
            &super::reading::BESIDE,
            &limit,
        ]);
        let rows = self.query(LIST, &params).await?;
        let mut found = Found::default();
        let (mut shown, mut last) = (0, None);
        for row in &rows {
            let key = KeyCursor(row.get("activity_key"));
            if row.get("is_shown") {
                let is_too_much = row.get::<_, i64>("bytes") > max_bytes && shown > 0;
                if shown == size || is_too_much {
                    found.next = last;
                    break;
                }
                shown += 1;
                last = Some(key);
                match contacted(row) {
                    Some(item) => found.items.push(item),
                    None => found.unreadable += 1,
                }
            }
            if row.get::<_, i64>("n") == ROWS_A_PAGE {
                found.next = Some(key);
            }
        }
        Ok(found)
    }

    /// The activities that the account ever had, by their ids.
    ///
    /// # Errors
    /// Of the database.
    pub async fn names(&self) -> Result<Vec<Named>, NotDone> {
        let rows = self.query(NAMES, &[&self.account_id.0]).await?;
        let named = rows.iter().map(|row| Named {
            activity_id: ActivityId(row.get("activity_id")),
            event_name: row.get("event_name"),
        });
        Ok(named.collect())
    }

    /// Behind the last key of the newest day, of these, on which some of an activity were stored.
    ///
    /// # Errors
    /// Of the database.
    pub async fn last_stored(
        &self,
        activity: ActivityId,
        days: (NaiveDate, NaiveDate),
    ) -> Result<Option<KeyCursor>, NotDone> {
        let params: [Param<'_>; 4] = [&self.account_id.0, &activity.0, &days.0, &days.1];
        let rows = self.query(LAST_DAY, &params).await?;
        Ok(rows.first().map(|row| end_of(row.get("day"))))
    }

    /// The first of an activity's days, of these.
    ///
    /// # Errors
    /// Of the database.
    pub async fn activity_counts(
        &self,
        named: &Named,
        days: (NaiveDate, NaiveDate),
        limit: usize,
    ) -> Result<Vec<ActivityCount>, NotDone> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let activity = named.activity_id.0;
        let params: [Param<'_>; 5] = [&self.account_id.0, &activity, &days.0, &days.1, &limit];
        let rows = self.query(COUNTS, &params).await?;
        let counts = rows.iter().map(|row| ActivityCount {
            named: named.clone(),
            day: row.get("day"),
            stored: row.get("stored"),
            discarded: row.get("discarded"),
        });
        Ok(counts.collect())
    }

    /// Says of each who is left of those that were merged.
    ///
    /// # Errors
    /// Of the database.
    pub async fn follow_merges(&self, found: &mut [Contacted]) -> Result<(), NotDone> {
        let mut contacts: Vec<Uuid> = found.iter().map(|one| one.contact_id.0).collect();
        contacts.sort_unstable();
        contacts.dedup();
        let params: [Param<'_>; 2] = [&self.account_id.0, &contacts];
        for row in self.query(SURVIVORS, &params).await? {
            let origin = ContactId(row.get("origin"));
            let left = ContactId(row.get("contact_id"));
            for one in found.iter_mut().filter(|one| one.contact_id == origin) {
                one.contact_id = left;
            }
        }
        Ok(())
    }
}

/// The row, unless something in it can't be read or told.
pub(super) fn contacted(row: &Row) -> Option<Contacted> {
    let activity: Activity = read(row)?;
    Some(Contacted {
        contact_id: ContactId(row.try_get("contact_id").ok()?),
        activity,
    })
}
