//! Reading back.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;
use weir_ids::{ActivityId, ContactId, TimedKey};
use weir_postgres::Failure;

use super::links::Families;
use super::{Tx, letter};
use crate::domain::Identifier;

// Each contact's part comes from its index in order; the parts are then merged.
const LIST: &str = "
    SELECT p.activity_key, p.activity_id, p.event_name, p.event_time, p.receive_time,
        p.message_id, p.attributes::text, p.expire_day
    FROM unnest($2::uuid[]) u (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM activities t
        WHERE t.account_id = $1 AND t.contact_id = u.contact_id AND t.expire_day >= $3
            AND (t.event_time, t.activity_key) < ($4, $5)
        ORDER BY t.event_time DESC, t.activity_key DESC LIMIT $6
    ) p
    ORDER BY p.event_time DESC, p.activity_key DESC LIMIT $6";

const BACKLOG_OF_ACCOUNT: &str =
    "SELECT count(*) FROM backlog WHERE account_id = $1 AND expire_day >= $2";

const BACKLOG_OF_IDENTITY: &str = "
    SELECT count(*) FROM backlog
    WHERE account_id = $1 AND expire_day >= $2 AND kind = $3 AND value = $4";

/// A place in a contact's list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Of the last activity that was shown.
    pub event_time: DateTime<Utc>,
    /// Tells those of the same time apart.
    pub key: TimedKey,
}

impl Cursor {
    /// Before everything.
    pub const START: Self = Self {
        event_time: DateTime::from_timestamp(LATEST, 0).expect("within the calendar"),
        key: TimedKey(Uuid::max()),
    };
}

/// The end of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// An activity as it is stored.
#[derive(Debug)]
pub struct Stored {
    /// Unique in the account.
    pub key: TimedKey,
    /// Of the definition.
    pub activity_id: ActivityId,
    /// As it was mapped.
    pub event_name: String,
    /// At microseconds.
    pub event_time: DateTime<Utc>,
    /// When the edge received it.
    pub receive_time: DateTime<Utc>,
    /// The sender's.
    pub message_id: String,
    /// A JSON object of canonical values.
    pub attributes: String,
    /// The last day on which it is shown.
    pub expire_day: NaiveDate,
}

impl Tx<'_> {
    /// The next `limit` activities of the family's contacts after `cursor`, newest first,
    /// without those that expired before `today`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn activities(
        &self,
        families: &Families,
        today: NaiveDate,
        cursor: Cursor,
        limit: usize,
    ) -> Result<Vec<Stored>, Failure> {
        let members: Vec<Uuid> = families
            .members()
            .map(|ContactId(contact)| contact)
            .collect();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .query(
                LIST,
                &[
                    &self.account_id.0,
                    &members,
                    &today,
                    &cursor.event_time,
                    &cursor.key.0,
                    &limit,
                ],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| Stored {
                key: TimedKey(row.get(0)),
                activity_id: ActivityId(row.get(1)),
                event_name: row.get(2),
                event_time: row.get(3),
                receive_time: row.get(4),
                message_id: row.get(5),
                attributes: row.get(6),
                expire_day: row.get(7),
            })
            .collect())
    }

    /// How much waits for `identifier`, or for all of the account's.
    ///
    /// # Errors
    /// Of the database.
    pub async fn backlog(
        &self,
        identifier: Option<&Identifier>,
        today: NaiveDate,
    ) -> Result<i64, Failure> {
        let account = &self.account_id.0;
        let rows = match identifier {
            None => self.query(BACKLOG_OF_ACCOUNT, &[account, &today]).await?,
            Some(Identifier { kind, value }) => {
                self.query(
                    BACKLOG_OF_IDENTITY,
                    &[account, &today, &letter(*kind), &&**value],
                )
                .await?
            }
        };
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }
}
