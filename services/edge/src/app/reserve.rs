//! Units for a batch.

use std::time::Duration;

use weir_ids::BatchId;
use weir_service::Policy;

use super::App;
use super::batch::Batch;
use crate::clients::{Ask, Failure, Reservation};

/// Where reservations of batches under way alone stand between an event and its units it is
/// driven again: most batches are done within the pauses (semantics 6.4a).
pub(super) const PAUSES: Policy = Policy {
    tries: 4,
    pause: Duration::from_millis(50),
};

/// Units of both kinds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub profile: i64,
    pub activity: i64,
}

impl App {
    /// Reserves units, one for each event that wants one, under a new batch id. The account's
    /// settlements that wait go along.
    pub(super) async fn reserve(
        &self,
        batch: &mut Batch,
        wanted: Units,
    ) -> Result<Reservation, Failure> {
        let account_id = &batch.caller.account_id;
        let settlements = self.settlements.take(account_id);
        let ask = Ask {
            batch_id: &BatchId::new().to_string(),
            profile: wanted.profile,
            activity: wanted.activity,
            entitlement: batch.entitlement.unwrap_or_default(),
            ledger_epoch: batch.ledger_epoch,
        };
        let reserved = self
            .clients
            .reserve(account_id, &ask, &settlements, batch.deadline)
            .await;
        if reserved.is_err() {
            self.settle_alone(account_id, settlements);
        }
        let reservation = reserved?;
        batch.reservation = Some(reservation.clone());
        Ok(reservation)
    }
}
