//! What nobody calls for: the database's clock, partitions made ahead, expired ones dropped,
//! old rows forgotten.

use std::time::Duration;

use chrono::Days;
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_service::Pulse;

use super::App;
use crate::metrics;
use crate::store::{Limits, NotDone};

/// How often the loop shows that it lives, and reads the database's clock.
const TICK: Duration = Duration::from_secs(10);
/// A tick and the longest that a round takes between two beats.
pub const WITHIN: Duration = Duration::from_secs(60);
/// Partitions are made months ahead, and expired ones are not shown anyway: an hour is soon.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// A round that failed comes again sooner.
const AGAIN: Duration = Duration::from_secs(300);
/// Longer than any backlog is kept (730 days, and a day ahead).
const COUNTS_DAYS: Days = Days::new(760);
/// More accounts than this in a row are not at fault: the database is.
const FAILED_ACCOUNTS: u32 = 10;

/// Runs until it is dropped. Any number of replicas may run it at once.
pub async fn keep_house(app: App, pulse: Pulse) {
    let mut due = Instant::now();
    loop {
        pulse.beat();
        let read = app.store.clock().await;
        let is_read = told("clock", read.map(|theirs| app.clocks.learn(theirs)));
        if is_read && due <= Instant::now() {
            let swept = told("partitions", sweep(&app).await);
            pulse.beat();
            let forgotten = told("forgetting", forget(&app, &pulse).await);
            let is_done = swept && forgotten;
            due = Instant::now() + if is_done { INTERVAL } else { AGAIN };
        }
        tokio::time::sleep(TICK).await;
    }
}

fn told(task: &'static str, done: Result<(), NotDone>) -> bool {
    if let Err(failure) = &done {
        metrics::housekeeping_failed(task);
        tracing::warn!(task, %failure, "housekeeping comes again in minutes");
    }
    done.is_ok()
}

async fn sweep(app: &App) -> Result<(), NotDone> {
    let swept = app.store.sweep_partitions(app.range()).await?;
    metrics::swept(swept.made, swept.dropped);
    if swept.made + swept.dropped > 0 {
        tracing::info!(made = swept.made, dropped = swept.dropped, "partitions");
    }
    Ok(())
}

/// Once a day, by one replica, account by account: one that fails keeps no other waiting.
async fn forget(app: &App, pulse: &Pulse) -> Result<(), NotDone> {
    let today = app.clocks.earlier_today();
    if !app.store.takes_turn_to_forget(today).await? {
        return Ok(());
    }
    let limits = Limits {
        usage: today - weir_ledger::KEPT,
        counts: today - COUNTS_DAYS,
        named: today,
    };
    let (mut last, mut failed_in_a_row) = (AccountId(Uuid::nil()), 0);
    loop {
        let accounts = app.store.accounts_after(last).await?;
        for account in &accounts {
            last = *account;
            match forget_of(app, *account, limits, pulse).await {
                Ok(()) => failed_in_a_row = 0,
                Err(failure) => {
                    failed_in_a_row += 1;
                    if failed_in_a_row == FAILED_ACCOUNTS {
                        return Err(failure);
                    }
                    told("forgetting", Err(failure));
                }
            }
        }
        if accounts.is_empty() {
            return Ok(());
        }
    }
}

async fn forget_of(
    app: &App,
    account: AccountId,
    limits: Limits,
    pulse: &Pulse,
) -> Result<(), NotDone> {
    loop {
        pulse.beat();
        let (forgotten, is_more) = app.store.forget(account, limits).await?;
        metrics::forgotten(forgotten.by_table());
        if !is_more {
            return Ok(());
        }
    }
}
