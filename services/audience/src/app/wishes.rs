//! Wishes of a batch.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::sync::tomorrow;
use super::{App, Error, TRIES};
use crate::domain::{Aliases, Decision, Membership, Origin, Wish};
use crate::metrics;
use crate::store::{Entry, Key};

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
    /// The database does not take a value of it.
    Unstorable,
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
        let wishes: Arc<[WishOf]> = wishes.into();
        let all = 0..wishes.len();
        let applied = self.apply_some(account, &wishes, all, End::Commit, deadline);
        let outcomes = match applied.await {
            Err(Error::Store(Failure::Refused)) => {
                self.apply_without_faults(account, &wishes, deadline).await
            }
            done => done,
        }?;
        count(&outcomes);
        Ok(outcomes)
    }

    /// A part of them; again where that lost against another transaction.
    pub(super) async fn apply_some(
        self: &Arc<Self>,
        account: AccountId,
        wishes: &Arc<[WishOf]>,
        part: Range<usize>,
        end: End,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        let (app, wishes) = (Arc::clone(self), Arc::clone(wishes));
        weir_service::persistently(deadline, TRIES, move |_| {
            let (app, wishes, part) = (Arc::clone(&app), Arc::clone(&wishes), part.clone());
            async move { Ok(app.apply_once(account, &wishes[part], end).await?) }
        })
        .await
    }

    async fn apply_once(
        &self,
        account: AccountId,
        wishes: &[WishOf],
        end: End,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut session = self.store.session().await?;
        let batch = session.begin(account);
        let audiences: Vec<AudienceId> = each(wishes.iter().map(|wish| wish.audience));
        let contacts: Vec<ContactId> = each(wishes.iter().map(|wish| wish.contact));
        let Some((aliases, origins)) = batch.open(&contacts, &audiences).await? else {
            // Who never made an audience has none.
            return Ok(vec![Outcome::UnknownAudience; wishes.len()]);
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
        let waiting = waiting(&changed);
        batch
            .note_waiting(&waiting, tomorrow(now.date_naive()))
            .await?;
        match end {
            End::Commit => batch.put_memberships_and_commit(&changed).await?,
            End::RollBack => batch.put_memberships(&changed).await?,
        }
        Ok(outcomes)
    }
}

/// Whether what was done lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    /// It was only looked whether it can be done.
    RollBack,
}

/// Those that are held back.
pub(super) fn waiting(changed: &[Entry<'_>]) -> Vec<Key> {
    let waiting = changed.iter().filter(|(_, membership)| membership.waits());
    waiting.map(|(key, _)| **key).collect()
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
    metrics::wished("unstorable", of(Outcome::Unstorable));
}
