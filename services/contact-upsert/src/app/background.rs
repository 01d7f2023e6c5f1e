//! Work that no call waits for.

use std::time::Duration;

use chrono::{TimeDelta, Utc};

use crate::store::Store;

/// Segment retries for four hours; anything that comes again after this long is not a retry.
const RECEIPTS_ARE_KEPT: TimeDelta = TimeDelta::days(30);
const PURGE_INTERVAL: Duration = Duration::from_secs(600);
/// A few milliseconds' work a statement.
const PURGE_SIZE: i64 = 5_000;

/// Drops receipts that are too old to matter; for ever.
pub async fn purge_receipts(store: Store) {
    loop {
        let before = Utc::now() - RECEIPTS_ARE_KEPT;
        // A full statement says that there may be more. A failure is logged where it happened;
        // the next round tries again.
        while matches!(store.purge_receipts(before, PURGE_SIZE).await, Ok(n) if n > 0) {}
        tokio::time::sleep(PURGE_INTERVAL).await;
    }
}
