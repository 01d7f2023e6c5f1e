//! Who gets the units that were granted: batch order (semantics 6.4), and of several same
//! events the first alone, since the others will be repeats and free.

use std::collections::HashSet;
use std::hash::Hash;

/// So many events, as units.
pub fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// How many units events with these keys can need: one for each that is not another's repeat.
pub fn needed<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> i64 {
    count(keys.collect::<HashSet<_>>().len())
}

/// For each wanting event, by its key, whether it is funded.
pub fn assign<K: Eq + Hash>(keys: impl ExactSizeIterator<Item = K>, granted: i64) -> Vec<bool> {
    let granted = usize::try_from(granted).unwrap_or(0);
    if granted >= keys.len() {
        return vec![true; keys.len()];
    }
    let mut left = granted;
    let mut seen = HashSet::new();
    keys.map(|key| {
        let funded = left > 0 && seen.insert(key);
        left -= usize::from(funded);
        funded
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repeats_inside_the_batch_do_not_use_up_units() {
        let funded = assign(["a", "a", "b", "c"].into_iter(), 2);
        assert_eq!(funded, [true, false, true, false]);
    }

    proptest! {
        #[test]
        fn never_more_than_granted_and_none_left_over_while_one_wants(
            keys in prop::collection::vec(0_u8..20, 0..40),
            granted in -3_i64..50,
        ) {
            let funded = assign(keys.iter(), granted);
            prop_assert_eq!(funded.len(), keys.len());
            let count = funded.iter().filter(|funded| **funded).count();
            let distinct = keys.iter().collect::<HashSet<_>>().len();
            let granted = usize::try_from(granted).unwrap_or(0);
            if granted >= keys.len() {
                prop_assert_eq!(count, keys.len());
            } else {
                prop_assert_eq!(count, granted.min(distinct));
            }
        }
    }
}
