//! Units for a batch, asked for again where they are only held for a moment (semantics 6.4a).

use std::time::Duration;

use weir_ids::BatchId;
use weir_service::Policy;

use super::App;
use super::batch::Batch;
use crate::clients::{Ask, Failure, Reservation, Settlement};

/// Where reservations of batches under way alone stand between this one and its units: most
/// batches are done within the pauses.
const POLICY: Policy = Policy {
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
    /// Reserves units, one for each event that wants one, under a new batch id. Where the last
    /// free ones are held by batches that are under way, it gives back what it got and asks
    /// again, a few times. `needed` counts events that repeat another one out; it is asked where
    /// units are short.
    pub(super) async fn reserve(
        &self,
        batch: &mut Batch,
        wanted: Units,
        needed: impl Fn(&Batch) -> Units,
    ) -> Result<Reservation, Failure> {
        let mut tried = 0;
        loop {
            let reservation = self.reserve_once(batch, wanted).await?;
            let (profile, activity) = (&reservation.profile, &reservation.activity);
            let is_short_for_now = |units: Units| {
                profile.is_short_for_now(units.profile) || activity.is_short_for_now(units.activity)
            };
            if is_short_for_now(wanted)
                && is_short_for_now(needed(batch))
                && let Some(pause) = POLICY.pause(tried + 1, batch.deadline)
            {
                tried += 1;
                let unused = Settlement::of(&reservation, 0, 0);
                self.settle_alone(&batch.caller.account_id, vec![unused]);
                tokio::time::sleep(pause).await;
                continue;
            }
            batch.reservation = Some(reservation.clone());
            return Ok(reservation);
        }
    }

    /// The account's settlements that wait go along.
    async fn reserve_once(&self, batch: &Batch, wanted: Units) -> Result<Reservation, Failure> {
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
        reserved
    }
}
