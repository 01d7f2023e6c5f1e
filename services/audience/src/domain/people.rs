//! Contacts that become one, two again, or nobody (semantics 3.9, 3.10, 5.5).
//!
//! **Invariant:** what a merge did to memberships can be undone: those of both, as they were, are
//! kept beside them.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use weir_ids::{AudienceId, ContactId};

use super::alias::Aliases;
use super::history;
use super::membership::Membership;
use super::standings::{Key, Memberships};

/// Whom a contact leads to who was deleted.
pub const NOBODY: ContactId = ContactId(Uuid::nil());

/// News of a contact that went into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    pub contact: ContactId,
    pub survivor: ContactId,
    /// Grows with every merge and split of the one that went.
    pub version: i64,
}

/// News that it is one of its own again.
#[derive(Debug, Clone)]
pub struct Split {
    pub contact: ContactId,
    /// As in [`Merge`].
    pub version: i64,
    /// Who had been merged into it.
    pub family: Vec<ContactId>,
}

/// A membership as it was before a merge: of the contact that went, or of the one that stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The one that went.
    pub merged: ContactId,
    pub key: Key,
    pub membership: Membership,
}

/// Memberships of contacts while these are merged.
#[derive(Debug)]
pub struct Merging {
    pub aliases: Aliases,
    before: Memberships,
    now: Memberships,
    pub kept: Vec<Kept>,
}

impl Merging {
    /// Of all memberships of all who are merged.
    pub fn of(aliases: Aliases, memberships: Memberships) -> Self {
        Self {
            aliases,
            now: memberships.clone(),
            before: memberships,
            kept: Vec::new(),
        }
    }

    /// Merges two of them.
    pub fn take(&mut self, merge: Merge) {
        let Some((goes, stays)) = self.aliases.merge(merge.contact, merge.survivor) else {
            return;
        };
        let theirs = self.now.keys().filter(|(_, contact)| *contact == goes);
        let theirs: Vec<Key> = theirs.copied().collect();
        for key in theirs {
            let Some(membership) = self.now.remove(&key) else {
                continue;
            };
            let own = (key.0, stays);
            let both = match self.now.remove(&own) {
                None => membership.clone(),
                Some(other) => {
                    self.keep(goes, own, other.clone());
                    membership.clone().merge(other)
                }
            };
            self.now.insert(own, both);
            self.keep(goes, key, membership);
        }
    }

    fn keep(&mut self, merged: ContactId, key: Key, membership: Membership) {
        self.kept.push(Kept {
            merged,
            key,
            membership,
        });
    }

    /// What happened, by audience and contact.
    pub fn told(&self) -> Vec<history::Entry> {
        history::compared(&self.before, &self.now)
    }

    /// Memberships that are no more.
    pub fn gone(&self) -> Vec<Key> {
        let before = self.before.keys();
        before
            .filter(|key| !self.now.contains_key(key))
            .copied()
            .collect()
    }

    /// Those that are new or otherwise.
    pub fn changed(&self) -> Vec<(&Key, &Membership)> {
        let now = self.now.iter();
        now.filter(|(key, membership)| self.before.get(key) != Some(membership))
            .collect()
    }
}

/// What a split does to memberships.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Apart {
    pub gone: Vec<Key>,
    pub put: Memberships,
}

impl Apart {
    /// What happens by it; `now` are the survivor's memberships before.
    pub fn told(&self, now: &Memberships) -> Vec<history::Entry> {
        let mut then = now.clone();
        self.gone.iter().for_each(|key| {
            then.remove(key);
        });
        then.extend(self.put.iter().map(|(key, one)| (*key, one.clone())));
        history::compared(now, &then)
    }
}

/// Gives both back what they had before the merge; what was asked of the survivor since stays.
/// `kept` of the contact and of its family, `now` of the survivor.
pub fn apart(split: &Split, survivor: ContactId, kept: &[Kept], now: &Memberships) -> Apart {
    let mut back: BTreeMap<AudienceId, Membership> = BTreeMap::new();
    let mut at_merge: BTreeMap<AudienceId, Membership> = BTreeMap::new();
    let mut stayed: BTreeMap<AudienceId, Membership> = BTreeMap::new();
    let join = |into: &mut BTreeMap<AudienceId, Membership>, one: &Kept| {
        let membership = one.membership.clone();
        let both = match into.remove(&one.key.0) {
            Some(other) => membership.merge(other),
            None => membership,
        };
        into.insert(one.key.0, both);
    };
    for one in kept {
        let is_of_split = one.merged == split.contact;
        // Of each the own memberships; what its survivor had is not of this family.
        if one.key.1 == one.merged {
            join(&mut back, one);
        } else if is_of_split {
            stayed.insert(one.key.0, one.membership.clone());
        }
        if is_of_split {
            join(&mut at_merge, one);
        }
    }
    let mut apart = Apart::default();
    for (audience, membership) in back {
        apart.put.insert((audience, split.contact), membership);
        let key = (audience, survivor);
        let present = now.get(&key).map(|membership| &membership.update);
        let was = at_merge.get(&audience).map(|membership| &membership.update);
        if present.is_none() || present != was {
            continue;
        }
        match stayed.remove(&audience) {
            Some(membership) => {
                apart.put.insert(key, membership);
            }
            None => apart.gone.push(key),
        }
    }
    apart
}

/// All who are named, and whom they are known as.
pub fn touched(aliases: &Aliases, merges: &[Merge]) -> Vec<ContactId> {
    let named = merges
        .iter()
        .flat_map(|merge| [merge.contact, merge.survivor]);
    let touched: BTreeSet<ContactId> = named
        .flat_map(|contact| [contact, aliases.resolve(contact)])
        .collect();
    touched.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Mode, Update};

    fn contact(number: u128) -> ContactId {
        ContactId(Uuid::from_u128(number))
    }

    fn membership() -> impl Strategy<Value = Membership> {
        (any::<bool>(), 0..6_i64, 0..4_i64, any::<bool>()).prop_map(
            |(add, time, left, has_left)| {
                let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
                Membership {
                    member: add,
                    member_since: add.then(|| at(10 + time)),
                    left: has_left.then(|| at(left)),
                    update: Update {
                        time: at(time),
                        mode: if add { Mode::Add } else { Mode::Remove },
                        message_id: format!("m{time}").into(),
                    },
                }
            },
        )
    }

    fn memberships() -> impl Strategy<Value = Memberships> {
        let one = ((1..4_u128, 1..6_u128), membership());
        prop::collection::vec(one, 0..12).prop_map(|all| {
            let all = all.into_iter();
            let key = |(audience, of)| (AudienceId(Uuid::from_u128(audience)), contact(of));
            all.map(|(ids, membership)| (key(ids), membership))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_split_gives_back_the_memberships_from_before_the_merge(
            before in memberships(),
            order in Just((2..6_u128).collect::<Vec<_>>()).prop_shuffle(),
            at_once in any::<bool>(),
        ) {
            // Everybody into one who is older, one after another.
            let mut aliases = Aliases::default();
            let (mut now, mut stack, mut kept) = (before, Vec::new(), Vec::new());
            for goes in order {
                let stays = (1..goes).rev().map(contact).find(|one| aliases.resolve(*one) == *one);
                let (goes, stays) = (contact(goes), stays.unwrap());
                let family: Vec<ContactId> = (1..6).map(contact)
                    .filter(|one| *one != goes && aliases.resolve(*one) == goes)
                    .collect();
                stack.push((now.clone(), aliases.clone(), goes, stays, family));
                let mut merging = Merging::of(aliases, now);
                merging.take(Merge { contact: goes, survivor: stays, version: 1 });
                if at_once {
                    merging.take(Merge { contact: goes, survivor: stays, version: 1 });
                }
                kept.extend(merging.kept);
                (aliases, now) = (merging.aliases, merging.now);
                prop_assert!(now.keys().all(|key| aliases.resolve(key.1) == key.1));
            }
            while let Some((was, _, contact, survivor, family)) = stack.pop() {
                let split = Split { contact, version: 2, family };
                let of = |one: &&Kept| one.merged == contact || split.family.contains(&one.merged);
                let some: Vec<Kept> = kept.iter().filter(of).cloned().collect();
                let apart = apart(&split, survivor, &some, &now);
                for key in &apart.gone {
                    now.remove(key).unwrap();
                }
                now.extend(apart.put);
                kept.retain(|one| one.merged != contact);
                prop_assert_eq!(&now, &was);
            }
        }
    }

    #[test]
    fn what_was_asked_since_stays_with_the_survivor() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let of = |mode, time| Update {
            time: at(time),
            mode,
            message_id: "m".into(),
        };
        let take = |before, update| Membership::take(before, update, at(1_000)).membership;
        let (old, young) = (contact(1), contact(2));
        let vip = AudienceId(Uuid::from_u128(7));
        let mut memberships = Memberships::new();
        memberships.insert((vip, young), take(None, of(Mode::Add, 5)));
        let mut merging = Merging::of(Aliases::default(), memberships.clone());
        merging.take(Merge {
            contact: young,
            survivor: old,
            version: 1,
        });
        let mut now = merging.now.clone();
        let present = now.remove(&(vip, old));
        now.insert((vip, old), take(present, of(Mode::Remove, 9)));
        let split = Split {
            contact: young,
            version: 2,
            family: Vec::new(),
        };
        let apart = apart(&split, old, &merging.kept, &now);
        assert_eq!((apart.gone, apart.put), (Vec::new(), memberships));
    }
}
