//! Load, decide, commit; the daily sync in its own file.

mod sync;
mod wishes;

use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::{Deadline, Page};

use crate::domain::{Audience, Name, Origin, Usable};
use crate::store::{Created, Store};
use crate::{Clock, metrics};

pub use wishes::{Outcome, WishOf};

/// A transaction that lost is tried again this often, while there is time.
const ATTEMPTS: usize = 8;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error("no time was left")]
    Late,
    #[error("no such audience")]
    UnknownAudience,
    /// The name belongs to an audience that the caller must not touch.
    #[error("the name belongs to an audience of another origin")]
    OtherOrigin,
}

/// Everything the service does.
pub struct App {
    store: Store,
    clock: Clock,
}

impl App {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
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
        let wanted = Audience {
            id: AudienceId::new(),
            name,
            origin,
            create_time: self.now(),
        };
        let created = self
            .persistently(deadline, move |app| {
                let wanted = wanted.clone();
                async move {
                    let session = app.store.session().await?;
                    app.store.anchor(&session, account, app.now()).await?;
                    let created = session.get_or_create(account, &wanted).await;
                    if matches!(created, Err(Failure::Conflict)) {
                        app.store.forget_anchor(account);
                    }
                    created
                }
            })
            .await?;
        if created.audience.origin == origin {
            Ok(created)
        } else {
            Err(Error::OtherOrigin)
        }
    }

    pub async fn audience(
        &self,
        account: AccountId,
        audience: AudienceId,
    ) -> Result<Audience, Error> {
        let session = self.store.session().await?;
        let found = session.audience(account, audience).await?;
        found.ok_or(Error::UnknownAudience)
    }

    /// By name, those after `after`.
    pub async fn audiences(
        &self,
        account: AccountId,
        after: &str,
        size: usize,
    ) -> Result<Page<Audience, Name>, Error> {
        let session = self.store.session().await?;
        let found = session.audiences_after(account, after, more(size)).await?;
        Ok(Page::of(found, size, |audience| audience.name.clone()))
    }

    /// Which of these Segment may touch, in order.
    pub async fn check(
        &self,
        account: AccountId,
        audiences: &[AudienceId],
    ) -> Result<Vec<Usable>, Error> {
        let session = self.store.session().await?;
        let origins = session.origins(account, audiences).await?;
        let of = |id| Usable::of(origins.get(id).copied());
        Ok(audiences.iter().map(of).collect())
    }

    /// By contact id, those after `after`.
    pub async fn members(
        &self,
        account: AccountId,
        audience: AudienceId,
        after: ContactId,
        size: usize,
    ) -> Result<Page<(ContactId, DateTime<Utc>), ContactId>, Error> {
        let session = self.store.session().await?;
        let known = session.audience(account, audience).await?;
        known.ok_or(Error::UnknownAudience)?;
        let found = session
            .members_after(account, audience, after, more(size))
            .await?;
        Ok(Page::of(found, size, |(contact, _)| *contact))
    }

    /// Runs `work` in a task of its own, so that a caller that goes away leaves no half-used
    /// connection behind; and again where it lost against another transaction.
    async fn persistently<T, F, Fut>(
        self: &Arc<Self>,
        deadline: Deadline,
        work: F,
    ) -> Result<T, Error>
    where
        F: Fn(Arc<Self>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, Failure>> + Send,
        T: Send + 'static,
    {
        let app = Arc::clone(self);
        let task = tokio::spawn(async move {
            for _ in 0..ATTEMPTS {
                if deadline.passed() {
                    return Err(Error::Late);
                }
                match work(Arc::clone(&app)).await {
                    Err(Failure::Conflict) => metrics::retried(),
                    done => return done.map_err(Error::Store),
                }
            }
            // The database is there, but it is crowded: later.
            Err(Error::Store(Failure::Unavailable))
        });
        task.await.unwrap_or(Err(Error::Store(Failure::Internal)))
    }
}

/// One more than the page, to see whether another follows.
fn more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}
