//! Identifies and member entries: reserve, upsert, wishes.

use super::batch::Batch;
use super::reserve::Wanted;
use super::{App, Stop};
use crate::domain::grants;

impl App {
    pub(super) async fn identify(&self, batch: &mut Batch) -> Result<(), Stop> {
        let places = batch.mapped(|event| event.progress.wants_contact());
        if places.is_empty() {
            return Ok(());
        }
        let keys = || {
            places
                .iter()
                .map(|place| batch.events[*place].envelope().key)
        };
        let wanted = Wanted::of(keys(), std::iter::empty::<()>());
        let reservation = self.reserve(batch, wanted).await?;
        let keys = places
            .iter()
            .map(|place| batch.events[*place].envelope().key);
        let funded = grants::assign(keys, reservation.profile.granted);
        let deadline = batch.deadline;
        let upserted = self
            .upsert(batch, &reservation, &places, &funded, deadline)
            .await;
        match upserted {
            Ok(units) => {
                self.settle(batch, reservation, units, Some(0));
                self.apply_wishes(batch).await;
                Ok(())
            }
            Err(failure) => {
                self.settle(batch, reservation, failure.undone.then_some(0), Some(0));
                Err(failure.into())
            }
        }
    }
}
