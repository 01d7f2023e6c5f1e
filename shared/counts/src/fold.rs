//! A batch, added up before it touches what all batches share.

use std::collections::HashMap;

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

/// The code of a plain 200.
pub const OK: &str = "OK";

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// What the event was answered; 0 of a value that was ignored.
    pub status: u16,
    /// The code of a `Reason`, or [`OK`].
    pub code: &'static str,
    /// An event's name; of a value its field.
    pub subject: &'a str,
}

/// How many, and when: Unix time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub count: i64,
    pub first: i64,
    pub last: i64,
}

impl Tally {
    pub(crate) fn add(&mut self, more: Self) {
        self.count += more.count;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// The counts of one batch. Most events of a batch are answered alike, so that each costs a
/// comparison with the one before it and nothing else.
#[derive(Debug, Default)]
pub struct Fold<'a> {
    /// The last key, which is in none of the counts yet.
    last: Option<(i64, Key<'a>, Tally)>,
    counts: HashMap<(i64, Key<'a>), Tally>,
}

/// What is counted by the window of its units (semantics 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Profile,
    Activity,
    /// None: an event that got none, since the limit was reached.
    Rejected,
}

impl Unit {
    pub(crate) const ALL: [Self; 3] = [Self::Profile, Self::Activity, Self::Rejected];

    /// No answer has such a status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Profile => 1,
            Self::Activity => 2,
            Self::Rejected => 3,
        }
    }
}

impl<'a> Fold<'a> {
    /// So many units of a window, which begins then: Unix time in microseconds.
    pub fn add_units(&mut self, unit: Unit, window: i64, subject: &'a str, count: i64) {
        let key = Key {
            status: unit.status(),
            code: "",
            subject,
        };
        self.add(key, window, count);
    }

    /// So many, of what was received then.
    pub fn add(&mut self, key: Key<'a>, received: i64, count: i64) {
        let more = Tally {
            count,
            first: received,
            last: received,
        };
        let hour = received.div_euclid(HOUR);
        if let Some((of, last, tally)) = &mut self.last
            && *of == hour
            && *last == key
        {
            tally.add(more);
            return;
        }
        self.settle();
        self.last = Some((hour, key, more));
    }

    /// By the hour, as the Unix time in microseconds at which it begins.
    pub(crate) fn into_counts(mut self) -> impl Iterator<Item = (i64, Key<'a>, Tally)> {
        self.settle();
        let counts = self.counts.into_iter();
        counts.map(|((hour, key), tally)| (hour * HOUR, key, tally))
    }

    fn settle(&mut self) {
        if let Some((hour, key, tally)) = self.last.take() {
            self.counts
                .entry((hour, key))
                .and_modify(|all| all.add(tally))
                .or_insert(tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 3] = ["", "Login", "str::email"];
    const CODES: [&str; 2] = [OK, "NO_MAPPING"];

    proptest! {
        /// Semantics 7.3a.
        #[test]
        fn a_fold_is_the_sum_of_what_was_added(
            added in prop::collection::vec(
                (0..3_usize, 0..2_usize, 0..3 * HOUR, 1..9_i64), 0..200)
        ) {
            let mut fold = Fold::default();
            let mut expected: HashMap<(i64, &str, &str), Tally> = HashMap::new();
            for (name, code, received, count) in added {
                let key = Key { status: 200, code: CODES[code], subject: NAMES[name] };
                fold.add(key, received, count);
                let tally = expected
                    .entry((received / HOUR * HOUR, key.code, key.subject))
                    .or_insert(Tally { count: 0, first: i64::MAX, last: i64::MIN });
                tally.count += count;
                tally.first = tally.first.min(received);
                tally.last = tally.last.max(received);
            }
            let folded: HashMap<_, _> = fold
                .into_counts()
                .map(|(hour, key, tally)| ((hour, key.code, key.subject), tally))
                .collect();
            prop_assert_eq!(folded, expected);
        }
    }
}
