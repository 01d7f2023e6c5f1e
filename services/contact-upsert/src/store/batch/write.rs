//! Writing what changed: a statement for each kind of change, all sent at once.

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, join_all};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ledger::sql::CHARGE;
use weir_postgres::{Failure, JsonText};

use super::{BatchTransaction, NotStored, sql};
use crate::domain::{Care, Changes, ContactRow};
use crate::store::{OutboxRow, time_of};

impl BatchTransaction<'_> {
    pub(super) async fn write_all(
        &self,
        changes: &Changes<'_>,
        message: Option<&OutboxRow>,
    ) -> Result<(), NotStored> {
        self.prepare_writes(changes, message).await?;
        let mut writes: Vec<BoxFuture<'_, Result<(), NotStored>>> = Vec::new();
        if changes.units > 0 {
            writes.push(Box::pin(self.insert_usage(changes.units)));
        }
        if !changes.contacts_new.is_empty() {
            let rows = &changes.contacts_new;
            writes.push(Box::pin(self.write_contacts(sql::INSERT_CONTACTS, rows)));
        }
        if !changes.contacts_changed.is_empty() {
            let rows = &changes.contacts_changed;
            writes.push(Box::pin(self.write_contacts(sql::UPDATE_CONTACTS, rows)));
        }
        if !changes.contacts_moved.is_empty() {
            writes.push(Box::pin(self.move_registers(changes)));
        }
        // New keys before those that move or go. Who makes a key may have to wait for a batch
        // that changes its row, and so that one must be past making keys itself.
        if changes.has_marks() {
            writes.push(Box::pin(self.insert_links_and_marks(changes)));
        } else if !changes.links_new.is_empty() {
            writes.push(Box::pin(self.insert_links(changes)));
        }
        if !changes.links_gone.is_empty() {
            writes.push(Box::pin(self.delete_links(changes)));
        }
        if !changes.links_moved.is_empty() {
            writes.push(Box::pin(self.move_links(changes)));
        }
        if !changes.links_signed.is_empty() {
            writes.push(Box::pin(self.sign_links(changes)));
        }
        if !changes.receipts.is_empty() {
            writes.push(Box::pin(self.insert_receipts(changes)));
        }
        if !changes.kept.is_empty() {
            writes.push(Box::pin(self.keep_removes(changes)));
        }
        if !changes.merges.is_empty() {
            writes.push(Box::pin(self.insert_merges(changes)));
        }
        if let Some(message) = message {
            writes.push(Box::pin(self.insert_message(message)));
        }
        let failures = join_all(writes).await.into_iter().filter_map(Result::err);
        let cause = failures.reduce(|first, next| match first {
            NotStored::Aftermath => next,
            cause => cause,
        });
        cause.map_or(Ok(()), Err)
    }

    /// Each statement is sent as soon as it is prepared. On a connection that knows only some
    /// of them yet, those would overtake the others, and rows be locked in another order than
    /// on every other connection.
    async fn prepare_writes(
        &self,
        changes: &Changes<'_>,
        message: Option<&OutboxRow>,
    ) -> Result<(), NotStored> {
        for (needed, sql) in [
            (changes.units > 0, CHARGE),
            (!changes.contacts_new.is_empty(), sql::INSERT_CONTACTS),
            (!changes.contacts_changed.is_empty(), sql::UPDATE_CONTACTS),
            (!changes.contacts_moved.is_empty(), sql::MOVE_REGISTERS),
            (!changes.links_gone.is_empty(), sql::DELETE_LINK),
            (!changes.links_moved.is_empty(), sql::MOVE_LINKS),
            (changes.has_marks(), sql::INSERT_MARKED),
            (!changes.links_new.is_empty(), sql::INSERT_LINKS),
            (!changes.links_signed.is_empty(), sql::SIGN_LINKS),
            (!changes.receipts.is_empty(), receipts_sql(changes)),
            (!changes.kept.is_empty(), sql::KEEP_REMOVES),
            (!changes.merges.is_empty(), sql::INSERT_JOINS),
            (message.is_some(), sql::INSERT_MESSAGE),
        ] {
            if needed {
                self.transaction.prepare_cached(sql).await?;
            }
        }
        Ok(())
    }

    async fn insert_usage(&self, units: i32) -> Result<(), NotStored> {
        let batch = self.batch;
        let insert = self.transaction.prepare_cached(CHARGE).await?;
        let parameters = &[
            &batch.account.0 as _,
            &batch.window as _,
            &batch.id.0 as _,
            &units as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await;
        match inserted {
            // Closed, or stored already by a call that nobody waited for.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Err(NotStored::Closed)
            }
            other => self.expect(other?, 1),
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
        let write = self.transaction.prepare_cached(sql).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &users as _,
            &fields as _,
            &registers as _,
            &redirects as _,
            &self.now as _,
        ];
        let written = self.transaction.execute(&write, parameters).await?;
        self.expect(written, ids.len())
    }

    async fn move_registers(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.contacts_moved;
        let ids: Vec<Uuid> = rows.iter().map(|(id, _)| id.0).collect();
        let registers: Vec<JsonText<'_>> = rows.iter().map(|(_, json)| JsonText(json)).collect();
        let update = self.transaction.prepare_cached(sql::MOVE_REGISTERS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &ids as _,
            &registers as _,
            &self.now as _,
        ];
        let updated = self.transaction.execute(&update, parameters).await?;
        self.expect(updated, ids.len())
    }

    /// Row by row, all sent at once: a statement that takes them together can't be kept from
    /// reading the whole account (see `sql`). There are as many as contacts whose address
    /// changed.
    async fn delete_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let delete = self.transaction.prepare_cached(sql::DELETE_LINK).await?;
        let account = &self.batch.account.0;
        let rows = &changes.links_gone;
        let deletes = rows.iter().map(async |row| {
            let value = &*row.key.value;
            let parameters: [&(dyn ToSql + Sync); 4] =
                [account, &row.key.kind, &value, &row.from.0];
            self.transaction.execute(&delete, &parameters).await
        });
        let mut deleted = 0;
        for done in join_all(deletes).await {
            deleted += done?;
        }
        if deleted == rows.len() as u64 {
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

    async fn move_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_moved;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let versions: Vec<i64> = rows.iter().map(|row| row.version).collect();
        let linked = rows.iter().map(|row| row.linked_micros);
        let linked = linked.map(|micros| micros.map_or(self.now, time_of));
        let linked: Vec<DateTime<Utc>> = linked.collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        let holders: Vec<Option<Uuid>> = rows.iter().map(|row| row.from.map(|id| id.0)).collect();
        let update = self.transaction.prepare_cached(sql::MOVE_LINKS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &versions as _,
            &linked as _,
            &times as _,
            &messages as _,
            &holders as _,
        ];
        let moved = self.transaction.execute(&update, parameters).await?;
        // Another's by now: it was read before its holder was locked.
        if moved == kinds.len() as u64 {
            Ok(())
        } else {
            Err(NotStored::Conflict)
        }
    }

    async fn insert_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_new;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        let insert = self.transaction.prepare_cached(sql::INSERT_LINKS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &times as _,
            &messages as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, kinds.len())
    }

    async fn insert_receipts(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.receipts;
        let keys: Vec<Uuid> = rows.iter().map(|row| row.key).collect();
        let contacts: Vec<Option<Uuid>> =
            rows.iter().map(|row| row.contact.map(|id| id.0)).collect();
        let stored: Vec<bool> = rows.iter().map(|row| row.is_stored).collect();
        let times: Vec<Option<DateTime<Utc>>> = rows
            .iter()
            .map(|row| row.first_micros.map(time_of))
            .collect();
        let insert = self
            .transaction
            .prepare_cached(receipts_sql(changes))
            .await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &keys as _,
            &contacts as _,
            &stored as _,
            &times as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        if inserted == keys.len() as u64 {
            Ok(())
        } else {
            // Another copy of an event was stored meanwhile.
            Err(NotStored::Taken)
        }
    }

    async fn sign_links(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.links_signed;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact.0).collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        let update = self.transaction.prepare_cached(sql::SIGN_LINKS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &times as _,
            &messages as _,
        ];
        let signed = self.transaction.execute(&update, parameters).await?;
        if signed == kinds.len() as u64 {
            Ok(())
        } else {
            Err(NotStored::Conflict)
        }
    }

    async fn insert_merges(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let merged: Vec<Uuid> = changes.merges.iter().map(|merge| merge.merged.0).collect();
        let survivors: Vec<Uuid> = changes
            .merges
            .iter()
            .map(|merge| merge.survivor.0)
            .collect();
        let identifiers: Vec<String> = changes
            .merges
            .iter()
            .map(|merge| {
                let keys: Vec<(&str, &str)> = merge
                    .identifiers
                    .iter()
                    .map(|key| (key.kind, &*key.value))
                    .collect();
                serde_json::to_string(&keys).expect("pairs of texts are always JSON")
            })
            .collect();
        let insert = self.transaction.prepare_cached(sql::INSERT_JOINS).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &merged as _,
            &survivors as _,
            &identifiers as _,
            &self.now as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        self.expect(inserted, merged.len())
    }

    pub(super) async fn insert_message(&self, message: &OutboxRow) -> Result<(), NotStored> {
        let insert = self.transaction.prepare_cached(sql::INSERT_MESSAGE).await?;
        let parameters = message.parameters();
        let inserted = self.transaction.execute(&insert, &parameters).await?;
        self.expect(inserted, 1)
    }

    /// Rows that are locked, or inserted through an anchor that is, can't be fewer.
    fn expect(&self, rows: u64, expected: usize) -> Result<(), NotStored> {
        if rows == expected as u64 {
            return Ok(());
        }
        tracing::error!(
            rows,
            expected,
            "a write touched another number of rows than it had to"
        );
        Err(NotStored::Failed(Failure::Internal))
    }
}

fn receipts_sql(changes: &Changes<'_>) -> &'static str {
    if changes.receipts_again {
        sql::RENEW_RECEIPTS
    } else {
        sql::INSERT_RECEIPTS
    }
}
