//! What is read of audiences and of who belongs to them (semantics 5.6).

use chrono::Days;
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::history::{Day, Told};
use crate::domain::{Member, Membership, Name, Run, Shown};
use crate::store::Listed;

impl App {
    /// None for an id that is none.
    pub async fn get_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        deadline: Deadline,
    ) -> Result<Shown, Error> {
        if let Some(id) = audience {
            let today = self.now().date_naive();
            let mut connection = self.store.connection().await?;
            if let Some(found) = connection.shown(account, id, today).await? {
                return Ok(found);
            }
        }
        self.require_account(account, deadline).await?;
        Err(Error::AudienceUnknown)
    }

    /// By name, up to `limit` of those after `after`; none for rows that can't be read.
    pub async fn list_audiences(
        &self,
        account: AccountId,
        after: &str,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<Listed<Name, Shown>>, Error> {
        self.require_account(account, deadline).await?;
        let mut connection = self.store.connection().await?;
        let today = self.now().date_naive();
        Ok(connection
            .audiences_after(account, after, limit, today)
            .await?)
    }

    /// By contact id, up to `limit` of those after `after`. None for an id that is none.
    pub async fn list_members(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        after: ContactId,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<Listed<ContactId, Member>>, Error> {
        let audience = self.known_audience(account, audience, deadline).await?;
        let mut connection = self.store.connection().await?;
        let found = connection.members_after(account, audience, after, limit);
        Ok(found.await?)
    }

    /// Of a contact, by audience, up to `limit` of those after `after`.
    pub async fn list_memberships(
        &self,
        account: AccountId,
        contact: ContactId,
        after: AudienceId,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<(AudienceId, Membership)>, Error> {
        let mut connection = self.store.connection().await?;
        let found = connection.memberships_of(account, contact, after, limit);
        let found = found.await?;
        if found.is_empty() {
            drop(connection);
            self.require_account(account, deadline).await?;
        }
        Ok(found)
    }

    /// What happened to a contact's memberships, up to `limit` before `before`, the newest first.
    pub async fn list_history(
        &self,
        account: AccountId,
        contact: ContactId,
        audience: Option<AudienceId>,
        before: Uuid,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<Listed<Uuid, Told>>, Error> {
        let mut connection = self.store.connection().await?;
        let found = connection.history_of(account, contact, audience, before, limit);
        let found = found.await?;
        if found.is_empty() {
            drop(connection);
            self.require_account(account, deadline).await?;
        }
        Ok(found)
    }

    /// Of the last `days` days those on which something happened, the newest first.
    pub async fn list_days(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        days: u64,
        deadline: Deadline,
    ) -> Result<Vec<Day>, Error> {
        let audience = self.known_audience(account, audience, deadline).await?;
        let after = self.now().date_naive() - Days::new(days);
        let mut connection = self.store.connection().await?;
        Ok(connection.days(account, audience, after).await?)
    }

    /// A sync and what became of it.
    pub async fn get_sync(
        &self,
        account: AccountId,
        id: Option<Uuid>,
        deadline: Deadline,
    ) -> Result<Run, Error> {
        if let Some(id) = id {
            let mut connection = self.store.connection().await?;
            if let Some(run) = connection.run(account, id).await? {
                return Ok(run);
            }
        }
        self.require_account(account, deadline).await?;
        Err(Error::SyncUnknown)
    }

    /// Up to `limit` before `before`, the newest first.
    pub async fn list_syncs(
        &self,
        account: AccountId,
        before: Uuid,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<Run>, Error> {
        self.require_account(account, deadline).await?;
        let mut connection = self.store.connection().await?;
        Ok(connection.runs(account, before, limit).await?)
    }

    /// Whom a sync brought to what was asked for, up to `limit` behind `after`, in order.
    pub async fn list_synced(
        &self,
        account: AccountId,
        id: Option<Uuid>,
        after: Uuid,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<Listed<Uuid, Told>>, Error> {
        let id = self.get_sync(account, id, deadline).await?.id;
        let mut connection = self.store.connection().await?;
        Ok(connection.done_by(account, id, after, limit).await?)
    }

    /// That there is such an audience; none for an id that is none.
    pub(super) async fn known_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        deadline: Deadline,
    ) -> Result<AudienceId, Error> {
        if let Some(id) = audience {
            let mut connection = self.store.connection().await?;
            if connection.audience(account, id).await?.is_some() {
                return Ok(id);
            }
        }
        self.require_account(account, deadline).await?;
        Err(Error::AudienceUnknown)
    }
}
