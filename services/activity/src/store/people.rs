//! Splits and deletions of people, and what is known of those who were deleted (semantics 3.9,
//! 3.10).
//!
//! **Invariant:** either takes the account's row for itself, and raises the generation of its
//! links: batches that come after it keep nothing in mind from before.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;
use weir_tombstones::{CONTACT, Erased, ErasureKey, Print};

use super::{NotDone, Param, Tx, index_of};
use crate::domain::{Batch, Counted, Erasure, Identifier, RawTime, Split, Tally, slot_of};

pub(super) const OWN: &str = "
    UPDATE accounts SET links_generation = links_generation + 1
    WHERE account_id = $1 RETURNING links_generation";

// A version that is not above the one that is known is old news.
pub(super) const UNMERGE: &str = "
    INSERT INTO contact_merges AS m (account_id, contact_id, survivor_id, version)
    SELECT a.account_id, $2::uuid, NULL::uuid, $3::bigint FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id, contact_id) DO UPDATE
    SET survivor_id = NULL, version = excluded.version WHERE m.version < excluded.version";

pub(super) const LATE: &str = "
    SELECT activity_key, expire_day FROM activities
    WHERE account_id = $1 AND contact_id = $2 AND receive_time > $3";

pub(super) const MOVE: &str = "
    UPDATE activities SET contact_id = $4
    WHERE account_id = $1 AND activity_key = $2 AND expire_day = $3";

pub(super) const FORGET_MERGE: &str =
    "DELETE FROM contact_merges WHERE account_id = $1 AND contact_id = $2";

pub(super) const FIRST: &str = "
    INSERT INTO erasures (account_id, deletion_id, counts, forget_day)
    SELECT a.account_id, $2::uuid, '[]', $3::date FROM accounts a WHERE a.account_id = $1
    ON CONFLICT (account_id, deletion_id) DO NOTHING";

pub(super) const COUNTS: &str = "
    SELECT counts::text AS counts FROM erasures
    WHERE account_id = $1 AND deletion_id = $2 FOR UPDATE";

pub(super) const COUNTED: &str = "
    UPDATE erasures SET counts = ($3::text)::json WHERE account_id = $1 AND deletion_id = $2";

pub(super) const OF_CONTACT: &str = "
    SELECT activity_key, expire_day, activity_id, event_name, event_time FROM activities
    WHERE account_id = $1 AND contact_id = $2 LIMIT $3";

pub(super) const DELETE_ACTIVITY: &str =
    "DELETE FROM activities WHERE account_id = $1 AND activity_key = $2 AND expire_day = $3";

pub(super) const DELETE_COUNTS: &str =
    "DELETE FROM attached_counts WHERE account_id = $1 AND contact_id = $2";

pub(super) const DELETE_OCCURRENCES: &str =
    "DELETE FROM occurrences WHERE account_id = $1 AND contact_id = $2";

pub(super) const LOCK_IDENTIFIER: &str = "
    SELECT contact_id FROM identifiers
    WHERE account_id = $1 AND kind = $2 AND value = $3 FOR UPDATE";

// What came later is of whoever the identifier is of then.
pub(super) const WAITING: &str = "
    SELECT activity_key, expire_day FROM backlog
    WHERE account_id = $1 AND kind = $2 AND value = $3
        AND (event_time <= $4 OR receive_time <= $4)
    LIMIT $5";

pub(super) const DELETE_WAITING: &str = "
    DELETE FROM backlog WHERE account_id = $1 AND kind = $2 AND value = $3
        AND activity_key = $4 AND expire_day = $5";

pub(super) const DELETE_IDENTIFIER: &str = "
    DELETE FROM identifiers i
    WHERE i.account_id = $1 AND i.kind = $2 AND i.value = $3
        AND (i.contact_id = ANY ($4::uuid[]) OR i.contact_id IS NULL AND NOT EXISTS (
            SELECT FROM backlog b
            WHERE b.account_id = $1 AND b.kind = $2 AND b.value = $3))";

/// Deleted by one transaction: some tens of milliseconds.
const ROWS: usize = 1_000;
/// For how long a deletion's counts can be asked for again.
const REMEMBERED: TimeDelta = TimeDelta::days(31);
/// A batch that names a contact has asked contact-upsert after it was received; where the contact
/// was deleted since, its deletion is not older than that, but for what clocks differ.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(60);

impl Tx<'_> {
    /// Takes the account's row for itself: links that are kept in mind are worth nothing then.
    /// `false` where the account has no row.
    ///
    /// # Errors
    /// Of the database.
    pub async fn own_account(&self) -> Result<bool, NotDone> {
        Ok(!self.query(OWN, &[&self.account_id.0]).await?.is_empty())
    }

    /// A contact is one of its own again, and what came since the merge is the survivor's.
    ///
    /// # Errors
    /// Of the database.
    pub async fn unmerge(&self, split: &Split) -> Result<(), NotDone> {
        let account = &self.account_id.0;
        let contact = &split.contact_id.0;
        let params: [Param<'_>; 3] = [account, contact, &split.version];
        if self.execute(UNMERGE, &params).await? == 0 {
            return Ok(());
        }
        let late = self
            .query(LATE, &[account, contact, &split.merge_time])
            .await?;
        let to_survivor = self.prepare(MOVE).await?;
        let rows: Vec<(Uuid, chrono::NaiveDate)> = late.iter().map(key_and_day).collect();
        let moving = rows.iter().map(|(key, day)| async {
            let params: [Param<'_>; 4] = [account, key, day, &split.survivor_id.0];
            self.inner.execute(&to_survivor, &params).await
        });
        try_join_all(moving).await?;
        Ok(())
    }

    /// Which of a batch's events (by index) are of people who were deleted since they happened,
    /// or name a contact that is no more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn deleted(&self, batch: &Batch, erased: &Erased) -> Result<HashSet<usize>, NotDone> {
        let mut sought: Vec<(usize, bool)> = Vec::new();
        let mut prints: Vec<Print> = Vec::new();
        for (at, event) in batch.events.iter().enumerate() {
            let is_older = event.event_time <= erased.last;
            if let (true, Some(identifier)) = (is_older, event.identifier) {
                sought.push((at, false));
                prints.push(print_of(&erased.key, &batch.identifiers[identifier]));
            }
            let was_under_way = is_older || batch.receive_time <= erased.last + UNDER_WAY;
            if let (true, Some(contact)) = (was_under_way, event.contact_id) {
                sought.push((at, true));
                prints.push(erased.key.print(CONTACT, contact.0.as_bytes()));
            }
        }
        let found = self.look_up(&prints).await?;
        let deleted = found.into_iter().filter_map(|(n, time)| {
            let (at, is_contact) = sought[n];
            (is_contact || batch.events[at].event_time <= time).then_some(at)
        });
        Ok(deleted.collect())
    }

    /// Those of these contacts that were deleted.
    ///
    /// # Errors
    /// Of the database.
    pub async fn deleted_contacts(
        &self,
        contacts: &[ContactId],
        key: &ErasureKey,
    ) -> Result<HashSet<ContactId>, NotDone> {
        let prints = contacts
            .iter()
            .map(|contact| key.print(CONTACT, contact.0.as_bytes()));
        let found = self.look_up(&prints.collect::<Vec<_>>()).await?;
        Ok(found.into_iter().map(|(n, _)| contacts[n]).collect())
    }

    async fn look_up(&self, prints: &[Print]) -> Result<Vec<(usize, DateTime<Utc>)>, NotDone> {
        if prints.is_empty() {
            return Ok(Vec::new());
        }
        let prints: Vec<&[u8]> = prints.iter().map(|print| &print[..]).collect();
        let params: [Param<'_>; 2] = [&self.account_id.0, &prints];
        let rows = self.query(weir_tombstones::sql::LOOK_UP, &params).await?;
        let found = |row: &Row| (index_of(row), row.get("delete_time"));
        Ok(rows.iter().map(found).collect())
    }

    /// Begins a deletion: from now on nothing of the person is stored any more. `false` where the
    /// account has no row.
    ///
    /// # Errors
    /// Of the database.
    pub async fn begin_erasure(&self, erasure: &Erasure) -> Result<bool, NotDone> {
        let account = &self.account_id.0;
        let fresh = ErasureKey::fresh();
        let params: [Param<'_>; 3] = [account, &erasure.delete_time, &fresh.bytes()];
        let rows = self.query(weir_tombstones::sql::BEGIN, &params).await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        let key = ErasureKey::read(row.get("erasure_key")).ok_or(Failure::Internal)?;
        let contacts = erasure.contacts.iter();
        let contacts = contacts.map(|contact| key.print(CONTACT, contact.0.as_bytes()));
        let identifiers = erasure.identifiers.iter().map(|one| print_of(&key, one));
        let mut prints: Vec<Print> = contacts.chain(identifiers).collect();
        prints.sort_unstable();
        prints.dedup();
        let prints: Vec<&[u8]> = prints.iter().map(|print| &print[..]).collect();
        let params: [Param<'_>; 3] = [account, &prints, &erasure.delete_time];
        self.execute(weir_tombstones::sql::NOTE, &params).await?;
        let until = (erasure.delete_time + REMEMBERED).date_naive();
        self.execute(FIRST, &[account, &erasure.deletion_id, &until])
            .await?;
        let merges = self.prepare(FORGET_MERGE).await?;
        let forgetting = erasure.contacts.iter().map(|contact| async {
            let params: [Param<'_>; 2] = [account, &contact.0];
            self.inner.execute(&merges, &params).await
        });
        let merges = try_join_all(forgetting).await?.iter().sum();
        self.count(erasure, "merges", merges).await?;
        Ok(true)
    }

    /// Deletes some of a contact's activities; whether there may be more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn erase_activities(
        &self,
        erasure: &Erasure,
        contact: ContactId,
    ) -> Result<bool, NotDone> {
        let account = &self.account_id.0;
        let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
        let rows = self
            .query(OF_CONTACT, &[account, &contact.0, &limit])
            .await?;
        let delete = self.prepare(DELETE_ACTIVITY).await?;
        let keys: Vec<(Uuid, chrono::NaiveDate)> = rows.iter().map(key_and_day).collect();
        let deleting = keys.iter().map(|(key, day)| async {
            let params: [Param<'_>; 3] = [account, key, day];
            self.inner.execute(&delete, &params).await
        });
        let deleted = try_join_all(deleting).await?;
        let counts = self.execute(DELETE_COUNTS, &[account, &contact.0]).await?;
        let occurrences = self
            .execute(DELETE_OCCURRENCES, &[account, &contact.0])
            .await?;
        self.count(erasure, "activities", deleted.iter().sum())
            .await?;
        self.count(erasure, "attached_counts", counts).await?;
        self.count(erasure, "occurrences", occurrences).await?;
        let gone = rows.iter().zip(deleted).filter(|(_, gone)| *gone > 0);
        let tally = tally_of(gone.map(|(row, _)| row));
        self.count_activities(&tally, slot_of(erasure.deletion_id))
            .await?;
        Ok(rows.len() == ROWS)
    }

    /// Deletes some of what waits for an identifier, and then the identifier; whether there may
    /// be more.
    ///
    /// # Errors
    /// Of the database.
    pub async fn erase_identifier(
        &self,
        erasure: &Erasure,
        identifier: &Identifier,
    ) -> Result<bool, NotDone> {
        let account = &self.account_id.0;
        let (kind, value) = (identifier.kind.letter(), &*identifier.value);
        self.query(LOCK_IDENTIFIER, &[account, &kind, &value])
            .await?;
        let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
        let params: [Param<'_>; 5] = [account, &kind, &value, &erasure.delete_time, &limit];
        let rows = self.query(WAITING, &params).await?;
        let delete = self.prepare(DELETE_WAITING).await?;
        let keys: Vec<(Uuid, chrono::NaiveDate)> = rows.iter().map(key_and_day).collect();
        let deleting = keys.iter().map(|(key, day)| async {
            let params: [Param<'_>; 5] = [account, &kind, &value, key, day];
            self.inner.execute(&delete, &params).await
        });
        let deleted = try_join_all(deleting).await?.iter().sum();
        self.count(erasure, "backlog", deleted).await?;
        if rows.len() == ROWS {
            return Ok(true);
        }
        let contacts: Vec<Uuid> = erasure.contacts.iter().map(|contact| contact.0).collect();
        let params: [Param<'_>; 4] = [account, &kind, &value, &contacts];
        let identifiers = self.execute(DELETE_IDENTIFIER, &params).await?;
        self.count(erasure, "identifiers", identifiers).await?;
        Ok(false)
    }

    /// Adds to what the deletion has deleted so far: with the rows, or not at all.
    async fn count(&self, erasure: &Erasure, what: &str, deleted: u64) -> Result<(), NotDone> {
        let mut counts = self.erased_counts(erasure).await?;
        let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
        match counts.iter_mut().find(|counted| counted.0 == what) {
            Some(counted) if deleted == 0 && counted.1 > 0 => return Ok(()),
            Some(counted) => counted.1 += deleted,
            None => counts.push(Counted(what.to_owned(), deleted)),
        }
        let json = serde_json::to_string(&counts).map_err(|_| Failure::Internal)?;
        let params: [Param<'_>; 3] = [&self.account_id.0, &erasure.deletion_id, &json];
        self.execute(COUNTED, &params).await?;
        Ok(())
    }

    /// What the deletion has deleted so far.
    ///
    /// # Errors
    /// Of the database.
    pub async fn erased_counts(&self, erasure: &Erasure) -> Result<Vec<Counted>, NotDone> {
        let params: [Param<'_>; 2] = [&self.account_id.0, &erasure.deletion_id];
        let rows = self.query(COUNTS, &params).await?;
        let json = rows.first().map(|row| row.get::<_, &str>("counts"));
        Ok(json
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default())
    }
}

/// What deleted rows take off the counts; a time that nobody can read was never counted.
fn tally_of<'a>(rows: impl Iterator<Item = &'a Row>) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        let time = row.try_get::<_, RawTime>("event_time").ok();
        if let Some(time) = time.and_then(RawTime::time) {
            let name: String = row.get("event_name");
            let activity: Uuid = row.get("activity_id");
            tally.add(activity.into(), time.date_naive(), &name.into(), -1, 0);
        }
    }
    tally
}

fn print_of(key: &ErasureKey, identifier: &Identifier) -> Print {
    key.print(identifier.kind.letter(), identifier.value.as_bytes())
}

fn key_and_day(row: &Row) -> (Uuid, chrono::NaiveDate) {
    (row.get("activity_key"), row.get("expire_day"))
}
