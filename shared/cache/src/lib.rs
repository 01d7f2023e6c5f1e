//! What was looked up lately, kept in memory under fingerprints: so many values, and no more.
//!
//! contact-upsert and activity keep the links of identifiers in it (decision 6). What is in here
//! may be stale at any time: whoever goes by it finds out when it locks what it leads to.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard};

use weir_ids::Fingerprint;

/// Values of a set; also the bits of a number that stands for some of them.
const WAYS: usize = 32;

/// Values of `WORDS` numbers each by fingerprint, up to so many; a new one beyond
/// replaces any other.
///
/// Made for batches, and for more values than a processor's caches hold, where all that
/// counts is how many lines of memory a look-up touches, and how many of them the processor
/// waits for at a time. A fingerprint belongs to one set. A few bits of all that a set holds
/// stand side by side in one line: this is read first, and then one value, most often the
/// right one. Each step is taken for a whole batch before the next.
pub struct Recent<const WORDS: usize>(Mutex<Sets<WORDS>>);

struct Sets<const WORDS: usize> {
    marks: Vec<Marks>,
    /// Those of the first set, then those of the second, and so on. Numbers, since a list of
    /// zeros takes no memory before it is written to.
    entries: Vec<(Fingerprint, [u64; WORDS])>,
}

/// Of each entry of a set some bits that are not zero; zero = the entry is free. One line.
#[derive(Clone)]
#[repr(align(64))]
struct Marks([u16; WAYS]);

const FREE: u16 = 0;

impl<const WORDS: usize> Recent<WORDS> {
    /// Keeps about `most` values; takes their memory as they come.
    pub fn new(most: usize) -> Self {
        let sets = most.div_ceil(WAYS).max(1);
        Self(Mutex::new(Sets {
            marks: vec![Marks([FREE; WAYS]); sets],
            entries: vec![([0; 16], [0; WORDS]); sets * WAYS],
        }))
    }

    /// The values that are kept, in the order of `keys`.
    pub fn get_all(&self, keys: &[Fingerprint]) -> Vec<Option<[u64; WORDS]>> {
        let sets = self.sets();
        let alike: Vec<u32> = keys.iter().map(|key| sets.alike(key)).collect();
        let both = keys.iter().zip(alike);
        both.map(|(key, alike)| Some(sets.entries[sets.find(key, alike)?].1))
            .collect()
    }

    /// Keeps these, instead of what was kept under the same keys.
    pub fn insert_all(&self, entries: &[(Fingerprint, [u64; WORDS])]) {
        self.put_all(entries, |kept, value| *kept = value);
    }

    /// Keeps those of these under whose keys nothing is kept.
    pub fn add_all(&self, entries: &[(Fingerprint, [u64; WORDS])]) {
        self.put_all(entries, |_, _| {});
    }

    fn put_all(
        &self,
        entries: &[(Fingerprint, [u64; WORDS])],
        again: impl Fn(&mut [u64; WORDS], [u64; WORDS]),
    ) {
        let mut sets = self.sets();
        // Brings the lines of all of them, side by side, before the first is changed.
        let lines = entries.iter().map(|(key, _)| sets.alike(key));
        black_box(lines.fold(0, |seen, alike| seen | alike));
        for (key, value) in entries {
            match sets.find(key, sets.alike(key)) {
                Some(index) => again(&mut sets.entries[index].1, *value),
                None => sets.insert(*key, *value),
            }
        }
    }

    /// Forgets what is kept under these.
    pub fn remove_all(&self, keys: &[Fingerprint]) {
        let mut sets = self.sets();
        for key in keys {
            if let Some(index) = sets.find(key, sets.alike(key)) {
                sets.marks[index / WAYS].0[index % WAYS] = FREE;
            }
        }
    }

    fn sets(&self) -> MutexGuard<'_, Sets<WORDS>> {
        self.0
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

impl<const WORDS: usize> Sets<WORDS> {
    /// Where in its set a key may be, as bits.
    #[inline]
    fn alike(&self, key: &Fingerprint) -> u32 {
        self.marks[self.set_of(key)].alike(mark_of(key))
    }

    /// The index of the entry of a key that may be where these bits say.
    #[inline]
    fn find(&self, key: &Fingerprint, mut alike: u32) -> Option<usize> {
        while alike != 0 {
            let index = self.set_of(key) * WAYS + alike.trailing_zeros() as usize;
            if self.entries[index].0 == *key {
                return Some(index);
            }
            alike &= alike - 1;
        }
        None
    }

    fn insert(&mut self, key: Fingerprint, value: [u64; WORDS]) {
        let set = self.set_of(&key);
        let way = match self.marks[set].alike(FREE) {
            // As good as by chance.
            0 => usize::from(key[15]) % WAYS,
            free => free.trailing_zeros() as usize,
        };
        self.marks[set].0[way] = mark_of(&key);
        self.entries[set * WAYS + way] = (key, value);
    }

    /// Fingerprints are evenly spread, so any bits of them serve.
    #[inline]
    fn set_of(&self, key: &Fingerprint) -> usize {
        let [a, b, c, d, ..] = *key;
        let spread = u64::from(u32::from_le_bytes([a, b, c, d])) * self.marks.len() as u64;
        usize::try_from(spread >> 32).expect("it is less than the number of sets")
    }
}

impl Marks {
    /// A bit for each mark that is this one.
    #[inline]
    fn alike(&self, mark: u16) -> u32 {
        let bits = self.0.iter().enumerate();
        bits.fold(0, |bits, (way, one)| bits | u32::from(*one == mark) << way)
    }
}

#[inline]
fn mark_of(key: &Fingerprint) -> u16 {
    u16::from_le_bytes([key[8], key[9]]).max(FREE + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use weir_ids::fingerprint;

    fn key(number: u32) -> Fingerprint {
        fingerprint(&[&number.to_be_bytes()])
    }

    fn keys(numbers: &[u32]) -> Vec<Fingerprint> {
        numbers.iter().map(|n| key(*n)).collect()
    }

    fn keyed(entries: &[(u32, u64)]) -> Vec<(Fingerprint, [u64; 1])> {
        let keyed = entries.iter().map(|(n, value)| (key(*n), [*value]));
        keyed.collect()
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
            let recent = Recent::<1>::new(most);
            let mut last: HashMap<u32, Vec<u64>> = HashMap::new();
            for step in steps {
                match step {
                    Step::Insert(entries) => {
                        recent.insert_all(&keyed(&entries));
                        last.extend(entries.into_iter().map(|(n, value)| (n, vec![value])));
                    }
                    Step::Add(entries) => {
                        recent.add_all(&keyed(&entries));
                        for (n, value) in entries {
                            last.entry(n).or_default().push(value);
                        }
                    }
                    Step::Remove(numbers) => {
                        recent.remove_all(&keys(&numbers));
                        numbers.iter().for_each(|n| { last.remove(n); });
                    }
                    Step::Get(numbers) => {
                        for (n, value) in numbers.iter().zip(recent.get_all(&keys(&numbers))) {
                            let possible = last.get(n).map_or(&[][..], |values| values);
                            prop_assert!(value.is_none_or(|[value]| possible.contains(&value)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_added_leaves_what_is_kept() {
        let recent = Recent::<1>::new(100);
        recent.add_all(&keyed(&[(1, 1), (1, 2)]));
        assert_eq!(recent.get_all(&[key(1)]), [Some([1])]);
        recent.insert_all(&keyed(&[(1, 3)]));
        recent.add_all(&keyed(&[(1, 4)]));
        assert_eq!(recent.get_all(&[key(1)]), [Some([3])]);
    }

    /// How many of the first `inserted` numbers are kept, where there is room for `most`.
    fn kept(most: usize, inserted: u32) -> usize {
        let recent = Recent::<1>::new(most);
        let numbers: Vec<u32> = (0..inserted).collect();
        let entries: Vec<_> = numbers.iter().map(|n| (*n, u64::from(*n))).collect();
        recent.insert_all(&keyed(&entries));
        let found = recent.get_all(&keys(&numbers)).into_iter().zip(0..);
        found.filter(|(value, n)| *value == Some([*n])).count()
    }

    #[test]
    fn all_is_kept_while_there_is_room_and_no_more_than_there_is_room_for() {
        // Four fifths of the room, of which one in a hundred finds its set full.
        let few = kept(10_000, 8_000);
        assert!(few >= 7_850, "{few}");
        let full = kept(10_000, 100_000);
        assert!((9_900..=10_016).contains(&full), "{full}");
    }
}
