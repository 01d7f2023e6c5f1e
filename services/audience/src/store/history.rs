//! What happened to memberships, and how much of it in which audience.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;

use super::{Connection, Listed, Param, Tx, key_of};
use crate::domain::history::{Cause, Day, Entry, Tallies, Tally, Told, Turn, with_members};
use crate::domain::{Mode, Update};

/// In whose rows counts are added up that are of no day.
pub(super) const IN_ALL: NaiveDate =
    NaiveDate::from_ymd_opt(1, 1, 1).expect("the calendar begins there");

pub(super) const WRITE: &str = "
    INSERT INTO membership_history (account_id, change_time, cause, sync_id, contact_id, change_id,
        audience_id, kind, held_until_time, update_time, message_id)
    SELECT a.account_id, $2, $3, $4, u.* FROM accounts a CROSS JOIN unnest($5::uuid[], $6::uuid[],
        $7::uuid[], $8::smallint[], $9::timestamptz[], $10::timestamptz[], $11::text[]) u
    WHERE a.account_id = $1";

/// Rows are locked in the order in which they are given.
pub(super) const COUNT: &str = "
    INSERT INTO audience_days AS d (account_id, slot, audience_id, day, joined, gone, moved,
        held_back, updates)
    SELECT a.account_id, $2, u.* FROM accounts a CROSS JOIN unnest($3::uuid[], $4::date[],
        $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) u
    WHERE a.account_id = $1
    ON CONFLICT (account_id, audience_id, day, slot) DO UPDATE
    SET joined = d.joined + excluded.joined, gone = d.gone + excluded.gone,
        moved = d.moved + excluded.moved, held_back = d.held_back + excluded.held_back,
        updates = d.updates + excluded.updates";

/// Of whoever the contact is today, with all who went into it.
const OF_CONTACT: &str = "
    WITH today AS MATERIALIZED (
        SELECT COALESCE((SELECT survivor_id FROM contact_merges
            WHERE account_id = $1 AND contact_id = $2), $2) AS id
    )
    SELECT h.*
    FROM (
        SELECT id AS contact_id FROM today
        UNION ALL
        SELECT m.contact_id FROM today CROSS JOIN LATERAL (
            SELECT contact_id FROM contact_merges
            WHERE account_id = $1 AND survivor_id = today.id AND survivor_id <> contact_id
        ) m
    ) f
    CROSS JOIN LATERAL (
        SELECT * FROM membership_history
        WHERE account_id = $1 AND contact_id = f.contact_id AND change_id < $3
          AND ($4::uuid IS NULL OR audience_id = $4)
        ORDER BY change_id DESC LIMIT $5
    ) h
    ORDER BY h.change_id DESC LIMIT $5";

const OF_SYNC: &str = "
    SELECT * FROM membership_history
    WHERE account_id = $1 AND sync_id = $2 AND change_id > $3
    ORDER BY change_id LIMIT $4";

/// The first row is of all days.
const DAYS: &str = "
    SELECT day, sum(joined)::bigint AS joined, sum(gone)::bigint AS gone,
        sum(moved)::bigint AS moved, sum(held_back)::bigint AS held_back,
        sum(updates)::bigint AS updates
    FROM audience_days
    WHERE account_id = $1 AND audience_id = $2 AND (day = $3 OR day > $4)
    GROUP BY day ORDER BY day = $3 DESC, day DESC";

const JOINED: i16 = 1;
const LEFT: i16 = 2;
const HELD_BACK: i16 = 3;
const WITHDRAWN: i16 = 4;

const EVENT: i16 = 1;
const SYNC: i16 = 2;
const MERGE: i16 = 3;
const SPLIT: i16 = 4;

/// What is written down of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Chronicle<'a> {
    pub now: DateTime<Utc>,
    pub cause: Cause,
    pub entries: &'a [Entry],
    pub tallies: &'a Tallies,
    /// Which of the rows of an audience is added to.
    pub slot: i16,
}

impl Tx<'_> {
    /// Writes down what happened, in one round trip; behind everything else that is locked.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tell(&self, of: Chronicle<'_>) -> Result<(), Failure> {
        let written = async {
            match of.entries {
                [] => Ok(()),
                entries => self.write(entries, of).await,
            }
        };
        let counted = async {
            match of.tallies.is_empty() {
                true => Ok(()),
                false => self.count(of).await,
            }
        };
        tokio::try_join!(biased; written, counted)?;
        Ok(())
    }

    async fn write(&self, entries: &[Entry], of: Chronicle<'_>) -> Result<(), Failure> {
        let write = self.prepare(WRITE).await?;
        let (cause, sync) = match of.cause {
            Cause::Event => (EVENT, None),
            Cause::Sync(id) => (SYNC, Some(id)),
            Cause::Merge => (MERGE, None),
            Cause::Split => (SPLIT, None),
        };
        let all = || entries.iter();
        let contacts: Vec<Uuid> = all().map(|one| one.key.1.0).collect();
        let ids: Vec<Uuid> = all().map(|_| weir_ids::fresh()).collect();
        let audiences: Vec<Uuid> = all().map(|one| one.key.0.0).collect();
        let kinds: Vec<i16> = all().map(|one| code_of(one.turn)).collect();
        let held: Vec<Option<DateTime<Utc>>> = all().map(|one| until(one.turn)).collect();
        let times: Vec<DateTime<Utc>> = all().map(|one| one.update.time).collect();
        let messages: Vec<&str> = all().map(|one| &*one.update.message_id).collect();
        let params: [Param<'_>; 11] = [
            &self.account.0,
            &of.now,
            &cause,
            &sync,
            &contacts,
            &ids,
            &audiences,
            &kinds,
            &held,
            &times,
            &messages,
        ];
        self.inner.execute(&write, &params).await?;
        Ok(())
    }

    /// Of the day, and in all.
    async fn count(&self, of: Chronicle<'_>) -> Result<(), Failure> {
        let count = self.prepare(COUNT).await?;
        let today = of.now.date_naive();
        let rows = of.tallies.iter();
        let rows: Vec<(Uuid, NaiveDate, &Tally)> = rows
            .flat_map(|(audience, tally)| [(audience.0, IN_ALL, tally), (audience.0, today, tally)])
            .collect();
        let numbers = |of: fn(&Tally) -> i64| rows.iter().map(|row| of(row.2)).collect::<Vec<_>>();
        let params: [Param<'_>; 9] = [
            &self.account.0,
            &of.slot,
            &rows.iter().map(|row| row.0).collect::<Vec<_>>(),
            &rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            &numbers(|tally| tally.joined),
            &numbers(|tally| tally.left),
            &numbers(|tally| tally.moved),
            &numbers(|tally| tally.held_back),
            &numbers(|tally| tally.updates),
        ];
        self.inner.execute(&count, &params).await?;
        Ok(())
    }
}

impl Connection {
    /// Of a contact and those that were merged into it, the newest first, before `before`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn history_of(
        &mut self,
        account: AccountId,
        contact: ContactId,
        audience: Option<AudienceId>,
        before: Uuid,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Told>>, Failure> {
        let audience = audience.map(|id| id.0);
        let params: [Param<'_>; 5] = [&account.0, &contact.0, &before, &audience, &limit];
        let rows = self.query(account, OF_CONTACT, &params).await?;
        Ok(rows.iter().map(listed).collect())
    }

    /// What a sync did, in order, behind `after`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn done_by(
        &mut self,
        account: AccountId,
        sync: Uuid,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Told>>, Failure> {
        let params: [Param<'_>; 4] = [&account.0, &sync, &after, &limit];
        let rows = self.query(account, OF_SYNC, &params).await?;
        Ok(rows.iter().map(listed).collect())
    }

    /// Days behind `after` on which something happened, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn days(
        &mut self,
        account: AccountId,
        audience: AudienceId,
        after: NaiveDate,
    ) -> Result<Vec<Day>, Failure> {
        let params: [Param<'_>; 4] = [&account.0, &audience.0, &IN_ALL, &after];
        let rows = self.query(account, DAYS, &params).await?;
        let all = rows.iter().map(|row| (row.get("day"), tally_of(row)));
        let all: Vec<(NaiveDate, Tally)> = all.collect();
        let Some(((_, in_all), days)) = all.split_first() else {
            return Ok(Vec::new());
        };
        Ok(with_members(days.iter().copied(), in_all.net()))
    }
}

pub(super) fn tally_of(row: &Row) -> Tally {
    Tally {
        joined: row.get("joined"),
        left: row.get("gone"),
        moved: row.get("moved"),
        held_back: row.get("held_back"),
        updates: row.get("updates"),
    }
}

fn listed(row: &Row) -> Listed<Uuid, Told> {
    (row.get("change_id"), told_of(row))
}

/// None of a kind that a later version may have written.
fn told_of(row: &Row) -> Option<Told> {
    let turn = match row.get("kind") {
        JOINED => Turn::Joined,
        LEFT => Turn::Left,
        HELD_BACK => Turn::HeldBack(row.get::<_, Option<_>>("held_until_time")?),
        WITHDRAWN => Turn::Withdrawn,
        _ => return None,
    };
    let cause = match row.get("cause") {
        EVENT => Cause::Event,
        SYNC => Cause::Sync(row.get::<_, Option<_>>("sync_id")?),
        MERGE => Cause::Merge,
        SPLIT => Cause::Split,
        _ => return None,
    };
    let update = Update {
        time: row.get("update_time"),
        // Of no interest to whoever reads what came of it.
        mode: match turn {
            Turn::Joined | Turn::HeldBack(_) => Mode::Add,
            Turn::Left | Turn::Withdrawn => Mode::Remove,
        },
        message_id: row.get::<_, &str>("message_id").into(),
    };
    Some(Told {
        id: row.get("change_id"),
        entry: Entry {
            key: key_of(row),
            turn,
            update,
        },
        cause,
        time: row.get("change_time"),
    })
}

fn code_of(turn: Turn) -> i16 {
    match turn {
        Turn::Joined => JOINED,
        Turn::Left => LEFT,
        Turn::HeldBack(_) => HELD_BACK,
        Turn::Withdrawn => WITHDRAWN,
    }
}

fn until(turn: Turn) -> Option<DateTime<Utc>> {
    match turn {
        Turn::HeldBack(until) => Some(until),
        _ => None,
    }
}
