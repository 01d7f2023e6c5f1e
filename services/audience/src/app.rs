//! Load, decide, commit; the daily sync in its own file.

mod fault;
mod merges;
mod sync;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use weir_accounts::Accounts;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::{Deadline, Page};
use weir_service::{Fault, Tries};

use crate::Clock;
use crate::domain::{Audience, Listed, Name, Origin, Usable};
use crate::store::{Created, Store};

pub use sync::longest_sync;
pub use updates::{Outcome, UpdateOf};

/// A transaction that lost is tried again this often, while there is time.
const TRIES: Tries = Tries {
    most: 8,
    pause: Duration::from_millis(2),
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error("no time was left")]
    Late,
    #[error("no such account")]
    UnknownAccount,
    /// Mapping, which owns accounts, could not be asked for one.
    #[error(transparent)]
    Accounts(#[from] weir_accounts::Away),
    #[error("no such audience")]
    UnknownAudience,
    /// The name belongs to an audience that the caller must not touch.
    #[error("the name belongs to an audience of another origin")]
    OtherOrigin,
}

impl Fault for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(Failure::Conflict))
    }

    fn late() -> Self {
        Self::Late
    }

    fn internal() -> Self {
        Self::Store(Failure::Internal)
    }
}

/// Everything the service does.
pub struct App {
    store: Store,
    accounts: Accounts,
    clock: Clock,
}

impl App {
    pub fn new(store: Store, accounts: Accounts, clock: Clock) -> Self {
        Self {
            store,
            accounts,
            clock,
        }
    }

    /// As precise as PostgreSQL keeps it, so that what is read is what was written.
    fn now(&self) -> DateTime<Utc> {
        (self.clock)().trunc_subsecs(6)
    }

    /// Finds the audience of that name, or makes it.
    pub async fn create(
        self: &Arc<Self>,
        account: AccountId,
        name: Name,
        origin: Origin,
        deadline: Deadline,
    ) -> Result<Created, Error> {
        self.account_is_known(account, deadline).await?;
        let wanted = Audience {
            id: AudienceId::new(),
            name,
            origin,
            create_time: self.now(),
        };
        let app = Arc::clone(self);
        let created = weir_service::persistently(deadline, TRIES, move |_| {
            let (app, wanted) = (Arc::clone(&app), wanted.clone());
            async move { app.create_once(account, &wanted).await }
        })
        .await?;
        if created.audience.origin == origin {
            Ok(created)
        } else {
            Err(Error::OtherOrigin)
        }
    }

    async fn create_once(&self, account: AccountId, wanted: &Audience) -> Result<Created, Error> {
        let session = self.store.session().await?;
        self.store.anchor(&session, account).await?;
        let created = session.get_or_create(account, wanted).await;
        if matches!(created, Err(Failure::Conflict)) {
            self.store.forget_anchor(account);
        }
        Ok(created?)
    }

    /// None for an id that is none.
    pub async fn audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        deadline: Deadline,
    ) -> Result<Audience, Error> {
        if let Some(id) = audience {
            let session = self.store.session().await?;
            if let Some(found) = session.audience(account, id).await? {
                return Ok(found);
            }
        }
        self.account_is_known(account, deadline).await?;
        Err(Error::UnknownAudience)
    }

    /// By name, those after `after`.
    pub async fn audiences(
        &self,
        account: AccountId,
        after: &str,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<Listed<Name, Audience>, Name>, Error> {
        self.account_is_known(account, deadline).await?;
        let session = self.store.session().await?;
        let found = session.audiences_after(account, after, more(size)).await?;
        let bytes = |(name, _): &Listed<Name, Audience>| name.as_str().len() + ROW_BYTES;
        Ok(Page::within(
            found,
            size,
            weir_rpc::MAX_PAGE_BYTES,
            bytes,
            |(name, _)| name.clone(),
        ))
    }

    /// Which of these Segment may touch, in order.
    pub async fn check(
        &self,
        account: AccountId,
        audiences: &[AudienceId],
        deadline: Deadline,
    ) -> Result<Vec<Usable>, Error> {
        let session = self.store.session().await?;
        let origins = session.origins(account, audiences).await?;
        drop(session);
        if origins.is_empty() {
            self.account_is_known(account, deadline).await?;
        }
        let of = |id| Usable::of(origins.get(id).copied());
        Ok(audiences.iter().map(of).collect())
    }

    /// By contact id, those after `after`. None for an id that is none.
    pub async fn members(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        after: ContactId,
        size: usize,
        deadline: Deadline,
    ) -> Result<Page<Listed<ContactId, DateTime<Utc>>, ContactId>, Error> {
        let audience = self.audience(account, audience, deadline).await?.id;
        let session = self.store.session().await?;
        let found = session
            .members_after(account, audience, after, more(size))
            .await?;
        Ok(Page::of(found, size, |(contact, _)| *contact))
    }

    /// That there is such an account: one that has a row here was known to mapping, which is
    /// asked for all others.
    async fn account_is_known(&self, account: AccountId, deadline: Deadline) -> Result<(), Error> {
        if self.store.is_anchored(account).await? || self.accounts.exists(account, deadline).await?
        {
            return Ok(());
        }
        Err(Error::UnknownAccount)
    }
}

/// What a listed audience has beside its name: an id, an origin, a time.
const ROW_BYTES: usize = 80;

/// One more than the page, to see whether another follows.
fn more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}
