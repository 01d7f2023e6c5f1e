//! Drops what is kept for a time only: memberships from before merges, and what deletions counted.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Sole};
use weir_service::Pulse;

use super::App;

/// How often a replica looks whether it is its turn.
const LOOK: Duration = Duration::from_secs(3);
/// Between two rounds; a row lives that much longer at most.
const ROUND: Duration = Duration::from_secs(3_600);
/// After a round that failed.
const AGAIN: Duration = Duration::from_secs(60);
/// A round's longest step.
pub const FORGETTING_BEATS: Duration = Duration::from_secs(60);
/// Accounts that are read at once, and rows that are dropped at once.
const ACCOUNTS: i64 = 500;
const ROWS: i64 = 5_000;

impl App {
    /// For ever, in the replica whose turn it is.
    pub async fn forget_for_ever(self, mut sole: Sole, pulse: Pulse) {
        let mut due = Instant::now();
        loop {
            pulse.beat();
            if sole.is_mine().await && due <= Instant::now() {
                let done = self.forget_all(&pulse).await;
                due = Instant::now() + if done.is_ok() { ROUND } else { AGAIN };
                if let Err(failure) = done {
                    tracing::warn!(%failure, "what is too old could not be dropped");
                    sole.give_up(AGAIN).await;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn forget_all(&self, pulse: &Pulse) -> Result<(), Failure> {
        let mut after = AccountId(Uuid::nil());
        loop {
            let mut connection = self.store.connection().await?;
            let accounts = connection.accounts_after(after, ACCOUNTS).await?;
            let Some(last) = accounts.last() else {
                return Ok(());
            };
            after = *last;
            for account in accounts {
                pulse.beat();
                while connection.forget_old(account, self.now(), ROWS).await? > 0 {
                    pulse.beat();
                }
            }
        }
    }
}
