//! The memberships of a batch, from what is stored to what is to be stored.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use weir_ids::{AudienceId, ContactId};

use super::history::{self, Cause, Tallies, tallied, turned};
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
pub struct Standings {
    all: Vec<(Key, Standing)>,
    told: Vec<history::Entry>,
    /// How many of the updates were news.
    news: BTreeMap<AudienceId, i64>,
}

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
        Self {
            all: standings.map(|(key, one)| (key, standing(one))).collect(),
            told: Vec::new(),
            news: BTreeMap::new(),
        }
    }

    /// Applies one of `keys`' updates.
    pub fn take(&mut self, key: &Key, update: Update, now: DateTime<Utc>) -> Decision {
        let index = self.all.binary_search_by_key(key, |(key, _)| *key);
        let index = index.expect("the keys are those of the updates");
        let (_, standing) = &mut self.all[index];
        let before = standing.membership.take();
        let taken = Membership::take(before.clone(), update, now);
        if let Some(turn) = turned(before.as_ref(), &taken.membership) {
            self.told.push(history::Entry {
                key: *key,
                turn,
                update: taken.membership.update.clone(),
            });
        }
        *self.news.entry(key.0).or_default() += i64::from(taken.is_news);
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

    /// What happened, in order.
    pub fn told(&self) -> &[history::Entry] {
        &self.told
    }

    /// How much of it, in which audience.
    pub fn tallies(&self) -> Tallies {
        let mut tallies = tallied(&self.told, Cause::Event);
        for (audience, news) in self.news.iter().filter(|(_, news)| **news > 0) {
            tallies.entry(*audience).or_default().updates += news;
        }
        tallies
    }

    fn those(&self, wanted: impl Fn(&Standing) -> bool) -> Vec<Entry<'_>> {
        let wanted = self.all.iter().filter(|(_, standing)| wanted(standing));
        wanted
            .filter_map(|(key, standing)| Some((key, standing.membership.as_ref()?)))
            .collect()
    }
}
