//! Moving backlog to contacts.

use std::collections::HashSet;

use chrono::NaiveDate;
use futures_util::future::try_join_all;
use uuid::Uuid;
use weir_ids::{ContactId, SourceId, TimedKey};

use super::links::{Families, Linked};
use super::partitions::partition_of;
use super::record::keys_in;
use super::{NotDone, Param, Tx, index_of, kinds_and_values};
use crate::domain::{Counts, Discards, Identifier, Moves, Waiting};

pub(super) const LOCK: &str = "
    INSERT INTO attach_locks (account_id, contact_id)
    SELECT a.account_id, u.contact_id
    FROM accounts a CROSS JOIN unnest($2::uuid[]) u (contact_id)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id)
        DO UPDATE SET contact_id = attach_locks.contact_id WHERE false";

// Whoever inserts the same row waits for this transaction, whether or not it deleted it again.
pub(super) const UNLOCK: &str =
    "DELETE FROM attach_locks WHERE account_id = $1 AND contact_id = ANY ($2::uuid[])";

// Each identifier's part comes from the primary key in order, so that a page costs a page,
// whatever waits behind it.
pub(super) const PAGE: &str = "
    SELECT u.n, p.activity_key, p.expire_day, p.activity_id, p.event_name, p.event_time,
        p.message_id, p.receive_time, p.deferred
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY u (kind, value, n)
    CROSS JOIN LATERAL (
        SELECT b.activity_key, b.expire_day, b.activity_id, b.event_name, b.event_time,
            b.message_id, b.receive_time, b.deferred
        FROM backlog b
        WHERE b.account_id = $1 AND b.kind = u.kind AND b.value = u.value
        ORDER BY b.activity_key LIMIT $4
    ) p
    ORDER BY p.activity_key, u.n, p.expire_day LIMIT $4";

// `+ 0` keeps it off the index by days, which a planner without statistics takes for as good:
// it has the days of everybody.
pub(super) const COUNTS: &str = "
    SELECT u.contact_id, c.day, c.count
    FROM unnest($2::uuid[]) u (contact_id)
    CROSS JOIN LATERAL (
        SELECT c.day, c.count FROM attached_counts c WHERE c.account_id = $1
            AND c.contact_id = u.contact_id AND c.day + 0 BETWEEN $3 AND $4 OFFSET 0
    ) c";

pub(super) const ATTACH: &str = "
    WITH attached AS (
        INSERT INTO activities (account_id, expire_day, activity_key, contact_id, activity_id,
            event_name, event_time, message_id, attributes, receive_time)
        SELECT b.account_id, b.expire_day, b.activity_key, u.contact_id, b.activity_id,
            b.event_name, b.event_time, b.message_id, b.attributes, b.receive_time
        FROM unnest($2::text[], $3::text[], $4::uuid[], $5::date[], $6::uuid[])
            u (kind, value, activity_key, expire_day, contact_id)
        CROSS JOIN LATERAL (
            SELECT * FROM backlog b WHERE b.account_id = $1 AND b.kind = u.kind
                AND b.value = u.value AND b.activity_key = u.activity_key
                AND b.expire_day = u.expire_day LIMIT 1
        ) b
        ON CONFLICT (account_id, activity_key, expire_day) DO NOTHING
        RETURNING activity_key
    )
    SELECT COALESCE(array_agg(activity_key), ARRAY[]::uuid[]) AS keys FROM attached";

pub(super) const DISCARD: &str = "
    INSERT INTO activities (account_id, expire_day, activity_key)
    SELECT a.account_id, u.expire_day, u.activity_key
    FROM accounts a CROSS JOIN unnest($2::uuid[], $3::date[]) u (activity_key, expire_day)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, activity_key, expire_day) DO NOTHING";

// Of whom they are that are about to be discarded.
pub(super) const DISCARDS: &str = "
    SELECT w.source_id, w.event_name, count(*) AS count,
        (array_agg(w.message_id ORDER BY w.receive_time DESC))[1] AS message_id
    FROM unnest($2::text[], $3::text[], $4::uuid[], $5::date[])
        u (kind, value, activity_key, expire_day)
    CROSS JOIN LATERAL (
        SELECT b.source_id, b.event_name, b.message_id, b.receive_time FROM backlog b
        WHERE b.account_id = $1 AND b.kind = u.kind AND b.value = u.value
            AND b.activity_key = u.activity_key AND b.expire_day = u.expire_day LIMIT 1
    ) w
    GROUP BY w.source_id, w.event_name";

// A page holds all rows of its identifiers up to its last key, and they are locked: the range
// is the page. One identifier and one partition at a time: with an array of identifiers, a planner
// without statistics would rather read all of the account's backlog.
pub(super) const LEAVE: &str = "
    DELETE FROM $partition
    WHERE account_id = $1 AND kind = $2 AND value = $3 AND activity_key <= $4";

pub(super) const ADD_COUNTS: &str = "
    INSERT INTO attached_counts (account_id, contact_id, day, count)
    SELECT a.account_id, u.contact_id, u.day, u.count
    FROM accounts a CROSS JOIN unnest($2::uuid[], $3::date[], $4::integer[])
        u (contact_id, day, count)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id, day)
        DO UPDATE SET count = attached_counts.count + excluded.count";

// The rows are there: an upsert finds them by their key, whatever the planner thinks.
pub(super) const END_WAITING: &str = "
    INSERT INTO identifiers (account_id, kind, value, version, waiting)
    SELECT a.account_id, u.kind, u.value, -1, false
    FROM accounts a CROSS JOIN unnest($2::text[], $3::text[]) u (kind, value)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, kind, value) DO UPDATE SET waiting = false";

impl Tx<'_> {
    /// Locks the counts of the families: whoever attaches to one of them next reads what this
    /// transaction added. Answers them as they are then.
    ///
    /// # Errors
    /// Of the database; a conflict where one of them grew meanwhile.
    pub async fn lock_counts(&self, contacts: &[ContactId]) -> Result<Families, NotDone> {
        let families = self.families(contacts).await?;
        self.execute(LOCK, &[&self.account_id.0, &sorted(&families)])
            .await?;
        if self.families(contacts).await? == families {
            Ok(families)
        } else {
            Err(weir_postgres::Failure::Conflict.into())
        }
    }

    /// Leaves no row of the locks; they hold until the end of the transaction all the same.
    ///
    /// # Errors
    /// Of the database.
    pub async fn unlock_counts(&self, families: &Families) -> Result<(), NotDone> {
        self.execute(UNLOCK, &[&self.account_id.0, &sorted(families)])
            .await?;
        Ok(())
    }

    /// The first `limit` rows of what waits for `linked`, in the order of their keys, which
    /// is that of their milliseconds.
    ///
    /// # Errors
    /// Of the database.
    pub async fn waiting_page(
        &self,
        linked: &[Linked],
        families: &Families,
        limit: usize,
    ) -> Result<Vec<Waiting>, NotDone> {
        let (kinds, values) = kinds_and_values(linked.iter().map(|linked| &linked.identifier));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .query(PAGE, &[&self.account_id.0, &kinds, &values, &limit])
            .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let identifier = index_of(row);
                Waiting {
                    identifier,
                    key: TimedKey(row.get("activity_key")),
                    expire_day: row.get("expire_day"),
                    activity_id: row.get::<_, Uuid>("activity_id").into(),
                    event_name: row.get::<_, String>("event_name").into(),
                    event_time: row.get("event_time"),
                    message_id: row.get("message_id"),
                    receive_time: row.get("receive_time"),
                    contact_id: families.root(linked[identifier].contact_id),
                    link_time: linked[identifier].link_time,
                    deferred: row.get("deferred"),
                }
            })
            .collect())
    }

    /// What was attached to the families on the days from `first` to `last`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn counts(
        &self,
        families: &Families,
        first: NaiveDate,
        last: NaiveDate,
    ) -> Result<Counts, NotDone> {
        let members: Vec<Uuid> = families.members().map(|contact| contact.0).collect();
        let rows = self
            .query(COUNTS, &[&self.account_id.0, &members, &first, &last])
            .await?;
        let mut counts = Counts::new();
        for row in rows {
            let root = families.root(ContactId(row.get("contact_id")));
            let count = u32::try_from(row.get::<_, i32>("count")).unwrap_or_default();
            *counts.entry((root, row.get("day"))).or_default() += count;
        }
        Ok(counts)
    }

    /// Of whom those are that `moves` discards; to be asked before they go.
    ///
    /// # Errors
    /// Of the database.
    pub async fn discards(
        &self,
        linked: &[Linked],
        moves: &Moves<'_>,
    ) -> Result<Vec<Discards>, NotDone> {
        let rows = &moves.discard;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (kinds, values) = kinds_and_values(identifiers(linked, rows.iter().copied()));
        let (keys, days) = keys_and_days(rows.iter().copied());
        let params: [Param<'_>; 5] = [&self.account_id.0, &kinds, &values, &keys, &days];
        let found = self.query(DISCARDS, &params).await?;
        let discards = found.iter().map(|row| Discards {
            source_id: row.get::<_, Option<Uuid>>("source_id").map(SourceId),
            event_name: row.get("event_name"),
            count: row.get("count"),
            message_id: row.get("message_id"),
        });
        Ok(discards.collect())
    }

    /// Moves a page out of the backlog; answers the keys of what was attached and not there.
    ///
    /// # Errors
    /// Of the database.
    pub async fn move_page(
        &self,
        linked: &[Linked],
        page: &[Waiting],
        moves: &Moves<'_>,
    ) -> Result<HashSet<TimedKey>, NotDone> {
        let attached = self.attach(linked, &moves.attach).await?;
        self.discard(&moves.discard).await?;
        self.add_counts(&moves.counts).await?;
        self.leave(linked, page).await?;
        Ok(attached)
    }

    async fn leave(&self, linked: &[Linked], page: &[Waiting]) -> Result<(), NotDone> {
        let Some(last_key) = page.iter().map(|waiting| waiting.key.0).max() else {
            return Ok(());
        };
        let partition = |waiting: &Waiting| partition_of("backlog", waiting.expire_day);
        let parts = page.iter().map(|one| (partition(one), one.identifier));
        let mut parts: Vec<(String, usize)> = parts.collect();
        parts.sort_unstable();
        parts.dedup();
        let mut left = Vec::with_capacity(parts.len());
        for of_one in parts.chunk_by(|(one, _), (next, _)| one == next) {
            let sql = LEAVE.replace("$partition", &of_one[0].0);
            let statement = self.prepare(&sql).await?;
            for (_, identifier) in of_one {
                let Identifier { kind, value } = &linked[*identifier].identifier;
                left.push((statement.clone(), kind.letter(), &**value));
            }
        }
        let account = &self.account_id.0;
        let leaving = left.iter().map(|(statement, kind, value)| async {
            let params: [Param<'_>; 4] = [account, kind, value, &last_key];
            self.inner.execute(statement, &params).await
        });
        try_join_all(leaving).await?;
        Ok(())
    }

    async fn attach(
        &self,
        linked: &[Linked],
        rows: &[&Waiting],
    ) -> Result<HashSet<TimedKey>, NotDone> {
        if rows.is_empty() {
            return Ok(HashSet::new());
        }
        let (kinds, values) = kinds_and_values(identifiers(linked, rows.iter().copied()));
        let (keys, days) = keys_and_days(rows.iter().copied());
        let contacts: Vec<Uuid> = rows
            .iter()
            .map(|waiting| linked[waiting.identifier].contact_id.0)
            .collect();
        let params: [Param<'_>; 6] = [&self.account_id.0, &kinds, &values, &keys, &days, &contacts];
        Ok(keys_in(&self.query(ATTACH, &params).await?))
    }

    async fn discard(&self, rows: &[&Waiting]) -> Result<(), NotDone> {
        if rows.is_empty() {
            return Ok(());
        }
        let (keys, days) = keys_and_days(rows.iter().copied());
        self.execute(DISCARD, &[&self.account_id.0, &keys, &days])
            .await?;
        Ok(())
    }

    async fn add_counts(&self, counts: &[(ContactId, NaiveDate, u32)]) -> Result<(), NotDone> {
        if counts.is_empty() {
            return Ok(());
        }
        let contacts: Vec<Uuid> = counts.iter().map(|(contact, ..)| contact.0).collect();
        let days: Vec<NaiveDate> = counts.iter().map(|(_, day, _)| *day).collect();
        let added: Vec<i32> = counts
            .iter()
            .map(|(.., count)| i32::try_from(*count).unwrap_or(i32::MAX))
            .collect();
        self.execute(ADD_COUNTS, &[&self.account_id.0, &contacts, &days, &added])
            .await?;
        Ok(())
    }

    /// Notes that nothing waits for `linked` any more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_waiting(&self, linked: &[Linked]) -> Result<(), NotDone> {
        let (kinds, values) = kinds_and_values(linked.iter().map(|linked| &linked.identifier));
        self.execute(END_WAITING, &[&self.account_id.0, &kinds, &values])
            .await?;
        Ok(())
    }
}

fn sorted(families: &Families) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = families.members().map(|contact| contact.0).collect();
    ids.sort_unstable();
    ids
}

fn identifiers<'a>(
    linked: &'a [Linked],
    rows: impl Iterator<Item = &'a Waiting>,
) -> impl Iterator<Item = &'a Identifier> {
    rows.map(|waiting| &linked[waiting.identifier].identifier)
}

fn keys_and_days<'a>(rows: impl Iterator<Item = &'a Waiting>) -> (Vec<Uuid>, Vec<NaiveDate>) {
    rows.map(|waiting| (waiting.key.0, waiting.expire_day))
        .unzip()
}
