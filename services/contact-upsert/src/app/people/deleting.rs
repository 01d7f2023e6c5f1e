//! Deleting a person: what is here goes at once, what others have is told them until they have
//! done it (semantics 3.9).

use std::collections::BTreeSet;

use uuid::Uuid;
use weir_changes::{Author, Change, Shown, Thing};
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;
use weir_service::retry;

use crate::app::{App, Error, POLICY};
use crate::domain::{
    ContactKey, Deletion, NOBODY, Payload, Settings, is_unique_key, known_by, normalise,
};
use crate::store::{ErasureTx, Found};

/// The field that tells people apart where an account never said otherwise here.
const DEFAULT_IDENTIFIER: &str = "str::email";

impl App {
    /// Deletes whoever is found by `key`. The same request again answers as it stands.
    ///
    /// # Errors
    /// When nobody is found, or PostgreSQL is away.
    pub async fn delete(
        &self,
        account: AccountId,
        key: ContactKey,
        request: Uuid,
        author: Author,
        deadline: Deadline,
    ) -> Result<Deletion, Error> {
        self.must_know(account, deadline).await?;
        self.store.anchor(account).await?;
        let app = self.clone();
        let deletion = retry(deadline, POLICY, move |_| {
            let (app, key, author) = (app.clone(), key.clone(), author.clone());
            async move { app.delete_once(account, &key, request, &author).await }
        });
        deletion.await
    }

    /// The receipt of a deletion.
    ///
    /// # Errors
    /// When there is no such deletion or account, or PostgreSQL is away.
    pub async fn deletion(
        &self,
        account: AccountId,
        deletion: Uuid,
        deadline: Deadline,
    ) -> Result<Deletion, Error> {
        if let Some(found) = self.store.deletion(account, deletion).await? {
            return Ok(found);
        }
        self.must_know(account, deadline).await?;
        Err(Error::DeletionUnknown)
    }

    async fn delete_once(
        &self,
        account: AccountId,
        key: &ContactKey,
        request: Uuid,
        author: &Author,
    ) -> Result<Deletion, Error> {
        let now = self.clock.now();
        let mut client = self.store.client().await?;
        let tx = ErasureTx::begin(&mut client, account, now).await?;
        let tx = tx.ok_or(Error::Conflict)?;
        let (mut unique, caseless) = tx.unique_identifiers().await?;
        if unique.is_empty() {
            unique.push(DEFAULT_IDENTIFIER.to_owned());
        }
        let settings = Settings::by_hand(unique, caseless);
        if let Some(earlier) = tx.earlier(request).await? {
            // Whoever was deleted is found no more: who is found is somebody else.
            return match contact_of(&tx, key, &settings).await? {
                Some(_) => Err(Error::RequestTaken),
                None => Ok(earlier),
            };
        }
        let (contact, found) = match contact_of(&tx, key, &settings).await? {
            Some(contact) => (Some(contact), tx.find(contact).await?),
            None => (None, only_identifier(key)?),
        };
        let known = known_by(&found.identifiers, &found.rows, &settings);
        let known = without_others(&tx, known, &found).await?;
        let mut deletion = Deletion {
            id: request,
            contact,
            request_time: now,
            done_time: None,
            counts: Vec::new(),
        };
        deletion.counts = tx.delete(&found, &known).await?;
        let payload = Payload {
            contacts: found.contacts.iter().map(|id| id.0).collect(),
            identifiers: known,
        };
        tx.record(author, &change_of(&deletion)).await?;
        tx.commit(&deletion, &payload).await?;
        crate::metrics::contacts_deleted(payload.contacts.len());
        Ok(deletion)
    }
}

/// Ids and counts: nothing by which anybody is known.
fn change_of(deletion: &Deletion) -> Change {
    let counts = deletion.counts.iter();
    let counts = counts.map(|counted| (counted.1.clone(), counted.2.into()));
    let mut shown: Shown = counts.collect();
    shown.insert("deletion_id".to_owned(), deletion.id.to_string().into());
    let id = deletion.contact.map(|id| id.to_string());
    Change::gone(Thing::Contact, id.unwrap_or_default(), &shown)
}

async fn contact_of(
    tx: &ErasureTx<'_>,
    key: &ContactKey,
    settings: &Settings,
) -> Result<Option<ContactId>, Error> {
    let holder = match key {
        ContactKey::Id(id) => tx.live(*id).await?,
        ContactKey::Identifier(kind, value) => {
            let caseless = is_unique_key(kind) && settings.is_caseless(kind);
            tx.holder(kind, &normalise(value.into(), caseless)).await?
        }
    };
    Ok(holder.filter(|holder| *holder != NOBODY))
}

/// An id that is nobody's: activities and removes may wait for it.
fn only_identifier(key: &ContactKey) -> Result<Found, Error> {
    match key {
        ContactKey::Identifier(kind, value) if !is_unique_key(kind) => {
            Ok(Found::of_nobody((kind.clone(), value.clone())))
        }
        _ => Err(Error::ContactUnknown),
    }
}

/// What the person was known by once, and is another's now, is that one's.
async fn without_others(
    tx: &ErasureTx<'_>,
    known: BTreeSet<(String, String)>,
    found: &Found,
) -> Result<BTreeSet<(String, String)>, Error> {
    let mut own = BTreeSet::new();
    for (kind, value) in known {
        let identifier = (kind, value);
        let is_own = found.identifiers.contains(&identifier)
            || tx
                .holder(&identifier.0, &identifier.1)
                .await?
                .is_none_or(|holder| holder == NOBODY || found.contacts.contains(&holder));
        if is_own {
            own.insert(identifier);
        }
    }
    Ok(own)
}
