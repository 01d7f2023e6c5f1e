//! Histories, made from a number: few people, few moments, everything collides.

use std::collections::BTreeMap;

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use weir_tests::model::{DAY, Event, Id, Rules, Said, Strategy, TOO_FAR};

/// Once somebody was deleted, whatever else happens is younger.
const LATER: i64 = 3 * 3_600;
/// When people are deleted, as the model has it.
pub const DELETED: i64 = LATER - 600;
/// As many at once wait for one identifier: two of them are over the cap of a day.
const BURST: usize = 30;

/// What happens to an account.
#[derive(Debug, Clone)]
pub enum Step {
    Batch(Vec<Event>),
    /// Sent once more, one of those that were stored.
    Again(usize),
    Merge {
        pair: (usize, usize),
        allows_two_user_ids: bool,
    },
    Split(usize),
    /// At once: nothing is as if it had not been.
    MergeAndSplit((usize, usize)),
    Delete(usize),
    DeleteId(Id),
}

/// One account's life.
#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    pub rules: Rules,
    pub steps: Vec<Step>,
}

pub struct Maker {
    rng: TestRng,
    rules: Rules,
    messages: usize,
    /// Somebody was deleted.
    later: bool,
}

impl History {
    pub fn of(seed: u64) -> Self {
        let mut maker = Maker::new(seed);
        let steps = maker.number(10..22);
        let steps = (0..steps).map(|_| maker.step()).collect();
        Self {
            seed,
            rules: maker.rules,
            steps,
        }
    }
}

impl Maker {
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let strategy = match rng.random_range(0..5) {
            0 => Strategy::Append,
            1 => Strategy::Ignore,
            _ => Strategy::Overwrite,
        };
        let rules = Rules {
            strategy,
            next_if_empty: rng.random_bool(0.3),
            keep_user_ids_apart: rng.random_bool(0.3),
        };
        Self {
            rng,
            rules,
            messages: 0,
            later: false,
        }
    }

    pub fn number(&mut self, range: std::ops::Range<usize>) -> usize {
        self.rng.random_range(range)
    }

    fn is(&mut self, chance: f64) -> bool {
        self.rng.random_bool(chance)
    }

    fn pair(&mut self) -> (usize, usize) {
        (self.number(0..100), self.number(0..100))
    }

    fn step(&mut self) -> Step {
        match self.number(0..100) {
            0..30 => self.batch(None, false),
            30..40 => self.batch(Some(true), false),
            40..52 => self.batch(Some(true), true),
            52..56 => self.burst(),
            56..66 => Step::Again(self.number(0..100)),
            66..78 => Step::Merge {
                pair: self.pair(),
                allows_two_user_ids: self.is(0.7),
            },
            78..88 => Step::Split(self.number(0..100)),
            88..93 => Step::MergeAndSplit(self.pair()),
            93..96 => {
                self.later = true;
                Step::Delete(self.number(0..100))
            }
            96 => {
                self.later = true;
                let id = self.number(1..4);
                Step::DeleteId(match self.is(0.5) {
                    true => Id::User(format!("u{id}")),
                    false => Id::Visitor(format!("a{id}")),
                })
            }
            _ => self.late(),
        }
    }

    /// Identifies, or tracks that are all plain or all of contacts.
    pub fn batch(&mut self, track: Option<bool>, is_plain: bool) -> Step {
        let events = self.number(1..6);
        let events = (0..events).map(|_| self.event(track, is_plain));
        Step::Batch(events.collect())
    }

    /// Of before somebody was deleted, where that is.
    fn late(&mut self) -> Step {
        let (track, is_plain) = match self.number(0..3) {
            0 => (None, false),
            one => (Some(true), one == 1),
        };
        let later = std::mem::replace(&mut self.later, false);
        let late = self.event(track, is_plain);
        self.later = later;
        Step::Batch(vec![late])
    }

    fn burst(&mut self) -> Step {
        let first = self.event(Some(true), true);
        let burst = (0..BURST).map(|at| Event {
            second: i64::try_from(at).unwrap() - 3 * DAY,
            message: self.message(),
            track: Some(true),
            visitor: first.visitor.clone().filter(|_| first.user.is_none()),
            ..first.clone()
        });
        Step::Batch(burst.collect())
    }

    fn message(&mut self) -> String {
        self.messages += 1;
        // Not in the order in which they are sent.
        format!("m{:02}-{}", self.number(0..100), self.messages)
    }

    pub fn event(&mut self, track: Option<bool>, is_plain: bool) -> Event {
        let mut id = |letter: &str| {
            let id = self.rng.random_range(1..=3);
            self.rng.random_bool(0.65).then(|| format!("{letter}{id}"))
        };
        let (mut user, visitor) = (id("u"), id("a"));
        if user.is_none() && visitor.is_none() && self.is(0.9) {
            user = Some("u1".to_owned());
        }
        let moment = i64::from(self.rng.random_range(0..6)) * 60;
        let mut second = if self.later { LATER + moment } else { moment };
        if self.is(0.02) {
            second = TOO_FAR + 3_600;
        }
        let is_mapped = !self.is(0.03);
        Event {
            track: track.map(|_| is_mapped),
            user,
            visitor,
            second,
            message: self.message(),
            traits: self.traits(is_plain),
        }
    }

    fn traits(&mut self, is_plain: bool) -> BTreeMap<&'static str, Said> {
        let mut traits = BTreeMap::new();
        if is_plain {
            if self.is(0.1) {
                traits.insert("phn::phone", Said::Nonsense);
            }
            return traits;
        }
        let fields: [(&str, &[&str]); 4] = [
            ("str::email", &["a@x.org", "B@x.org", "b@x.org"]),
            ("phn::phone", &["+61412345678", "+61412345679"]),
            ("str::first", &["A", "B", "C"]),
            ("str::last", &["X", "Y"]),
        ];
        for (field, values) in fields {
            let said = match self.number(0..20) {
                0..10 => continue,
                10 => Said::Null,
                11 if field == "phn::phone" => Said::Nonsense,
                _ => Said::Value(values[self.number(0..values.len())].to_owned()),
            };
            traits.insert(field, said);
        }
        let nonsense = traits.values().any(|said| *said == Said::Nonsense);
        if nonsense && self.rules.strategy != Strategy::Overwrite {
            // There a null is nothing, not even beside what is worse.
            traits.retain(|_, said| *said != Said::Null);
        }
        traits
    }
}
