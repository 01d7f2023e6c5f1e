//! Two contacts become one by hand: through the same merge as in a batch, and written as one.

use std::collections::BTreeMap;

use uuid::Uuid;
use weir_changes::{Author, Change, Thing};
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;
use weir_service::retry;

use super::{shown_merge, unique_identifiers};
use crate::app::{App, Error, POLICY};
use crate::domain::{
    Batch, Care, Facts, Joined, Key, Message, PastMerge, Settings, StoredLink, merge_by_hand,
};
use crate::store::{BatchTx, OutboxRow};

/// What is wanted of two contacts.
#[derive(Debug, Clone)]
pub struct Joining {
    pub account: AccountId,
    pub contact: ContactId,
    pub other: ContactId,
    pub purpose: Purpose,
}

/// See [`Joining`].
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To see what it would come to.
    Preview,
    Merge {
        /// Of the caller's; the merge's id.
        request: Uuid,
        allows_two_user_ids: bool,
        author: Author,
    },
}

impl App {
    /// Merges two contacts, or tells what that would come to: `tell` makes of it what is answered.
    /// Of a merge that this request has done before, its contacts are answered.
    ///
    /// # Errors
    /// When there is no such contact, both are one already, both have user ids and that is not
    /// allowed for, or PostgreSQL is away.
    pub async fn join<T: Send + 'static>(
        &self,
        joining: Joining,
        deadline: Deadline,
        tell: fn(&Joined<'_>) -> T,
    ) -> Result<Result<T, PastMerge>, Error> {
        let (app, account) = (self.clone(), joining.account);
        let joined = retry(deadline, POLICY, move |_| {
            let (app, joining) = (app.clone(), joining.clone());
            async move { app.join_once(&joining, tell).await }
        });
        match joined.await {
            Err(Error::ContactUnknown) => {
                self.must_know(account, deadline).await?;
                Err(Error::ContactUnknown)
            }
            joined => joined,
        }
    }

    async fn join_once<T>(
        &self,
        joining: &Joining,
        tell: fn(&Joined<'_>) -> T,
    ) -> Result<Result<T, PastMerge>, Error> {
        let now = self.clock.now();
        let mut client = self.store.client().await?;
        let batch = Batch::by_hand(joining.account);
        let mut tx = BatchTx::begin(&self.store, &mut client, &batch, Care::Heal, now);
        let account = tx.open_account(false).await?.ok_or(Error::ContactUnknown)?;
        if let Purpose::Merge { request, .. } = &joining.purpose
            && let Some(done) = tx.merge_row(*request).await?
        {
            return match is_of(&tx, &done, joining).await? {
                true => Ok(Err(done)),
                false => Err(Error::RequestTaken),
            };
        }
        let live = async |contact| tx.live(contact).await?.ok_or(Error::ContactUnknown);
        let contacts = [live(joining.contact).await?, live(joining.other).await?];
        if contacts[0] == contacts[1] {
            return Err(Error::AlreadyOne);
        }
        let locked = tx.lock(&contacts).await?;
        let held = tx.held_links(&contacts).await?;
        let links: BTreeMap<Key<'_>, StoredLink<'_>> = held.links().into_iter().collect();
        let (keys, links): (Vec<Key<'_>>, Vec<StoredLink<'_>>) = links.into_iter().unzip();
        let unique = unique_identifiers(&account, keys.iter().map(|key| key.kind));
        let settings = Settings::by_hand(unique, account.caseless_identifiers);
        let facts = Facts::of_keys(&settings, keys);
        let mut joined = merge_by_hand(&facts, &locked.contacts(), links)
            .map_err(crate::store::NotStored::from)?;
        let answer = tell(&joined);
        let Purpose::Merge {
            request,
            allows_two_user_ids,
            author,
        } = &joining.purpose
        else {
            return Ok(Ok(answer));
        };
        if joined.both_have_user_ids && !*allows_two_user_ids {
            return Err(Error::BothHaveUserIds);
        }
        for merge in &mut joined.changes.merges {
            merge.request = Some(*request);
        }
        let message = Message::of(&joined.changes, &[], now.timestamp_micros());
        let message = message.map(|message| OutboxRow::new(joining.account, &message));
        tx.write(&joined.changes, message.as_ref()).await?;
        let shown = shown_merge(joined.survivor, joined.merged);
        let change = Change::made(Thing::Merge, *request, &shown);
        tx.record(author, &change).await?;
        tx.commit(&joined.changes).await?;
        crate::metrics::contacts_written(&joined.changes);
        message
            .into_iter()
            .for_each(|message| self.tell_soon(message));
        Ok(Ok(answer))
    }
}

/// Whether a merge that was done is the one that is wanted: of its contacts, or of others that
/// were merged into what they are by now.
async fn is_of(tx: &BatchTx<'_>, done: &PastMerge, joining: &Joining) -> Result<bool, Error> {
    let asked = [joining.contact, joining.other];
    if asked == [done.survivor, done.merged] || asked == [done.merged, done.survivor] {
        return Ok(true);
    }
    let survivor = tx.live(done.survivor).await?;
    for contact in asked {
        if survivor.is_none() || tx.live(contact).await? != survivor {
            return Ok(false);
        }
    }
    Ok(true)
}
