//! The daily sync (semantics 5.3): once per account and day, and whenever somebody asks for it,
//! those who were held back get what they last asked for.
//!
//! One replica at a time has an account's sync, for a minute at most; another then goes on
//! with it. What is applied no longer waits, so there is nothing else to remember. It is
//! done when nobody waits any more who had left when it began; who was held back within the
//! last minute is waited for. Accounts where nobody waits are never looked at. Each sync is a run,
//! of which it stands written what it did.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use uuid::Uuid;
use weir_changes::{Author, Before};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::{Pulse, retry};

use super::{App, Error, POLICY};
use crate::domain::history::{self, Cause, tallied, turned};
use crate::domain::{Key, Run, tomorrow};
use crate::metrics;
use crate::store::{Chronicle, Claim, Connection};

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
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.sync_asked.notified() => {}
            }
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
                .accounts_due(self.sync_days.day(now), now, after, ACCOUNTS)
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
        let (today, until) = (self.sync_days.day(now), now + LEASE);
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
            let page = self.sync_page(&mut connection, account, claim, after);
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
        self.end_sync(&mut connection, account, claim, today)
            .await?;
        metrics::sync_finished();
        tracing::info!(%account, applied, "daily sync done");
        Ok(())
    }

    /// None: nobody comes after `after`.
    async fn sync_page(
        &self,
        connection: &mut Connection,
        account: AccountId,
        claim: Claim,
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
        let mut told = Vec::new();
        let mut is_done = true;
        for (key, membership) in keys.iter().zip(&mut memberships) {
            // Without a membership: its contact was merged into another, which waits itself.
            let Some(membership) = membership else {
                past.push(*key);
                continue;
            };
            let before = membership.clone();
            if membership.catch_up(now) {
                past.push(*key);
                if let Some(turn) = turned(Some(&before), membership) {
                    told.push(history::Entry {
                        key: *key,
                        turn,
                        update: membership.update.clone(),
                    });
                    applied.push((key, &*membership));
                }
            } else {
                is_done &= membership.left.is_none_or(|left| left > claim.began);
            }
        }
        let synced = Synced {
            last,
            applied: applied.len(),
            is_done,
        };
        tx.forget_waiting(&past).await?;
        let cause = Cause::Sync(claim.id);
        tx.count_synced(claim.id, applied.len()).await?;
        tx.tell(Chronicle {
            now,
            cause,
            entries: &told,
            tallies: &tallied(&told, cause),
            slot: self.store.slot(),
        })
        .await?;
        tx.put_memberships_and_commit(&applied).await?;
        Ok(Some(synced))
    }

    async fn end_sync(
        &self,
        connection: &mut Connection,
        account: AccountId,
        claim: Claim,
        today: NaiveDate,
    ) -> Result<(), Failure> {
        let tx = connection.begin(account);
        tx.own_account().await?;
        tx.end_sync_and_commit(claim.id, tomorrow(today), self.now())
            .await
    }

    /// Has the account synced now; answers the sync that is under way, if one is.
    pub async fn start_sync(
        &self,
        account: AccountId,
        author: Author,
        deadline: Deadline,
    ) -> Result<Run, Error> {
        self.require_account(account, deadline).await?;
        let app = self.clone();
        let run = retry(deadline, POLICY, move |_| {
            let (app, author) = (app.clone(), author.clone());
            async move { app.request_once(account, &author).await }
        })
        .await?;
        self.sync_asked.notify_one();
        Ok(run)
    }

    async fn request_once(&self, account: AccountId, author: &Author) -> Result<Run, Error> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        self.own(&tx, account).await?;
        match tx.done_before(author).await? {
            Before::Nothing => {}
            Before::Done(id) => {
                let id = id.parse().map_err(|_| Error::RequestTaken)?;
                return tx.run(id).await?.ok_or(Error::SyncUnknown);
            }
            Before::Taken => return Err(Error::RequestTaken),
        }
        let now = self.now();
        let requested = tx.request_sync(weir_ids::fresh(), self.sync_days.day(now), now);
        let run = requested.await?.ok_or(Failure::Conflict)?;
        tx.record_sync(author, run.id, now).await?;
        tx.commit().await?;
        Ok(run)
    }
}
