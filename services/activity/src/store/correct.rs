//! Activities whose events are taken anew take their attributes (semantics 7.5a).
//!
//! What is there, and says something else, meets its own key: so a row is found by its whole key,
//! whatever the planner thinks, and rows are locked in the order of the arrays: as they are found,
//! so that one that goes meanwhile is not made anew. One that was over the cap of its day has
//! nothing to correct.

use chrono::NaiveDate;
use uuid::Uuid;
use weir_postgres::JsonText;

use super::record::days_of;
use super::{NotDone, Tx, kinds_and_values};
use crate::domain::{Event, Identifier};

pub(super) const CORRECT: &str = "
    INSERT INTO activities (account_id, expire_day, activity_key, attributes)
    SELECT o.account_id, o.expire_day, o.activity_key, u.attributes
    FROM unnest($2::uuid[], $3::date[], $4::json[]) u (activity_key, expire_day, attributes)
    CROSS JOIN LATERAL (
        SELECT c.account_id, c.expire_day, c.activity_key FROM activities c
        WHERE c.account_id = $1 AND c.activity_key = u.activity_key
            AND c.expire_day = u.expire_day AND c.attributes::text <> u.attributes::text LIMIT 1
        FOR UPDATE OF c
    ) o
    ON CONFLICT (account_id, activity_key, expire_day)
        DO UPDATE SET attributes = excluded.attributes";

pub(super) const CORRECT_WAITING: &str = "
    INSERT INTO backlog (account_id, expire_day, kind, value, activity_key, activity_id,
        event_name, event_time, message_id, attributes, receive_time, source_id, deferred)
    SELECT o.account_id, o.expire_day, o.kind, o.value, o.activity_key, o.activity_id,
        o.event_name, o.event_time, o.message_id, u.attributes, o.receive_time, o.source_id,
        o.deferred
    FROM unnest($2::text[], $3::text[], $4::uuid[], $5::date[], $6::json[])
        u (kind, value, activity_key, expire_day, attributes)
    CROSS JOIN LATERAL (
        SELECT * FROM backlog b WHERE b.account_id = $1 AND b.kind = u.kind AND b.value = u.value
            AND b.activity_key = u.activity_key AND b.expire_day = u.expire_day
            AND b.attributes::text <> u.attributes::text LIMIT 1
    ) o
    ON CONFLICT (account_id, kind, value, activity_key, expire_day)
        DO UPDATE SET attributes = excluded.attributes";

impl Tx<'_> {
    /// Replaces the attributes of those of `events` (in the order of their keys) that are among
    /// the activities, under any of their days.
    ///
    /// # Errors
    /// Of the database.
    pub async fn correct_activities(&self, events: &[&Event]) -> Result<(), NotDone> {
        if events.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&Event, NaiveDate)> = rows_of(events).collect();
        let (keys, days, attributes) = columns(&rows);
        let account = &self.account_id.0;
        self.execute(CORRECT, &[account, &keys, &days, &attributes])
            .await?;
        Ok(())
    }

    /// As that, in the backlog of their identifiers, which must be locked.
    ///
    /// # Errors
    /// Of the database.
    pub async fn correct_backlog(
        &self,
        events: &[&Event],
        identifiers: &[Identifier],
    ) -> Result<(), NotDone> {
        let mut rows: Vec<(&Event, NaiveDate)> = rows_of(events).collect();
        rows.retain(|(event, _)| event.identifier.is_some());
        if rows.is_empty() {
            return Ok(());
        }
        let whose = rows.iter().filter_map(|(event, _)| event.identifier);
        let (kinds, values) = kinds_and_values(whose.map(|at| &identifiers[at]));
        let (keys, days, attributes) = columns(&rows);
        let account = &self.account_id.0;
        self.execute(
            CORRECT_WAITING,
            &[account, &kinds, &values, &keys, &days, &attributes],
        )
        .await?;
        Ok(())
    }
}

/// Each with every day under which it may be.
fn rows_of<'a>(events: &[&'a Event]) -> impl Iterator<Item = (&'a Event, NaiveDate)> {
    let events = events.iter().copied();
    events.flat_map(|event| days_of(event).map(move |day| (event, day)))
}

fn columns<'a>(rows: &[(&'a Event, NaiveDate)]) -> (Vec<Uuid>, Vec<NaiveDate>, Vec<JsonText<'a>>) {
    let keys = rows.iter().map(|(event, _)| event.key.0).collect();
    let days = rows.iter().map(|(_, day)| *day).collect();
    let attributes = rows.iter().map(|(event, _)| JsonText(&event.attributes));
    (keys, days, attributes.collect())
}
