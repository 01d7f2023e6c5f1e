//! What is kept of merges, so that they can be undone, and what goes with people who are deleted.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;

use super::history::IN_ALL;
use super::memberships::{Columns, membership_of};
use super::{Connection, Param, Tx};
use crate::domain::history::{KEPT_HISTORY, Tallies};
use crate::domain::{Entry, Kept, NOBODY};

const VERSIONS: &str = "
    SELECT m.contact_id, m.survivor_id, m.version
    FROM unnest($2::uuid[]) u (id)
    CROSS JOIN LATERAL (
        SELECT contact_id, survivor_id, version FROM contact_merges
        WHERE account_id = $1 AND contact_id = u.id
        LIMIT 1
    ) m";

const SET_ALIASES: &str = "
    INSERT INTO contact_merges (account_id, contact_id, survivor_id, version)
    SELECT a.account_id, u.* FROM accounts a
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::bigint[]) u
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id)
        DO UPDATE SET survivor_id = excluded.survivor_id, version = excluded.version";

const KEEP: &str = "
    INSERT INTO merged_memberships (account_id, audience_id, contact_id, member,
        member_since_time, left_time, asked_member, update_time, update_message_id, merged_id,
        keep_until)
    SELECT a.account_id, u.*, $11 FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[],
        $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::boolean[],
        $8::timestamptz[], $9::text[], $10::uuid[]) u
    WHERE a.account_id = $1
    ON CONFLICT (account_id, merged_id, contact_id, audience_id) DO UPDATE
    SET member = excluded.member, member_since_time = excluded.member_since_time,
        left_time = excluded.left_time, asked_member = excluded.asked_member,
        update_time = excluded.update_time, update_message_id = excluded.update_message_id,
        keep_until = excluded.keep_until";

const KEPT: &str = "
    SELECT m.*
    FROM unnest($2::uuid[]) u (merged_id)
    CROSS JOIN LATERAL (
        SELECT * FROM merged_memberships
        WHERE account_id = $1 AND merged_id = u.merged_id
        OFFSET 0
    ) m";

const FORGET_KEPT: &str = "
    DELETE FROM merged_memberships WHERE account_id = $1 AND merged_id = $2";

const DELETE_OF_CONTACT: &str = "
    DELETE FROM memberships WHERE account_id = $1 AND contact_id = $2
    RETURNING audience_id, member";

const DELETE_HISTORY: &str = "
    DELETE FROM membership_history WHERE account_id = $1 AND contact_id = $2";

const DELETE_WAITING: &str = "
    DELETE FROM waiting WHERE account_id = $1 AND audience_id = $2 AND contact_id = $3";

const ERASED: &str = "
    INSERT INTO erasures AS e (account_id, deletion_id, memberships, kept_memberships, keep_until)
    SELECT a.account_id, $2::uuid, $3::bigint, $4::bigint, $5::timestamptz
    FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id, deletion_id) DO UPDATE
    SET memberships = e.memberships + excluded.memberships,
        kept_memberships = e.kept_memberships + excluded.kept_memberships
    RETURNING memberships, kept_memberships";

/// For so long it can be looked at what a sync did.
const KEPT_RUNS: TimeDelta = TimeDelta::days(90);

/// A version above all others.
const LAST: i64 = i64::MAX;

impl Tx<'_> {
    /// What is known of these contacts: whom they went into, and in which version.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn versions(
        &self,
        contacts: &[ContactId],
    ) -> Result<Vec<(ContactId, ContactId, i64)>, Failure> {
        let ids: Vec<Uuid> = contacts.iter().map(|contact| contact.0).collect();
        let rows = self.query(VERSIONS, &[&self.account.0, &ids]).await?;
        let known = |row: &Row| {
            let (contact, survivor) = super::merges::alias_of(row);
            (contact, survivor, row.get("version"))
        };
        Ok(rows.iter().map(known).collect())
    }

    /// Stores whom contacts go into, with the version of that.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn set_aliases(
        &self,
        aliases: &[(ContactId, ContactId, i64)],
    ) -> Result<(), Failure> {
        let contacts: Vec<Uuid> = aliases.iter().map(|alias| alias.0.0).collect();
        let survivors: Vec<Uuid> = aliases.iter().map(|alias| alias.1.0).collect();
        let versions: Vec<i64> = aliases.iter().map(|alias| alias.2).collect();
        let params: [Param<'_>; 4] = [&self.account.0, &contacts, &survivors, &versions];
        self.execute(SET_ALIASES, &params).await?;
        Ok(())
    }

    /// Keeps memberships as they are before a merge.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keep(&self, kept: &[Kept], until: DateTime<Utc>) -> Result<(), Failure> {
        if kept.is_empty() {
            return Ok(());
        }
        let entries: Vec<Entry<'_>> = kept.iter().map(|one| (&one.key, &one.membership)).collect();
        let columns = Columns::of(&entries);
        let merged: Vec<Uuid> = kept.iter().map(|one| one.merged.0).collect();
        let mut params: Vec<Param<'_>> = columns.parameters(&self.account.0).to_vec();
        params.extend([&merged as Param<'_>, &until]);
        self.execute(KEEP, &params).await?;
        Ok(())
    }

    /// What was kept of the merges of these contacts.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn kept(&self, merged: &[ContactId]) -> Result<Vec<Kept>, Failure> {
        let ids: Vec<Uuid> = merged.iter().map(|contact| contact.0).collect();
        let rows = self.query(KEPT, &[&self.account.0, &ids]).await?;
        let kept = rows.iter().map(|row| {
            let (key, membership) = membership_of(row);
            Kept {
                merged: ContactId(row.get("merged_id")),
                key,
                membership,
            }
        });
        Ok(kept.collect())
    }

    /// Its merge is undone, or its contact deleted; answers how many rows that were.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_kept(&self, merged: ContactId) -> Result<u64, Failure> {
        self.execute(FORGET_KEPT, &[&self.account.0, &merged.0])
            .await
    }

    /// Deletes all of these contacts; whatever is told of them later leads to nobody. Answers
    /// what the deletion has deleted in all. For one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn erase(
        &self,
        deletion: Uuid,
        contacts: &[ContactId],
        until: DateTime<Utc>,
    ) -> Result<Erased, Failure> {
        let account = &self.account.0;
        let (mut memberships, mut kept) = (0_i64, 0_i64);
        let (mut gone, mut tallies) = (Vec::new(), Tallies::new());
        for contact in contacts {
            let rows = self
                .query(DELETE_OF_CONTACT, &[account, &contact.0])
                .await?;
            memberships += i64::try_from(rows.len()).unwrap_or(i64::MAX);
            for row in &rows {
                let audience = AudienceId(row.get("audience_id"));
                gone.push((audience, *contact));
                let was_member: bool = row.get("member");
                if was_member {
                    tallies.entry(audience).or_default().moved -= 1;
                }
            }
            self.execute(DELETE_HISTORY, &[account, &contact.0]).await?;
            kept += i64::try_from(self.forget_kept(*contact).await?).unwrap_or(i64::MAX);
        }
        self.execute_each(DELETE_WAITING, &gone).await?;
        let aliases = contacts.iter().map(|contact| (*contact, NOBODY, LAST));
        self.set_aliases(&aliases.collect::<Vec<_>>()).await?;
        let params: [Param<'_>; 5] = [account, &deletion, &memberships, &kept, &until];
        let row = self.query_opt(ERASED, &params).await?;
        Ok(Erased {
            memberships: row.as_ref().map_or(0, |row| row.get("memberships")),
            kept: row.as_ref().map_or(0, |row| row.get("kept_memberships")),
            tallies,
        })
    }
}

/// What a deletion of people deleted: in all its calls, and (by audience) in this one.
#[derive(Debug, Default)]
pub struct Erased {
    pub memberships: i64,
    pub kept: i64,
    pub tallies: Tallies,
}

impl Connection {
    /// Accounts behind `after`, in order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn accounts_after(
        &self,
        after: AccountId,
        limit: i64,
    ) -> Result<Vec<AccountId>, Failure> {
        let select = "SELECT account_id FROM accounts /* every account */
            WHERE account_id > $1 ORDER BY account_id LIMIT $2";
        let rows = self.query_open(select, &[&after.0, &limit]).await?;
        Ok(rows
            .iter()
            .map(|row| AccountId(row.get("account_id")))
            .collect())
    }

    /// Drops some of what an account keeps and need not any more at `now`; answers how many rows.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_old(
        &mut self,
        account: AccountId,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<u64, Failure> {
        let aged = self.forget_history(account, now, limit).await?;
        let kept = "DELETE FROM merged_memberships
            WHERE account_id = $1 AND keep_until < $2 AND keep_until <= COALESCE((
                SELECT keep_until FROM merged_memberships
                WHERE account_id = $1 AND keep_until < $2
                ORDER BY keep_until LIMIT 1 OFFSET $3), $2)";
        let erased = "DELETE FROM erasures
            WHERE account_id = $1 AND keep_until < $2 AND keep_until <= COALESCE((
                SELECT keep_until FROM erasures
                WHERE account_id = $1 AND keep_until < $2
                ORDER BY keep_until LIMIT 1 OFFSET $3), $2)";
        let params: [Param<'_>; 3] = [&account.0, &now, &limit];
        let gone = self.execute(account, kept, &params).await?
            + self.execute(account, erased, &params).await?;
        let tx = self.begin(account);
        let before = now - weir_changes::KEPT;
        let changed = weir_changes::purge(&tx.inner, account, before).await?;
        tx.commit().await?;
        Ok(aged + gone + changed)
    }

    async fn forget_history(
        &mut self,
        account: AccountId,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<u64, Failure> {
        let before = now - KEPT_HISTORY;
        let told = "DELETE FROM membership_history
            WHERE account_id = $1 AND change_time < $2 AND change_time <= COALESCE((
                SELECT change_time FROM membership_history
                WHERE account_id = $1 AND change_time < $2
                ORDER BY change_time LIMIT 1 OFFSET $3), $2)";
        let deleted = "DELETE FROM audience_deletions WHERE account_id = $1 AND done_time < $2";
        let days = "DELETE FROM audience_days
            WHERE account_id = $1 AND day > $2 AND day < $3";
        let synced = "DELETE FROM sync_runs WHERE account_id = $1 AND request_time < $2
            AND end_time IS NOT NULL";
        let params: [Param<'_>; 3] = [&account.0, &before, &limit];
        let gone = self.execute(account, told, &params).await?;
        self.execute(account, deleted, &[&account.0, &before])
            .await?;
        let first = before.date_naive();
        self.execute(account, days, &[&account.0, &IN_ALL, &first])
            .await?;
        let runs = now - KEPT_RUNS;
        self.execute(account, synced, &[&account.0, &runs]).await?;
        Ok(gone)
    }
}
