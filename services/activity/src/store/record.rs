//! Writing a batch.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{ContactId, SourceId, TimedKey};
use weir_tombstones::Erased;

use super::columns::Columns;
use super::settled::Era;
use super::{NotDone, Param, Tx, index_of, kinds_and_values};
use crate::domain::{Event, Identifier, Standing};

pub(super) const FENCE: &str = "
    SELECT usage_epoch, links_generation, last_delete_time, erasure_key
    FROM accounts WHERE account_id = $1 FOR SHARE";

pub(super) const STANDINGS: &str = "
    SELECT u.n, i.contact_id, i.waiting, i.forget_day
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY u (kind, value, n)
    CROSS JOIN LATERAL (
        SELECT i.contact_id, i.waiting, i.forget_day FROM identifiers i
        WHERE i.account_id = $1 AND i.kind = u.kind AND i.value = u.value LIMIT 1
    ) i";

// The update never happens, but the row is locked for it: inserts what is absent and locks
// what is there, both in the order of the arrays.
pub(super) const LOCK: &str = "
    INSERT INTO identifiers (account_id, kind, value, version, waiting, forget_day)
    SELECT a.account_id, u.kind, u.value, -1, u.waiting, u.forget_day
    FROM accounts a CROSS JOIN unnest($2::text[], $3::text[], $4::boolean[], $5::date[])
        u (kind, value, waiting, forget_day)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE SET waiting = identifiers.waiting WHERE false";

pub(super) const COPIES: &str = "
    SELECT u.activity_key
    FROM unnest($2::uuid[], $3::date[]) u (activity_key, expire_day)
    CROSS JOIN LATERAL (
        SELECT FROM activities c WHERE c.account_id = $1
            AND c.activity_key = u.activity_key AND c.expire_day = u.expire_day LIMIT 1
    ) c";

pub(super) const COPIES_IN_BACKLOG: &str = "
    SELECT u.activity_key
    FROM unnest($2::text[], $3::text[], $4::uuid[], $5::date[])
        u (kind, value, activity_key, expire_day)
    CROSS JOIN LATERAL (
        SELECT FROM backlog b WHERE b.account_id = $1 AND b.kind = u.kind AND b.value = u.value
            AND b.activity_key = u.activity_key AND b.expire_day = u.expire_day LIMIT 1
    ) b";

// What was stored comes back as one array: a row for each key would cost both sides more.
pub(super) const STORE: &str = "
    WITH stored AS (
        INSERT INTO activities (account_id, expire_day, activity_key, contact_id, activity_id,
            event_name, event_time, message_id, attributes, receive_time)
        SELECT a.account_id, u.expire_day, u.activity_key, u.contact_id, u.activity_id,
            u.event_name, u.event_time, u.message_id, u.attributes, u.receive_time
        FROM accounts a CROSS JOIN unnest($2::date[], $3::uuid[], $4::uuid[], $5::uuid[],
            $6::text[], $7::timestamptz[], $8::text[], $9::json[], $10::timestamptz[]) u (expire_day,
            activity_key, contact_id, activity_id, event_name, event_time, message_id,
            attributes, receive_time)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, activity_key, expire_day) DO NOTHING
        RETURNING activity_key
    )
    SELECT COALESCE(array_agg(activity_key), ARRAY[]::uuid[]) AS keys FROM stored";

pub(super) const WAIT: &str = "
    WITH stored AS (
        INSERT INTO backlog (account_id, expire_day, activity_key, kind, value, activity_id,
            event_name, event_time, message_id, attributes, receive_time, source_id, deferred)
        SELECT a.account_id, u.expire_day, u.activity_key, u.kind, u.value, u.activity_id,
            u.event_name, u.event_time, u.message_id, u.attributes, u.receive_time, $12::uuid,
            u.deferred
        FROM accounts a CROSS JOIN unnest($2::date[], $3::uuid[], $4::text[], $5::text[],
            $6::uuid[], $7::text[], $8::timestamptz[], $9::text[], $10::json[],
            $11::timestamptz[], $13::boolean[]) u (expire_day, activity_key, kind, value,
            activity_id, event_name, event_time, message_id, attributes, receive_time, deferred)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, kind, value, activity_key, expire_day) DO NOTHING
        RETURNING activity_key
    )
    SELECT COALESCE(array_agg(activity_key), ARRAY[]::uuid[]) AS keys FROM stored";

// The rows are there: an upsert finds them by their key, whatever the planner thinks.
pub(super) const BEGIN_WAITING: &str = "
    INSERT INTO identifiers (account_id, kind, value, version, waiting, forget_day)
    SELECT a.account_id, u.kind, u.value, -1, true, u.forget_day
    FROM accounts a CROSS JOIN unnest($2::text[], $3::text[], $4::date[])
        u (kind, value, forget_day)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE SET waiting = true,
        forget_day = GREATEST(identifiers.forget_day, excluded.forget_day)";

/// What an account's row says, which a batch holds shared.
pub struct Fence {
    /// Batches of a lower one can't commit.
    pub epoch: i64,
    /// Of links that are kept in mind.
    pub generation: i64,
    /// Somebody was deleted not long ago.
    pub erased: Option<Erased>,
}

impl Tx<'_> {
    /// What the account's row says, which can't change until the transaction ends (none where
    /// the account has no row), and what is known of `identifiers`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn fence_and_standings(
        &self,
        identifiers: &[Identifier],
        now: DateTime<Utc>,
    ) -> Result<(Option<Fence>, Vec<Standing>), NotDone> {
        let generation = self.settled.generation(self.account_id);
        let kept = self.settled.get(self.era(generation), identifiers);
        let (fence, (mut standings, mut read)) =
            try_join(self.fence(now), self.standings(identifiers, kept)).await?;
        let Some(fence) = fence else {
            return Ok((None, standings));
        };
        if fence.generation != generation {
            // Identifiers went back or away since: what was kept of them counts no more.
            self.settled.renew(self.era(fence.generation));
            (standings, read) = self.standings_of(identifiers).await?;
        }
        let read = read.iter().map(|at| (&identifiers[*at], standings[*at]));
        self.settled.learn(self.era(fence.generation), read);
        Ok((Some(fence), standings))
    }

    /// What the account's row says; none where there is none.
    ///
    /// # Errors
    /// Of the database.
    pub async fn fence(&self, now: DateTime<Utc>) -> Result<Option<Fence>, NotDone> {
        let rows = self.query(FENCE, &[&self.account_id.0]).await?;
        Ok(rows.first().map(|row| Fence {
            epoch: row.get("usage_epoch"),
            generation: row.get("links_generation"),
            erased: Erased::of(row.get("last_delete_time"), row.get("erasure_key"), now),
        }))
    }

    fn era(&self, generation: i64) -> Era {
        Era {
            account: self.account_id,
            generation,
        }
    }

    /// Makes the account's row where it is missing: without it, inserts insert nothing.
    ///
    /// # Errors
    /// Of the database.
    pub async fn ensure_account(&self) -> Result<(), NotDone> {
        Ok(weir_ledger::anchor(&self.inner, self.account_id).await?)
    }

    /// What is known of `identifiers`, in their order, nothing of it from memory; and which of
    /// them were read.
    ///
    /// # Errors
    /// Of the database.
    pub async fn standings_of(
        &self,
        identifiers: &[Identifier],
    ) -> Result<(Vec<Standing>, Vec<usize>), NotDone> {
        self.standings(identifiers, vec![None; identifiers.len()])
            .await
    }

    async fn standings(
        &self,
        identifiers: &[Identifier],
        known: Vec<Option<Standing>>,
    ) -> Result<(Vec<Standing>, Vec<usize>), NotDone> {
        let open: Vec<usize> = (0..known.len()).filter(|at| known[*at].is_none()).collect();
        let mut standings: Vec<Standing> = known
            .into_iter()
            .map(|known| known.unwrap_or(Standing::UNKNOWN))
            .collect();
        if open.is_empty() {
            return Ok((standings, open));
        }
        let (kinds, values) = kinds_and_values(open.iter().map(|at| &identifiers[*at]));
        let rows = self
            .query(STANDINGS, &[&self.account_id.0, &kinds, &values])
            .await?;
        for row in rows {
            standings[open[index_of(&row)]] = standing_of(&row);
        }
        Ok((standings, open))
    }

    /// Makes the rows of those that have none, and locks all, in their order (sorted). Then
    /// what is read stays true until the transaction ends. `waiting` and `forget_days` are what
    /// new rows get, so that what is put into the backlog of a new identifier need not say so
    /// again.
    ///
    /// # Errors
    /// Of the database.
    pub async fn lock_identifiers(
        &self,
        identifiers: &[&Identifier],
        waiting: &[bool],
        forget_days: &[NaiveDate],
    ) -> Result<Vec<Standing>, NotDone> {
        let (kinds, values) = kinds_and_values(identifiers.iter().copied());
        // Prepared first, so that the two go out in this order, in one round trip.
        let (lock, read) = (self.prepare(LOCK).await?, self.prepare(STANDINGS).await?);
        let account = &self.account_id.0;
        let params: [Param<'_>; 5] = [account, &kinds, &values, &waiting, &forget_days];
        let (_, rows) = try_join(
            self.inner.execute(&lock, &params),
            self.inner.query(&read, &params[..3]),
        )
        .await?;
        let mut standings = vec![Standing::UNKNOWN; identifiers.len()];
        for row in rows {
            standings[index_of(&row)] = standing_of(&row);
        }
        Ok(standings)
    }

    /// Which of `events` have a copy among the activities, under any of their days.
    ///
    /// # Errors
    /// Of the database.
    pub async fn copies(&self, events: &[&Event]) -> Result<HashSet<TimedKey>, NotDone> {
        if events.is_empty() {
            return Ok(HashSet::new());
        }
        let (keys, days): (Vec<Uuid>, Vec<NaiveDate>) = events
            .iter()
            .flat_map(|event| days_of(event).map(|day| (event.key.0, day)))
            .unzip();
        let rows = self
            .query(COPIES, &[&self.account_id.0, &keys, &days])
            .await?;
        Ok(rows
            .iter()
            .map(|row| TimedKey(row.get("activity_key")))
            .collect())
    }

    /// Which of `events` have a copy in the backlog of their identifier.
    ///
    /// # Errors
    /// Of the database.
    pub async fn copies_in_backlog(
        &self,
        events: &[&Event],
        identifiers: &[Identifier],
    ) -> Result<HashSet<TimedKey>, NotDone> {
        let wanted: Vec<(usize, TimedKey, NaiveDate)> = events
            .iter()
            .filter_map(|event| event.identifier.map(|at| (event, at)))
            .flat_map(|(event, at)| days_of(event).map(move |day| (at, event.key, day)))
            .collect();
        if wanted.is_empty() {
            return Ok(HashSet::new());
        }
        let (kinds, values) = kinds_and_values(wanted.iter().map(|(at, ..)| &identifiers[*at]));
        let (keys, days): (Vec<Uuid>, Vec<NaiveDate>) =
            wanted.iter().map(|(_, key, day)| (key.0, *day)).unzip();
        let rows = self
            .query(
                COPIES_IN_BACKLOG,
                &[&self.account_id.0, &kinds, &values, &keys, &days],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| TimedKey(row.get("activity_key")))
            .collect())
    }

    /// So that [`store_activities`](Self::store_activities) goes out at once.
    ///
    /// # Errors
    /// Of the database.
    pub async fn ready_to_store(&self) -> Result<(), NotDone> {
        self.prepare(STORE).await?;
        Ok(())
    }

    /// Stores `events` on their contacts; answers the keys of those that were not there.
    ///
    /// # Errors
    /// Of the database.
    pub async fn store_activities(
        &self,
        events: &[(&Event, ContactId)],
    ) -> Result<HashSet<TimedKey>, NotDone> {
        if events.is_empty() {
            return Ok(HashSet::new());
        }
        let columns = Columns::of(events.iter().map(|(event, _)| *event));
        let contacts: Vec<Uuid> = events.iter().map(|(_, contact)| contact.0).collect();
        let rows = self
            .query(
                STORE,
                &[
                    &self.account_id.0,
                    &columns.expire_days,
                    &columns.keys,
                    &contacts,
                    &columns.activity_ids,
                    &columns.event_names,
                    &columns.event_times,
                    &columns.message_ids,
                    &columns.attributes,
                    &columns.receive_times,
                ],
            )
            .await?;
        Ok(keys_in(&rows))
    }

    /// Puts `events` of a source into the backlog of their identifiers, which must be locked;
    /// answers the keys of those that were not there.
    ///
    /// # Errors
    /// Of the database.
    pub async fn store_backlog(
        &self,
        events: &[(&Event, &Identifier)],
        source_id: Option<SourceId>,
    ) -> Result<HashSet<TimedKey>, NotDone> {
        if events.is_empty() {
            return Ok(HashSet::new());
        }
        let payload = Columns::of(events.iter().map(|(event, _)| *event));
        let (kinds, values) = kinds_and_values(events.iter().map(|(_, identifier)| *identifier));
        let deferred: Vec<bool> = events.iter().map(|(event, _)| event.deferred).collect();
        let rows = self
            .query(
                WAIT,
                &[
                    &self.account_id.0,
                    &payload.expire_days,
                    &payload.keys,
                    &kinds,
                    &values,
                    &payload.activity_ids,
                    &payload.event_names,
                    &payload.event_times,
                    &payload.message_ids,
                    &payload.attributes,
                    &payload.receive_times,
                    &source_id.map(|id| id.0),
                    &deferred,
                ],
            )
            .await?;
        Ok(keys_in(&rows))
    }

    /// Notes that the backlog now holds rows of `identifiers`, which must be locked, and from
    /// which day on it does no more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn begin_waiting(
        &self,
        identifiers: &[(&Identifier, NaiveDate)],
    ) -> Result<(), NotDone> {
        if identifiers.is_empty() {
            return Ok(());
        }
        let (kinds, values) =
            kinds_and_values(identifiers.iter().map(|(identifier, _)| *identifier));
        let days: Vec<NaiveDate> = identifiers.iter().map(|(_, day)| *day).collect();
        let account = &self.account_id.0;
        self.execute(BEGIN_WAITING, &[account, &kinds, &values, &days])
            .await?;
        Ok(())
    }
}

fn standing_of(row: &Row) -> Standing {
    Standing {
        contact_id: row.get::<_, Option<Uuid>>("contact_id").map(ContactId),
        waiting: row.get("waiting"),
        forget_day: row.get("forget_day"),
    }
}

/// The keys in the array that is the only column of the only row.
pub(super) fn keys_in(rows: &[Row]) -> HashSet<TimedKey> {
    let keys = rows.iter().flat_map(|row| row.get::<_, Vec<Uuid>>("keys"));
    keys.map(TimedKey).collect()
}

/// Under which days of expiry a copy may be.
pub(super) fn days_of(event: &Event) -> impl Iterator<Item = NaiveDate> {
    std::iter::once(event.expire_day).chain(event.earlier_days.iter().copied())
}
