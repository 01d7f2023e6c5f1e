//! When contacts did something for the first and the last time (semantics 4.12).
//!
//! As long as the activities are there, they say it. What is about to be dropped is looked
//! through before, so that storing pays nothing for it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, ActivityId, ContactId};

use super::links::Families;
use super::{NotDone, Param, Store, Tx};
use crate::domain::{Named, Occurrence};

// `OFFSET 0` keeps the look-up within one contact's part of the index. Times that nobody can read
// are none.
pub(super) const OCCURRENCES: &str = "
    SELECT s.activity_id, min(s.event_name) AS event_name, min(s.first_time) AS first_time,
        max(s.last_time) AS last_time
    FROM (
        SELECT o.activity_id, o.event_name, o.first_time, o.last_time
        FROM unnest($2::uuid[]) u (contact_id) CROSS JOIN LATERAL (
            SELECT * FROM occurrences o
            WHERE o.account_id = $1 AND o.contact_id = u.contact_id OFFSET 0
        ) o
        UNION ALL
        SELECT t.activity_id, min(t.event_name), min(t.event_time), max(t.event_time)
        FROM unnest($2::uuid[]) u (contact_id) CROSS JOIN LATERAL (
            SELECT * FROM activities t
            WHERE t.account_id = $1 AND t.contact_id = u.contact_id
                AND t.event_time BETWEEN '0001-01-01 00:00:00+00'
                AND '9999-12-31 23:59:59.999999+00' OFFSET 0
        ) t
        GROUP BY t.activity_id
    ) s
    WHERE s.activity_id > $3
    GROUP BY s.activity_id ORDER BY s.activity_id LIMIT $4";

/// A piece of a partition, by contact and activity, and where it ends.
pub(super) const PIECE: &str = "
    WITH piece AS MATERIALIZED (
        SELECT p.activity_key, p.contact_id, p.activity_id, p.event_name, p.event_time,
            p.event_time BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
                AS is_tellable
        FROM $partition p
        WHERE p.account_id = $1 AND p.activity_key > $2
        ORDER BY p.activity_key LIMIT $3
    )
    SELECT p.contact_id, p.activity_id, min(p.event_name) AS event_name,
        min(p.event_time) FILTER (WHERE p.is_tellable) AS first_time,
        max(p.event_time) FILTER (WHERE p.is_tellable) AS last_time,
        (array_agg(p.activity_key ORDER BY p.activity_key DESC))[1] AS last_key,
        count(*) AS rows
    FROM piece p
    GROUP BY p.contact_id, p.activity_id ORDER BY p.contact_id, p.activity_id";

pub(super) const KEEP: &str = "
    INSERT INTO occurrences AS o (account_id, contact_id, activity_id, event_name, first_time,
        last_time)
    SELECT a.account_id, u.contact_id, u.activity_id, u.event_name, u.first_time, u.last_time
    FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[],
        $6::timestamptz[]) u (contact_id, activity_id, event_name, first_time, last_time)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id, activity_id) DO UPDATE
    SET first_time = LEAST(o.first_time, excluded.first_time),
        last_time = GREATEST(o.last_time, excluded.last_time)
    WHERE excluded.first_time < o.first_time OR excluded.last_time > o.last_time";

/// Activities that are looked through in one transaction.
const ROWS: i64 = 10_000;

/// Of some contacts, as arrays.
#[derive(Default)]
struct Columns {
    contacts: Vec<Uuid>,
    activities: Vec<Uuid>,
    names: Vec<String>,
    firsts: Vec<DateTime<Utc>>,
    lasts: Vec<DateTime<Utc>>,
}

impl Columns {
    /// Of the contacts that are there, where the times can be read.
    fn of(rows: &[Row], gone: &HashSet<ContactId>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let contact: Option<Uuid> = row.get("contact_id");
            let contact = contact.filter(|contact| !gone.contains(&ContactId(*contact)));
            let time = |column: &str| row.try_get::<_, DateTime<Utc>>(column).ok();
            let times = time("first_time").zip(time("last_time"));
            if let Some((contact, (first, last))) = contact.zip(times) {
                columns.contacts.push(contact);
                columns.activities.push(row.get("activity_id"));
                columns.names.push(row.get("event_name"));
                columns.firsts.push(first);
                columns.lasts.push(last);
            }
        }
        columns
    }
}

impl Tx<'_> {
    /// The next activities, by their ids, of a family's contacts after one.
    ///
    /// # Errors
    /// Of the database.
    pub async fn occurrences(
        &self,
        families: &Families,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<Occurrence>, NotDone> {
        let members: Vec<Uuid> = families.members().map(|ContactId(id)| id).collect();
        let params: [Param<'_>; 4] = [&self.account_id.0, &members, &after, &limit];
        let rows = self.query(OCCURRENCES, &params).await?;
        let occurrences = rows.iter().map(|row| Occurrence {
            named: Named {
                activity_id: ActivityId(row.get("activity_id")),
                event_name: row.get("event_name"),
            },
            first_time: row.get("first_time"),
            last_time: row.get("last_time"),
        });
        Ok(occurrences.collect())
    }
}

impl Store {
    /// Keeps of a piece of a partition, behind this key, who did what first and last; answers
    /// where the next piece begins, if there is one. May be done again.
    ///
    /// # Errors
    /// Of the database.
    pub async fn keep_occurrences(
        &self,
        account: AccountId,
        partition: &str,
        after: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, NotDone> {
        let mut connection = self.connection().await?;
        let tx = connection.begin(account);
        // Deletions of people wait for this one, or are seen by it.
        let Some(fence) = tx.fence(now).await? else {
            return Ok(None);
        };
        let piece = PIECE.replace("$partition", partition);
        let rows = tx.query(&piece, &[&account.0, &after, &ROWS]).await?;
        let mut gone = HashSet::new();
        if let Some(erased) = &fence.erased {
            let contacts = rows.iter().filter_map(|row| row.get("contact_id"));
            let contacts: Vec<ContactId> = contacts.map(ContactId).collect();
            gone = tx.deleted_contacts(&contacts, &erased.key).await?;
        }
        let kept = Columns::of(&rows, &gone);
        if !kept.contacts.is_empty() {
            let params: [Param<'_>; 6] = [
                &account.0,
                &kept.contacts,
                &kept.activities,
                &kept.names,
                &kept.firsts,
                &kept.lasts,
            ];
            tx.execute(KEEP, &params).await?;
        }
        tx.commit().await?;
        let read: i64 = rows.iter().map(|row| row.get::<_, i64>("rows")).sum();
        let last = rows.iter().map(|row| row.get::<_, Uuid>("last_key")).max();
        Ok(last.filter(|_| read == ROWS))
    }
}
