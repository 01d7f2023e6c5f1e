//! What follows the answer: the batch is settled.
//!
//! A settlement waits a moment for the account's next reservation and goes along with it;
//! only where none comes it gets a call of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tracing::Instrument;
use weir_rpc::Deadline;

use super::App;
use super::batch::Batch;
use crate::clients::{Clients, MAX_SETTLEMENTS, Reservation, Settlement};
use crate::metrics;

/// Accounts that send much reserve every few milliseconds; for all others usage is this late.
const WAIT: Duration = Duration::from_millis(20);
/// Well within the reservation's lease of 30 s.
const TIME: Duration = Duration::from_secs(5);
/// Settlements at once. More pile up only where quota is away; its sweeper knows the truth.
const MOST: usize = 1_024;

/// Settlements that wait, by account.
#[derive(Clone, Default)]
pub(super) struct Settlements(Arc<Mutex<HashMap<String, Vec<Settlement>>>>);

impl Settlements {
    fn add(&self, account_id: &str, settlement: Settlement) {
        let mut waiting = self.waiting();
        match waiting.get_mut(account_id) {
            Some(settlements) => settlements.push(settlement),
            None => {
                waiting.insert(account_id.to_owned(), vec![settlement]);
            }
        }
    }

    /// Takes as many of the account's as go along with one call.
    pub(super) fn take(&self, account_id: &str) -> Vec<Settlement> {
        let mut waiting = self.waiting();
        let Some(settlements) = waiting.get_mut(account_id) else {
            return Vec::new();
        };
        if settlements.len() > MAX_SETTLEMENTS {
            return settlements.drain(..MAX_SETTLEMENTS).collect();
        }
        waiting.remove(account_id).unwrap_or_default()
    }

    /// As [`Self::take`], if this batch is still among them.
    fn take_with(&self, account_id: &str, batch_id: &str) -> Vec<Settlement> {
        let is_there = self
            .waiting()
            .get(account_id)
            .is_some_and(|waiting| waiting.iter().any(|one| one.batch_id == batch_id));
        if is_there {
            self.take(account_id)
        } else {
            Vec::new()
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Vec<Settlement>>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

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
        batch.spent = (profile, activity);
        let Some((profile, activity)) = profile.zip(activity) else {
            metrics::unsettled();
            return;
        };
        if self.background.len() >= MOST {
            metrics::shed("settlement");
            return;
        }
        let settlement = Settlement::of(&reservation, profile, activity);
        self.settlements.add(&caller.account_id, settlement);
        let clients = self.clients.clone();
        let settlements = self.settlements.clone();
        let settling = async move {
            tokio::time::sleep(WAIT).await;
            let batch_id = &reservation.batch_id;
            let left = settlements.take_with(&caller.account_id, batch_id);
            send(&clients, &caller.account_id, &left).await;
        };
        self.background.spawn(settling.in_current_span());
    }

    /// Sends those that were to go along with a reservation which failed. They get a call of
    /// their own: whatever was wrong, it must not befall the next reservation as well.
    pub(super) fn settle_alone(&self, account_id: &str, settlements: Vec<Settlement>) {
        let clients = self.clients.clone();
        let account_id = account_id.to_owned();
        let settling = async move { send(&clients, &account_id, &settlements).await };
        self.background.spawn(settling.in_current_span());
    }
}

/// What fails is logged there; the sweeper does the rest.
async fn send(clients: &Clients, account_id: &str, settlements: &[Settlement]) {
    if !settlements.is_empty() {
        let deadline = Deadline::after(TIME);
        let _ = clients.settle(account_id, settlements, deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settlement(batch: usize) -> Settlement {
        Settlement {
            batch_id: batch.to_string(),
            window: "2025-07-10".into(),
            epoch: 1,
            profile: 1,
            activity: 0,
        }
    }

    #[test]
    fn each_settlement_is_taken_once_and_by_its_own_account() {
        let settlements = Settlements::default();
        for batch in 0..=MAX_SETTLEMENTS {
            settlements.add("a", settlement(batch));
        }
        settlements.add("b", settlement(7));
        assert_eq!(settlements.take("a").len(), MAX_SETTLEMENTS);
        assert_eq!(settlements.take_with("a", "0"), []);
        let last = settlement(MAX_SETTLEMENTS);
        assert_eq!(
            settlements.take_with("a", &last.batch_id),
            [settlement(MAX_SETTLEMENTS)]
        );
        assert_eq!(settlements.take("a"), []);
        assert_eq!(settlements.take("b"), [settlement(7)]);
        assert!(settlements.waiting().is_empty());
    }
}
