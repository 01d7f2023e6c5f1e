//! Membership updates of a batch (semantics 5.2-5.4).

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::sync::tomorrow;
use super::{App, Error, TRIES};
use crate::domain::{Aliases, Decision, Membership, MembershipUpdate, Origin};
use crate::metrics;
use crate::store::{Entry, Key};

/// An update, and whose.
#[derive(Debug, Clone)]
pub struct UpdateOf {
    pub contact: ContactId,
    pub audience: AudienceId,
    pub update: MembershipUpdate,
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
    /// Applies the updates in order, all in one transaction.
    pub async fn apply(
        self: &Arc<Self>,
        account: AccountId,
        updates: Vec<UpdateOf>,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let updates: Arc<[UpdateOf]> = updates.into();
        let all = 0..updates.len();
        let applied = self.apply_some(account, &updates, all, End::Commit, deadline);
        let outcomes = match applied.await {
            Err(Error::Store(Failure::Refused)) => {
                self.apply_without_faults(account, &updates, deadline).await
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
        updates: &Arc<[UpdateOf]>,
        part: Range<usize>,
        end: End,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        let (app, updates) = (Arc::clone(self), Arc::clone(updates));
        weir_service::persistently(deadline, TRIES, move |_| {
            let (app, updates, part) = (Arc::clone(&app), Arc::clone(&updates), part.clone());
            async move { Ok(app.apply_once(account, &updates[part], end).await?) }
        })
        .await
    }

    async fn apply_once(
        &self,
        account: AccountId,
        updates: &[UpdateOf],
        end: End,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut session = self.store.session().await?;
        let batch = session.begin(account);
        let audiences: Vec<AudienceId> = each(updates.iter().map(|update| update.audience));
        let contacts: Vec<ContactId> = each(updates.iter().map(|update| update.contact));
        let Some((aliases, origins)) = batch.open(&contacts, &audiences).await? else {
            // Who never made an audience has none.
            return Ok(vec![Outcome::UnknownAudience; updates.len()]);
        };
        let usable =
            |update: &&UpdateOf| origins.get(&update.audience) == Some(&Origin::SegmentActions);
        let usable_updates = updates.iter().filter(usable);
        let keys: Vec<Key> = each(usable_updates.map(|update| key_of(update, &aliases)));
        let stored = batch.lock_memberships(&keys).await?;

        // After the locks, so that one who waited for them decides by what is now.
        let now = self.now();
        let mut standings = Standings::of(keys, stored);
        let outcomes = updates
            .iter()
            .map(|update| {
                if usable(&update) {
                    let key = key_of(update, &aliases);
                    Outcome::Decided(standings.take(&key, update.update.clone(), now))
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

fn key_of(update: &UpdateOf, aliases: &Aliases) -> Key {
    (update.audience, aliases.resolve(update.contact))
}

/// In order, each once.
fn each<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut each: Vec<T> = all.collect();
    each.sort_unstable();
    each.dedup();
    each
}

/// Memberships while updates are applied to them, by their keys, which are sorted.
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

    fn take(&mut self, key: &Key, update: MembershipUpdate, now: DateTime<Utc>) -> Decision {
        let place = self.0.binary_search_by_key(key, |(key, _)| *key);
        let place = place.expect("the keys are those of the updates");
        let (_, standing) = &mut self.0[place];
        let taken = Membership::take(standing.membership.take(), update, now);
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
    metrics::asked("applied", of(Outcome::Decided(Decision::Applied)));
    metrics::asked("held_back", of(Outcome::Decided(Decision::HeldBack)));
    metrics::asked("overtaken", of(Outcome::Decided(Decision::Overtaken)));
    metrics::asked("unknown_audience", of(Outcome::UnknownAudience));
    metrics::asked("unstorable", of(Outcome::Unstorable));
}
