//! Aliases of contacts, and what moves when contacts are joined.

use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;

use super::Batch;
use super::memberships::{COLUMNS, Columns, Key, Stored, membership_of};
use crate::domain::Aliases;

/// Who these contacts are today.
pub(super) const ALIASES: &str = "
    SELECT j.contact_id, j.survivor_id
    FROM contact_joins j JOIN unnest($2::uuid[]) u (id) ON j.contact_id = u.id
    WHERE j.account_id = $1";

impl Batch<'_> {
    /// Aliases of the contacts, and of everybody else who was joined into the same
    /// survivors: all that joining these contacts can change.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn aliases_around(&self, contacts: &[ContactId]) -> Result<Aliases, Failure> {
        let statement = self
            .transaction
            .prepare_cached(
                "WITH ids AS (
                     SELECT u.id FROM unnest($2::uuid[]) u (id)
                     UNION
                     SELECT j.survivor_id
                     FROM contact_joins j JOIN unnest($2::uuid[]) u (id) ON j.contact_id = u.id
                     WHERE j.account_id = $1
                 )
                 SELECT j.contact_id, j.survivor_id
                 FROM contact_joins j JOIN ids ON j.survivor_id = ids.id
                 WHERE j.account_id = $1",
            )
            .await?;
        let rows = self
            .transaction
            .query(&statement, &[&self.account.0, &raw(contacts)])
            .await?;
        Ok(Aliases::new(rows.iter().map(alias_of)))
    }

    /// Stores aliases that are new or changed.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn store_aliases(&self, aliases: &[(ContactId, ContactId)]) -> Result<(), Failure> {
        let statement = self
            .transaction
            .prepare_cached(
                "INSERT INTO contact_joins (account_id, contact_id, survivor_id)
                 SELECT a.account_id, u.* FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[]) u
                 WHERE a.account_id = $1
                 ON CONFLICT (account_id, contact_id)
                     DO UPDATE SET survivor_id = excluded.survivor_id",
            )
            .await?;
        let contacts: Vec<Uuid> = aliases.iter().map(|alias| alias.0.0).collect();
        let survivors: Vec<Uuid> = aliases.iter().map(|alias| alias.1.0).collect();
        self.transaction
            .execute(&statement, &[&self.account.0, &contacts, &survivors])
            .await?;
        Ok(())
    }

    /// Locks and reads all memberships of these contacts.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lock_memberships_of(&self, contacts: &[ContactId]) -> Result<Stored, Failure> {
        let statement = self
            .transaction
            .prepare_cached(&format!(
                "SELECT {COLUMNS}
                 FROM memberships m JOIN unnest($2::uuid[]) u (contact_id)
                   ON m.contact_id = u.contact_id
                 WHERE m.account_id = $1
                 ORDER BY m.audience_id, m.contact_id
                 FOR UPDATE OF m"
            ))
            .await?;
        let rows = self
            .transaction
            .query(&statement, &[&self.account.0, &raw(contacts)])
            .await?;
        Ok(rows.iter().map(membership_of).collect())
    }

    /// Removes memberships.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_memberships(&self, keys: &[Key]) -> Result<(), Failure> {
        let statement = self
            .transaction
            .prepare_cached(
                "DELETE FROM memberships m USING unnest($2::uuid[], $3::uuid[])
                     u (audience_id, contact_id)
                 WHERE m.account_id = $1 AND m.audience_id = u.audience_id
                   AND m.contact_id = u.contact_id",
            )
            .await?;
        let audiences: Vec<Uuid> = keys.iter().map(|key| key.0.0).collect();
        let contacts: Vec<Uuid> = keys.iter().map(|key| key.1.0).collect();
        self.transaction
            .execute(&statement, &[&self.account.0, &audiences, &contacts])
            .await?;
        Ok(())
    }

    /// Stores memberships whether they exist or not; for one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn put_memberships(&self, memberships: &Stored) -> Result<(), Failure> {
        let statement = self
            .transaction
            .prepare_cached(
                "INSERT INTO memberships (account_id, audience_id, contact_id, member,
                     member_since_time, left_time, wish_member, wish_time, wish_message_id)
                 SELECT a.account_id, u.* FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[],
                     $4::boolean[], $5::timestamptz[], $6::timestamptz[], $7::boolean[],
                     $8::timestamptz[], $9::text[]) u
                 WHERE a.account_id = $1
                 ON CONFLICT (account_id, audience_id, contact_id) DO UPDATE SET
                     member = excluded.member, member_since_time = excluded.member_since_time,
                     left_time = excluded.left_time, wish_member = excluded.wish_member,
                     wish_time = excluded.wish_time, wish_message_id = excluded.wish_message_id",
            )
            .await?;
        let entries: Vec<_> = memberships.iter().collect();
        let columns = Columns::of(&entries);
        self.transaction
            .execute(&statement, &columns.parameters(&self.account.0))
            .await?;
        Ok(())
    }
}

fn raw(contacts: &[ContactId]) -> Vec<Uuid> {
    contacts.iter().map(|contact| contact.0).collect()
}

pub(super) fn alias_of(row: &Row) -> (ContactId, ContactId) {
    (ContactId(row.get(0)), ContactId(row.get(1)))
}
