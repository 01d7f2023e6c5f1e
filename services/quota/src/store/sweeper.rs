//! Which process sweeps.
//!
//! It saves work, and no promise rests on it: closing is idempotent and the first to settle
//! wins, so two that both take themselves for the one do no harm.

use std::time::Duration;

use uuid::Uuid;

use super::{Error, Store};

const SWEEPER: &str = "weir:quota:sweeper";
/// A process that has not said for so long that it is the one is dead.
pub const SWEEPER_LEASE: Duration = Duration::from_secs(6);

impl Store {
    /// Whether the process is the one that sweeps: it was, or there was none.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn is_sweeper(&self, process: Uuid) -> Result<bool, Error> {
        let mut call = self.scripts.sweeper.key(SWEEPER);
        call.arg(process.simple().to_string())
            .arg(u64::try_from(SWEEPER_LEASE.as_millis()).unwrap_or(u64::MAX));
        Ok(self.run(&call).await?.first().map(String::as_str) == Some("1"))
    }

    /// Lets another be the one. Best effort: it would be in some seconds.
    pub async fn leave_sweeping(&self, process: Uuid) {
        let mut call = self.scripts.leave.key(SWEEPER);
        call.arg(process.simple().to_string());
        let _ = self.run(&call).await;
    }
}
