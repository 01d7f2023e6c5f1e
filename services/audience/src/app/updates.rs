//! Membership updates of a batch (semantics 5.2-5.4).

use std::ops::Range;
use std::sync::Arc;

use weir_ids::{AccountId, AudienceId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::history::Cause;
use crate::domain::{
    Aliases, Decision, Key, MembershipUpdate, NOBODY, Origin, Outcome, Standings, waiting,
};
use crate::metrics;
use crate::store::Chronicle;

impl App {
    /// Applies the updates in order, all in one transaction.
    pub async fn apply_membership_updates(
        &self,
        account: AccountId,
        updates: Vec<MembershipUpdate>,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let updates: Arc<[MembershipUpdate]> = updates.into();
        let all = 0..updates.len();
        let applied = self.apply_some(account, &updates, all, Ending::Commit, deadline);
        let outcomes = match applied.await {
            Err(Error::Store(Failure::Refused)) => {
                self.apply_without_culprits(account, &updates, deadline)
                    .await
            }
            done => done,
        }?;
        metrics::applied(&outcomes);
        Ok(outcomes)
    }

    /// A part of them; again where that lost against another transaction.
    pub(super) async fn apply_some(
        &self,
        account: AccountId,
        updates: &Arc<[MembershipUpdate]>,
        part: Range<usize>,
        ending: Ending,
        deadline: Deadline,
    ) -> Result<Vec<Outcome>, Error> {
        let (app, updates) = (self.clone(), Arc::clone(updates));
        retry(deadline, POLICY, move |_| {
            let (app, updates, part) = (app.clone(), Arc::clone(&updates), part.clone());
            async move { Ok(app.apply_once(account, &updates[part], ending).await?) }
        })
        .await
    }

    async fn apply_once(
        &self,
        account: AccountId,
        updates: &[MembershipUpdate],
        ending: Ending,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut connection = self.store.connection().await?;
        let tx = connection.begin(account);
        let audiences: Vec<AudienceId> = each(updates.iter().map(|update| update.audience));
        let contacts: Vec<ContactId> = each(updates.iter().map(|update| update.contact));
        let Some((aliases, origins)) = tx.open(&contacts, &audiences).await? else {
            // Who never made an audience has none.
            return Ok(vec![Outcome::UnknownAudience; updates.len()]);
        };
        let known = |update: &&MembershipUpdate| {
            origins.get(&update.audience) == Some(&Origin::SegmentActions)
        };
        // Of somebody who was deleted meanwhile nothing is kept (semantics 3.9).
        let is_somebody = |update: &&MembershipUpdate| aliases.resolve(update.contact) != NOBODY;
        let usable = |update: &&MembershipUpdate| known(update) && is_somebody(update);
        let usable_updates = updates.iter().filter(usable);
        let keys: Vec<Key> = each(usable_updates.map(|update| key_of(update, &aliases)));
        let stored = tx.lock_memberships(&keys).await?;

        // After the locks, so that one who waited for them decides by what is now.
        let now = self.now();
        let mut standings = Standings::of(keys, stored);
        let outcomes = updates
            .iter()
            .map(|update| {
                if usable(&update) {
                    let key = key_of(update, &aliases);
                    Outcome::Decided(standings.take(&key, update.update.clone(), now))
                } else if known(&update) {
                    Outcome::Decided(Decision::Overtaken)
                } else {
                    Outcome::UnknownAudience
                }
            })
            .collect();

        let (new, changed) = (standings.unstored(), standings.changed());
        if new.is_empty() && changed.is_empty() {
            return Ok(outcomes);
        }
        if !tx.insert_memberships(&new).await? {
            return Err(Failure::Conflict);
        }
        // Also who came, left and came back within one batch.
        let held_back = [waiting(&new), waiting(&changed)].concat();
        tx.note_waiting(&held_back, self.next_sync(now)).await?;
        tx.tell(Chronicle {
            now,
            cause: Cause::Event,
            entries: standings.told(),
            tallies: &standings.tallies(),
            slot: self.store.slot(),
        })
        .await?;
        match ending {
            Ending::Commit => tx.put_memberships_and_commit(&changed).await?,
            Ending::Undo => tx.put_memberships(&changed).await?,
        }
        Ok(outcomes)
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It lasts.
    Commit,
    /// It was to see whether it could.
    Undo,
}

fn key_of(update: &MembershipUpdate, aliases: &Aliases) -> Key {
    (update.audience, aliases.resolve(update.contact))
}

/// In order, each once.
fn each<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut each: Vec<T> = all.collect();
    each.sort_unstable();
    each.dedup();
    each
}
