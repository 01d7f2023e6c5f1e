//! The daily sync (semantics 5.3): once per account and UTC day, those who were held back
//! get what they last wished.
//!
//! One replica at a time has an account's sync, for a minute at most; another then goes on
//! with it. What is applied no longer waits, so there is nothing else to remember. It is
//! done when nobody waits any more who had left when it began; who was held back within the
//! last minute is waited for.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::Failure;

use super::App;
use crate::domain::membership::RE_ENTRY_PAUSE;
use crate::metrics;

/// Accounts looked up at once.
const ACCOUNTS: i64 = 100;
/// Memberships in one transaction: short locks, so that batches do not wait.
const PAGE: i64 = 500;
/// A replica that needs longer gives the account back between two pages; one that died
/// blocks it no longer than this.
const LEASE: TimeDelta = TimeDelta::seconds(60);

impl App {
    /// Syncs again and again. Errors are logged where they arise; the next round tries again.
    pub async fn sync_for_ever(self: Arc<Self>, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let _ = self.sync_due().await;
        }
    }

    /// One round over all accounts that are due.
    async fn sync_due(&self) -> Result<(), Failure> {
        let mut after = AccountId(Uuid::nil());
        loop {
            let session = self.store.session().await?;
            let now = self.now();
            let due = session
                .accounts_due(now.date_naive(), now, after, ACCOUNTS)
                .await?;
            drop(session);
            let Some(last) = due.last() else {
                return Ok(());
            };
            after = *last;
            for account in due {
                // One account's trouble is not the others'.
                let _ = self.sync_account(account).await;
            }
        }
    }

    async fn sync_account(&self, account: AccountId) -> Result<(), Failure> {
        let mut session = self.store.session().await?;
        let now = self.now();
        let (today, until) = (now.date_naive(), now + LEASE);
        let Some(claim) = session.claim_sync(account, today, now, until).await? else {
            return Ok(());
        };
        let mut applied = 0;
        while self.now() < until {
            let batch = session.begin(account);
            batch.share_account().await?;
            let now = self.now();
            let mut waiting = batch.lock_waiting(now - RE_ENTRY_PAUSE, PAGE).await?;
            let found = waiting.len();
            waiting.retain(|_, membership| membership.catch_up(now));
            let waiting: Vec<_> = waiting.iter().collect();
            batch.update_memberships_and_commit(&waiting).await?;
            applied += waiting.len();
            if found == 0 {
                break;
            }
        }
        self.end_sync(&session, account, claim.began, today, applied)
            .await
    }

    async fn end_sync(
        &self,
        session: &crate::store::Session,
        account: AccountId,
        began: DateTime<Utc>,
        today: chrono::NaiveDate,
        applied: usize,
    ) -> Result<(), Failure> {
        metrics::synced(applied);
        if session.anyone_waits(account, began).await? {
            return session.release_sync(account).await;
        }
        session.finish_sync(account, today).await?;
        metrics::sync_finished();
        tracing::info!(%account, applied, "daily sync done");
        Ok(())
    }
}
