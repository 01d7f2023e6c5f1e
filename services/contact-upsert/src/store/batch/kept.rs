//! Removes for people who are not known yet (semantics 4.7).
//!
//! **Invariant:** an identifier under which removes are kept has a row that leads to nobody.
//! Whoever keeps one makes that row or holds it, and whoever links the identifier takes that
//! very row: so one of both is first, and the other sees it. Only behind that are the removes
//! read, and handed over.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_ids::AudienceId;
use weir_postgres::Transaction;

use super::{BatchTransaction, NotStored, sql};
use crate::domain::{Changes, Key, Message, NOBODY, Remove, Stamp};
use crate::metrics;
use crate::store::kept::KEPT_FOR;
use crate::store::{OutboxRow, micros_of, time_of};

impl<'c> BatchTransaction<'c> {
    /// Inserts links, and the rows that lead to nobody, in one order. Either may be there as
    /// a row that leads to nobody; what is somebody's is left, and the batch begins anew. So it
    /// does where a link meets such a row that this batch has not read: what is kept under it
    /// would not be handed over.
    pub(super) async fn insert_links_and_marks(
        &self,
        changes: &Changes<'_>,
    ) -> Result<(), NotStored> {
        struct Row<'b> {
            key: &'b Key<'b>,
            contact: Uuid,
            version: i64,
            stamp: &'b Stamp<'b>,
            moved_from: Option<Uuid>,
        }
        let found: HashSet<&Key<'_>> = changes.kept_found.iter().collect();
        let links = changes.links_new.iter().map(|row| Row {
            key: &row.key,
            contact: row.contact.0,
            version: row.version,
            stamp: &row.stamp,
            moved_from: found.contains(&row.key).then_some(NOBODY.0),
        });
        let marks = changes.kept.iter().map(|row| Row {
            key: &row.key,
            contact: NOBODY.0,
            version: 0,
            stamp: &row.stamp,
            moved_from: None,
        });
        let mut rows: Vec<Row<'_>> = links.chain(marks).collect();
        rows.sort_by_key(|row| row.key);
        rows.dedup_by_key(|row| row.key);
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let contacts: Vec<Uuid> = rows.iter().map(|row| row.contact).collect();
        let versions: Vec<i64> = rows.iter().map(|row| row.version).collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        let moved_from: Vec<Option<Uuid>> = rows.iter().map(|row| row.moved_from).collect();
        let insert = self.transaction.prepare_cached(sql::INSERT_MARKED).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &contacts as _,
            &versions as _,
            &times as _,
            &messages as _,
            &self.now as _,
            &moved_from as _,
        ];
        let inserted = self.transaction.execute(&insert, parameters).await?;
        if inserted == kinds.len() as u64 {
            Ok(())
        } else {
            Err(NotStored::Conflict)
        }
    }

    /// Behind those rows, the removes themselves; the latest of each stays.
    pub(super) async fn keep_removes(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.kept;
        let kinds: Vec<&str> = rows.iter().map(|row| row.key.kind).collect();
        let values: Vec<&str> = rows.iter().map(|row| &*row.key.value).collect();
        let audiences: Vec<Uuid> = rows.iter().map(|row| row.audience.0).collect();
        let times: Vec<DateTime<Utc>> = rows.iter().map(|row| time_of(row.stamp.micros)).collect();
        let messages: Vec<&str> = rows.iter().map(|row| &*row.stamp.message_id).collect();
        // One moment each, so that the oldest are told from the others: as they happened.
        let mut by_age: Vec<usize> = (0..rows.len()).collect();
        by_age.sort_by_key(|at| &rows[*at].stamp);
        let mut until = vec![self.now + KEPT_FOR; rows.len()];
        for (at, micros) in by_age.into_iter().zip(0..) {
            until[at] += TimeDelta::microseconds(micros);
        }
        let insert = self.transaction.prepare_cached(sql::KEEP_REMOVES).await?;
        let parameters = &[
            &self.batch.account.0 as _,
            &kinds as _,
            &values as _,
            &audiences as _,
            &times as _,
            &messages as _,
            &until as _,
            &self.now as _,
        ];
        self.transaction.execute(&insert, parameters).await?;
        Ok(())
    }

    /// How many removes the account has kept, those of this batch among them.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn count_kept(&self) -> Result<i64, NotStored> {
        let count = self.transaction.prepare_cached(sql::COUNT_KEPT).await?;
        let account = &self.batch.account.0;
        let row = self.transaction.query_opt(&count, &[account]).await?;
        Ok(row.map_or(0, |row| row.get(0)))
    }

    /// For what is neither read nor written here.
    pub fn inner(&self) -> &Transaction<'c> {
        &self.transaction
    }

    /// Takes the removes that were kept under the links that this batch has written, and
    /// leaves them to be told.
    pub(super) async fn hand_over(
        &self,
        changes: &Changes<'_>,
    ) -> Result<Option<OutboxRow>, NotStored> {
        if changes.kept_found.is_empty() {
            return Ok(None);
        }
        let take = self.transaction.prepare_cached(sql::TAKE_KEPT).await?;
        let account = &self.batch.account.0;
        // Row by row, as links are deleted: so that none of it reads the whole account.
        let taken = join_all(changes.kept_found.iter().map(async |key| {
            let value = &*key.value;
            let sought: [&(dyn ToSql + Sync); 3] = [account, &key.kind, &value];
            self.transaction.query(&take, &sought).await
        }));
        let mut rows = Vec::with_capacity(changes.kept_found.len());
        for (key, taken) in changes.kept_found.iter().zip(taken.await) {
            let contact = changes.contact_of(key);
            let contact = contact.expect("an identifier is found when it is linked");
            rows.extend(taken?.into_iter().map(|row| (contact, row)));
        }
        let in_time = rows.iter().filter(|(_, row)| {
            let until: DateTime<Utc> = row.get(3);
            until > self.now
        });
        let removes = in_time.map(|(contact, row)| Remove {
            contact: *contact,
            audience: AudienceId(row.get(0)),
            stamp: Stamp::new(micros_of(row.get(1)), row.get(2)),
        });
        let removes: Vec<Remove<'_>> = removes.collect();
        metrics::removes_handed_over(removes.len());
        let Some(message) = Message::of_removes(&removes) else {
            return Ok(None);
        };
        let message = OutboxRow::new(self.batch.account, &message);
        self.transaction.prepare_cached(sql::INSERT_MESSAGE).await?;
        self.insert_message(&message).await?;
        Ok(Some(message))
    }
}
