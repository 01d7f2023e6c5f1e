//! Drops what is too old to matter; for ever, in the replica whose turn it is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Sole};
use weir_service::{Clock, Pulse};

use crate::domain::counts::{FLUSH_LIFE_TIME, LIFE_TIME};
use crate::domain::record::NO_ACCOUNT;
use crate::domain::{access, kept, replay, spending};
use crate::metrics;
use crate::store::{self, Aged};

/// What is dropped, and at what age.
const LIFE_TIMES: [(Aged, TimeDelta); 7] = [
    (Aged::Counts, LIFE_TIME),
    (Aged::Units, spending::LIFE_TIME),
    (Aged::Flushes, FLUSH_LIFE_TIME),
    (Aged::KeptEvents, kept::AGE),
    (Aged::ReplayEvents, replay::AGE),
    (Aged::Replays, replay::AGE),
    (Aged::Changes, weir_changes::KEPT),
];
/// Between two rounds over all accounts. A row lives that much longer at most.
const ROUND: Duration = Duration::from_secs(1_800);
/// After a round that failed.
const RETRY: Duration = Duration::from_secs(60);
/// How often a replica looks whether it is its turn.
const LOOK: Duration = Duration::from_secs(3);
/// Accounts that are read at once.
const ACCOUNTS: i64 = 500;
/// A sleep, and a statement that runs into its limit.
pub const BEATS: Duration = Duration::from_secs(60);

/// Keeps house.
pub async fn keep_house(pool: Pool, clock: Clock, mut sole: Sole, pulse: Pulse) {
    let mut due = Instant::now();
    loop {
        pulse.beat();
        if sole.is_mine().await && due <= Instant::now() {
            let dropped = drop_all(&pool, clock.now(), &pulse).await;
            due = Instant::now() + if dropped.is_ok() { ROUND } else { RETRY };
            if let Err(failure) = dropped {
                tracing::warn!(%failure, "rows that are too old could not be dropped");
                metrics::purge_failures().increment(1);
                sole.give_up(RETRY).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One round. What fails for one account does not keep the others.
async fn drop_all(pool: &Pool, now: DateTime<Utc>, pulse: &Pulse) -> Result<(), Failure> {
    let mut outcome = drop_of_none(pool, now, pulse).await;
    let mut after = AccountId(Uuid::nil());
    loop {
        let accounts = {
            let client = store::connection(pool).await?;
            store::accounts_after(&client, after, ACCOUNTS).await?
        };
        let Some(last) = accounts.last() else {
            return outcome;
        };
        after = *last;
        for account_id in accounts {
            for (what, age) in LIFE_TIMES {
                if let Err(failure) = drop_of(pool, account_id, what, now - age, pulse).await {
                    outcome = Err(failure);
                }
            }
        }
    }
}

/// What belongs to no account.
async fn drop_of_none(pool: &Pool, now: DateTime<Utc>, pulse: &Pulse) -> Result<(), Failure> {
    let changes = now - weir_changes::KEPT;
    drop_of(pool, NO_ACCOUNT, Aged::Changes, changes, pulse).await?;
    let client = store::connection(pool).await?;
    let dropped = store::drop_ended_tokens(&client, now - access::LISTED).await?;
    metrics::purged("tokens").increment(dropped);
    Ok(())
}

async fn drop_of(
    pool: &Pool,
    account_id: AccountId,
    what: Aged,
    before: DateTime<Utc>,
    pulse: &Pulse,
) -> Result<(), Failure> {
    loop {
        pulse.beat();
        let client = store::scoped(pool, account_id).await?;
        let dropped = store::drop_aged(&client, account_id, what, before).await?;
        if dropped == 0 {
            return Ok(());
        }
        metrics::purged(what.name()).increment(dropped);
    }
}
