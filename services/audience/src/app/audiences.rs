//! Audiences and who belongs to them (semantics 5.1).

use weir_changes::{Author, Before};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::{Audience, Created, Member, Membership, Name, Origin, Usable};
use crate::store::{Listed, Tx};

impl App {
    /// Finds the audience of that name, or makes it.
    pub async fn create_audience(
        &self,
        account: AccountId,
        name: Name,
        origin: Origin,
        author: Author,
        deadline: Deadline,
    ) -> Result<Created, Error> {
        self.require_account(account, deadline).await?;
        let wanted = Audience {
            id: AudienceId::new(),
            name,
            origin,
            create_time: self.now(),
        };
        let app = self.clone();
        let created = retry(deadline, POLICY, move |_| {
            let (app, wanted, author) = (app.clone(), wanted.clone(), author.clone());
            async move { app.create_once(account, &wanted, &author).await }
        })
        .await?;
        if created.audience.origin == origin {
            Ok(created)
        } else {
            Err(Error::OtherOrigin)
        }
    }

    async fn create_once(
        &self,
        account: AccountId,
        wanted: &Audience,
        author: &Author,
    ) -> Result<Created, Error> {
        let mut connection = self.store.connection().await?;
        self.store.ensure_account(&mut connection, account).await?;
        let tx = connection.begin(account);
        match tx.done_before(author).await? {
            Before::Nothing => {}
            Before::Done(id) => return made_before(&tx, &id, wanted).await,
            Before::Taken => return Err(Error::RequestTaken),
        }
        let created = tx.get_or_create(wanted).await;
        if matches!(created, Err(Failure::Conflict)) {
            self.store.forget_account(account);
        }
        let created = created?;
        if created.created {
            tx.record(author, &created.audience).await?;
            tx.commit().await?;
        }
        Ok(created)
    }

    /// None for an id that is none.
    pub async fn get_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        deadline: Deadline,
    ) -> Result<Audience, Error> {
        if let Some(id) = audience {
            let mut connection = self.store.connection().await?;
            if let Some(found) = connection.audience(account, id).await? {
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
    ) -> Result<Vec<Listed<Name, Audience>>, Error> {
        self.require_account(account, deadline).await?;
        let mut connection = self.store.connection().await?;
        Ok(connection.audiences_after(account, after, limit).await?)
    }

    /// Which of these Segment may touch, in order.
    pub async fn check_audiences(
        &self,
        account: AccountId,
        audiences: &[AudienceId],
        deadline: Deadline,
    ) -> Result<Vec<Usable>, Error> {
        let mut connection = self.store.connection().await?;
        let origins = connection.origins(account, audiences).await?;
        drop(connection);
        if origins.is_empty() {
            self.require_account(account, deadline).await?;
        }
        let of = |id| Usable::of(origins.get(id).copied());
        Ok(audiences.iter().map(of).collect())
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
        let audience = self.get_audience(account, audience, deadline).await?.id;
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
}

/// The audience that the same request made.
async fn made_before(tx: &Tx<'_>, id: &str, wanted: &Audience) -> Result<Created, Error> {
    let id = id.parse().map_err(|_| Error::RequestTaken)?;
    let found = tx.audience(id).await?;
    match found {
        Some(audience) if audience.name == wanted.name => Ok(Created {
            audience,
            created: false,
        }),
        _ => Err(Error::RequestTaken),
    }
}
