//! Work that no call waits for.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Sole};
use weir_service::{Clock, Pulse};

use crate::metrics;
use crate::store::{Aged, Store};

/// What is dropped, and at what age.
const LIFE_TIMES: [(Aged, TimeDelta); 8] = [
    // Segment retries for four hours; anything that comes again after this long is no retry.
    (Aged::Receipts, TimeDelta::days(30)),
    // A late retry of what was deleted (semantics 3.9).
    (Aged::Deletions, weir_tombstones::KEPT),
    (Aged::Erasures, TimeDelta::days(365)),
    // A split is possible for so long (semantics 3.10).
    (Aged::Merges, TimeDelta::days(90)),
    // The day is past everywhere.
    (Aged::Absorptions, TimeDelta::days(2)),
    (Aged::Usage, weir_ledger::KEPT),
    (Aged::Changes, weir_changes::KEPT),
    // They have the end of their time with them.
    (Aged::KeptRemoves, TimeDelta::zero()),
];
/// Between two rounds over all accounts. A row lives that much longer at most.
const ROUND: Duration = Duration::from_secs(1_800);
/// After a round that failed.
const RETRY: Duration = Duration::from_secs(60);
/// By more than this, somebody should look at it.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);
/// Accounts that are read at once.
const ACCOUNTS: i64 = 500;
/// How often a replica looks whether it is its turn.
const LOOK: Duration = Duration::from_secs(3);
/// A sleep, and a statement that runs into its limit.
pub const PURGE_BEATS: Duration = Duration::from_secs(60);

/// Drops what is too old to matter; for ever, in the replica whose turn it is.
pub async fn purge(store: Store, clock: Clock, mut sole: Sole, pulse: Pulse) {
    let mut due = Instant::now();
    loop {
        pulse.beat();
        if sole.is_mine().await && due <= Instant::now() {
            let purged = purge_once(&store, clock.now(), &pulse).await;
            due = Instant::now() + if purged.is_ok() { ROUND } else { RETRY };
            if purged.is_err() {
                sole.give_up(RETRY).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A round at `now`, as this process has it. A clock that is ahead must not drop what is still
/// of use, so the earlier of ours and PostgreSQL's counts.
async fn purge_once(store: &Store, now: DateTime<Utc>, pulse: &Pulse) -> Result<(), Failure> {
    let clock = store.clock().await;
    let clock = clock.inspect_err(|failure| failed("clock", failure))?;
    if (now - clock).abs() > CLOCKS_DIFFER {
        tracing::warn!(ours = %now, theirs = %clock, "this clock and PostgreSQL's differ");
    }
    purge_all(store, now.min(clock), pulse).await
}

/// One round. What fails for one account, or of one kind, does not keep the others.
async fn purge_all(store: &Store, now: DateTime<Utc>, pulse: &Pulse) -> Result<(), Failure> {
    let mut after = AccountId(Uuid::nil());
    let mut outcome = Ok(());
    loop {
        let accounts = store.accounts(after, ACCOUNTS).await;
        let accounts = accounts.inspect_err(|failure| failed("accounts", failure))?;
        let Some(last) = accounts.last() else {
            return outcome;
        };
        after = *last;
        for account in accounts {
            for (what, age) in LIFE_TIMES {
                pulse.beat();
                let purged = purge_one(store, account, what, now - age, pulse).await;
                if let Err(failure) = purged {
                    failed(what.name(), &failure);
                    outcome = Err(failure);
                }
            }
        }
    }
}

async fn purge_one(
    store: &Store,
    account: AccountId,
    what: Aged,
    before: DateTime<Utc>,
    pulse: &Pulse,
) -> Result<(), Failure> {
    loop {
        let purged = store.purge(account, what, before).await?;
        if purged == 0 {
            return Ok(());
        }
        metrics::purged(what.name(), purged);
        pulse.beat();
    }
}

fn failed(what: &'static str, failure: &Failure) {
    tracing::warn!(what, %failure, "rows that are too old could not be dropped");
    metrics::purge_failed(what);
}

#[cfg(test)]
mod tests {
    use weir_servers::TestServers;

    use super::*;
    use crate::store::{MIGRATIONS, OPEN};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_clock_that_is_ahead_drops_no_more_than_one_that_is_right() {
        let database = TestServers::shared().await.fresh_database().await;
        let pool = weir_postgres::connect(&database.url_for("contact"), 2, &[]).unwrap();
        weir_postgres::migrate(&pool, &MIGRATIONS, OPEN)
            .await
            .unwrap();
        let store = Store::new(pool, 0);
        let account = AccountId::new();
        store.anchor(account).await.unwrap();
        let client = weir_servers::postgres::connect(&database.behind("contact"))
            .await
            .unwrap();
        let rows = "INSERT INTO usage SELECT $1, CURRENT_DATE - days, gen_random_uuid(), 1
                    FROM unnest(ARRAY[0, 1, 34, 36]) AS days";
        client.execute(rows, &[&account.0]).await.unwrap();
        let count = "SELECT count(*) FROM usage WHERE account_id = $1";
        let pulse = Pulse::default();
        let now = Clock::system().now();
        let ahead = now + TimeDelta::days(100);
        purge_once(&store, ahead, &pulse).await.unwrap();
        let left: i64 = client.query_one(count, &[&account.0]).await.unwrap().get(0);
        assert_eq!(left, 3);
        purge_once(&store, now, &pulse).await.unwrap();
        let left: i64 = client.query_one(count, &[&account.0]).await.unwrap().get(0);
        assert_eq!(left, 3);
    }
}
