//! What follows the answer: the batch is settled, and what was ignored is logged.

use std::time::Duration;

use weir_rpc::Deadline;

use super::App;
use super::batch::Batch;
use crate::clients::Reservation;
use crate::metrics;

/// Well within the reservation's lease of 30 s.
const TIME: Duration = Duration::from_secs(5);
/// Settlements at once. More pile up only where quota is away; its sweeper knows the truth.
const MOST: usize = 1_024;

impl App {
    /// Tells quota what a batch stored. Where it is not certain, nothing is said: once the
    /// lease runs out, quota asks the ledgers.
    pub(super) fn settle(
        &self,
        batch: &mut Batch,
        reservation: Reservation,
        profile: Option<i64>,
        activity: Option<i64>,
    ) {
        let caller = batch.caller.clone();
        let arrival = batch.arrival;
        let lines = std::mem::take(&mut batch.ignored);
        let stored = profile.zip(activity);
        if stored.is_none() {
            metrics::unsettled();
        }
        if self.background.len() >= MOST {
            metrics::shed("settlement");
            return;
        }
        let clients = self.clients.clone();
        self.background.spawn(async move {
            let deadline = Deadline::after(TIME);
            if let Some(stored) = stored {
                let account_id = &caller.account_id;
                // Logged where it failed; the sweeper does the rest.
                let _ = clients
                    .settle(account_id, &reservation, stored, deadline)
                    .await;
            }
            if !lines.is_empty() {
                let _ = clients.append_log(&caller, arrival, &lines, deadline).await;
            }
        });
    }
}
