//! Two people become one, and two again (semantics 3.6, 3.7, 3.10).

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, Person, Word};

/// A merge, which a split undoes.
#[derive(Debug, Clone)]
pub struct Merge {
    merged: usize,
    survivor: usize,
    /// The survivor's words before it.
    before: BTreeMap<&'static str, Word>,
    /// Fields of the survivor that were written since.
    since: BTreeSet<&'static str>,
    is_split: bool,
}

/// Why two are not merged by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMerged {
    AlreadyOne,
    BothHaveUserIds,
}

/// A later merge has to be undone before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSplit;

impl Person {
    /// Takes over what another knows: of each field the newer word, or what is empty here.
    pub(super) fn absorb(&mut self, other: &Self, newer_wins: bool) {
        for (field, theirs) in &other.words {
            let takes = match self.words.get(field) {
                None => true,
                Some(ours) if newer_wins => theirs > ours,
                Some(ours) => {
                    let is_later = (theirs.second, &theirs.message) > (ours.second, &ours.message);
                    ours.value.is_none() && (theirs.value.is_some() || is_later)
                }
            };
            if takes {
                self.words.insert(field, theirs.clone());
            }
        }
        self.ids.extend(other.ids.iter().cloned());
    }
}

impl Model {
    /// The older one stays, and is answered.
    pub(super) fn merge(&mut self, own: usize, other: usize, newer_wins: bool) -> usize {
        let (survivor, merged) = (own.min(other), own.max(other));
        let mut whole = self.people[own].clone();
        whole.absorb(&self.people[other], newer_wins);
        let before = std::mem::replace(&mut self.people[survivor].words, whole.words);
        self.people[survivor].ids = whole.ids;
        self.people[merged].into = Some(survivor);
        self.merges.push(Merge {
            merged,
            survivor,
            before,
            since: BTreeSet::new(),
            is_split: false,
        });
        survivor
    }

    /// A person merges the two: by their places among those who are there.
    ///
    /// # Errors
    /// Where they are one, or both have user ids and nobody says that this is meant.
    pub fn merge_by_hand(
        &mut self,
        (one, other): (usize, usize),
        allows_two_user_ids: bool,
    ) -> Result<(), NotMerged> {
        let living: Vec<usize> = self.living().collect();
        let (one, other) = (living[one], living[other]);
        if one == other {
            return Err(NotMerged::AlreadyOne);
        }
        if self.people[one].has_user_id()
            && self.people[other].has_user_id()
            && !allows_two_user_ids
        {
            return Err(NotMerged::BothHaveUserIds);
        }
        let apart = self.apart.clone();
        let is_of_both = |(a, b): &(usize, usize)| {
            let (a, b) = (self.live(*a), self.live(*b));
            (a, b) == (one, other) || (b, a) == (one, other)
        };
        self.apart = apart.into_iter().filter(|pair| !is_of_both(pair)).collect();
        self.merge(one, other, true);
        Ok(())
    }

    /// Merges that stand go with whoever was deleted.
    pub(super) fn forget_merges(&mut self, deleted: &[usize]) {
        self.merges
            .retain(|merge| merge.is_split || !deleted.contains(&merge.survivor));
    }

    pub(super) fn written_since(&mut self, person: usize, field: &'static str) {
        let merges = self.merges.iter_mut();
        for merge in merges.filter(|merge| !merge.is_split && merge.survivor == person) {
            merge.since.insert(field);
        }
    }

    /// Merges that stand, the oldest first: the places of both among all who are or were there
    /// and were not deleted.
    pub fn standing(&self) -> Vec<(usize, usize)> {
        let place = |person: usize| {
            let before = self.people[..person].iter();
            before.filter(|person| !person.deleted).count()
        };
        let standing = self.merges.iter().filter(|merge| !merge.is_split);
        standing
            .map(|merge| (place(merge.merged), place(merge.survivor)))
            .collect()
    }

    /// Undoes one of the [standing](Self::standing) merges. Answers which values of unique
    /// identifiers could not come back: whether it is the survivor's, and the field.
    ///
    /// # Errors
    /// Where another is in the way.
    pub fn split(&mut self, standing: usize) -> Result<Vec<(bool, &'static str)>, NotSplit> {
        let open = (0..self.merges.len()).filter(|at| !self.merges[*at].is_split);
        let at = open.collect::<Vec<_>>()[standing];
        let Merge {
            merged,
            survivor,
            before,
            since,
            ..
        } = self.merges[at].clone();
        let later = self.merges[at + 1..].iter();
        let mut later = later.filter(|later| !later.is_split);
        if later.any(|later| [later.survivor, later.merged].contains(&survivor)) {
            return Err(NotSplit);
        }
        self.merges[at].is_split = true;
        self.people[merged].into = None;
        let back = self.people[merged].ids.clone();
        let stays = &mut self.people[survivor];
        stays.ids.retain(|id| !back.contains(id));
        stays.words.retain(|field, word| {
            if !since.contains(field) {
                let Some(before) = before.get(field) else {
                    return false;
                };
                word.clone_from(before);
            }
            true
        });
        self.apart.insert((survivor, merged));
        Ok(self.leave_out(survivor, merged))
    }

    /// A unique identifier stays one person's: somebody else's first, then the survivor's.
    fn leave_out(&mut self, survivor: usize, back: usize) -> Vec<(bool, &'static str)> {
        let mut left_out = Vec::new();
        for field in super::KEYS {
            for person in [survivor, back] {
                let Some(key) = self.people[person].key(field) else {
                    continue;
                };
                let is_others = self.living().any(|other| {
                    // The one that comes back gives way to the survivor.
                    let other_key = self.people[other].key(field);
                    ![person, back].contains(&other) && other_key.as_ref() == Some(&key)
                });
                if is_others {
                    self.people[person].words.remove(field);
                    left_out.push((person == survivor, field));
                }
            }
        }
        left_out
    }
}
