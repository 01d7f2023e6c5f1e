//! Contacts that become one, two again, or nobody (semantics 3.9, 3.10, 5.5).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::history::{self, Cause, tallied};
use crate::domain::{Entry, Merge, Merging, NOBODY, Split, apart, touched, waiting};
use crate::store::{Chronicle, Connection, Erased, Tx};

/// For so long a merge can be undone (semantics 3.10).
const KEPT: TimeDelta = TimeDelta::days(90);
/// What a deletion deleted can be asked for again.
const REMEMBERED: TimeDelta = TimeDelta::days(31);

impl App {
    /// Takes the news that contacts are now others, and merges their memberships.
    pub async fn merge_contacts(
        &self,
        account: AccountId,
        merges: Vec<Merge>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.require_account(account, deadline).await?;
        if merges.is_empty() {
            return Ok(());
        }
        let (app, merges) = (self.clone(), Arc::new(merges));
        retry(deadline, POLICY, move |_| {
            let (app, merges) = (app.clone(), Arc::clone(&merges));
            async move { Ok(app.merge_once(account, &merges).await?) }
        })
        .await
    }

    async fn merge_once(&self, account: AccountId, merges: &[Merge]) -> Result<(), Failure> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        self.own(&tx, account).await?;
        let known = tx.versions(&named(merges)).await?;
        let merges = news(merges, &known);
        if merges.is_empty() {
            return Ok(());
        }
        let aliases = tx.aliases_around(&named(&merges)).await?;
        let all = touched(&aliases, &merges);
        let memberships = tx.lock_memberships_of(&all).await?;
        let mut merging = Merging::of(aliases, memberships);
        merges.iter().for_each(|merge| merging.take(*merge));

        let aliases: Vec<(ContactId, ContactId)> = merging.aliases.changes().collect();
        tx.store_aliases(&aliases).await?;
        let told = merges.iter().map(|merge| {
            let survivor = merging.aliases.resolve(merge.contact);
            (merge.contact, (survivor, merge.version))
        });
        // The last word of each: rows of one statement must not meet.
        let told: HashMap<ContactId, (ContactId, i64)> = told.collect();
        let told = told
            .into_iter()
            .map(|(contact, (survivor, version))| (contact, survivor, version));
        tx.set_aliases(&told.collect::<Vec<_>>()).await?;
        let now = self.now();
        tx.keep(&merging.kept, now + KEPT).await?;
        tx.delete_memberships(&merging.gone()).await?;
        let changed = merging.changed();
        if !changed.is_empty() {
            tx.put_memberships(&changed).await?;
            // What waits under a merged contact goes on waiting under the survivor.
            tx.note_waiting(&waiting(&changed), self.next_sync(now))
                .await?;
        }
        self.tell(&tx, Cause::Merge, &merging.told(), now).await?;
        tx.commit().await
    }

    /// Takes the news that contacts are two again; one transaction each.
    pub async fn split_contacts(
        &self,
        account: AccountId,
        splits: Vec<Split>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.require_account(account, deadline).await?;
        for split in splits {
            let (app, split) = (self.clone(), Arc::new(split));
            retry(deadline, POLICY, move |_| {
                let (app, split) = (app.clone(), Arc::clone(&split));
                async move { Ok::<_, Error>(app.split_once(account, &split).await?) }
            })
            .await?;
        }
        Ok(())
    }

    async fn split_once(&self, account: AccountId, split: &Split) -> Result<(), Failure> {
        let mut connection = self.owned_by(account).await?;
        let tx = connection.begin(account);
        self.own(&tx, account).await?;
        let mut family = split.family.clone();
        family.push(split.contact);
        let known = tx.versions(&family).await?;
        let of_contact = known.iter().find(|alias| alias.0 == split.contact);
        if of_contact.is_some_and(|(.., version)| *version >= split.version) {
            return Ok(());
        }
        let survivor = of_contact.map_or(split.contact, |(_, survivor, _)| *survivor);
        let mut aliases = vec![(split.contact, split.contact, split.version)];
        // Its own family follows it, as far as it is known here.
        aliases.extend(known.iter().filter_map(|(contact, leads_to, version)| {
            let is_family = *contact != split.contact && *leads_to == survivor;
            is_family.then_some((*contact, split.contact, *version))
        }));
        tx.set_aliases(&aliases).await?;
        if survivor != split.contact {
            let kept = tx.kept(&family).await?;
            let now = tx.lock_memberships_of(&[survivor]).await?;
            let both = apart(split, survivor, &kept, &now);
            tx.forget_kept(split.contact).await?;
            tx.delete_memberships(&both.gone).await?;
            let put: Vec<Entry<'_>> = both.put.iter().collect();
            if !put.is_empty() {
                tx.put_memberships(&put).await?;
                tx.note_waiting(&waiting(&put), self.next_sync(self.now()))
                    .await?;
            }
            self.tell(&tx, Cause::Split, &both.told(&now), self.now())
                .await?;
        }
        tx.commit().await
    }

    /// Deletes all of these contacts; answers how many memberships, and how many that were kept
    /// for splits, the deletion has deleted in all.
    pub async fn erase(
        &self,
        account: AccountId,
        deletion: Uuid,
        contacts: Vec<ContactId>,
        deadline: Deadline,
    ) -> Result<Erased, Error> {
        self.require_account(account, deadline).await?;
        let (app, contacts) = (self.clone(), Arc::new(contacts));
        retry(deadline, POLICY, move |_| {
            let (app, contacts) = (app.clone(), Arc::clone(&contacts));
            async move {
                let mut connection = app.owned_by(account).await?;
                let tx = connection.begin(account);
                app.own(&tx, account).await?;
                let now = app.now();
                let erased = tx.erase(deletion, &contacts, now + REMEMBERED).await?;
                tx.tell(Chronicle {
                    now,
                    cause: Cause::Merge,
                    entries: &[],
                    tallies: &erased.tallies,
                    slot: app.store.slot(),
                })
                .await?;
                tx.commit().await?;
                Ok(erased)
            }
        })
        .await
    }

    async fn tell(
        &self,
        tx: &Tx<'_>,
        cause: Cause,
        entries: &[history::Entry],
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let told = Chronicle {
            now,
            cause,
            entries,
            tallies: &tallied(entries, cause),
            slot: self.store.slot(),
        };
        tx.tell(told).await
    }

    /// A connection, for an account whose row is there.
    pub(super) async fn owned_by(&self, account: AccountId) -> Result<Connection, Failure> {
        let mut connection = self.store.connection().await?;
        self.store.ensure_account(&mut connection, account).await?;
        Ok(connection)
    }

    pub(super) async fn own(&self, tx: &Tx<'_>, account: AccountId) -> Result<(), Failure> {
        if tx.own_account().await? {
            return Ok(());
        }
        self.store.forget_account(account);
        Err(Failure::Conflict)
    }
}

/// All who are named, each once.
fn named(merges: &[Merge]) -> Vec<ContactId> {
    let named: BTreeSet<ContactId> = merges
        .iter()
        .flat_map(|merge| [merge.contact, merge.survivor])
        .collect();
    named.into_iter().collect()
}

/// Those that are not known, nor undone meanwhile, and not of people who were deleted.
fn news(merges: &[Merge], known: &[(ContactId, ContactId, i64)]) -> Vec<Merge> {
    let known: HashMap<ContactId, (ContactId, i64)> = known
        .iter()
        .map(|(contact, leads_to, version)| (*contact, (*leads_to, *version)))
        .collect();
    let is_news = |merge: &&Merge| {
        let is_newer = known
            .get(&merge.contact)
            .is_none_or(|(_, version)| *version < merge.version);
        is_newer
            && known
                .get(&merge.survivor)
                .is_none_or(|(leads_to, _)| *leads_to != NOBODY)
    };
    merges.iter().filter(is_news).copied().collect()
}
