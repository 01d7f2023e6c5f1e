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

use super::write::Columns;
use super::{BatchTx, NotStored, sql};
use crate::domain::{Changes, Key, LinkRow, Message, NOBODY, Remove, Stamp};
use crate::metrics;
use crate::store::kept::{self, KEPT_FOR};
use crate::store::{OutboxRow, micros_of};

impl BatchTx<'_> {
    /// Inserts links, and the rows that lead to nobody, in one order. Either may be there as
    /// a row that leads to nobody; what is somebody's is left, and the batch begins anew. So it
    /// does where a link meets such a row that this batch has not read: what is kept under it
    /// would not be handed over.
    pub(super) async fn insert_marked(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let found: HashSet<&Key<'_>> = changes.kept_found.iter().collect();
        let links = changes.links_new.iter().cloned().map(|row| LinkRow {
            from: found.contains(&row.key).then_some(NOBODY),
            ..row
        });
        let marks = changes.kept.iter().map(|row| LinkRow {
            key: row.key.clone(),
            contact: NOBODY,
            from: None,
            version: 0,
            stamp: row.stamp.clone(),
            linked_micros: None,
        });
        let mut rows: Vec<LinkRow<'_>> = links.chain(marks).collect();
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        rows.dedup_by(|next, row| next.key == row.key);
        self.move_links(sql::INSERT_MARKED, &rows).await
    }

    /// Behind those rows, the removes themselves; the latest of each stays.
    pub(super) async fn keep_removes(&self, changes: &Changes<'_>) -> Result<(), NotStored> {
        let rows = &changes.kept;
        let columns = Columns::of(rows.iter().map(|row| (&row.key, &row.stamp)));
        let audiences: Vec<Uuid> = rows.iter().map(|row| row.audience.0).collect();
        // One moment each, so that the oldest are told from the others: as they happened.
        let mut by_age: Vec<usize> = (0..rows.len()).collect();
        by_age.sort_by_key(|index| &rows[*index].stamp);
        let mut until = vec![self.now + KEPT_FOR; rows.len()];
        for (index, micros) in by_age.into_iter().zip(0..) {
            until[index] += TimeDelta::microseconds(micros);
        }
        let parameters = &[
            &self.batch.account.0 as _,
            &columns.kinds as _,
            &columns.values as _,
            &audiences as _,
            &columns.times as _,
            &columns.messages as _,
            &until as _,
            &self.now as _,
        ];
        self.run(sql::KEEP_REMOVES, parameters).await?;
        Ok(())
    }

    /// Keeps the account within its limit, after this batch has kept so many removes.
    pub(super) async fn bound_kept(&self, added: usize) -> Result<u64, NotStored> {
        let (account, limit) = (self.batch.account, self.batch.kept_removes_limit);
        let counts = &self.store.kept_counts;
        Ok(kept::bound(&self.tx, counts, account, self.now, added, limit).await?)
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
        let take = self.tx.prepare_cached(sql::TAKE_KEPT).await?;
        let account = &self.batch.account.0;
        // Row by row, as links are deleted: so that none of it reads the whole account.
        let taken = join_all(changes.kept_found.iter().map(async |key| {
            let value = &*key.value;
            let sought: [&(dyn ToSql + Sync); 3] = [account, &key.kind, &value];
            self.tx.query(&take, &sought).await
        }));
        let mut rows = Vec::with_capacity(changes.kept_found.len());
        for (key, taken) in changes.kept_found.iter().zip(taken.await) {
            let contact = changes.contact_of(key);
            let contact = contact.expect("an identifier is found when it is linked");
            rows.extend(taken?.into_iter().map(|row| (contact, row)));
        }
        let in_time = rows.iter().filter(|(_, row)| {
            let until: DateTime<Utc> = row.get("keep_until");
            until > self.now
        });
        let removes = in_time.map(|(contact, row)| Remove {
            contact: *contact,
            audience: AudienceId(row.get("audience_id")),
            stamp: Stamp::new(micros_of(row.get("update_time")), row.get("message_id")),
        });
        let removes: Vec<Remove<'_>> = removes.collect();
        metrics::removes_handed_over(removes.len());
        let Some(message) = Message::of_removes(&removes) else {
            return Ok(None);
        };
        let message = OutboxRow::new(self.batch.account, &message);
        self.tx.prepare_cached(sql::INSERT_MESSAGE).await?;
        self.insert_message(&message).await?;
        Ok(Some(message))
    }
}
