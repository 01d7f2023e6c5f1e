//! Writing what changed: a statement for each kind of change, all sent at once.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, join_all};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_ledger::sql::CHARGE;
use weir_postgres::{Failure, JsonText};

use super::merges::MergeColumns;
use super::{BatchTx, NotStored, sql};
use crate::domain::search::SearchTexts;
use crate::domain::{Care, Changes, ContactRow, Key, LinkRow, Stamp};
use crate::store::search::TextColumns;
use crate::store::{OutboxRow, time_of};

type Write<'a> = BoxFuture<'a, Result<(), NotStored>>;

impl BatchTx<'_> {
    pub(super) async fn write_all(
        &self,
        changes: &Changes<'_>,
        message: Option<&OutboxRow>,
    ) -> Result<(), NotStored> {
        let writes = self.writes(changes, message).into_iter();
        let (statements, writes): (Vec<&str>, Vec<Write<'_>>) = writes.unzip();
        // Each statement is sent as soon as it is prepared. On a connection that knows only some
        // of them yet, those would overtake the others, and rows be locked in another order than
        // on every other connection.
        for sql in statements {
            self.tx.prepare_cached(sql).await?;
        }
        let failures = join_all(writes).await.into_iter().filter_map(Result::err);
        let cause = failures.reduce(|first, next| match first {
            NotStored::Aftermath => next,
            cause => cause,
        });
        cause.map_or(Ok(()), Err)
    }

    /// What is to be done, by its statement, in the order in which it is sent.
    fn writes<'a>(
        &'a self,
        changes: &'a Changes<'_>,
        message: Option<&'a OutboxRow>,
    ) -> Vec<(&'static str, Write<'a>)> {
        let mut writes: Vec<(&'static str, Write<'a>)> = Vec::new();
        if changes.units > 0 && self.batch.is_charged {
            writes.push((CHARGE, Box::pin(self.insert_usage(changes.units))));
        }
        for (sql, rows) in [
            (sql::INSERT_CONTACTS, &changes.contacts_new),
            (sql::UPDATE_CONTACTS, &changes.contacts_changed),
        ] {
            if !rows.is_empty() {
                writes.push((sql, Box::pin(self.write_contacts(sql, rows))));
            }
        }
        if self.is_searched && changes.has_contacts() {
            writes.push((sql::WRITE_TEXTS, Box::pin(self.write_texts(changes))));
        }
        if !changes.contacts_moved.is_empty() {
            writes.push((sql::MOVE_REGISTERS, Box::pin(self.move_registers(changes))));
        }
        // New keys before those that move or go. Who makes a key may have to wait for a batch
        // that changes its row, and so that one must be past making keys itself.
        if changes.has_marks() {
            writes.push((sql::INSERT_MARKED, Box::pin(self.insert_marked(changes))));
        } else if !changes.links_new.is_empty() {
            writes.push((sql::INSERT_LINKS, Box::pin(self.insert_links(changes))));
        }
        if !changes.links_gone.is_empty() {
            writes.push((sql::DELETE_LINK, Box::pin(self.delete_links(changes))));
        }
        if !changes.links_moved.is_empty() {
            writes.push((sql::MOVE_LINKS, Box::pin(self.move_all_links(changes))));
        }
        if !changes.links_signed.is_empty() {
            writes.push((sql::SIGN_LINKS, Box::pin(self.sign_links(changes))));
        }
        if !changes.receipts.is_empty() {
            let sql = if changes.receipts_again {
                sql::RENEW_RECEIPTS
            } else {
                sql::INSERT_RECEIPTS
            };
            writes.push((sql, Box::pin(self.insert_receipts(sql, changes))));
        }
        if !changes.kept.is_empty() {
            writes.push((sql::KEEP_REMOVES, Box::pin(self.keep_removes(changes))));
        }
        if !changes.merges.is_empty() {
            writes.push((sql::INSERT_MERGES, Box::pin(self.insert_merges(changes))));
        }
        if !changes.again.is_empty() {
            writes.push((sql::LOOK_AGAIN, Box::pin(self.look_again(changes))));
        }
        if let Some(message) = message {
            writes.push((sql::INSERT_MESSAGE, Box::pin(self.insert_message(message))));
        }
        writes
    }

    /// Runs a statement; answers the number of rows that it wrote.
    pub(super) async fn run(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, tokio_postgres::Error> {
        let statement = self.tx.prepare_cached(sql).await?;
        self.tx.execute(&statement, parameters).await
    }

    async fn insert_usage(&self, units: i32) -> Result<(), NotStored> {
        let batch = self.batch;
        let parameters = &[
            &batch.account.0 as _,
            &batch.window as _,
            &batch.id.0 as _,
            &units as _,
        ];
        match self.run(CHARGE, parameters).await {
            // Closed, or stored already by a call that nobody waited for.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(NotStored::Closed)
            }
            inserted => all_of(1, inserted?),
        }
    }

    /// Inserts or updates whole rows: both statements take the same parameters.
    async fn write_contacts(&self, sql: &str, rows: &[ContactRow]) -> Result<(), NotStored> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
        let users: Vec<bool> = rows.iter().map(|row| row.has_user_id).collect();
        let fields: Vec<JsonText<'_>> = rows.iter().map(|row| JsonText(&row.fields)).collect();
        let registers = rows.iter().map(|row| JsonText(&row.registers));
        let registers: Vec<JsonText<'_>> = registers.collect();
        let redirects = rows.iter().map(|row| row.redirect_to.map(|id| id.0));
        let redirects: Vec<Option<Uuid>> = redirects.collect();
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &users as _,
            &fields as _,
            &registers as _,
            &redirects as _,
            &self.now as _,
        ];
        all_of(rows.len(), self.run(sql, parameters).await?)
    }

    /// Of accounts that are searched. The contacts' rows are locked.
    async fn write_texts(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = changes.contacts_new.iter().chain(&changes.contacts_changed);
        let rows: Vec<(ContactId, SearchTexts)> = rows
            .map(|row| match row.redirect_to {
                // It is found as the one that it was merged into.
                Some(_) => (row.id, SearchTexts::default()),
                None => (row.id, SearchTexts::of_fields(&row.fields)),
            })
            .collect();
        let columns = TextColumns::of(&rows);
        let parameters = columns.parameters(&self.batch.account.0);
        self.run(sql::WRITE_TEXTS, &parameters).await?;
        Ok(())
    }

    async fn move_registers(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.contacts_moved;
        let ids: Vec<Uuid> = rows.iter().map(|(id, _)| id.0).collect();
        let registers: Vec<JsonText<'_>> = rows.iter().map(|(_, json)| JsonText(json)).collect();
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &registers as _,
            &self.now as _,
        ];
        all_of(rows.len(), self.run(sql::MOVE_REGISTERS, parameters).await?)
    }

    /// Row by row, all sent at once: a statement that takes them together can't be kept from
    /// reading the whole account (see `sql`). There are as many as contacts whose address
    /// changed.
    async fn delete_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let delete = self.tx.prepare_cached(sql::DELETE_LINK).await?;
        let account = &self.batch.account.0;
        let rows = &changes.links_gone;
        let deletes = rows.iter().map(async |row| {
            let value = &*row.key.value;
            let parameters: [&(dyn ToSql + Sync); 4] =
                [account, &row.key.kind, &value, &row.from.0];
            self.tx.execute(&delete, &parameters).await
        });
        let mut deleted = 0;
        for done in join_all(deletes).await {
            deleted += done?;
        }
        let unsettled = rows.iter().filter(|row| changes.is_unsettled(&row.key));
        if deleted + unsettled.count() as u64 >= rows.len() as u64 {
            return Ok(());
        }
        if self.care != Care::Heal {
            return Err(NotStored::Conflict);
        }
        // All links were read behind the locks of their holders: what is missing now was
        // missing before, and is as it should be.
        tracing::error!("an identifier that was to go was not there");
        Ok(())
    }

    async fn insert_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_new;
        all_of(rows.len(), self.write_links(sql::INSERT_LINKS, rows).await?)
    }

    async fn sign_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_signed;
        let signed = self.write_links(sql::SIGN_LINKS, rows).await?;
        all_or(rows.len(), signed, NotStored::Conflict)
    }

    /// Inserts or signs links: both statements take the same parameters. All that are made have
    /// the same version, and those that are signed keep theirs.
    async fn write_links(
        &self,
        sql: &str,
        rows: &[LinkRow<'_>],
    ) -> Result<u64, tokio_postgres::Error> {
        let columns = Columns::of(rows.iter().map(|row| (&row.key, &row.stamp)));
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let version = rows.first().map_or(1, |row| row.version);
        let parameters = &[
            &self.batch.account.0 as _,
            &columns.kinds as _,
            &columns.values as _,
            &contacts as _,
            &columns.times as _,
            &columns.messages as _,
            &self.now as _,
            &version as _,
        ];
        self.run(sql, parameters).await
    }

    /// While contacts are reindexed, a value's row may be another's for good: that is looked at
    /// when its contact is.
    async fn move_all_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        if changes.unsettled.is_empty() {
            return self.move_links(sql::MOVE_LINKS, &changes.links_moved).await;
        }
        let rows = changes.links_moved.iter().cloned();
        let (unsettled, settled): (Vec<_>, Vec<_>) =
            rows.partition(|row| changes.is_unsettled(&row.key));
        self.move_links(sql::MOVE_LINKS, &settled).await?;
        match self.move_links(sql::MOVE_LINKS, &unsettled).await {
            Err(NotStored::Conflict) | Ok(()) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Moves links, or inserts them where they may meet a row that gives way: both statements
    /// take the same parameters. A row that is another's by now was read before its holder was
    /// locked.
    pub(super) async fn move_links(
        &self,
        sql: &str,
        rows: &[LinkRow<'_>],
    ) -> Result<(), NotStored> {
        let columns = Columns::of(rows.iter().map(|row| (&row.key, &row.stamp)));
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let versions: Vec<i64> = rows.iter().map(|row| row.version).collect();
        let linked = rows.iter().map(|row| row.linked_micros);
        let linked = linked.map(|micros| micros.map_or(self.now, time_of));
        let linked: Vec<DateTime<Utc>> = linked.collect();
        let holders: Vec<Option<Uuid>> = rows.iter().map(|row| row.from.map(|id| id.0)).collect();
        let parameters = &[
            &self.batch.account.0 as _,
            &columns.kinds as _,
            &columns.values as _,
            &contacts as _,
            &versions as _,
            &linked as _,
            &columns.times as _,
            &columns.messages as _,
            &holders as _,
        ];
        let moved = self.run(sql, parameters).await?;
        all_or(rows.len(), moved, NotStored::Conflict)
    }

    async fn insert_receipts(&self, sql: &str, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.receipts;
        let keys: Vec<Uuid> = rows.iter().map(|row| row.key).collect();
        let contacts: Vec<Option<Uuid>> =
            rows.iter().map(|row| row.contact.map(|id| id.0)).collect();
        let stored: Vec<bool> = rows.iter().map(|row| row.is_stored).collect();
        let times = rows.iter().map(|row| row.first_micros.map(time_of));
        let times: Vec<Option<DateTime<Utc>>> = times.collect();
        let parameters = &[
            &self.batch.account.0 as _,
            &keys as _,
            &contacts as _,
            &stored as _,
            &times as _,
            &self.now as _,
        ];
        // Where it is less, another copy of an event was stored meanwhile.
        let inserted = self.run(sql, parameters).await?;
        all_or(rows.len(), inserted, NotStored::Taken)
    }

    async fn insert_merges(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.merges;
        let columns = MergeColumns::of(rows);
        let parameters = columns.parameters(&self.batch.account.0, &self.now);
        all_of(rows.len(), self.run(sql::INSERT_MERGES, &parameters).await?)
    }

    async fn look_again(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let contacts: Vec<Uuid> = changes.again.iter().map(|id| id.0).collect();
        let parameters = &[&self.batch.account.0 as _, &contacts as _];
        self.run(sql::LOOK_AGAIN, parameters).await?;
        Ok(())
    }

    pub(super) async fn insert_message(&self, message: &OutboxRow) -> Result<(), NotStored> {
        self.has_message.store(true, Ordering::Relaxed);
        let inserted = self.run(sql::INSERT_MESSAGE, &message.parameters()).await?;
        all_of(1, inserted)
    }
}

/// What all rows that belong to an identifier have, column by column.
pub(super) struct Columns<'r> {
    pub kinds: Vec<&'r str>,
    pub values: Vec<&'r str>,
    pub times: Vec<DateTime<Utc>>,
    pub messages: Vec<&'r str>,
}

impl<'r> Columns<'r> {
    pub(super) fn of(rows: impl Iterator<Item = (&'r Key<'r>, &'r Stamp<'r>)> + Clone) -> Self {
        let stamps = rows.clone().map(|(_, stamp)| stamp);
        Self {
            kinds: rows.clone().map(|(key, _)| key.kind).collect(),
            values: rows.map(|(key, _)| &*key.value).collect(),
            times: stamps.clone().map(|stamp| time_of(stamp.micros)).collect(),
            messages: stamps.map(|stamp| &*stamp.message_id).collect(),
        }
    }
}

fn all_or(expected: usize, written: u64, otherwise: NotStored) -> Result<(), NotStored> {
    if written == expected as u64 {
        Ok(())
    } else {
        Err(otherwise)
    }
}

/// Rows that are locked, or inserted through an anchor that is, can't be fewer.
fn all_of(expected: usize, written: u64) -> Result<(), NotStored> {
    all_or(expected, written, NotStored::Failed(Failure::Internal)).inspect_err(|_| {
        tracing::error!(
            written,
            expected,
            "a write touched another number of rows than it had to"
        );
    })
}
