//! Units for a batch, asked for again where they are only held for a moment (semantics 6.4a).

use std::hash::Hash;
use std::time::Duration;

use weir_ids::BatchId;

use super::App;
use super::batch::Batch;
use crate::clients::{Ask, Failure, Reservation, Settlement};
use crate::domain::grants;

/// Pauses before asking again, where reservations of batches under way alone stand between this
/// one and its units: most batches are done within them.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(60),
    Duration::from_millis(100),
    Duration::from_millis(140),
];

/// Units of both kinds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    profile: Count,
    activity: Count,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    /// One for each event.
    all: i64,
    /// One for each that is not another's repeat.
    needed: i64,
}

impl Wanted {
    /// By the keys of the events that want a unit.
    pub fn of<P: Eq + Hash, A: Eq + Hash>(
        profile: impl Iterator<Item = P>,
        activity: impl Iterator<Item = A>,
    ) -> Self {
        Self {
            profile: Count::of(profile),
            activity: Count::of(activity),
        }
    }
}

impl Count {
    fn of<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> Self {
        let mut all = 0;
        let needed = grants::needed(keys.inspect(|_| all += 1));
        Self { all, needed }
    }
}

impl App {
    /// Reserves units under a new batch id. Where the last free ones are held by batches that
    /// are under way, it gives back what it got and asks again, a few times.
    pub(super) async fn reserve(
        &self,
        batch: &mut Batch,
        wanted: Wanted,
    ) -> Result<Reservation, Failure> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let reservation = self.reserve_once(batch, wanted).await?;
            let is_short = reservation.profile.is_short_for_now(wanted.profile.needed)
                || reservation
                    .activity
                    .is_short_for_now(wanted.activity.needed);
            if is_short
                && let Some(pause) = pauses.next()
                && pause < batch.deadline.remaining()
            {
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
    async fn reserve_once(&self, batch: &Batch, wanted: Wanted) -> Result<Reservation, Failure> {
        let account_id = &batch.caller.account_id;
        let settlements = self.settlements.take(account_id);
        let ask = Ask {
            batch_id: &BatchId::new().to_string(),
            profile: wanted.profile.all,
            activity: wanted.activity.all,
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
