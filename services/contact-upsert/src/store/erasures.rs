//! Deletions of people: all that is theirs goes in one transaction, which leaves what is to be
//! told to other services, and a receipt (semantics 3.9).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_changes::{Author, Change};
use weir_ids::{AccountId, ContactId};
use weir_postgres::{Client, Failure, Tx, work};
use weir_tombstones::{CONTACT, ErasureKey, Print};

pub use weir_tombstones::KEPT;

use super::Store;
use crate::domain::{Counted, Deletion, Payload};

mod sql;

/// As [`work`] names it.
const ERASURES: &str = "erasures";

/// Deletes a person. Everything of it is one transaction.
pub struct ErasureTx<'c> {
    tx: Tx<'c>,
    account: AccountId,
    now: DateTime<Utc>,
    key: ErasureKey,
}

/// What a contact and those that were merged into it have.
pub struct Found {
    pub contacts: Vec<ContactId>,
    /// Kind and value.
    pub identifiers: BTreeSet<(String, String)>,
    /// Fields and registers, as rows and merges have them.
    pub rows: Vec<(String, String)>,
    merges: Vec<Uuid>,
}

impl Found {
    /// An identifier that leads to nobody.
    pub fn of_nobody(identifier: (String, String)) -> Self {
        Self {
            contacts: Vec::new(),
            identifiers: BTreeSet::from([identifier]),
            rows: Vec::new(),
            merges: Vec::new(),
        }
    }
}

impl<'c> ErasureTx<'c> {
    /// Takes the account for itself. None where nothing was ever stored for it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn begin(
        client: &'c mut Client,
        account: AccountId,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, Failure> {
        let tx = Tx::begin(client, account);
        let begin = tx.prepare_cached(weir_tombstones::sql::BEGIN).await?;
        let fresh = ErasureKey::fresh();
        let parameters: [&(dyn ToSql + Sync); 3] = [&account.0, &now, &fresh.bytes()];
        let Some(row) = tx.query_opt(&begin, &parameters).await? else {
            return Ok(None);
        };
        let key = ErasureKey::read(row.get("erasure_key")).ok_or(Failure::Internal)?;
        Ok(Some(Self {
            tx,
            account,
            now,
            key,
        }))
    }

    /// A deletion that was asked for before.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn earlier(&self, deletion: Uuid) -> Result<Option<Deletion>, Failure> {
        let one = self.tx.prepare_cached(sql::ONE).await?;
        let row = self
            .tx
            .query_opt(&one, &[&self.account.0, &deletion])
            .await?;
        Ok(row.as_ref().map(deletion_of))
    }

    /// The unique identifiers of the account, where they were changed here, and those that are
    /// compared without case.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn unique_identifiers(&self) -> Result<(Vec<String>, Vec<String>), Failure> {
        let unique = self.tx.prepare_cached(sql::UNIQUE).await?;
        let row = self.tx.query_opt(&unique, &[&self.account.0]).await?;
        let row = row.ok_or(Failure::Internal)?;
        let fields: Option<Vec<String>> = row.get("unique_identifiers");
        Ok((fields.unwrap_or_default(), row.get("caseless_identifiers")))
    }

    /// Who has an identifier; all zeros where removes are kept for nobody.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn holder(&self, kind: &str, value: &str) -> Result<Option<ContactId>, Failure> {
        let by = self
            .tx
            .prepare_cached(super::contacts::BY_IDENTIFIER)
            .await?;
        let sought: [&(dyn ToSql + Sync); 3] = [&self.account.0, &kind, &value];
        let row = self.tx.query_opt(&by, &sought).await?;
        Ok(row.map(|row| ContactId(row.get("contact_id"))))
    }

    /// The contact that this one is today.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn live(&self, contact: ContactId) -> Result<Option<ContactId>, Failure> {
        let live = self.tx.prepare_cached(super::contacts::LIVE).await?;
        let row = self
            .tx
            .query_opt(&live, &[&self.account.0, &contact.0])
            .await?;
        Ok(row.map(|row| ContactId(row.get("contact_id"))))
    }

    /// Whether somebody was deleted since a time who was known by this, as long as hashes are
    /// kept.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn has_deleted(
        &self,
        kind: &str,
        value: &str,
        since: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let print = self.key.print(kind, value.as_bytes());
        self.has_print(print, since).await
    }

    /// Whether a contact was, or one into which it was merged.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn has_deleted_contact(
        &self,
        contact: ContactId,
        since: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        self.has_print(self.print_of(&contact), since).await
    }

    async fn has_print(&self, print: Print, since: DateTime<Utc>) -> Result<bool, Failure> {
        let look_up = weir_tombstones::sql::LOOK_UP;
        let look_up = self.tx.prepare_cached(look_up).await?;
        let sought: [&(dyn ToSql + Sync); 2] = [&self.account.0, &vec![&print[..]]];
        let row = self.tx.query_opt(&look_up, &sought).await?;
        Ok(row.is_some_and(|row| row.get::<_, DateTime<Utc>>("delete_time") >= since))
    }

    fn print_of(&self, contact: &ContactId) -> Print {
        self.key.print(CONTACT, contact.0.as_bytes())
    }

    /// All that a contact and those that were merged into it have. No batch is under way, so
    /// nothing of it changes.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn find(&self, contact: ContactId) -> Result<Found, Failure> {
        let account = &self.account.0;
        let family = self.tx.prepare_cached(sql::FAMILY).await?;
        let family = self.tx.query(&family, &[account, &contact.0]).await?;
        let ids: Vec<Uuid> = family.iter().map(|row| row.get("contact_id")).collect();
        let held = self.tx.prepare_cached(sql::IDENTIFIERS).await?;
        let held = self.tx.query(&held, &[account, &ids]).await?;
        let pair = |row: &Row| (row.get("kind"), row.get("value"));
        let rows = self.tx.prepare_cached(sql::ROWS).await?;
        let rows = self.tx.query(&rows, &[account, &ids]).await?;
        let row = |row: &Row| (row.get("fields"), row.get("registers"));
        let merges = self.tx.prepare_cached(sql::MERGES).await?;
        let merges = self.tx.query(&merges, &[account, &ids]).await?;
        let before = |row: &Row| {
            let (fields, registers): (Option<_>, Option<_>) =
                (row.get("fields"), row.get("registers"));
            fields.zip(registers)
        };
        Ok(Found {
            contacts: ids.iter().copied().map(ContactId).collect(),
            identifiers: held.iter().map(pair).collect(),
            rows: rows
                .iter()
                .map(row)
                .chain(merges.iter().filter_map(before))
                .collect(),
            merges: merges.iter().map(|row| row.get("merge_id")).collect(),
        })
    }

    /// Deletes it all, and `known_by`, by which the person was known besides; leaves the hashes.
    /// Answers what went.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn delete(
        &self,
        found: &Found,
        known_by: &BTreeSet<(String, String)>,
    ) -> Result<Vec<Counted>, Failure> {
        let account = &self.account.0;
        let note = self.tx.prepare_cached(weir_tombstones::sql::NOTE).await?;
        let prints = known_by.iter();
        let mut prints: Vec<Print> = prints
            .map(|(kind, value)| self.key.print(kind, value.as_bytes()))
            .chain(found.contacts.iter().map(|contact| self.print_of(contact)))
            .collect();
        prints.sort_unstable();
        let prints: Vec<&[u8]> = prints.iter().map(|print| &print[..]).collect();
        self.tx
            .execute(&note, &[account, &prints, &self.now])
            .await?;

        let contacts: Vec<[&(dyn ToSql + Sync); 2]> = found
            .contacts
            .iter()
            .map(|id| [account as _, &id.0 as _])
            .collect();
        let merges: Vec<[&(dyn ToSql + Sync); 2]> = found
            .merges
            .iter()
            .map(|id| [account as _, id as _])
            .collect();
        let keys = known_by.iter();
        let keys: Vec<[&(dyn ToSql + Sync); 3]> = keys
            .map(|(kind, value)| [account as _, kind as _, value as _])
            .collect();
        let counted = |what: &str, count| Counted("contact".into(), what.into(), count);
        let rows = [
            counted("contacts", self.each(sql::DELETE_CONTACT, &contacts).await?),
            counted("identifiers", self.held(found).await?),
            counted("merges", self.each(sql::DELETE_MERGE, &merges).await?),
            counted("kept_removes", self.each(sql::DELETE_KEPT, &keys).await?),
        ];
        self.each(sql::DELETE_TEXTS, &contacts).await?;
        // How often they took over others names what brought those.
        self.each(sql::DELETE_ABSORPTIONS, &contacts).await?;
        // Rows that lead to nobody: under them nothing is kept any more.
        self.each(sql::DELETE_MARK, &keys).await?;
        Ok(rows.into())
    }

    async fn held(&self, found: &Found) -> Result<i64, Failure> {
        let account = &self.account.0;
        let ids: Vec<Uuid> = found.contacts.iter().map(|id| id.0).collect();
        let keys = found.identifiers.iter();
        let keys: Vec<[&(dyn ToSql + Sync); 4]> = keys
            .map(|(kind, value)| [account as _, kind as _, value as _, &ids as _])
            .collect();
        self.each(sql::DELETE_IDENTIFIER, &keys).await
    }

    /// Runs a statement for each of these rows, all sent at once: so that none of it reads the
    /// whole account.
    async fn each<const N: usize>(
        &self,
        sql: &str,
        rows: &[[&(dyn ToSql + Sync); N]],
    ) -> Result<i64, Failure> {
        if rows.is_empty() {
            return Ok(0);
        }
        let statement = self.tx.prepare_cached(sql).await?;
        let mut deleted = 0;
        for some in rows.chunks(AT_ONCE) {
            let each = some.iter().map(|row| self.tx.execute(&statement, row));
            for done in join_all(each).await {
                deleted += done?;
            }
        }
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }

    /// Writes down who deleted (semantics 9.5).
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn record(&self, author: &Author, change: &Change) -> Result<(), Failure> {
        weir_changes::record(&self.tx, self.account, author, change, self.now).await
    }

    /// Leaves the receipt and what is to be told, and commits.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn commit(self, deletion: &Deletion, payload: &Payload) -> Result<(), Failure> {
        let insert = self.tx.prepare_cached(sql::INSERT).await?;
        let payload = serde_json::to_string(payload).map_err(|_| Failure::Internal)?;
        let counts = serde_json::to_string(&deletion.counts).map_err(|_| Failure::Internal)?;
        let contact = deletion.contact.map(|id| id.0);
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.account.0,
            &deletion.id,
            &contact,
            &self.now,
            &payload,
            &counts,
        ];
        self.tx.execute(&insert, &parameters).await?;
        work::note(&self.tx, self.account, ERASURES, self.now).await?;
        Ok(self.tx.commit().await?)
    }
}

/// Statements that are sent before the first is answered.
const AT_ONCE: usize = 500;

/// What of a deletion is still to be told.
#[derive(Debug, Clone)]
pub struct Due {
    pub account: AccountId,
    pub deletion: Deletion,
    /// How often all were told.
    pub rounds: i32,
    pub payload: String,
}

fn deletion_of(row: &Row) -> Deletion {
    Deletion {
        id: row.get("deletion_id"),
        contact: row.get::<_, Option<Uuid>>("contact_id").map(ContactId),
        request_time: row.get("request_time"),
        done_time: row.get("done_time"),
        counts: serde_json::from_str(row.get("counts")).unwrap_or_default(),
    }
}

impl Store {
    /// The receipt of a deletion.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn deletion(
        &self,
        account: AccountId,
        deletion: Uuid,
    ) -> Result<Option<Deletion>, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let one = tx.prepare_cached(sql::ONE).await?;
        let row = tx.query_opt(&one, &[&account.0, &deletion]).await?;
        Ok(row.as_ref().map(deletion_of))
    }

    /// Up to `limit` deletions that are to be told now, of those accounts of which one is due for
    /// longest; of many accounts some of each.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn due_erasures(&self, now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>, Failure> {
        let mut client = self.client().await?;
        let mut all = Vec::new();
        let accounts = work::due(&client, ERASURES, now, limit).await?;
        let of_each = limit / (accounts.len() as i64).max(1);
        for (account, _) in accounts {
            let tx = Tx::begin(&mut client, account);
            let due = tx.prepare_cached(sql::DUE).await?;
            let rows = tx.query(&due, &[&account.0, &now, &of_each]).await?;
            drop(tx);
            if rows.is_empty() {
                settle(&mut client, account).await?;
            }
            all.extend(rows.iter().map(|row| Due {
                account,
                deletion: deletion_of(row),
                rounds: row.get("rounds"),
                payload: row.get("payload"),
            }));
        }
        Ok(all)
    }

    /// Whether something that was stored before a deletion may still be under way to others.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn tells_of_before(
        &self,
        account: AccountId,
        time: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let before = tx.prepare_cached(sql::OLDER_MESSAGE).await?;
        let first = super::outbox::first_id_of(time);
        let found = tx.query_opt(&before, &[&account.0, &first]).await?;
        Ok(found.is_some())
    }

    /// Writes down what was told: all were, and it is to be told again at `next`; or that it
    /// failed; or, with neither, that it is done.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn erasure_told(
        &self,
        account: AccountId,
        deletion: &Deletion,
        rounds: i32,
        next: Option<DateTime<Utc>>,
    ) -> Result<(), Failure> {
        let mut client = self.client().await?;
        let tx = Tx::begin(&mut client, account);
        let told = tx.prepare_cached(sql::TOLD).await?;
        let counts = serde_json::to_string(&deletion.counts).map_err(|_| Failure::Internal)?;
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &account.0,
            &deletion.id,
            &counts,
            &rounds,
            &next,
            &deletion.done_time,
        ];
        tx.commit_with(&told, &parameters).await?;
        settle(&mut client, account).await
    }
}

/// Notes when the next of the account's deletions is due, if there is one.
async fn settle(client: &mut Client, account: AccountId) -> Result<(), Failure> {
    let tx = Tx::begin(client, account);
    if work::hold(&tx, account, ERASURES).await?.is_none() {
        // Nothing is held that way: whoever notes one now has it noted.
        return Ok(());
    }
    let next = tx.prepare_cached(sql::NEXT).await?;
    let next = tx.query_one(&next, &[&account.0]).await?;
    match next.get::<_, Option<_>>("next_time") {
        Some(next) => work::put_off(&tx, account, ERASURES, next).await?,
        None => work::strike(&tx, account, ERASURES).await?,
    }
    Ok(tx.commit().await?)
}
