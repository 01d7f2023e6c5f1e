//! Reading back.

use chrono::NaiveDate;
use futures_util::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{ActivityId, ContactId, TimedKey};
use weir_postgres::JsonText;

use super::links::Families;
use super::{NotDone, Param, Tx};
use crate::domain::{Activity, Cursor, Identifier, RawTime};

// Each contact's part comes from its index in order; the parts are then merged. What is larger
// than a page may be stays in the database, but for a first one that is larger by itself.
pub(super) const LIST: &str = "
    SELECT event_time, activity_key, activity_id, event_name, receive_time, message_id,
        attributes, expire_day, total
    FROM (
        SELECT p.*, count(*) OVER () AS total, sum(p.size) OVER (ORDER BY p.event_time DESC,
            p.activity_key DESC ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (
            SELECT p.*, $8 + COALESCE(octet_length(p.event_name), 0)
                + COALESCE(octet_length(p.message_id), 0)
                + COALESCE(octet_length(p.attributes::text), 0) AS size
            FROM unnest($2::uuid[]) u (contact_id)
            CROSS JOIN LATERAL (
                SELECT * FROM activities t
                WHERE t.account_id = $1 AND t.contact_id = u.contact_id AND t.expire_day >= $3
                    AND (t.event_time, t.activity_key) < ($4, $5)
                ORDER BY t.event_time DESC, t.activity_key DESC LIMIT $6
            ) p
            ORDER BY p.event_time DESC, p.activity_key DESC LIMIT $6
        ) p
    ) p
    WHERE bytes <= $7 OR bytes = size
    ORDER BY event_time DESC, activity_key DESC";

const BACKLOG_OF_ACCOUNT: &str =
    "SELECT count(*) AS waiting, max(expire_day) AS last_day FROM backlog
    WHERE account_id = $1 AND expire_day >= $2";

pub(super) const BACKLOG_OF_IDENTIFIER: &str = "
    SELECT count(*) AS waiting, max(expire_day) AS last_day FROM backlog
    WHERE account_id = $1 AND expire_day >= $2 AND kind = $3 AND value = $4";

const HAS_ACCOUNT: &str = "SELECT FROM accounts WHERE account_id = $1";

pub(super) const HAS_ACTIVITY: &str =
    "SELECT FROM activities WHERE account_id = $1 AND contact_id = $2 LIMIT 1";

/// What an activity takes in an answer beside its name, message id and attributes: two ids, two
/// times, a day, and the tags. At most.
pub(super) const BESIDE: i32 = 160;

/// A part of a contact's list.
#[derive(Debug)]
pub struct Listed {
    /// Those that can be read.
    pub items: Vec<Activity>,
    /// Where the next part begins; none where this is the last.
    pub next: Option<Cursor>,
    /// So many could not be read, and are left out.
    pub unreadable: usize,
    /// Whether nothing is there at all.
    pub is_empty: bool,
}

impl Tx<'_> {
    /// The next activities of the family's contacts after `cursor`, newest first, `size` at most
    /// and of `max_bytes`, without those that expired before `today`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn activities(
        &self,
        families: &Families,
        today: NaiveDate,
        cursor: Cursor,
        size: usize,
        max_bytes: usize,
    ) -> Result<Listed, NotDone> {
        let members: Vec<Uuid> = families
            .members()
            .map(|ContactId(contact)| contact)
            .collect();
        let limit = i64::try_from(size + 1).unwrap_or(i64::MAX);
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let mut rows = self
            .query(
                LIST,
                &[
                    &self.account_id.0,
                    &members,
                    &today,
                    &cursor.event_time,
                    &cursor.key.0,
                    &limit,
                    &max_bytes,
                    &BESIDE,
                ],
            )
            .await?;
        let found = rows.first().map_or(0, |row| row.get::<_, i64>("total"));
        rows.truncate(size);
        let is_last = i64::try_from(rows.len()).is_ok_and(|shown| shown >= found);
        let cursor_at = |row: &Row| Cursor {
            event_time: row.get("event_time"),
            key: TimedKey(row.get("activity_key")),
        };
        let items: Vec<Activity> = rows.iter().filter_map(read).collect();
        Ok(Listed {
            unreadable: rows.len() - items.len(),
            items,
            next: rows.last().filter(|_| !is_last).map(cursor_at),
            is_empty: rows.is_empty(),
        })
    }

    /// Whether there is such an account here, and anything of the contact.
    ///
    /// # Errors
    /// Of the database.
    pub async fn knows(&self, contact: ContactId) -> Result<(bool, bool), NotDone> {
        let account = &self.account_id.0;
        let params: [Param<'_>; 2] = [account, &contact.0];
        let activity = self.query(HAS_ACTIVITY, &params);
        let (has_account, activity) = try_join(self.has_account(), activity).await?;
        Ok((has_account, !activity.is_empty()))
    }

    /// Whether there is such an account here.
    ///
    /// # Errors
    /// Of the database.
    pub async fn has_account(&self) -> Result<bool, NotDone> {
        let rows = self.query(HAS_ACCOUNT, &[&self.account_id.0]).await?;
        Ok(!rows.is_empty())
    }

    /// How much waits for `identifier`, or for all of the account's, and until when.
    ///
    /// # Errors
    /// Of the database.
    pub async fn backlog(
        &self,
        identifier: Option<&Identifier>,
        today: NaiveDate,
    ) -> Result<(i64, Option<NaiveDate>), NotDone> {
        let account = &self.account_id.0;
        let rows = match identifier {
            None => self.query(BACKLOG_OF_ACCOUNT, &[account, &today]).await?,
            Some(Identifier { kind, value }) => {
                self.query(
                    BACKLOG_OF_IDENTIFIER,
                    &[account, &today, &kind.letter(), &&**value],
                )
                .await?
            }
        };
        let waiting = rows.first();
        Ok(waiting.map_or((0, None), |row| (row.get("waiting"), row.get("last_day"))))
    }
}

/// The row, unless something in it can't be read or told.
pub(super) fn read(row: &Row) -> Option<Activity> {
    let time = |column: &str| row.try_get::<_, RawTime>(column).ok()?.time();
    Some(Activity {
        event_time: time("event_time")?,
        key: TimedKey(row.get("activity_key")),
        activity_id: ActivityId(row.try_get("activity_id").ok()?),
        event_name: row.try_get("event_name").ok()?,
        receive_time: time("receive_time")?,
        message_id: row.try_get("message_id").ok()?,
        attributes: row
            .try_get::<_, JsonText<'_>>("attributes")
            .ok()?
            .0
            .to_owned(),
        expire_day: row.try_get("expire_day").ok()?,
    })
}
