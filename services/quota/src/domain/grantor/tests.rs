//! The rules, and a model in which everybody may stop between any two steps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn redis(epoch: i64) -> Standing {
    Standing {
        epoch,
        grantor: Grantor::Redis,
    }
}

fn ledgers(epoch: i64) -> Standing {
    Standing {
        epoch,
        grantor: Grantor::Ledgers,
    }
}

#[test]
fn all_follow_the_ledgers_and_finish_what_others_began() {
    let raise = |standing| Some(Step::Raise(standing));
    for (found, wish, then) in [
        ([redis(4), redis(4)], Wish::Rebuild, raise(redis(5))),
        ([redis(4), redis(7)], Wish::Rebuild, raise(redis(8))),
        ([redis(4), redis(4)], Wish::Ledgers, raise(ledgers(5))),
        // One of two was reached.
        ([ledgers(5), redis(4)], Wish::Ledgers, raise(ledgers(5))),
        ([ledgers(5), redis(4)], Wish::Rebuild, raise(ledgers(5))),
        ([ledgers(5), ledgers(3)], Wish::Ledgers, raise(ledgers(5))),
        // Two raised to the same epoch, each for something else.
        ([ledgers(5), redis(5)], Wish::Ledgers, raise(ledgers(6))),
        ([ledgers(5), redis(5)], Wish::Rebuild, raise(redis(6))),
        (
            [ledgers(5), ledgers(5)],
            Wish::Ledgers,
            Some(Step::Follow(5)),
        ),
        (
            [ledgers(5), ledgers(5)],
            Wish::Rebuild,
            Some(Step::Follow(5)),
        ),
        ([ledgers(5), ledgers(5)], Wish::Return, raise(redis(6))),
        ([ledgers(5), redis(6)], Wish::Ledgers, raise(ledgers(7))),
    ] {
        assert_eq!(step(&found, wish), then, "{found:?} {wish:?}");
    }
    assert_eq!(step(&[], Wish::Ledgers), None);
    assert!(is_reached(&[redis(5), redis(5)], redis(5)));
    assert!(!is_reached(&[redis(5), ledgers(5)], redis(5)));
    assert!(!is_reached(&[], redis(5)));
}

/// Of each kind.
const LIMIT: i64 = 12;
type Number = usize;

struct Ledger {
    stands: Standing,
    /// What is stored or closed.
    usage: BTreeMap<Number, i64>,
    /// What it granted itself, of the epoch that it was granted under.
    book: Option<Book>,
}

struct Book {
    epoch: i64,
    used: i64,
    leases: BTreeMap<Number, i64>,
}

#[derive(Clone)]
struct State {
    epoch: i64,
    used: [i64; 2],
    leases: BTreeMap<Number, [i64; 2]>,
}

#[derive(Clone, Copy)]
struct Batch {
    epoch: i64,
    granted: [i64; 2],
}

/// What a replica is in the midst of.
#[derive(Clone, Copy)]
enum Doing {
    Nothing,
    Asking(Wish, [Option<Standing>; 2]),
    Raising(Wish, Standing, [Option<(Standing, i64)>; 2]),
    Granting(i64, [Option<i64>; 2]),
}

struct Replica {
    doing: Doing,
    /// The epoch under which it takes the ledgers to grant.
    follows: Option<i64>,
}

struct Model {
    ledgers: [Ledger; 2],
    redis: Option<State>,
    /// What it was at some moment.
    snapshot: Option<State>,
    /// Who rebuilds.
    rebuild: Option<Number>,
    replicas: Vec<Replica>,
    batches: Vec<Batch>,
    stored: u32,
}

impl Ledger {
    fn sum(&self) -> i64 {
        self.usage.values().sum()
    }

    fn raise(&mut self, to: Standing) -> (Standing, i64) {
        if to.epoch > self.stands.epoch {
            self.stands = to;
            self.book = None;
        }
        (self.stands, self.sum())
    }

    fn grant(&mut self, epoch: i64, batch: Number, wanted: i64) -> Option<i64> {
        if self.stands != ledgers(epoch) {
            return None;
        }
        let used = self.sum();
        let book = self.book.get_or_insert_with(|| Book {
            epoch,
            used,
            leases: BTreeMap::new(),
        });
        assert_eq!(book.epoch, epoch);
        let reserved: i64 = book.leases.values().sum();
        let units = wanted.min(LIMIT - book.used - reserved).max(0);
        book.leases.insert(batch, units);
        Some(units)
    }

    /// Closes a batch, and books it.
    fn settle(&mut self, batch: Number) {
        let stored = *self.usage.entry(batch).or_insert(0);
        if let Some(book) = &mut self.book
            && book.leases.remove(&batch).is_some()
        {
            book.used += stored;
        }
    }
}

impl Model {
    fn new() -> Self {
        let ledger = || Ledger {
            stands: redis(0),
            usage: BTreeMap::new(),
            book: None,
        };
        let replica = || Replica {
            doing: Doing::Nothing,
            follows: None,
        };
        Self {
            ledgers: [ledger(), ledger()],
            redis: None,
            snapshot: None,
            rebuild: None,
            replicas: (0..3).map(|_| replica()).collect(),
            batches: Vec::new(),
            stored: 0,
        }
    }

    fn reserve_in_redis(&mut self, wanted: i64) {
        let Some(state) = &mut self.redis else {
            return;
        };
        let free = |kind: usize| {
            let reserved: i64 = state.leases.values().map(|units| units[kind]).sum();
            wanted.min(LIMIT - state.used[kind] - reserved).max(0)
        };
        let granted = [free(0), free(1)];
        state.leases.insert(self.batches.len(), granted);
        self.batches.push(Batch {
            epoch: state.epoch,
            granted,
        });
    }

    /// As the stores do: of the epoch that stands or a later one, and once.
    fn commit(&mut self, number: Number, kind: usize, wanted: i64) {
        let batch = self.batches[number];
        let ledger = &mut self.ledgers[kind];
        let units = wanted.min(batch.granted[kind]);
        if units > 0 && ledger.stands.epoch <= batch.epoch && !ledger.usage.contains_key(&number) {
            ledger.usage.insert(number, units);
            self.stored += 1;
        }
    }

    /// By the edge's word, or the ledgers', which closed it.
    fn settle(&mut self, number: Number) {
        for ledger in &mut self.ledgers {
            ledger.settle(number);
        }
        let stored = [0, 1].map(|kind| self.ledgers[kind].usage[&number]);
        if let Some(state) = &mut self.redis
            && state.epoch == self.batches[number].epoch
            && state.leases.remove(&number).is_some()
        {
            for (used, stored) in state.used.iter_mut().zip(stored) {
                *used += stored;
            }
        }
    }

    fn begin(&mut self, who: Number, wish: Wish) {
        if wish != Wish::Ledgers {
            self.redis = None;
            self.rebuild = Some(who);
        }
        self.replicas[who].doing = Doing::Asking(wish, [None; 2]);
    }

    /// One step of a replica, with one ledger.
    fn go_on(&mut self, who: Number, kind: usize, wanted: i64) {
        let ledger = &mut self.ledgers[kind];
        let doing = match self.replicas[who].doing {
            Doing::Nothing => match self.replicas[who].follows {
                Some(epoch) => Doing::Granting(epoch, [None; 2]),
                None => Doing::Nothing,
            },
            Doing::Asking(wish, mut found) => {
                found[kind] = Some(ledger.stands);
                match found {
                    [Some(one), Some(other)] => self.decided(who, wish, &[one, other]),
                    found => Doing::Asking(wish, found),
                }
            }
            Doing::Raising(wish, to, mut found) => {
                found[kind] = Some(ledger.raise(to));
                match found {
                    [Some(one), Some(other)] => self.raised(who, wish, to, [one, other]),
                    found => Doing::Raising(wish, to, found),
                }
            }
            Doing::Granting(epoch, mut granted) => {
                let batch = self.batches.len() + 1_000 * (who + 1);
                if granted[kind].is_none() {
                    granted[kind] = ledger.grant(epoch, batch, wanted);
                }
                match granted {
                    [Some(one), Some(other)] => {
                        // Known by its number from now on.
                        for ledger in &mut self.ledgers {
                            if let Some(book) = &mut ledger.book
                                && let Some(units) = book.leases.remove(&batch)
                            {
                                book.leases.insert(self.batches.len(), units);
                            }
                        }
                        self.batches.push(Batch {
                            epoch,
                            granted: [one, other],
                        });
                        Doing::Nothing
                    }
                    [None, None] => {
                        self.replicas[who].follows = None;
                        Doing::Nothing
                    }
                    granted => Doing::Granting(epoch, granted),
                }
            }
        };
        self.replicas[who].doing = doing;
    }

    fn decided(&mut self, who: Number, wish: Wish, found: &[Standing]) -> Doing {
        match step(found, wish).unwrap() {
            Step::Follow(epoch) => {
                self.replicas[who].follows = Some(epoch);
                Doing::Nothing
            }
            Step::Raise(to) => Doing::Raising(wish, to, [None; 2]),
        }
    }

    fn raised(
        &mut self,
        who: Number,
        wish: Wish,
        to: Standing,
        found: [(Standing, i64); 2],
    ) -> Doing {
        let stands = found.map(|(stands, _)| stands);
        if !is_reached(&stands, to) {
            return self.decided(who, wish, &stands);
        }
        if to.grantor == Grantor::Ledgers {
            self.replicas[who].follows = Some(to.epoch);
        } else if self.rebuild == Some(who) {
            self.rebuild = None;
            self.redis = Some(State {
                epoch: to.epoch,
                used: found.map(|(_, sum)| sum),
                leases: BTreeMap::new(),
            });
        }
        Doing::Nothing
    }

    fn put_back(&mut self) {
        let highest = self.ledgers.iter().map(|one| one.stands.epoch).min();
        // Within an epoch it is the count of grants that tells, which is not modelled.
        if let Some(state) = &self.snapshot
            && Some(state.epoch) < highest
        {
            self.redis = Some(state.clone());
        }
    }

    fn deed(&mut self, deed: u8, who: usize, kind: usize, amount: i64) {
        let number = (!self.batches.is_empty()).then(|| who * 7 % self.batches.len());
        let latest = self.batches.len().checked_sub(1 + who);
        match (deed, latest.or(number)) {
            (0, _) => self.reserve_in_redis(amount),
            (1, Some(batch)) => self.commit(batch, kind, amount),
            (2, Some(batch)) => self.settle(batch),
            (3, _) => self.redis = None,
            (4, _) => self.snapshot = self.redis.clone(),
            (5, _) => self.put_back(),
            (6, _) => self.begin(who, Wish::Ledgers),
            (7, _) if self.redis.is_none() => self.begin(who, Wish::Rebuild),
            (8, _) => self.begin(who, Wish::Return),
            (9, _) => self.replicas[who].doing = Doing::Nothing,
            (10.., _) => self.go_on(who, kind, amount),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Semantics 6.5, 6.6a: two ledgers, three replicas of which each sees or misses Redis as it
    /// likes, dies or is overtaken between any two calls, and a Redis that loses its memory.
    #[test]
    fn no_limit_is_overrun_whoever_grants_and_whoever_dies(
        deeds in prop::collection::vec((0..22_u8, 0..3_usize, 0..2_usize, 1..9_i64), 1..250),
    ) {
        let mut model = Model::new();
        for (deed, who, kind, amount) in deeds {
            model.deed(deed, who, kind, amount);
            for ledger in &model.ledgers {
                prop_assert!(ledger.sum() <= LIMIT, "{} units are stored", ledger.sum());
            }
        }
    }
}

/// So that the model shows something: it does store, both ways.
#[test]
fn units_are_stored_by_redis_and_by_the_ledgers_and_by_redis_again() {
    let mut model = Model::new();
    let both = |model: &mut Model, rounds: usize| {
        for round in 0..rounds {
            model.go_on(0, round % 2, 3);
        }
    };
    model.begin(0, Wish::Rebuild);
    both(&mut model, 4);
    model.reserve_in_redis(3);
    model.commit(0, 0, 3);
    model.begin(0, Wish::Ledgers);
    both(&mut model, 4);
    // Of the epoch before.
    model.commit(0, 1, 3);
    assert_eq!((model.ledgers[0].sum(), model.ledgers[1].sum()), (3, 0));
    both(&mut model, 4);
    assert_eq!(model.batches[1].granted, [3, 3]);
    model.commit(1, 0, 3);
    model.commit(1, 1, 3);
    model.begin(0, Wish::Return);
    both(&mut model, 4);
    assert_eq!(model.redis.as_ref().unwrap().used, [6, 3]);
    model.reserve_in_redis(9);
    assert_eq!(model.batches[2].granted, [6, 9]);
    assert_eq!(model.stored, 3);
}
