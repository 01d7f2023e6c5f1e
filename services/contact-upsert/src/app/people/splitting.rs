//! A merge is undone: the account is had alone meanwhile, since identifiers go back, which links
//! that are kept in mind would not show.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_changes::{Author, Change, Thing};
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;
use weir_service::retry;

use super::{shown_merge, unique_identifiers};
use crate::app::{App, Error, POLICY};
use crate::domain::{
    Apart, Batch, Care, Link, Message, Parts, PastMerge, Settings, Split, StoredContact, StoredKey,
    Undo, is_unique_key,
};
use crate::store::{BatchTx, OutboxRow};

/// What a split came to.
#[derive(Debug, Clone)]
pub struct Separated {
    pub contact: ContactId,
    pub survivor: ContactId,
    pub time: DateTime<Utc>,
    /// Values that could not come back: on whom, and of which field.
    pub left_out: Vec<(ContactId, String)>,
}

impl App {
    /// Undoes a merge.
    ///
    /// # Errors
    /// When there is no such merge, it is too old, a later one is in the way, or PostgreSQL is
    /// away.
    pub async fn split(
        &self,
        account: AccountId,
        merge: Uuid,
        author: Author,
        deadline: Deadline,
    ) -> Result<Separated, Error> {
        let app = self.clone();
        let split = retry(deadline, POLICY, move |_| {
            let (app, author) = (app.clone(), author.clone());
            async move { app.split_once(account, merge, &author).await }
        });
        match split.await {
            Err(Error::MergeUnknown) => {
                self.must_know(account, deadline).await?;
                Err(Error::MergeUnknown)
            }
            split => split,
        }
    }

    async fn split_once(
        &self,
        account: AccountId,
        merge: Uuid,
        author: &Author,
    ) -> Result<Separated, Error> {
        let now = self.clock.now();
        let mut client = self.store.client().await?;
        let batch = Batch::by_hand(account);
        let mut tx = BatchTx::begin(&self.store, &mut client, &batch, Care::Heal, now);
        let of_account = tx.open_account(true).await?.ok_or(Error::MergeUnknown)?;
        let row = tx.merge_row(merge).await?.ok_or(Error::MergeUnknown)?;
        if let Some(time) = row.split_time {
            return Ok(separated(&row, time, Vec::new()));
        }
        if let Some(other) = tx.in_the_way(&row).await? {
            return Err(Error::InTheWay(other));
        }
        let before = row.before.as_ref().ok_or(Error::MergeTooOld)?;
        let locked = tx.lock(&[row.survivor, row.merged]).await?;
        let (survivor, merged) = both(locked.contacts(), &row)?;
        let held = tx.held_links(&[row.survivor]).await?;
        let held = held.links();
        let kinds = held.iter().map(|(key, _)| key.kind);
        let kinds = kinds.chain(row.identifiers.iter().map(|key| key.0.as_str()));
        let unique = unique_identifiers(&of_account, kinds);
        let settings = Settings::by_hand(unique, of_account.caseless_identifiers);
        let undo = Undo {
            survivor,
            merged,
            before,
            identifiers: row.identifiers.iter().map(StoredKey::key).collect(),
            bar: row.id,
        };
        let parts = Parts::read(&settings, undo).map_err(|error| {
            tracing::error!(contact = %row.survivor, %error, "a contact's row is broken");
            Error::Internal
        })?;
        let others = parts.unique_keys();
        let others = tx.links_of(&others).await?;
        let apart = parts.split(held.into_iter().chain(others.links()).collect());
        let family = tx.family(row.merged).await?;
        let family = family.into_iter().filter(|id| *id != row.merged);
        let message = message_of(&row, &apart, family.collect(), now);
        let message = OutboxRow::new(account, &message);
        let gone = Change::gone(Thing::Merge, merge, &shown_merge(row.survivor, row.merged));
        tx.commit_split(merge, &apart.changes, &message, (author, &gone))
            .await?;
        self.tell_soon(message);
        let left_out = apart.left_out.into_iter();
        let left_out = left_out.map(|(contact, field)| (contact, field.to_owned()));
        Ok(separated(&row, now, left_out.collect()))
    }
}

fn separated(
    row: &PastMerge,
    time: DateTime<Utc>,
    left_out: Vec<(ContactId, String)>,
) -> Separated {
    Separated {
        contact: row.merged,
        survivor: row.survivor,
        time,
        left_out,
    }
}

/// The survivor, which is alive, and the merged one.
fn both<'a>(
    contacts: Vec<StoredContact<'a>>,
    row: &PastMerge,
) -> Result<(StoredContact<'a>, StoredContact<'a>), Error> {
    let of = |id| contacts.iter().find(|contact| contact.id == id).copied();
    let survivor = of(row.survivor).filter(|contact| !contact.redirected);
    let merged = of(row.merged).filter(|contact| contact.redirected);
    survivor.zip(merged).ok_or_else(|| {
        tracing::error!(contact = %row.survivor, "a merge and its contacts are out of step");
        Error::Internal
    })
}

/// Activity must hear of the identifiers together with the split, so that none is kept in mind
/// as it was.
fn message_of<'a>(
    row: &PastMerge,
    apart: &'a Apart<'_>,
    family: Vec<ContactId>,
    now: DateTime<Utc>,
) -> Message<'a> {
    let links = apart.changes.links_moved.iter();
    let links = links.filter(|link| !is_unique_key(link.key.kind));
    Message::of_split(Split {
        contact: row.merged.0,
        survivor: row.survivor.0,
        version: apart.version,
        merged_micros: row.merge_time.timestamp_micros(),
        family: family.into_iter().map(|id| id.0).collect(),
        links: links
            .map(|link| Link::of(link, now.timestamp_micros()))
            .collect(),
    })
}
