//! What a batch changed, written and told.

use chrono::{DateTime, Utc};

use super::{App, Purpose};
use crate::domain::{Batch, Changes, Message, count_absorbed};
use crate::metrics;
use crate::store::{BatchTx, NotStored, OutboxRow};

impl App {
    pub(super) async fn write(
        &self,
        tx: BatchTx<'_>,
        changes: Changes<'_>,
        batch: &Batch,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<(), NotStored> {
        if changes.is_empty() {
            // Dropped, it rolls back; there is nothing to keep.
            return Ok(());
        }
        self.write_all(tx, changes, batch, purpose, now).await
    }

    /// As [`Self::write`], where there is something to keep besides.
    pub(super) async fn write_all(
        &self,
        tx: BatchTx<'_>,
        changes: Changes<'_>,
        batch: &Batch,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<(), NotStored> {
        let merged = changes.merged_contacts();
        let (held, absorbed) = tokio::join!(
            biased;
            tx.held_links(&merged),
            tx.absorbed(&changes.merges),
        );
        let held = held?;
        let changes = changes.with_held_links(held.links());
        let (absorbed, crowds) = count_absorbed(absorbed?, &changes.merges);
        let message = Message::of(&changes, &crowds, now.timestamp_micros());
        let message = message.map(|message| OutboxRow::new(batch.account, &message));
        tx.put_absorbed(&absorbed).await?;
        let handed_over = tx.write(&changes, message.as_ref()).await?;
        tx.record_import(&changes).await?;
        if purpose == Purpose::Rehearse {
            return Ok(());
        }
        metrics::removes_dropped(tx.commit(&changes).await?);
        metrics::contacts_written(&changes);
        metrics::crowds(crowds.len());
        for message in message.into_iter().chain(handed_over) {
            self.tell_soon(message);
        }
        Ok(())
    }
}
