//! A piece of a run of reindexing, as a batch without events: the same locks, the same writes.

use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::Failure;

use super::{BatchTx, NotStored, Rows, sql};
use crate::domain::{
    Facts, Key, Run, RunState, Settings, StoredContact, keys_to_link, read_registers,
};
use crate::store::reindex::{lock_run, put_run};

/// Contacts of a piece: each has some rows, which are read and written.
const PIECE: i64 = 200;

const FRESH: &str = "
    SELECT contact_id, has_user_id, fields, registers, redirect_to IS NOT NULL AS redirected
    FROM contacts
    WHERE account_id = $1 AND contact_id > $2 AND contact_id <= $3
    ORDER BY contact_id LIMIT $4";

const AGAIN: &str = "
    SELECT c.contact_id, c.has_user_id, c.fields, c.registers,
           c.redirect_to IS NOT NULL AS redirected
    FROM reindex_again AS k
    CROSS JOIN LATERAL (
        SELECT * FROM contacts
        WHERE account_id = $1 AND contact_id = k.contact_id
        LIMIT 1
    ) AS c
    WHERE k.account_id = $1
    ORDER BY k.contact_id LIMIT $2";

/// One row by its whole key.
const LOOKED_AGAIN: &str = "DELETE FROM reindex_again WHERE account_id = $1 AND contact_id = $2";

/// Contacts that are next, with whoever holds their values; all are locked.
pub struct Piece {
    /// In order.
    pub contacts: Vec<ContactId>,
    /// They were looked at before, and took over others since.
    pub again: bool,
    locked: Vec<Row>,
}

impl Piece {
    /// What the contacts are to be found by.
    pub fn keys<'a>(&'a self, settings: &'a Settings) -> Vec<Key<'a>> {
        let own = self.locked.iter().map(StoredContact::from);
        let own = own.filter(|row| self.contacts.binary_search(&row.id).is_ok());
        own.flat_map(|row| keys_of(settings, &row)).collect()
    }

    /// The contacts, and whoever holds their values.
    pub fn rows(&self) -> impl Iterator<Item = StoredContact<'_>> {
        self.locked.iter().map(StoredContact::from)
    }

    /// Those whose row can't be read; it is left as it is, with whatever leads to it.
    pub fn broken(&self) -> Vec<ContactId> {
        let rows = self.locked.iter().map(StoredContact::from);
        let broken = rows.filter(|row| read_registers(row.fields, row.registers).is_err());
        broken.map(|row| row.id).collect()
    }
}

fn keys_of<'a>(settings: &'a Settings, row: &StoredContact<'a>) -> Vec<Key<'a>> {
    let registers = read_registers(row.fields, row.registers).unwrap_or_default();
    if row.redirected {
        return Vec::new();
    }
    keys_to_link(settings, &registers).collect()
}

impl BatchTx<'_> {
    /// Locks the run, as it was read, and the next of its contacts; none where all were looked
    /// at.
    ///
    /// # Errors
    /// [`NotStored::Conflict`] when the run went on, or a contact changed, in between.
    pub async fn begin_piece(
        &mut self,
        run: &Run,
        settings: &Settings,
    ) -> Result<Option<Piece>, NotStored> {
        let account = &self.batch.account.0;
        let of_account = self.tx.prepare_cached(sql::ACCOUNT).await?;
        let of_account = self.tx.query_opt(&of_account, &[account]).await?;
        self.note_search(&of_account.ok_or(NotStored::NewAccount)?);
        let stands = lock_run(&self.tx, self.batch.account).await?;
        let is_there = stands.is_some_and(|stands| stands.is_at(run));
        if run.state != RunState::Running || !is_there {
            return Err(NotStored::Conflict);
        }
        let fresh = self.tx.prepare_cached(FRESH).await?;
        let sought = &[
            account as _,
            &run.after.0 as _,
            &run.last.0 as _,
            &PIECE as _,
        ];
        let mut rows = self.tx.query(&fresh, sought).await?;
        let again = rows.is_empty();
        if again {
            let sql = self.tx.prepare_cached(AGAIN).await?;
            rows = self.tx.query(&sql, &[account, &PIECE]).await?;
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let before = Piece {
            contacts: rows
                .iter()
                .map(|row| ContactId(row.get("contact_id")))
                .collect(),
            again,
            locked: rows,
        };
        let facts = Facts::of_keys(settings, before.keys(settings));
        let links = self.links(&facts, &facts.all_keys()).await?;
        // All of them at once and in order, so that no batch waits for one that waits for it.
        let own: Vec<Uuid> = before.contacts.iter().map(|id| id.0).collect();
        let locked = self.lock_with(own, &links).await?;
        let piece = Piece {
            locked,
            contacts: before.contacts.clone(),
            again,
        };
        if piece.keys(settings) != before.keys(settings) {
            return Err(NotStored::Conflict);
        }
        Ok(Some(piece))
    }

    async fn lock_with(&self, mut ids: Vec<Uuid>, links: &[Row]) -> Result<Vec<Row>, NotStored> {
        ids.extend(links.iter().map(|row| row.get::<_, Uuid>("contact_id")));
        ids.retain(|id| !id.is_nil());
        ids.sort_unstable();
        ids.dedup();
        let lock = self.tx.prepare_cached(sql::LOCK_CONTACTS).await?;
        Ok(self.tx.query(&lock, &[&self.batch.account.0, &ids]).await?)
    }

    /// The rows of the piece's values, read behind the locks.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn load_piece(&self, facts: &Facts<'_>, piece: &Piece) -> Result<Rows, NotStored> {
        let sought = facts.all_keys();
        let links = self.links(facts, &sought).await?;
        let is_locked = |link: &Row| {
            let holder: Uuid = link.get("contact_id");
            let locked = &piece.locked;
            holder.is_nil()
                || locked
                    .binary_search_by_key(&holder, |row| row.get("contact_id"))
                    .is_ok()
        };
        if !links.iter().all(is_locked) {
            return Err(NotStored::Conflict);
        }
        Ok(Rows {
            sought,
            links,
            ..Rows::default()
        })
    }

    /// Writes how far the run is then, and which contacts need not be looked at again.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn end_piece(&self, run: &Run, looked_again: &[ContactId]) -> Result<(), Failure> {
        let delete = self.tx.prepare_cached(LOOKED_AGAIN).await?;
        for contact in looked_again {
            let key = &[&self.batch.account.0 as _, &contact.0 as _];
            self.tx.execute(&delete, key).await?;
        }
        put_run(&self.tx, self.batch.account, run).await
    }
}
