//! What is left of the limits, for the fields of every answer (semantics 6.6).

use std::time::Duration;

use moka::sync::Cache;
use weir_rpc::Deadline;

use super::App;
use super::batch::Batch;
use crate::domain::envelope::Kind;
use crate::domain::stages::Meter;

/// Nobody's answer waits longer for this, which is a help and no more.
const TIME: Duration = Duration::from_millis(250);

/// Where quota is away, what was known last is told for so long.
const REMEMBERED: Duration = Duration::from_secs(600);
/// About 200 bytes each.
const ACCOUNTS: u64 = 10_000;

/// What was left of the limits of accounts that were asked for lately.
pub(super) struct LastUsage(Cache<String, Left>);

/// What is left, until when; Unix time in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    profile: Meter,
    activity: Meter,
    window_end: i64,
}

impl LastUsage {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(ACCOUNTS)
            .time_to_live(REMEMBERED)
            .build();
        Self(cache)
    }
}

/// What is left of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub profile: Meter,
    pub activity: Meter,
    /// Until the window ends.
    pub seconds_left: i64,
}

impl App {
    /// By charge and reservation, after what this batch really used. Where it reserved nothing
    /// quota is asked, and where that is away it is what was known last.
    pub(super) async fn left(&self, batch: &Batch) -> Option<Left> {
        let account_id = &batch.caller.account_id;
        let Some(left) = self.left_now(batch).await else {
            return self.last_usage.0.get(account_id);
        };
        self.last_usage.0.insert(account_id.clone(), left);
        Some(left)
    }

    async fn left_now(&self, batch: &Batch) -> Option<Left> {
        let Some(reservation) = &batch.reservation else {
            let deadline = Deadline::after(TIME.min(batch.deadline.remaining()));
            let account_id = &batch.caller.account_id;
            let asked = self.clients.usage(account_id, batch.entitlement, deadline);
            let usage = asked.await.ok()?;
            return Some(Left {
                profile: usage.profile,
                activity: usage.activity,
                window_end: usage.window_end,
            });
        };
        let left = |meter: &Meter, spent: Option<i64>| Meter {
            // What it gives back is free.
            remaining: meter.remaining + spent.map_or(0, |spent| meter.granted - spent),
            ..*meter
        };
        Some(Left {
            profile: left(&reservation.profile, batch.spent.0),
            activity: left(&reservation.activity, batch.spent.1),
            window_end: reservation.window_end,
        })
    }
}

impl Left {
    /// As it is told to a request that arrived then; none where another window has begun.
    pub fn at(self, arrival: i64) -> Option<Usage> {
        (self.window_end > arrival).then(|| Usage {
            profile: self.profile,
            activity: self.activity,
            // Rounded up: a second early is a second 429.
            seconds_left: (self.window_end - arrival) / 1_000_000 + 1,
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
