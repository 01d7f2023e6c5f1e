//! The daily sync (semantics 5.3): once per account and UTC day, those who were held back
//! get what they last asked for.
//!
//! One replica at a time has an account's sync, for a minute at most; another then goes on
//! with it. What is applied no longer waits, so there is nothing else to remember. It is
//! done when nobody waits any more who had left when it began; who was held back within the
//! last minute is waited for. Accounts where nobody waits are never looked at.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_service::Pulse;

use super::App;
use crate::domain::{Key, tomorrow};
use crate::metrics;
use crate::store::Connection;

/// Accounts looked up at once.
const ACCOUNTS: i64 = 100;
/// Memberships in one transaction: short locks, so that batches do not wait.
const PAGE: i64 = 500;
/// A replica that needs longer gives the account back between two pages; one that died
/// blocks it no longer than this.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// The longest time between two beats beside the interval: a page is a handful of statements,
/// each of which ends within ten seconds.
const LONGEST: Duration = Duration::from_secs(60);

/// The longest time that passes between two beats of [`App::sync_for_ever`].
pub fn longest_sync(interval: Duration) -> Duration {
    interval + LONGEST
}

/// What became of a page of those who wait.
struct Synced {
    last: Key,
    applied: usize,
    /// All who had left when the sync began are where they were asked to be.
    is_done: bool,
}

impl App {
    /// Syncs again and again. Errors are logged where they arise; the next round tries again.
    pub async fn sync_for_ever(self, interval: Duration, pulse: Pulse) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            pulse.beat();
            let _ = self.sync_due(&pulse).await;
        }
    }

    /// One round over all accounts that are due.
    async fn sync_due(&self, pulse: &Pulse) -> Result<(), Failure> {
        let mut after = AccountId(Uuid::nil());
        loop {
            let connection = self.store.connection().await?;
            let now = self.now();
            let due = connection
                .accounts_due(now.date_naive(), now, after, ACCOUNTS)
                .await?;
            drop(connection);
            let Some(last) = due.last() else {
                return Ok(());
            };
            after = *last;
            for account in due {
                // One account's trouble is not the others'.
                let _ = self.sync_account(account, pulse).await;
                pulse.beat();
            }
        }
    }

    async fn sync_account(&self, account: AccountId, pulse: &Pulse) -> Result<(), Failure> {
        let mut connection = self.store.connection().await?;
        let now = self.now();
        let (today, until) = (now.date_naive(), now + LEASE);
        let Some(claim) = connection.claim_sync(account, today, now, until).await? else {
            return Ok(());
        };
        let (mut applied, mut is_done) = (0, true);
        let mut after = (AudienceId(Uuid::nil()), ContactId(Uuid::nil()));
        loop {
            if self.now() >= until {
                is_done = false;
                break;
            }
            let page = self.sync_page(&mut connection, account, claim.began, after);
            let Some(page) = page.await? else {
                break;
            };
            pulse.beat();
            after = page.last;
            applied += page.applied;
            is_done &= page.is_done;
        }
        metrics::synced(applied);
        if !is_done {
            return connection.release_sync(account).await;
        }
        self.end_sync(&mut connection, account, today).await?;
        metrics::sync_finished();
        tracing::info!(%account, applied, "daily sync done");
        Ok(())
    }

    /// None: nobody comes after `after`.
    async fn sync_page(
        &self,
        connection: &mut Connection,
        account: AccountId,
        began: DateTime<Utc>,
        after: Key,
    ) -> Result<Option<Synced>, Failure> {
        let tx = connection.begin(account);
        tx.share_account().await?;
        let keys = tx.waiting_after(after, PAGE).await?;
        let Some(last) = keys.last().copied() else {
            return Ok(None);
        };
        let mut memberships = tx.lock_memberships(&keys).await?;
        let now = self.now();
        let (mut past, mut applied) = (Vec::new(), Vec::new());
        let mut is_done = true;
        for (key, membership) in keys.iter().zip(&mut memberships) {
            // Without a membership: its contact was merged into another, which waits itself.
            let Some(membership) = membership else {
                past.push(*key);
                continue;
            };
            let waited = membership.waits();
            if membership.catch_up(now) {
                past.push(*key);
                if waited {
                    applied.push((key, &*membership));
                }
            } else {
                is_done &= membership.left.is_none_or(|left| left > began);
            }
        }
        let synced = Synced {
            last,
            applied: applied.len(),
            is_done,
        };
        tx.forget_waiting(&past).await?;
        tx.put_memberships_and_commit(&applied).await?;
        Ok(Some(synced))
    }

    async fn end_sync(
        &self,
        connection: &mut Connection,
        account: AccountId,
        today: NaiveDate,
    ) -> Result<(), Failure> {
        let tx = connection.begin(account);
        tx.own_account().await?;
        tx.end_sync_and_commit(tomorrow(today)).await
    }
}
