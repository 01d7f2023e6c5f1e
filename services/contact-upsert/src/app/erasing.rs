//! Tells other services of people who were deleted, until all have deleted what they had.
//!
//! Each is told twice: the second time some seconds later, when nothing is under way any more that
//! was taken in before the deletion. Whoever dies in between is followed by another replica, which
//! goes on with the row; all that is told may be told again.

use std::time::Duration;

use chrono::TimeDelta;
use weir_ids::AccountId;
use weir_postgres::Sole;
use weir_service::Pulse;

use super::App;
use crate::clients::Peers;
use crate::domain::{Deletion, Payload};
use crate::store::Due;

/// How often it is looked for deletions that are to be told.
const LOOK: Duration = Duration::from_secs(1);
/// Between the first time and the second: batches that were under way are done by then, and
/// samples and lines are written.
const SETTLED: TimeDelta = TimeDelta::seconds(12);
/// After a failure.
const AGAIN: TimeDelta = TimeDelta::seconds(10);
/// Deletions in one round.
const DELETIONS: i64 = 20;
/// One deletion, of several calls, each at the end of its time.
pub const ERASURE_BEATS: Duration = Duration::from_secs(120);

/// For ever, in the replica whose turn it is.
pub async fn erase(app: App, peers: Peers, mut sole: Sole, pulse: Pulse) {
    loop {
        pulse.beat();
        if sole.is_mine().await {
            let now = app.clock.now();
            match app.background.due_erasures(now, DELETIONS).await {
                Ok(due) => {
                    for one in due {
                        pulse.beat();
                        erase_one(&app, &peers, one).await;
                    }
                }
                Err(failure) => tracing::warn!(%failure, "deletions could not be looked for"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn erase_one(app: &App, peers: &Peers, due: Due) {
    let Due {
        account,
        mut deletion,
        mut rounds,
        payload,
    } = due;
    let told = match serde_json::from_str::<Payload>(&payload) {
        Ok(payload) => Some(peers.erase(account, &mut deletion, &payload).await),
        Err(_) => None,
    };
    let now = app.clock.now();
    let mut next = Some(now + AGAIN);
    match told {
        Some(Ok(())) => {
            rounds += 1;
            next = Some(now + SETTLED);
            if rounds > 1 && is_quiet(app, account, &deletion).await {
                deletion.done_time = Some(now);
                next = None;
            }
        }
        Some(Err(away)) => tracing::warn!(%account, %away, "a deletion has to be told again"),
        // It goes behind the others.
        None => {
            let deletion = deletion.id;
            tracing::error!(%account, %deletion, "what is to be told of a deletion can't be read");
        }
    }
    let written = app
        .background
        .erasure_told(account, &deletion, rounds, next);
    if let Err(failure) = written.await {
        tracing::warn!(%failure, "a deletion could not be written down");
    }
}

/// Whether all that was stored before the deletion was told: links that are told later would
/// name the person once more.
async fn is_quiet(app: &App, account: AccountId, deletion: &Deletion) -> bool {
    let before = app
        .background
        .tells_of_before(account, deletion.request_time);
    matches!(before.await, Ok(false))
}
