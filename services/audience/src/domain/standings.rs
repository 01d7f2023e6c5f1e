//! The memberships of a batch, from what is stored to what is to be stored.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use weir_ids::{AudienceId, ContactId};

use super::membership::{Decision, Membership, Update};

/// Sorted by it, memberships are locked in the same order by everybody.
pub type Key = (AudienceId, ContactId);

/// A membership and whose it is.
pub type Entry<'a> = (&'a Key, &'a Membership);

/// Memberships by key.
pub type Memberships = BTreeMap<Key, Membership>;

/// Those that are held back.
pub fn waiting(changed: &[Entry<'_>]) -> Vec<Key> {
    let waiting = changed.iter().filter(|(_, membership)| membership.waits());
    waiting.map(|(key, _)| **key).collect()
}

/// When what is held back today is due.
pub fn tomorrow(today: NaiveDate) -> NaiveDate {
    today.checked_add_days(Days::new(1)).unwrap_or(today)
}

/// Memberships while updates are applied to them, by their keys, which are sorted.
#[derive(Debug)]
pub struct Standings(Vec<(Key, Standing)>);

#[derive(Debug)]
struct Standing {
    is_stored: bool,
    changed: bool,
    membership: Option<Membership>,
}

impl Standings {
    /// In the order of `keys`, which are sorted and each there once.
    pub fn of(keys: Vec<Key>, stored: Vec<Option<Membership>>) -> Self {
        let standing = |membership: Option<Membership>| Standing {
            is_stored: membership.is_some(),
            changed: false,
            membership,
        };
        let standings = keys.into_iter().zip(stored);
        Self(standings.map(|(key, one)| (key, standing(one))).collect())
    }

    /// Applies one of `keys`' updates.
    pub fn take(&mut self, key: &Key, update: Update, now: DateTime<Utc>) -> Decision {
        let index = self.0.binary_search_by_key(key, |(key, _)| *key);
        let index = index.expect("the keys are those of the updates");
        let (_, standing) = &mut self.0[index];
        let taken = Membership::take(standing.membership.take(), update, now);
        standing.membership = Some(taken.membership);
        standing.changed |= taken.changed;
        taken.decision
    }

    /// Those that are to be inserted.
    pub fn unstored(&self) -> Vec<Entry<'_>> {
        self.those(|standing| !standing.is_stored)
    }

    /// Those that are stored otherwise.
    pub fn changed(&self) -> Vec<Entry<'_>> {
        self.those(|standing| standing.is_stored && standing.changed)
    }

    fn those(&self, wanted: impl Fn(&Standing) -> bool) -> Vec<Entry<'_>> {
        let wanted = self.0.iter().filter(|(_, standing)| wanted(standing));
        wanted
            .filter_map(|(key, standing)| Some((key, standing.membership.as_ref()?)))
            .collect()
    }
}
