//! Aliases of contacts, and what moves when contacts are merged.

use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;

use super::Tx;
use super::memberships::membership_of;
use crate::domain::{Aliases, Key, Memberships};

/// Who these contacts are today.
pub(super) const ALIASES: &str = "
    SELECT m.contact_id, m.survivor_id
    FROM unnest($2::uuid[]) u (id)
    CROSS JOIN LATERAL (
        SELECT contact_id, survivor_id FROM contact_merges
        WHERE account_id = $1 AND contact_id = u.id
        LIMIT 1
    ) m";

const ALIASES_AROUND: &str = "
    WITH ids AS (
        SELECT u.id FROM unnest($2::uuid[]) u (id)
        UNION
        SELECT s.survivor_id FROM unnest($2::uuid[]) u (id)
        CROSS JOIN LATERAL (
            SELECT survivor_id FROM contact_merges
            WHERE account_id = $1 AND contact_id = u.id
            LIMIT 1
        ) s
    )
    SELECT m.contact_id, m.survivor_id
    FROM ids
    CROSS JOIN LATERAL (
        SELECT contact_id, survivor_id FROM contact_merges
        WHERE account_id = $1 AND survivor_id = ids.id AND survivor_id <> contact_id
        OFFSET 0
    ) m";

const STORE_ALIASES: &str = "
    INSERT INTO contact_merges (account_id, contact_id, survivor_id)
    SELECT a.account_id, u.* FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[]) u
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE SET survivor_id = excluded.survivor_id";

const LOCK_OF_CONTACTS: &str = "
    SELECT m.*
    FROM unnest($2::uuid[]) u (contact_id)
    CROSS JOIN LATERAL (
        SELECT * FROM memberships
        WHERE account_id = $1 AND contact_id = u.contact_id
        FOR UPDATE
    ) m";

impl Tx<'_> {
    /// Aliases of the contacts, and of everybody else who was merged into the same
    /// survivors: all that merging these contacts can change.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn aliases_around(&self, contacts: &[ContactId]) -> Result<Aliases, Failure> {
        let rows = self
            .query(ALIASES_AROUND, &[&self.account.0, &raw(contacts)])
            .await?;
        Ok(Aliases::new(rows.iter().map(alias_of)))
    }

    /// Stores aliases that are new or changed.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn store_aliases(&self, aliases: &[(ContactId, ContactId)]) -> Result<(), Failure> {
        let (contacts, survivors): (Vec<Uuid>, Vec<Uuid>) = aliases
            .iter()
            .map(|(contact, survivor)| (contact.0, survivor.0))
            .unzip();
        self.execute(STORE_ALIASES, &[&self.account.0, &contacts, &survivors])
            .await?;
        Ok(())
    }

    /// Locks and reads all memberships of these contacts; for one who has the account's row.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn lock_memberships_of(
        &self,
        contacts: &[ContactId],
    ) -> Result<Memberships, Failure> {
        let rows = self
            .query(LOCK_OF_CONTACTS, &[&self.account.0, &raw(contacts)])
            .await?;
        Ok(rows.iter().map(membership_of).collect())
    }

    /// Removes memberships.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_memberships(&self, keys: &[Key]) -> Result<(), Failure> {
        let delete = "DELETE FROM memberships
            WHERE account_id = $1 AND audience_id = $2 AND contact_id = $3";
        self.execute_each(delete, keys).await
    }
}

fn raw(contacts: &[ContactId]) -> Vec<Uuid> {
    contacts.iter().map(|contact| contact.0).collect()
}

pub(super) fn alias_of(row: &Row) -> (ContactId, ContactId) {
    let (contact, survivor) = (row.get("contact_id"), row.get("survivor_id"));
    (ContactId(contact), ContactId(survivor))
}
