//! Audiences that are deleted by hand, and had again (semantics 5.1).
//!
//! An audience is gone with one transaction; its memberships follow behind the answer, some
//! thousand at a time, so that batches do not wait. What is still to be done stands in the tables:
//! another replica goes on where one died.

use std::time::Duration;

use weir_changes::{Author, Before};
use weir_ids::{AccountId, AudienceId};
use weir_postgres::{Failure, Sole};
use weir_rpc::Deadline;
use weir_service::{Pulse, retry};

use super::{App, Error, POLICY};
use crate::domain::history::a_day;
use crate::domain::{Audience, Created, Deletion};

/// How often a replica looks for what is to be deleted.
const LOOK: Duration = Duration::from_secs(1);
/// After a round that failed.
const AGAIN: Duration = Duration::from_secs(10);
/// A round's longest step.
pub const DELETING_BEATS: Duration = Duration::from_secs(60);
/// Accounts that are looked at in a round, so that none waits for the largest of another.
const ACCOUNTS: i64 = 100;
/// Steps in one account before it is another's turn: some hundred thousand memberships.
const STEPS: usize = 50;

impl App {
    /// Takes an audience away. `refuse_events`: also where updates still come for it.
    pub async fn delete_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        refuse_events: bool,
        author: Author,
        deadline: Deadline,
    ) -> Result<Deletion, Error> {
        self.require_account(account, deadline).await?;
        let audience = audience.ok_or(Error::AudienceUnknown)?;
        let app = self.clone();
        retry(deadline, POLICY, move |_| {
            let (app, author) = (app.clone(), author.clone());
            async move {
                app.delete_once(account, audience, refuse_events, &author)
                    .await
            }
        })
        .await
    }

    async fn delete_once(
        &self,
        account: AccountId,
        audience: AudienceId,
        refuse_events: bool,
        author: &Author,
    ) -> Result<Deletion, Error> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        // Batches share it: whoever comes later finds no audience.
        self.own(&tx, account).await?;
        let is_done = match tx.done_before(author).await? {
            Before::Nothing => false,
            Before::Done(id) if id == audience.to_string() => true,
            Before::Done(_) | Before::Taken => return Err(Error::RequestTaken),
        };
        let found = tx.audience(audience).await?.filter(|_| !is_done);
        let Some(found) = found else {
            let deletion = tx.deletion(audience).await?;
            return deletion.ok_or(Error::AudienceUnknown);
        };
        let now = self.now();
        let updates = tx.recent_updates(audience, now.date_naive()).await?;
        if updates > 0 && !refuse_events {
            let made = found.create_time.date_naive();
            return Err(Error::InUse(a_day(updates, made, now.date_naive())));
        }
        tx.delete_audience(&found, now).await?;
        tx.record(author, Some(&found), None, now).await?;
        let deletion = tx.deletion(audience).await?;
        tx.commit().await?;
        deletion.ok_or(Error::Store(Failure::Internal))
    }

    /// How far a deletion is.
    pub async fn get_deletion(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        deadline: Deadline,
    ) -> Result<Deletion, Error> {
        if let Some(id) = audience {
            let mut connection = self.store.connection().await?;
            if let Some(found) = connection.begin(account).deletion(id).await? {
                return Ok(found);
            }
        }
        self.require_account(account, deadline).await?;
        Err(Error::DeletionUnknown)
    }

    /// Has an audience there again, by its id and name, without members.
    pub async fn restore_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        author: Author,
        deadline: Deadline,
    ) -> Result<Audience, Error> {
        self.require_account(account, deadline).await?;
        let audience = audience.ok_or(Error::DeletionUnknown)?;
        let app = self.clone();
        retry(deadline, POLICY, move |_| {
            let (app, author) = (app.clone(), author.clone());
            async move { app.restore_once(account, audience, &author).await }
        })
        .await
    }

    async fn restore_once(
        &self,
        account: AccountId,
        audience: AudienceId,
        author: &Author,
    ) -> Result<Audience, Error> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        self.own(&tx, account).await?;
        let is_done = match tx.done_before(author).await? {
            Before::Nothing => false,
            Before::Done(id) if id == audience.to_string() => true,
            Before::Done(_) | Before::Taken => return Err(Error::RequestTaken),
        };
        if let Some(there) = tx.audience(audience).await? {
            return Ok(there);
        }
        let deletion = tx.deletion(audience).await?.ok_or(Error::DeletionUnknown)?;
        if is_done {
            // It was deleted once more since.
            return Ok(deletion.audience);
        }
        if deletion.done_time.is_none() {
            return Err(Error::DeletionUnderWay);
        }
        let Created { audience, created } = tx.get_or_create(&deletion.audience).await?;
        if !created {
            return Err(Error::NameTaken);
        }
        let now = self.now();
        tx.restored(audience.id, now).await?;
        tx.record(author, None, Some(&audience), now).await?;
        tx.commit().await?;
        Ok(audience)
    }

    /// Deletes again and again what is to be deleted, in the replica whose turn it is.
    pub async fn delete_for_ever(self, mut sole: Sole, pulse: Pulse) {
        loop {
            pulse.beat();
            if sole.is_mine().await
                && let Err(failure) = self.delete_due(&pulse).await
            {
                tracing::warn!(%failure, "memberships of a deleted audience could not be deleted");
                sole.give_up(AGAIN).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn delete_due(&self, pulse: &Pulse) -> Result<(), Failure> {
        let connection = self.store.connection().await?;
        let accounts = connection.accounts_deleting(self.now(), ACCOUNTS).await?;
        drop(connection);
        for account in accounts {
            self.delete_of(account, pulse).await?;
        }
        Ok(())
    }

    async fn delete_of(&self, account: AccountId, pulse: &Pulse) -> Result<(), Failure> {
        let mut connection = self.store.connection().await?;
        for _ in 0..STEPS {
            pulse.beat();
            let Some(audience) = connection.next_to_delete(account).await? else {
                return connection.settle_deletions(account).await;
            };
            if !connection.delete_some(account, audience).await?
                && connection
                    .end_deletion(account, audience, self.now())
                    .await?
            {
                tracing::info!(%account, %audience, "a deleted audience has no members any more");
            }
        }
        Ok(())
    }
}
