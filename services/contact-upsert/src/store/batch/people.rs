//! What a person does to contacts, written as a batch is: behind the account's row, with the
//! contacts locked in the order of their ids.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_changes::{Author, Change, Counted, Thing};
use weir_ids::ContactId;

use super::merges::read_before;
use super::rows::HeldLinks;
use super::{BatchTx, NotStored, sql};
use crate::domain::{Changes, Key, PastMerge, StoredContact};
use crate::metrics;
use crate::store::OutboxRow;

/// With the batches that are being stored.
const SHARE_ACCOUNT: &str = "
    SELECT unique_identifiers, caseless_identifiers, links_generation, is_searched
    FROM accounts WHERE account_id = $1 FOR SHARE";

/// Alone: what batches keep in mind of links is worth nothing from now on.
const OWN_ACCOUNT: &str = "
    UPDATE accounts SET links_generation = links_generation + 1
    WHERE account_id = $1
    RETURNING unique_identifiers, caseless_identifiers, links_generation, is_searched";

const MERGE: &str = "
    SELECT merge_id, merged_id, survivor_id, turn, merge_time, split_time,
           identifiers::text, before::text
    FROM merges WHERE account_id = $1 AND merge_id = $2";

/// Of one survivor the last merge behind a turn, as long as it stands.
const LATER: &str = "
    SELECT merge_id FROM merges
    WHERE account_id = $1 AND survivor_id = $2 AND turn > $3 AND split_time IS NULL
    ORDER BY turn DESC LIMIT 1";

/// The one in which a contact went.
const WENT: &str = "
    SELECT merge_id FROM merges
    WHERE account_id = $1 AND merged_id = $2 AND split_time IS NULL LIMIT 1";

const END_MERGE: &str = "
    UPDATE merges SET split_time = $3
    WHERE account_id = $1 AND merge_id = $2 AND split_time IS NULL";

/// A contact, and all that were merged into it.
const FAMILY: &str = "
    WITH RECURSIVE family AS (
        SELECT $2::uuid AS contact_id
        UNION
        SELECT next.merged_id
        FROM family CROSS JOIN LATERAL (
            SELECT merged_id FROM merges
            WHERE account_id = $1 AND survivor_id = family.contact_id AND split_time IS NULL
            OFFSET 0
        ) AS next)
    SELECT contact_id FROM family";

/// What an account's row says of how contacts are told apart.
#[derive(Debug, Clone)]
pub struct AccountRow {
    /// None where they were never changed here.
    pub unique_identifiers: Option<Vec<String>>,
    pub caseless_identifiers: Vec<String>,
}

/// Contacts that are locked.
pub struct LockedContacts(Vec<Row>);

impl LockedContacts {
    /// As the domain takes them, by id. Those that are not there any more are missing.
    pub fn contacts(&self) -> Vec<StoredContact<'_>> {
        self.0.iter().map(StoredContact::from).collect()
    }
}

/// A merge as it is stored.
pub fn past_merge(row: &Row) -> PastMerge {
    let identifiers: Option<&str> = row.get("identifiers");
    let before: Option<&str> = row.get("before");
    let pairs = identifiers.and_then(|json| serde_json::from_str(json).ok());
    let read = before.map(read_before);
    if matches!(read, Some(None)) {
        metrics::unreadable("merge");
        tracing::error!("what was before a merge can't be read");
    }
    PastMerge {
        id: row.get("merge_id"),
        merged: ContactId(row.get("merged_id")),
        survivor: ContactId(row.get("survivor_id")),
        turn: row.get("turn"),
        merge_time: row.get("merge_time"),
        split_time: row.get("split_time"),
        before: read.flatten().filter(|_| pairs.is_some()),
        identifiers: pairs.unwrap_or_default(),
    }
}

impl BatchTx<'_> {
    /// Writes down what somebody changed (semantics 9.5).
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn record(&self, author: &Author, change: &Change) -> Result<(), NotStored> {
        let account = self.batch.account;
        Ok(weir_changes::record(&self.tx, account, author, change, self.now).await?)
    }

    /// Adds to what an import wrote so far: one entry for all of its requests.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn record_import(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let Some(import) = &self.batch.import else {
            return Ok(());
        };
        let written = changes.contacts_new.len()
            + changes.contacts_changed.len()
            + changes.contacts_moved.len();
        if written == 0 {
            return Ok(());
        }
        let counted = Counted {
            thing: Thing::Import,
            thing_id: import.id,
            field: "contacts",
            count: i64::try_from(written).unwrap_or(i64::MAX),
        };
        let account = self.batch.account;
        let author = &import.author;
        Ok(weir_changes::count(&self.tx, account, author, &counted, self.now).await?)
    }

    /// Holds the account's row: shared, as batches do, or alone. None where nothing was ever
    /// stored for the account.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn open_account(&mut self, alone: bool) -> Result<Option<AccountRow>, NotStored> {
        let sql = if alone { OWN_ACCOUNT } else { SHARE_ACCOUNT };
        let open = self.tx.prepare_cached(sql).await?;
        let row = self.tx.query_opt(&open, &[&self.batch.account.0]).await?;
        let Some(row) = row else { return Ok(None) };
        self.generation = row.get("links_generation");
        self.note_search(&row);
        Ok(Some(AccountRow {
            unique_identifiers: row.get("unique_identifiers"),
            caseless_identifiers: row.get("caseless_identifiers"),
        }))
    }

    /// The contact that this one is today.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn live(&self, contact: ContactId) -> Result<Option<ContactId>, NotStored> {
        let live = self.tx.prepare_cached(crate::store::contacts::LIVE).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &contact.0];
        let row = self.tx.query_opt(&live, &sought).await?;
        Ok(row.map(|row| ContactId(row.get("contact_id"))))
    }

    /// Locks contacts, in the order of their ids.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn lock(&self, contacts: &[ContactId]) -> Result<LockedContacts, NotStored> {
        let mut ids: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        let lock = self.tx.prepare_cached(sql::LOCK_CONTACTS).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &ids];
        Ok(LockedContacts(self.tx.query(&lock, &sought).await?))
    }

    /// Those of these identifiers that are anybody's.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn links_of(&self, keys: &[Key<'_>]) -> Result<HeldLinks, NotStored> {
        let mut found = Vec::new();
        if !keys.is_empty() {
            let (kinds, values): (Vec<&str>, Vec<&str>) =
                keys.iter().map(|key| (key.kind, &*key.value)).unzip();
            let by_key = self.tx.prepare_cached(sql::NAMED_LINKS).await?;
            let sought: [&(dyn ToSql + Sync); 3] = [&self.batch.account.0, &kinds, &values];
            found = self.tx.query(&by_key, &sought).await?;
        }
        Ok(HeldLinks(found))
    }

    /// A merge.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn merge_row(&self, merge: Uuid) -> Result<Option<PastMerge>, NotStored> {
        let by_id = self.tx.prepare_cached(MERGE).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &merge];
        let row = self.tx.query_opt(&by_id, &sought).await?;
        Ok(row.as_ref().map(past_merge))
    }

    /// The merge that has to be undone before this one can be.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn in_the_way(&self, merge: &PastMerge) -> Result<Option<Uuid>, NotStored> {
        let account = &self.batch.account.0;
        let went = self.tx.prepare_cached(WENT).await?;
        let row = self
            .tx
            .query_opt(&went, &[account, &merge.survivor.0])
            .await?;
        let row = match row {
            Some(row) => Some(row),
            None => {
                let later = self.tx.prepare_cached(LATER).await?;
                let sought: [&(dyn ToSql + Sync); 3] = [account, &merge.survivor.0, &merge.turn];
                self.tx.query_opt(&later, &sought).await?
            }
        };
        Ok(row.map(|row| row.get("merge_id")))
    }

    /// The contact and all that were merged into it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn family(&self, contact: ContactId) -> Result<Vec<ContactId>, NotStored> {
        let family = self.tx.prepare_cached(FAMILY).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.batch.account.0, &contact.0];
        let rows = self.tx.query(&family, &sought).await?;
        Ok(rows
            .iter()
            .map(|row| ContactId(row.get("contact_id")))
            .collect())
    }

    /// Writes and commits what a split comes to.
    ///
    /// # Errors
    /// When PostgreSQL refuses; [`NotStored::Conflict`] where the merge was undone meanwhile.
    pub async fn commit_split(
        self,
        merge: Uuid,
        changes: &Changes<'_>,
        message: &OutboxRow,
        (author, change): (&Author, &Change),
    ) -> Result<(), NotStored> {
        self.write_all(changes, Some(message)).await?;
        self.record(author, change).await?;
        let end = self.tx.prepare_cached(END_MERGE).await?;
        let ended: [&(dyn ToSql + Sync); 3] = [&self.batch.account.0, &merge, &self.now];
        if self.tx.execute(&end, &ended).await? != 1 {
            return Err(NotStored::Conflict);
        }
        self.store.links.renew(self.era());
        self.commit(changes).await?;
        Ok(())
    }
}
