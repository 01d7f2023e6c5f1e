//! The projections that contact-upsert's outbox feeds.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::ContactId;

use super::{NotDone, Tx};
use crate::domain::{Identifier, Kind, Link, Merge};

// Versions decide: news of a merge that was undone meanwhile is old.
pub(super) const MERGE: &str = "
    INSERT INTO contact_merges AS m (account_id, contact_id, survivor_id, version)
    SELECT a.account_id, u.contact_id, u.survivor_id, u.version
    FROM accounts a CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::bigint[])
        u (contact_id, survivor_id, version)
    WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE
    SET survivor_id = excluded.survivor_id, version = excluded.version
    WHERE m.version < excluded.version";

// A row that is linked and still waits is one whose attachment was cut short: it is taken
// up again, whatever the version. Only those that wait are answered. The time stays that of
// the first link: what was received after it is not under the cap (semantics 4.9).
pub(super) const LINK: &str = "
    WITH linked AS (
        INSERT INTO identifiers (account_id, kind, value, contact_id, version, link_time, waiting)
        SELECT a.account_id, u.kind, u.value, u.contact_id, u.version, u.link_time, false
        FROM accounts a CROSS JOIN unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[],
            $6::timestamptz[]) u (kind, value, contact_id, version, link_time)
        WHERE a.account_id = $1
        ON CONFLICT (account_id, kind, value) DO UPDATE SET
            contact_id = CASE WHEN identifiers.contact_id IS NULL
                OR identifiers.version < excluded.version
                THEN excluded.contact_id ELSE identifiers.contact_id END,
            link_time = LEAST(identifiers.link_time, excluded.link_time),
            forget_day = NULL,
            version = GREATEST(identifiers.version, excluded.version)
        WHERE identifiers.contact_id IS NULL OR identifiers.version < excluded.version
            OR identifiers.waiting
        RETURNING kind, value, contact_id, link_time, waiting
    )
    SELECT kind, value, contact_id, link_time FROM linked WHERE waiting";

// From each contact up to the one that survived, and from there down to all that were
// merged into it. UNION ends the recursion even where the edges made a circle.
pub(super) const FAMILIES: &str = "
    WITH RECURSIVE up (contact_id) AS (
        SELECT unnest($2::uuid[])
        UNION
        SELECT m.survivor_id FROM up CROSS JOIN LATERAL (
            SELECT m.survivor_id FROM contact_merges m
            WHERE m.account_id = $1 AND m.contact_id = up.contact_id
                AND m.survivor_id IS NOT NULL LIMIT 1
        ) m
    ), family (root, contact_id) AS (
        SELECT up.contact_id, up.contact_id FROM up LEFT JOIN LATERAL (
            SELECT m.survivor_id FROM contact_merges m
            WHERE m.account_id = $1 AND m.contact_id = up.contact_id
                AND m.survivor_id IS NOT NULL LIMIT 1
        ) m ON true
        WHERE m.survivor_id IS NULL
        UNION
        SELECT family.root, m.contact_id FROM family CROSS JOIN LATERAL (
            SELECT m.contact_id FROM contact_merges m
            WHERE m.account_id = $1 AND m.survivor_id = family.contact_id OFFSET 0
        ) m
    )
    SELECT root, contact_id FROM family";

/// An identifier that is linked, locked, and may have backlog.
#[derive(Debug)]
pub struct Linked {
    /// Whose backlog.
    pub identifier: Identifier,
    /// To whom it goes.
    pub contact_id: ContactId,
    /// Since when.
    pub link_time: DateTime<Utc>,
}

/// Contacts with all that were merged with them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Families {
    roots: HashMap<ContactId, ContactId>,
}

impl Families {
    /// The contact that survived.
    pub fn root(&self, contact_id: ContactId) -> ContactId {
        self.roots.get(&contact_id).copied().unwrap_or(contact_id)
    }

    /// Whether any of them was merged with another.
    pub fn has_merges(&self) -> bool {
        self.roots.len() > 1
    }

    /// All of all families.
    pub fn members(&self) -> impl Iterator<Item = ContactId> {
        self.roots.keys().copied()
    }
}

impl Tx<'_> {
    /// Notes contacts that were merged, each once.
    ///
    /// # Errors
    /// Of the database.
    pub async fn merge_contacts(&self, merges: &[Merge]) -> Result<(), NotDone> {
        let merged: Vec<Uuid> = merges.iter().map(|merge| merge.contact_id.0).collect();
        let survivors: Vec<Uuid> = merges.iter().map(|merge| merge.survivor_id.0).collect();
        let versions: Vec<i64> = merges.iter().map(|merge| merge.version).collect();
        let params: [super::Param<'_>; 4] = [&self.account_id.0, &merged, &survivors, &versions];
        self.execute(MERGE, &params).await?;
        Ok(())
    }

    /// Links identifiers (sorted, each once), and locks them; answers those that have backlog.
    ///
    /// # Errors
    /// Of the database.
    pub async fn link(&self, links: &[Link]) -> Result<Vec<Linked>, NotDone> {
        let (kinds, values) = super::kinds_and_values(links.iter().map(|link| &link.identifier));
        let contacts: Vec<Uuid> = links.iter().map(|link| link.contact_id.0).collect();
        let versions: Vec<i64> = links.iter().map(|link| link.version).collect();
        let times: Vec<DateTime<Utc>> = links.iter().map(|link| link.link_time).collect();
        let rows = self
            .query(
                LINK,
                &[
                    &self.account_id.0,
                    &kinds,
                    &values,
                    &contacts,
                    &versions,
                    &times,
                ],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| Linked {
                identifier: Identifier {
                    kind: Kind::of_letter(row.get("kind")),
                    value: row.get::<_, String>("value").into(),
                },
                contact_id: ContactId(row.get("contact_id")),
                link_time: row.get("link_time"),
            })
            .collect())
    }

    /// The families of `contacts`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn families(&self, contacts: &[ContactId]) -> Result<Families, NotDone> {
        let ids: Vec<Uuid> = contacts.iter().map(|contact| contact.0).collect();
        let rows = self.query(FAMILIES, &[&self.account_id.0, &ids]).await?;
        let mut families = Families::default();
        // Where the edges made a circle there is no survivor; each is its own then.
        families
            .roots
            .extend(contacts.iter().map(|contact| (*contact, *contact)));
        families.roots.extend(
            rows.iter()
                .map(|row| (ContactId(row.get("contact_id")), ContactId(row.get("root")))),
        );
        Ok(families)
    }
}
