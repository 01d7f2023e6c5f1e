//! What nobody calls for: the database's clock, partitions made ahead, expired ones dropped,
//! old rows forgotten.

use std::time::Duration;

use chrono::Days;
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::Sole;
use weir_service::Pulse;

use super::App;
use crate::metrics;
use crate::store::{Limits, NotDone};

/// How often the loop shows that it lives, reads the database's clock, and looks whether it is
/// this replica's turn.
const TICK: Duration = Duration::from_secs(3);
/// A tick and the longest that a round takes between two beats.
pub const WITHIN: Duration = Duration::from_secs(60);
/// Partitions are made months ahead, and expired ones are not shown anyway: an hour is soon.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// A round that failed comes again sooner.
const AGAIN: Duration = Duration::from_secs(300);
/// Longer than any backlog is kept (730 days, and a day ahead).
const COUNTS_DAYS: Days = Days::new(760);
/// Most activities arrive on their day or the next one.
const FOLDED_AFTER: Days = Days::new(1);
/// More accounts than this in a row are not at fault: the database is.
const FAILED_ACCOUNTS: u32 = 10;

/// Runs until it is dropped. Every replica reads the clock; one of them does the rest.
pub async fn keep_house(app: App, mut sole: Sole, pulse: Pulse) {
    let mut due = Instant::now();
    loop {
        pulse.beat();
        let read = app.store.clock().await;
        let is_read = told("clock", &read.map(|theirs| app.clocks.learn(theirs)));
        if is_read && sole.is_mine().await && due <= Instant::now() {
            let swept = told("partitions", &sweep(&app, &pulse).await);
            pulse.beat();
            let forgotten = told("forgetting", &forget(&app, &pulse).await);
            let is_done = swept && forgotten;
            due = Instant::now() + if is_done { INTERVAL } else { AGAIN };
            if !is_done {
                sole.give_up(AGAIN).await;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

fn told(task: &'static str, done: &Result<(), NotDone>) -> bool {
    if let Err(failure) = done {
        metrics::housekeeping_failed(task);
        tracing::warn!(task, %failure, "housekeeping comes again in minutes");
    }
    done.is_ok()
}

/// What goes is looked through before: who did what first and last stays (semantics 4.12).
async fn sweep(app: &App, pulse: &Pulse) -> Result<(), NotDone> {
    let made = app.store.make_partitions(app.range()).await?;
    let mut dropped = 0;
    for past in app.store.past_partitions(app.range()).await? {
        pulse.beat();
        if past.has_activities() {
            keep_occurrences(app, &past.partition, pulse).await?;
        }
        dropped += usize::from(app.store.drop_partition(&past).await?);
    }
    metrics::swept(made, dropped);
    if made + dropped > 0 {
        tracing::info!(made, dropped, "partitions");
    }
    Ok(())
}

/// Account by account; where it breaks off the partition stays, and all is done again.
async fn keep_occurrences(app: &App, partition: &str, pulse: &Pulse) -> Result<(), NotDone> {
    let mut last = AccountId(Uuid::nil());
    loop {
        let accounts = app.store.accounts_after(last).await?;
        if accounts.is_empty() {
            return Ok(());
        }
        for account in accounts {
            last = account;
            let mut after = Some(Uuid::nil());
            while let Some(key) = after {
                pulse.beat();
                let now = app.clocks.now();
                let store = &app.store;
                after = store.keep_occurrences(account, partition, key, now).await?;
            }
        }
    }
}

/// Once a day, account by account: one that fails keeps no other waiting, and comes again with
/// the next round. What a replica that died left undone, another does.
async fn forget(app: &App, pulse: &Pulse) -> Result<(), NotDone> {
    let today = app.clocks.earlier_today();
    if app.store.has_forgotten(today).await? {
        return Ok(());
    }
    let limits = Limits {
        usage: today - weir_ledger::KEPT,
        counts: today - COUNTS_DAYS,
        named: today,
        folded: today - FOLDED_AFTER,
        deletions: today - weir_tombstones::KEPT,
    };
    let (mut last, mut failed_in_a_row) = (AccountId(Uuid::nil()), 0);
    let mut outcome = Ok(());
    loop {
        let accounts = app.store.accounts_after(last).await?;
        for account in &accounts {
            last = *account;
            let forgotten = forget_of(app, *account, limits, pulse).await;
            if told("forgetting", &forgotten) {
                failed_in_a_row = 0;
                continue;
            }
            failed_in_a_row += 1;
            if failed_in_a_row == FAILED_ACCOUNTS {
                return forgotten;
            }
            outcome = forgotten;
        }
        if accounts.is_empty() {
            outcome?;
            return app.store.note_forgotten(today).await;
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
            break;
        }
    }
    loop {
        pulse.beat();
        let (_, is_more) = app.store.fold_counts(account, limits.folded).await?;
        if !is_more {
            return Ok(());
        }
    }
}
