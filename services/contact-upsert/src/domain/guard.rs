//! Contacts that take over too many others (semantics 3.1): most likely by an identifier that
//! means nobody, and should be blocked.

use std::collections::{BTreeMap, BTreeSet};

use weir_ids::ContactId;

use super::changes::Merge;

/// So many others a contact may take over in a UTC day before somebody is told. A person has
/// some devices, and clears their cookies now and then.
pub const MAX_ABSORBED: i64 = 20;
/// Identifiers of which a count is kept: whichever brought more than one in nine is among them.
const COUNTED: usize = 8;

/// What a contact took over on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absorbed {
    pub count: i64,
    /// An alert was raised.
    pub is_told: bool,
    /// Kind, value, how often at least; at most eight.
    pub found_by: Vec<(String, String, i64)>,
}

/// A contact took over more than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    pub contact: ContactId,
    pub count: i64,
    /// What brought most of them: kind and value.
    pub found_by: Option<(String, String)>,
}

impl Absorbed {
    fn add(&mut self, kind: &str, value: &str, times: i64) {
        let known = self.found_by.iter_mut();
        let known = known.into_iter().find(|(k, v, _)| k == kind && v == value);
        if let Some((_, _, count)) = known {
            *count += times;
            return;
        }
        self.found_by
            .push((kind.to_owned(), value.to_owned(), times));
        if self.found_by.len() > COUNTED {
            // The way of Misra and Gries: what is frequent is never lost.
            let least = self.found_by.iter().map(|(_, _, count)| *count).min();
            for (_, _, count) in &mut self.found_by {
                *count -= least.unwrap_or(0);
            }
            self.found_by.retain(|(_, _, count)| *count > 0);
        }
    }

    fn most(&self) -> Option<(String, String)> {
        // Of several the first: keys stand in the order in which they decide.
        let counts = self.found_by.iter().map(|(_, _, count)| *count);
        let most = counts.max()?;
        let (kind, value, _) = self.found_by.iter().find(|(_, _, count)| *count == most)?;
        Some((kind.clone(), value.clone()))
    }
}

/// Adds a batch's merges, in their order, to what the day has so far of the contacts that take
/// part; answers what the survivors have then, and of which of them somebody is to be told.
pub fn count(
    mut so_far: BTreeMap<ContactId, Absorbed>,
    merges: &[Merge<'_>],
) -> (BTreeMap<ContactId, Absorbed>, Vec<Crowd>) {
    for merge in merges {
        // Its own go along: the person stays one, whichever contact is the oldest.
        let theirs = so_far.remove(&merge.merged).unwrap_or_default();
        let ours = so_far.entry(merge.survivor).or_default();
        ours.count += 1 + theirs.count;
        ours.is_told |= theirs.is_told;
        for key in &merge.found_by {
            ours.add(key.kind, &key.value, 1);
        }
        for (kind, value, times) in &theirs.found_by {
            ours.add(kind, value, *times);
        }
    }
    let survivors: BTreeSet<ContactId> = merges.iter().map(|merge| merge.survivor).collect();
    so_far.retain(|contact, _| survivors.contains(contact));
    let mut crowds = Vec::new();
    for (contact, absorbed) in &mut so_far {
        if absorbed.count > MAX_ABSORBED && !absorbed.is_told {
            absorbed.is_told = true;
            crowds.push(Crowd {
                contact: *contact,
                count: absorbed.count,
                found_by: absorbed.most(),
            });
        }
    }
    (so_far, crowds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Before, Key, Rule};

    fn contact(id: u32) -> ContactId {
        ContactId(Uuid::from_u128(id.into()))
    }

    fn merge<'a>(merged: u32, survivor: u32, keys: &[(&'a str, &'a str)]) -> Merge<'a> {
        let keys = keys.iter().map(|(kind, value)| Key {
            kind,
            value: (*value).into(),
        });
        Merge {
            merged: contact(merged),
            survivor: contact(survivor),
            identifiers: Vec::new(),
            found_by: keys.collect(),
            before: Before {
                has_user_id: false,
                fields: String::new(),
                registers: String::new(),
                rule: Rule::Newer,
            },
            version: 1,
            turn: 1,
            cause: None,
            request: None,
        }
    }

    #[test]
    fn the_twenty_first_of_a_day_raises_an_alert_once_and_names_what_brought_most() {
        let visitors: Vec<String> = (0..60).map(|at| format!("a{at}")).collect();
        let mut so_far = BTreeMap::new();
        let mut told = Vec::new();
        for (at, visitor) in (2..).zip(&visitors) {
            let keys = [("str::email", "noemail@x.org"), ("a", &**visitor)];
            let (after, crowds) = count(so_far, &[merge(at, 1, &keys)]);
            told.extend(crowds.into_iter().map(|crowd| (at, crowd)));
            so_far = after;
        }
        let crowd = Crowd {
            contact: contact(1),
            count: 21,
            found_by: Some(("str::email".to_owned(), "noemail@x.org".to_owned())),
        };
        assert_eq!(told, [(22, crowd)]);
        assert_eq!(so_far[&contact(1)].count, 60);
        assert!(so_far[&contact(1)].found_by.len() <= COUNTED);
    }

    #[test]
    fn what_a_contact_took_over_goes_with_it_into_an_older_one() {
        let keys = [("u", "test")];
        let merges: Vec<_> = (2..=21).map(|at| merge(at, 1, &keys)).collect();
        let (so_far, crowds) = count(BTreeMap::new(), &merges);
        assert_eq!(crowds, []);
        let (after, crowds) = count(so_far, &[merge(1, 0, &keys)]);
        assert_eq!((crowds[0].contact, crowds[0].count), (contact(0), 21));
        assert_eq!(after.keys().copied().collect::<Vec<_>>(), [contact(0)]);
        let (_, crowds) = count(after, &[merge(90, 0, &keys)]);
        assert_eq!(crowds, [], "once a day");
    }

    proptest! {
        #[test]
        fn however_merges_are_put_into_batches_as_many_are_counted_and_told_of(
            pairs in prop::collection::vec((0..40_u32, 0..40_u32), 1..120),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut gone = [false; 40];
            let merges: Vec<Merge<'_>> = pairs
                .iter()
                .filter_map(|(one, other)| {
                    let (stays, goes) = (*one.min(other), *one.max(other));
                    let dead = stays == goes || gone[stays as usize] || gone[goes as usize];
                    gone[goes as usize] |= !dead;
                    (!dead).then(|| merge(goes, stays, &[("str::email", "e")]))
                })
                .collect();
            let (whole, at_once) = count(BTreeMap::new(), &merges);
            let (first, second) = merges.split_at(cut.index(merges.len() + 1));
            let (mut so_far, mut told) = count(BTreeMap::new(), first);
            let (after, more) = count(so_far.clone(), second);
            told.extend(more);
            so_far.extend(after);
            for (contact, absorbed) in &whole {
                if !merges.iter().any(|merge| merge.merged == *contact) {
                    prop_assert_eq!(so_far[contact].count, absorbed.count);
                }
            }
            prop_assert_eq!(told.is_empty(), at_once.is_empty());
        }
    }
}
