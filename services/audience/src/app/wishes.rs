//! Wishes of a batch, and joins of contacts.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::{Aliases, Decision, Membership, Origin, Wish};
use crate::metrics;
use crate::store::{Entry, Key, Session, Stored};

/// A wish, and whose.
#[derive(Debug, Clone)]
pub struct WishOf {
    pub contact: ContactId,
    pub audience: AudienceId,
    pub wish: Wish,
}

/// What became of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Decided(Decision),
    /// No such audience, or one that Segment must not touch.
    UnknownAudience,
}

impl App {
    /// Applies the wishes in order, all in one transaction.
    pub async fn apply(
        self: &Arc<Self>,
        account: AccountId,
        wishes: Vec<WishOf>,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        if wishes.is_empty() {
            return Ok(Vec::new());
        }
        let wishes = Arc::new(wishes);
        let outcomes = self
            .persistently(deadline, move |app| {
                let wishes = Arc::clone(&wishes);
                async move { app.apply_once(account, &wishes).await }
            })
            .await?;
        count(&outcomes);
        Ok(outcomes)
    }

    async fn apply_once(
        &self,
        account: AccountId,
        wishes: &[WishOf],
    ) -> Result<Vec<Outcome>, Failure> {
        let mut session = self.store.session().await?;
        self.store.anchor(&session, account, self.now()).await?;
        let batch = session.begin(account);
        let audiences: Vec<AudienceId> = each(wishes.iter().map(|wish| wish.audience));
        let contacts: Vec<ContactId> = each(wishes.iter().map(|wish| wish.contact));
        let Some((aliases, origins)) = batch.open(&contacts, &audiences).await? else {
            self.store.forget_anchor(account);
            return Err(Failure::Conflict);
        };
        let usable = |wish: &&WishOf| origins.get(&wish.audience) == Some(&Origin::SegmentActions);
        let usable_wishes = wishes.iter().filter(usable);
        let keys: Vec<Key> = each(usable_wishes.map(|wish| key_of(wish, &aliases)));
        let stored = batch.lock_memberships(&keys).await?;

        // After the locks, so that one who waited for them decides by what is now.
        let now = self.now();
        let mut standings = Standings::of(keys, stored);
        let outcomes = wishes
            .iter()
            .map(|wish| {
                if usable(&wish) {
                    let key = key_of(wish, &aliases);
                    Outcome::Decided(standings.take(&key, wish.wish.clone(), now))
                } else {
                    Outcome::UnknownAudience
                }
            })
            .collect();

        let (new, changed) = (standings.unstored(), standings.changed());
        if new.is_empty() && changed.is_empty() {
            return Ok(outcomes);
        }
        if !batch.insert_memberships(&new).await? {
            return Err(Failure::Conflict);
        }
        batch.update_memberships_and_commit(&changed).await?;
        Ok(outcomes)
    }

    /// Takes the news that contacts are now others, and joins their memberships.
    pub async fn join(
        self: &Arc<Self>,
        account: AccountId,
        joins: Vec<(ContactId, ContactId)>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if joins.is_empty() {
            return Ok(());
        }
        let joins = Arc::new(joins);
        self.persistently(deadline, move |app| {
            let joins = Arc::clone(&joins);
            async move {
                let mut session = app.store.session().await?;
                app.store.anchor(&session, account, app.now()).await?;
                app.join_once(&mut session, account, &joins).await
            }
        })
        .await
    }

    async fn join_once(
        &self,
        session: &mut Session,
        account: AccountId,
        joins: &[(ContactId, ContactId)],
    ) -> Result<(), Failure> {
        let batch = session.begin(account);
        if !batch.own_account().await? {
            self.store.forget_anchor(account);
            return Err(Failure::Conflict);
        }
        let named: BTreeSet<ContactId> = joins.iter().flat_map(|join| [join.0, join.1]).collect();
        let named: Vec<ContactId> = named.into_iter().collect();
        let mut aliases = batch.aliases_around(&named).await?;
        for (joined, survivor) in joins {
            aliases.join(*joined, *survivor);
        }
        let changes: Vec<(ContactId, ContactId)> = aliases.changes().collect();
        if changes.is_empty() {
            return Ok(());
        }
        batch.store_aliases(&changes).await?;
        let touched: BTreeSet<ContactId> = changes.iter().flat_map(|one| [one.0, one.1]).collect();
        let touched: Vec<ContactId> = touched.into_iter().collect();
        let before = batch.lock_memberships_of(&touched).await?;
        let gone: Vec<Key> = before
            .keys()
            .filter(|key| aliases.resolve(key.1) != key.1)
            .copied()
            .collect();
        if !gone.is_empty() {
            let mut joined = Stored::new();
            for ((audience, contact), membership) in before {
                let key = (audience, aliases.resolve(contact));
                let both = match joined.remove(&key) {
                    Some(other) => membership.join(other),
                    None => membership,
                };
                joined.insert(key, both);
            }
            batch.delete_memberships(&gone).await?;
            batch.put_memberships(&joined).await?;
        }
        batch.commit().await
    }
}

fn key_of(wish: &WishOf, aliases: &Aliases) -> Key {
    (wish.audience, aliases.resolve(wish.contact))
}

/// In order, each once.
fn each<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut each: Vec<T> = all.collect();
    each.sort_unstable();
    each.dedup();
    each
}

/// Memberships while wishes are taken to them, by their keys, which are sorted.
struct Standings(Vec<(Key, Standing)>);

struct Standing {
    is_stored: bool,
    changed: bool,
    membership: Option<Membership>,
}

impl Standings {
    fn of(keys: Vec<Key>, stored: Vec<Option<Membership>>) -> Self {
        let standing = |membership: Option<Membership>| Standing {
            is_stored: membership.is_some(),
            changed: false,
            membership,
        };
        let standings = keys.into_iter().zip(stored);
        Self(standings.map(|(key, one)| (key, standing(one))).collect())
    }

    fn take(&mut self, key: &Key, wish: Wish, now: DateTime<Utc>) -> Decision {
        let place = self.0.binary_search_by_key(key, |(key, _)| *key);
        let place = place.expect("the keys are those of the wishes");
        let (_, standing) = &mut self.0[place];
        let taken = Membership::take(standing.membership.take(), wish, now);
        standing.membership = Some(taken.membership);
        standing.changed |= taken.changed;
        taken.decision
    }

    fn unstored(&self) -> Vec<Entry<'_>> {
        self.those(|standing| !standing.is_stored)
    }

    fn changed(&self) -> Vec<Entry<'_>> {
        self.those(|standing| standing.is_stored && standing.changed)
    }

    fn those(&self, wanted: impl Fn(&Standing) -> bool) -> Vec<Entry<'_>> {
        let wanted = self.0.iter().filter(|(_, standing)| wanted(standing));
        wanted
            .filter_map(|(key, standing)| Some((key, standing.membership.as_ref()?)))
            .collect()
    }
}

fn count(outcomes: &[Outcome]) {
    let of = |wanted: Outcome| outcomes.iter().filter(|one| **one == wanted).count();
    metrics::wished("applied", of(Outcome::Decided(Decision::Applied)));
    metrics::wished("held_back", of(Outcome::Decided(Decision::HeldBack)));
    metrics::wished("overtaken", of(Outcome::Decided(Decision::Overtaken)));
    metrics::wished("unknown_audience", of(Outcome::UnknownAudience));
}
