//! What is left of the limits, for the fields of every answer (semantics 6.6).

use std::time::Duration;

use weir_rpc::Deadline;

use super::App;
use super::batch::Batch;
use crate::domain::envelope::Kind;
use crate::domain::stages::Meter;

/// Nobody's answer waits longer for this, which is a help and no more.
const TIME: Duration = Duration::from_millis(250);

/// What is left of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub profile: Meter,
    pub activity: Meter,
    /// Until the window ends.
    pub seconds_left: i64,
}

impl App {
    /// By charge and reservation, after what this batch really used; where it reserved nothing
    /// quota is asked.
    pub(super) async fn usage(&self, batch: &Batch) -> Option<Usage> {
        let (profile, activity, window_end) = match &batch.reservation {
            Some(reservation) => {
                let (profile, activity) = batch.spent;
                let left = |meter: &Meter, spent: Option<i64>| Meter {
                    // What it gives back is free.
                    remaining: meter.remaining + spent.map_or(0, |spent| meter.granted - spent),
                    ..*meter
                };
                let profile = left(&reservation.profile, profile);
                let activity = left(&reservation.activity, activity);
                (profile, activity, reservation.window_end)
            }
            None => {
                let deadline = Deadline::after(TIME.min(batch.deadline.remaining()));
                let account_id = &batch.caller.account_id;
                let asked = self.clients.usage(account_id, batch.entitlement, deadline);
                let usage = asked.await.ok()?;
                (usage.profile, usage.activity, usage.window_end)
            }
        };
        Some(Usage {
            profile,
            activity,
            // Rounded up: a second early is a second 429.
            seconds_left: ((window_end - batch.arrival) / 1_000_000 + 1).max(1),
        })
    }
}

impl Usage {
    /// The units that events of this kind may use.
    pub fn meters(&self, kind: Kind) -> Vec<(&'static str, Meter)> {
        match kind {
            Kind::Identify | Kind::Member => vec![("profile", self.profile)],
            Kind::Track => vec![("activity", self.activity), ("profile", self.profile)],
        }
    }
}
