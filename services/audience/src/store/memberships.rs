//! Memberships: locked, decided upon, written back; by the batch.

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;

use super::{Connection, Listed, Param, Tx, columns_of, key_of, read};
use crate::domain::{Entry, Key, Member, Membership, Mode, Update};

/// A lock inside keeps the planner from taking the subquery apart.
pub(super) const LOCK: &str = "
    SELECT m.*
    FROM unnest($2::uuid[], $3::uuid[]) u (audience_id, contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM memberships
        WHERE account_id = $1 AND audience_id = u.audience_id AND contact_id = u.contact_id
        FOR UPDATE
    ) m";

macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO memberships (account_id, audience_id, contact_id, member,
                member_since_time, left_time, asked_member, update_time, update_message_id)
            SELECT a.account_id, u.* FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[],
                $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::boolean[],
                $8::timestamptz[], $9::text[]) u
            WHERE a.account_id = $1
            ON CONFLICT (account_id, audience_id, contact_id) ",
            $conflict
        )
    };
}

pub(super) const INSERT: &str = insert!("DO NOTHING");

/// Finds a row by its primary key, as no UPDATE with a join is bound to.
pub(super) const PUT: &str = insert!(
    "DO UPDATE SET member = excluded.member, member_since_time = excluded.member_since_time,
        left_time = excluded.left_time, asked_member = excluded.asked_member,
        update_time = excluded.update_time, update_message_id = excluded.update_message_id"
);

impl Tx<'_> {
    /// Locks and reads the memberships of `keys`, which are sorted and each there once; in
    /// their order, none where there is no membership.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lock_memberships(&self, keys: &[Key]) -> Result<Vec<Option<Membership>>, Failure> {
        let (audiences, contacts) = columns_of(keys.iter());
        let rows = self
            .query(LOCK, &[&self.account.0, &audiences, &contacts])
            .await?;
        let mut memberships = vec![None; keys.len()];
        for (key, membership) in rows.iter().map(membership_of) {
            let index = keys.binary_search(&key).map_err(|_| Failure::Internal)?;
            memberships[index] = Some(membership);
        }
        Ok(memberships)
    }

    /// Stores new memberships. `false`: another was faster with one of them; start anew.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn insert_memberships(&self, new: &[Entry<'_>]) -> Result<bool, Failure> {
        if new.is_empty() {
            return Ok(true);
        }
        let columns = Columns::of(new);
        let inserted = self
            .execute(INSERT, &columns.parameters(&self.account.0))
            .await?;
        Ok(inserted == new.len() as u64)
    }

    /// Stores memberships that are locked; for one who has the account's row, new ones, too.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn put_memberships(&self, changed: &[Entry<'_>]) -> Result<(), Failure> {
        let columns = Columns::of(changed);
        self.execute(PUT, &columns.parameters(&self.account.0))
            .await?;
        Ok(())
    }

    /// Stores memberships that are locked, and commits.
    ///
    /// # Errors
    /// Where the database fails: it may or may not have committed then.
    pub async fn put_memberships_and_commit(self, changed: &[Entry<'_>]) -> Result<(), Failure> {
        if changed.is_empty() {
            return self.commit().await;
        }
        let statement = self.prepare(PUT).await?;
        let columns = Columns::of(changed);
        let account = self.account.0;
        self.inner
            .commit_with(&statement, &columns.parameters(&account))
            .await?;
        Ok(())
    }
}

impl Connection {
    /// Up to `limit` members whose contact ids come after `after`, with the time since when they
    /// belong to it; none where that can't be read.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn members_after(
        &mut self,
        account: AccountId,
        audience: AudienceId,
        after: ContactId,
        limit: i64,
    ) -> Result<Vec<Listed<ContactId, Member>>, Failure> {
        let select = "
            SELECT contact_id, member_since_time FROM memberships
            WHERE account_id = $1 AND audience_id = $2 AND contact_id > $3 AND member
            ORDER BY contact_id LIMIT $4";
        let rows = self
            .query(
                account,
                select,
                &[&account.0, &audience.0, &after.0, &limit],
            )
            .await?;
        let listed = |row: &Row| {
            let contact = ContactId(row.get("contact_id"));
            let since = row.try_get("member_since_time");
            let member = since.map(|since| Member { contact, since });
            (contact, read("member", member))
        };
        Ok(rows.iter().map(listed).collect())
    }

    /// Those of one contact, by audience, after `after`; at most `limit`. None of an audience that
    /// is being deleted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn memberships_of(
        &mut self,
        account: AccountId,
        contact: ContactId,
        after: AudienceId,
        limit: i64,
    ) -> Result<Vec<(AudienceId, Membership)>, Failure> {
        let select = "
            SELECT * FROM memberships m
            WHERE account_id = $1 AND contact_id = COALESCE((SELECT survivor_id
                    FROM contact_merges WHERE account_id = $1 AND contact_id = $2), $2)
              AND audience_id > $3 AND EXISTS (
                SELECT FROM audiences
                WHERE account_id = $1 AND audience_id = m.audience_id)
            ORDER BY audience_id LIMIT $4";
        let rows = self
            .query(account, select, &[&account.0, &contact.0, &after.0, &limit])
            .await?;
        let one = |row: &Row| (AudienceId(row.get("audience_id")), membership_of(row).1);
        Ok(rows.iter().map(one).collect())
    }
}

/// Memberships as arrays, one for each column.
pub(super) struct Columns<'a> {
    audiences: Vec<Uuid>,
    contacts: Vec<Uuid>,
    member: Vec<bool>,
    since: Vec<Option<DateTime<Utc>>>,
    left: Vec<Option<DateTime<Utc>>>,
    asked_member: Vec<bool>,
    update_time: Vec<DateTime<Utc>>,
    update_message_id: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    pub fn of(entries: &[Entry<'a>]) -> Self {
        let (audiences, contacts) = columns_of(entries.iter().map(|(key, _)| *key));
        let all = || entries.iter().map(|(_, membership)| membership);
        Self {
            audiences,
            contacts,
            member: all().map(|one| one.member).collect(),
            since: all().map(|one| one.member_since).collect(),
            left: all().map(|one| one.left).collect(),
            asked_member: all().map(|one| one.update.mode == Mode::Add).collect(),
            update_time: all().map(|one| one.update.time).collect(),
            update_message_id: all().map(|one| &*one.update.message_id).collect(),
        }
    }

    pub fn parameters<'b>(&'b self, account: &'b Uuid) -> [Param<'b>; 9] {
        [
            account,
            &self.audiences,
            &self.contacts,
            &self.member,
            &self.since,
            &self.left,
            &self.asked_member,
            &self.update_time,
            &self.update_message_id,
        ]
    }
}

pub(super) fn membership_of(row: &Row) -> (Key, Membership) {
    let asks_to_be_in: bool = row.get("asked_member");
    let membership = Membership {
        member: row.get("member"),
        member_since: row.get("member_since_time"),
        left: row.get("left_time"),
        update: Update {
            time: row.get("update_time"),
            mode: if asks_to_be_in {
                Mode::Add
            } else {
                Mode::Remove
            },
            message_id: ByteString::from(row.get::<_, &str>("update_message_id")),
        },
    };
    (key_of(row), membership)
}
