//! Identifies and member entries: reserve, upsert, updates.

use super::batch::Batch;
use super::reserve::Units;
use super::{App, Stop};
use crate::domain::grants;

impl App {
    pub(super) async fn identify(&self, batch: &mut Batch) -> Result<(), Stop> {
        let indexes = batch.mapped(|event| event.progress.wants_contact());
        if indexes.is_empty() {
            return Ok(());
        }
        let wanted = Units {
            profile: grants::count(batch.unpaid(&indexes).len()),
            activity: 0,
        };
        let reservation = self.reserve(batch, wanted).await?;
        let funded = batch.funded(&indexes, reservation.profile.granted);
        let deadline = batch.deadline;
        let upserted = self
            .upsert(batch, &reservation, &indexes, &funded, deadline)
            .await;
        match upserted {
            Ok(units) => {
                self.settle(batch, reservation, units, Some(0));
                Ok(self.apply_membership_updates(batch).await?)
            }
            Err(failure) => {
                self.settle(batch, reservation, failure.undone.then_some(0), Some(0));
                Err(failure.into())
            }
        }
    }
}
