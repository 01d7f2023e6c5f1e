//! Audiences: made, given other names, and which of them may be touched (semantics 5.1).

use weir_changes::{Author, Before};
use weir_ids::{AccountId, AudienceId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::{Audience, Created, Name, Origin, Usable};
use crate::store::Tx;

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
            let made = &created.audience;
            tx.record(author, None, Some(made), made.create_time)
                .await?;
            tx.commit().await?;
        }
        Ok(created)
    }

    /// Gives it another name.
    pub async fn rename_audience(
        &self,
        account: AccountId,
        audience: Option<AudienceId>,
        name: Name,
        author: Author,
        deadline: Deadline,
    ) -> Result<Audience, Error> {
        self.require_account(account, deadline).await?;
        let audience = audience.ok_or(Error::AudienceUnknown)?;
        let app = self.clone();
        retry(deadline, POLICY, move |_| {
            let (app, name, author) = (app.clone(), name.clone(), author.clone());
            async move { app.rename_once(account, audience, name, &author).await }
        })
        .await
    }

    async fn rename_once(
        &self,
        account: AccountId,
        audience: AudienceId,
        name: Name,
        author: &Author,
    ) -> Result<Audience, Error> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        self.own(&tx, account).await?;
        let before = tx.audience(audience).await?;
        let before = before.ok_or(Error::AudienceUnknown)?;
        if before.name == name {
            return Ok(before);
        }
        if !tx.rename(audience, &name).await? {
            return Err(Error::NameTaken);
        }
        let after = Audience {
            name,
            ..before.clone()
        };
        tx.record(author, Some(&before), Some(&after), self.now())
            .await?;
        tx.commit().await?;
        Ok(after)
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
