//! What nobody calls for: partitions made ahead, expired ones dropped, old rows forgotten.

use std::time::Duration;

use chrono::Days;
use weir_postgres::Failure;

use super::App;

/// Partitions are made months ahead, and expired ones are not shown anyway: an hour is soon.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// Long after the last batch of a window could be closed or counted.
const USAGE_DAYS: Days = Days::new(35);
/// Longer than any backlog is kept (730 days, and a day ahead).
const COUNTS_DAYS: Days = Days::new(760);

/// Runs until it is dropped. Any number of replicas may run it at once.
pub async fn keep_house(app: App) {
    loop {
        match round(&app).await {
            Ok(()) => tracing::debug!("housekeeping done"),
            Err(failure) => tracing::warn!(%failure, "housekeeping comes again in an hour"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn round(app: &App) -> Result<(), Failure> {
    let swept = app.store.sweep_partitions(app.range()).await?;
    if swept.made + swept.dropped > 0 {
        tracing::info!(made = swept.made, dropped = swept.dropped, "partitions");
    }
    let today = app.today();
    let (usage, counts) = (today - USAGE_DAYS, today - COUNTS_DAYS);
    app.store.forget(usage, counts).await
}
