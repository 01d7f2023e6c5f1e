//! What was looked up lately, kept in memory under fingerprints.

use std::sync::{Mutex, MutexGuard};

use crate::Fingerprint;

/// Values of a set.
const WAYS: usize = 16;

/// Values by fingerprint, up to a fixed number; a new one beyond it takes the place of any
/// other.
///
/// Made for batches, and for more values than a processor's caches hold, where all that
/// counts is how much memory a look-up touches. Each fingerprint has two sets in which it may
/// be (so they fill evenly), and each set a few bits of all that it holds, side by side: these
/// are read first, and then one value, most often the right one. A batch is looked up in one
/// go, so that the processor waits for many of them at a time.
pub struct Recent<V>(Mutex<Sets<V>>);

struct Sets<V> {
    marks: Vec<Marks>,
    entries: Vec<Vec<(Fingerprint, V)>>,
}

/// Of each entry of a set some bits that are not zero; zero = the place is free.
type Marks = [u16; WAYS];

const FREE: u16 = 0;

impl<V: Copy> Recent<V> {
    /// Keeps about `most` values; takes their memory as they come.
    pub fn new(most: usize) -> Self {
        let sets = most.div_ceil(WAYS).max(1);
        Self(Mutex::new(Sets {
            marks: vec![[FREE; WAYS]; sets],
            entries: vec![Vec::new(); sets],
        }))
    }

    /// The values that are kept, in the order of `keys`.
    pub fn get_all(&self, keys: &[Fingerprint]) -> Vec<Option<V>> {
        let sets = self.sets();
        keys.iter().map(|key| sets.get(key)).collect()
    }

    /// Keeps these, in the place of what was kept under the same keys.
    pub fn insert_all(&self, entries: impl IntoIterator<Item = (Fingerprint, V)>) {
        let mut sets = self.sets();
        for (key, value) in entries {
            sets.insert(key, value);
        }
    }

    /// Keeps those of these under whose keys nothing is kept.
    pub fn add_all(&self, entries: impl IntoIterator<Item = (Fingerprint, V)>) {
        let mut sets = self.sets();
        for (key, value) in entries {
            if sets.find(&key).is_none() {
                sets.insert(key, value);
            }
        }
    }

    /// Forgets what is kept under these.
    pub fn remove_all(&self, keys: impl IntoIterator<Item = Fingerprint>) {
        let mut sets = self.sets();
        for key in keys {
            if let Some((set, way)) = sets.find(&key) {
                sets.marks[set][way] = FREE;
            }
        }
    }

    fn sets(&self) -> MutexGuard<'_, Sets<V>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

impl<V: Copy> Sets<V> {
    fn get(&self, key: &Fingerprint) -> Option<V> {
        let (set, way) = self.find(key)?;
        Some(self.entries[set][way].1)
    }

    fn find(&self, key: &Fingerprint) -> Option<(usize, usize)> {
        let (mark, sets) = self.places(key);
        for set in sets {
            let mut alike = alike(&self.marks[set], mark);
            while alike != 0 {
                let way = alike.trailing_zeros() as usize;
                if self.entries[set][way].0 == *key {
                    return Some((set, way));
                }
                alike &= alike - 1;
            }
        }
        None
    }

    fn insert(&mut self, key: Fingerprint, value: V) {
        let (mark, sets) = self.places(&key);
        let free = |set: usize| {
            let free = alike(&self.marks[set], FREE);
            (free != 0).then(|| (set, free.trailing_zeros() as usize))
        };
        let (set, way) = self
            .find(&key)
            .or_else(|| free(sets[0]))
            .or_else(|| free(sets[1]))
            // As good as by chance.
            .unwrap_or((sets[usize::from(key[15] >> 7)], usize::from(key[15]) % WAYS));
        self.marks[set][way] = mark;
        let entries = &mut self.entries[set];
        match entries.get_mut(way) {
            Some(entry) => *entry = (key, value),
            None => entries.push((key, value)),
        }
    }

    /// The mark of a fingerprint and the two sets in which it may be. Fingerprints are evenly
    /// spread, so any bits of them serve.
    fn places(&self, key: &Fingerprint) -> (u16, [usize; 2]) {
        let [a, b, c, d, e, f, g, h, i, j, ..] = *key;
        let set = |bits: [u8; 4]| {
            let spread = u64::from(u32::from_le_bytes(bits)) * self.marks.len() as u64;
            usize::try_from(spread >> 32).expect("it is less than the number of sets")
        };
        let mark = u16::from_le_bytes([i, j]).max(FREE + 1);
        (mark, [set([a, b, c, d]), set([e, f, g, h])])
    }
}

/// A bit for each mark that is this one.
#[inline]
fn alike(marks: &Marks, mark: u16) -> u32 {
    let bits = marks.iter().enumerate();
    bits.fold(0, |bits, (way, one)| bits | u32::from(*one == mark) << way)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fingerprint;

    fn key(number: u32) -> Fingerprint {
        fingerprint(&[&number.to_be_bytes()])
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Vec<(u32, u64)>),
        Add(Vec<(u32, u64)>),
        Remove(Vec<u32>),
        Get(Vec<u32>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let entries = || prop::collection::vec((0..60_u32, any::<u64>()), 0..30);
        let numbers = || prop::collection::vec(0..60_u32, 0..30);
        let step = prop_oneof![
            entries().prop_map(Step::Insert),
            entries().prop_map(Step::Add),
            numbers().prop_map(Step::Remove),
            numbers().prop_map(Step::Get),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        /// Whatever the size: a value may be gone, but is never an old one or another's. What is
        /// added is kept where nothing was, and that may be so where something had been.
        #[test]
        fn what_is_kept_is_the_last_that_was_given(most in 0..100_usize, steps in steps()) {
            let recent = Recent::new(most);
            let mut last: HashMap<u32, Vec<u64>> = HashMap::new();
            for step in steps {
                match step {
                    Step::Insert(entries) => {
                        recent.insert_all(entries.iter().map(|(n, value)| (key(*n), *value)));
                        last.extend(entries.into_iter().map(|(n, value)| (n, vec![value])));
                    }
                    Step::Add(entries) => {
                        recent.add_all(entries.iter().map(|(n, value)| (key(*n), *value)));
                        for (n, value) in entries {
                            last.entry(n).or_default().push(value);
                        }
                    }
                    Step::Remove(numbers) => {
                        recent.remove_all(numbers.iter().map(|n| key(*n)));
                        numbers.iter().for_each(|n| { last.remove(n); });
                    }
                    Step::Get(numbers) => {
                        let keys: Vec<_> = numbers.iter().map(|n| key(*n)).collect();
                        for (n, value) in numbers.iter().zip(recent.get_all(&keys)) {
                            let possible = last.get(n).map_or(&[][..], |values| values);
                            prop_assert!(value.is_none_or(|value| possible.contains(&value)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_added_leaves_what_is_kept() {
        let recent = Recent::new(100);
        recent.add_all([(key(1), 1), (key(1), 2)]);
        assert_eq!(recent.get_all(&[key(1)]), [Some(1)]);
        recent.insert_all([(key(1), 3)]);
        recent.add_all([(key(1), 4)]);
        assert_eq!(recent.get_all(&[key(1)]), [Some(3)]);
    }

    /// How many of the first `inserted` numbers are kept, where there is room for `most`.
    fn kept(most: usize, inserted: u32) -> usize {
        let recent = Recent::new(most);
        recent.insert_all((0..inserted).map(|n| (key(n), n)));
        let keys: Vec<_> = (0..inserted).map(key).collect();
        let found = recent.get_all(&keys).into_iter().zip(0..);
        found.filter(|(value, n)| *value == Some(*n)).count()
    }

    #[test]
    fn all_is_kept_while_there_is_room_and_no_more_than_there_is_room_for() {
        // Four fifths of the room, of which one in two hundred find theirs taken.
        let few = kept(10_000, 8_000);
        assert!(few >= 7_900, "{few}");
        let full = kept(10_000, 100_000);
        assert!((9_900..=10_000).contains(&full), "{full}");
    }
}
