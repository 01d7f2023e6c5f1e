//! Which events of a batch the database does not take, found by trying parts of it
//! (semantics 1.2, 2.4c). It says that there is one, never which.

use std::ops::Range;

/// Of one batch. Each costs some twenty tries of ever smaller parts; more of them are no
/// accident, and the batch fails as a whole.
const MAX_CULPRITS: usize = 16;

/// The search: parts that were refused are halved until one event is left of each.
#[derive(Debug)]
pub struct Suspects {
    refused: Vec<Range<usize>>,
    culprits: Vec<usize>,
}

impl Suspects {
    /// A batch of so many events was refused as a whole.
    pub fn of(events: usize) -> Self {
        let mut suspects = Self {
            refused: Vec::new(),
            culprits: Vec::new(),
        };
        suspects.refused(0..events);
        suspects
    }

    /// Two parts, one of which was refused at least; none when all culprits are known.
    pub fn next(&mut self) -> Option<[Range<usize>; 2]> {
        let part = self.refused.pop()?;
        let middle = part.start + part.len() / 2;
        Some([part.start..middle, middle..part.end])
    }

    /// A part was refused.
    pub fn refused(&mut self, part: Range<usize>) {
        match part.len() {
            0 => {}
            1 => self.culprits.push(part.start),
            _ => self.refused.push(part),
        }
    }

    /// Whether there are more than are looked for.
    pub fn are_too_many(&self) -> bool {
        self.culprits.len() + self.refused.len() > MAX_CULPRITS
    }

    /// Those that were found, in order.
    pub fn found(mut self) -> Vec<usize> {
        self.culprits.sort_unstable();
        self.culprits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The culprits that are found among `bad`, and the tries that it took.
    fn search(events: usize, bad: &[usize]) -> (Option<Vec<usize>>, usize) {
        let mut suspects = Suspects::of(events);
        let mut tries = 0;
        while let Some(parts) = suspects.next() {
            for part in parts {
                tries += 1;
                if bad.iter().any(|one| part.contains(one)) {
                    suspects.refused(part);
                }
            }
            if suspects.are_too_many() {
                return (None, tries);
            }
        }
        (Some(suspects.found()), tries)
    }

    proptest! {
        #[test]
        fn all_culprits_are_found_and_nobody_else(
            events in 1..1_000_usize,
            bad in prop::collection::btree_set(0..1_000_usize, 1..=MAX_CULPRITS),
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|one| *one < events).collect();
            prop_assume!(!bad.is_empty());
            let (found, tries) = search(events, &bad);
            prop_assert!(tries <= bad.len() * 20);
            prop_assert_eq!(found, Some(bad));
        }
    }

    #[test]
    fn a_batch_of_culprits_is_given_up_soon() {
        let bad: Vec<usize> = (0..1_000).collect();
        let (found, tries) = search(1_000, &bad);
        assert_eq!(found, None);
        assert!(tries < 100, "{tries}");
    }
}
