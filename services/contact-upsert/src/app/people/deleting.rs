//! Deleting a person: what is here goes at once, what others have is told them until they have
//! done it (semantics 3.9).

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_changes::{Author, Change, Shown, Thing};
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;
use weir_service::retry;

use crate::app::{App, Error, POLICY};
use crate::domain::{
    ContactKey, Deletion, NOBODY, Payload, Settings, is_unique_key, known_by, normalise,
};
use crate::store::{ErasureTx, Found, KEPT};

/// The field that tells people apart where an account never said otherwise here.
const DEFAULT_IDENTIFIER: &str = "str::email";

impl App {
    /// Deletes whoever is found by `key`. The same request again answers as it stands.
    ///
    /// # Errors
    /// When nobody is found, the request deleted somebody else, or PostgreSQL is away.
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
            return match is_of(&tx, &earlier, key, &settings, now).await? {
                true => Ok(earlier),
                false => Err(Error::RequestTaken),
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

/// Whether a deletion was of whoever is named so: what it left says by what that one was known,
/// whoever is known by it since. Once that is gone, whoever is found is taken for somebody else,
/// and who is not for the one that was deleted.
async fn is_of(
    tx: &ErasureTx<'_>,
    deletion: &Deletion,
    key: &ContactKey,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let since = deletion.request_time;
    let was_deleted = match key {
        ContactKey::Id(id) if deletion.contact == Some(*id) => true,
        ContactKey::Id(id) => tx.has_deleted_contact(*id, since).await?,
        ContactKey::Identifier(kind, value) => {
            let value = as_compared(kind, value, settings);
            tx.has_deleted(kind, &value, since).await?
        }
    };
    let is_gone = now - since >= KEPT;
    Ok(was_deleted || (is_gone && contact_of(tx, key, settings).await?.is_none()))
}

async fn contact_of(
    tx: &ErasureTx<'_>,
    key: &ContactKey,
    settings: &Settings,
) -> Result<Option<ContactId>, Error> {
    let holder = match key {
        ContactKey::Id(id) => tx.live(*id).await?,
        ContactKey::Identifier(kind, value) => {
            let value = as_compared(kind, value, settings);
            tx.holder(kind, &value).await?
        }
    };
    Ok(holder.filter(|holder| *holder != NOBODY))
}

fn as_compared<'v>(kind: &str, value: &'v str, settings: &Settings) -> Cow<'v, str> {
    let caseless = is_unique_key(kind) && settings.is_caseless(kind);
    normalise(value.into(), caseless)
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
