//! Simulated accounts in simulated time.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    slots: 4,
    account_slots: 2,
    small_slots: 1,
    waiting: Size {
        events: 20_000,
        bytes: 64 << 20,
    },
};

fn ms(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn key(source: &str) -> QueueKey {
    QueueKey {
        source_id: source.to_owned(),
        kind: Kind::Track,
        day: 0,
        is_replay: false,
    }
}

fn of(events: usize) -> Size {
    Size {
        events,
        bytes: events * 500,
    }
}

fn entry<T>(item: T, size: Size, since: Moment) -> Entry<T> {
    Entry {
        item,
        size,
        since,
        due: since + ms(8_000),
    }
}

fn add(schedule: &mut Schedule<usize>, account: &str, item: usize, size: Size) {
    let entry = entry(item, size, ms(item as u64));
    schedule.add(account, key("s"), entry).unwrap();
}

fn items<T: Copy>(batch: &Batch<T>) -> Vec<T> {
    batch.entries.iter().map(|entry| entry.item).collect()
}

fn next(schedule: &mut Schedule<usize>) -> Option<(String, Vec<usize>)> {
    let next = schedule.next(ms(1_000));
    assert!(next.late.is_empty());
    let batch = next.batch?;
    Some((batch.account_id.clone(), items(&batch)))
}

fn end(schedule: &mut Schedule<usize>, account: &str, events: usize) {
    schedule.ended(account, of(events), ms(20));
}

/// Semantics 1.9.
#[test]
fn nothing_waits_while_a_slot_is_free_and_what_waits_goes_together() {
    let mut schedule = Schedule::new(LIMITS);
    add(&mut schedule, "a", 0, of(10));
    assert_eq!(next(&mut schedule), Some(("a".to_owned(), vec![0])));
    for item in 1..=60 {
        add(&mut schedule, "a", item, of(10));
    }
    // Half a batch and more need not wait for the small one.
    let (_, first) = next(&mut schedule).unwrap();
    assert_eq!(first, (1..=50).collect::<Vec<_>>(), "in their order, 500");
    assert_eq!(next(&mut schedule), None, "its slots are taken");
    assert_eq!(schedule.waiting(), of(100));
    end(&mut schedule, "a", 10);
    let (_, rest) = next(&mut schedule).unwrap();
    assert_eq!(rest, (51..=60).collect::<Vec<_>>());
    assert_eq!(schedule.waiting(), Size::default());
}

#[test]
fn a_large_request_goes_alone_and_whole() {
    let mut schedule = Schedule::new(LIMITS);
    let large = Size {
        events: 3,
        bytes: 16 << 20,
    };
    for (item, size) in [of(1), of(1_000), of(1), large, of(1), of(499), of(2)]
        .into_iter()
        .enumerate()
    {
        add(&mut schedule, "a", item, size);
    }
    let mut seen = Vec::new();
    while let Some(batch) = schedule.next(ms(0)).batch {
        seen.push(items(&batch));
        schedule.ended("a", batch.size, ms(1));
    }
    let expected: [&[usize]; 6] = [&[0], &[1], &[2], &[3], &[4, 5], &[6]];
    assert_eq!(seen, expected);
}

#[test]
fn sources_endpoints_and_days_do_not_mix_and_who_waited_longest_is_first() {
    let mut schedule = Schedule::new(LIMITS);
    let others = [
        key("s"),
        QueueKey {
            kind: Kind::Identify,
            ..key("s")
        },
        QueueKey { day: 1, ..key("s") },
        key("other"),
        QueueKey {
            is_replay: true,
            ..key("s")
        },
    ];
    for item in 0..10 {
        let key = others[[3, 1, 0, 2, 4][item % 5]].clone();
        let entry = entry(item, of(1), ms(item as u64));
        schedule.add("a", key, entry).unwrap();
    }
    let mut seen = Vec::new();
    while let Some(batch) = schedule.next(ms(0)).batch {
        seen.push(items(&batch));
        schedule.ended("a", batch.size, ms(1));
    }
    assert_eq!(seen, [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]);
}

#[test]
fn a_replay_stands_back_where_requests_would_wait_for_it() {
    let mut schedule = Schedule::new(LIMITS);
    assert!(!schedule.is_pressed("a"));
    add(&mut schedule, "a", 1, of(1));
    assert!(schedule.is_pressed("a") && !schedule.is_pressed("b"));
    // The account's last slot but one.
    schedule.next(ms(0)).batch.unwrap();
    assert!(schedule.is_pressed("a") && !schedule.is_pressed("b"));
    for account in ["b", "c"] {
        add(&mut schedule, account, 2, of(1));
        schedule.next(ms(0)).batch.unwrap();
    }
    assert!(schedule.is_pressed("d"), "the last slot of all");
}

#[test]
fn what_waited_for_units_goes_first_and_alone() {
    let mut schedule = Schedule::new(LIMITS);
    add(&mut schedule, "a", 1, of(1));
    for item in [2, 3] {
        schedule.add_again("a", key("s"), entry(item, of(1), ms(0)));
    }
    let mut seen = Vec::new();
    while let Some((_, items)) = next(&mut schedule) {
        seen.push(items);
        end(&mut schedule, "a", 1);
    }
    assert_eq!(seen, [[2], [3], [1]]);
}

#[test]
fn a_queue_is_bounded_for_each_account_and_for_all() {
    let mut schedule = Schedule::new(LIMITS);
    let full = |schedule: &mut Schedule<usize>, account: &str, size: Size| {
        let entry = entry(7, size, ms(0));
        schedule
            .add(account, key("s"), entry)
            .map_err(|(full, item)| {
                assert_eq!(item, 7, "it comes back");
                full
            })
    };
    for account in ["a", "b"] {
        for _ in 0..10 {
            assert_eq!(full(&mut schedule, account, of(999)), Ok(()));
        }
        assert_eq!(full(&mut schedule, account, of(11)), Err(Full::Account));
        assert_eq!(full(&mut schedule, account, of(10)), Ok(()));
    }
    assert_eq!(full(&mut schedule, "c", of(1)), Err(Full::All));
    assert_eq!(schedule.has_room("c", of(1)), Err(Full::All));
    while schedule.next(ms(0)).batch.is_some() {}
    assert_eq!(schedule.has_room("c", of(1)), Ok(()), "what began has left");

    let mut schedule = Schedule::new(LIMITS);
    let bytes = |bytes| Size { events: 1, bytes };
    assert_eq!(full(&mut schedule, "a", bytes(32 << 20)), Ok(()));
    assert_eq!(full(&mut schedule, "a", bytes(1)), Err(Full::Account));
}

#[test]
fn who_would_be_late_does_not_begin() {
    let mut schedule = Schedule::new(LIMITS);
    let of_due = |item, due| Entry {
        due: ms(due),
        ..entry(item, of(500), ms(0))
    };
    // Batches take half a second.
    for _ in 0..2 {
        schedule.add("a", key("s"), of_due(0, 8_000)).unwrap();
        let batch = schedule.next(ms(0)).batch.unwrap();
        schedule.ended("a", batch.size, ms(500));
    }
    for (item, due) in [(1, 8_000), (2, 8_000), (3, 1_900), (4, 8_000)] {
        schedule.add("a", key("s"), of_due(item, due)).unwrap();
    }
    let batches: Vec<_> = (0..2)
        .map(|_| schedule.next(ms(0)).batch.unwrap())
        .collect();
    assert_eq!(batches.iter().map(items).collect::<Vec<_>>(), [[1], [2]]);
    // Two wait, of which each takes its half second.
    let (full, _) = schedule.add("a", key("s"), of_due(5, 900)).unwrap_err();
    assert_eq!(full, Full::Late);
    schedule.add("b", key("s"), of_due(6, 900)).unwrap();
    schedule.ended("a", of(500), ms(500));
    let next = schedule.next(ms(1_500));
    assert_eq!(next.late, [6, 3]);
    assert_eq!(items(&next.batch.unwrap()), [4]);
}

#[test]
fn a_store_that_hung_does_not_have_everything_refused() {
    let mut schedule = Schedule::new(LIMITS);
    for item in 0..100 {
        schedule
            .add("a", key("s"), entry(item, of(1), ms(0)))
            .unwrap();
        let batch = schedule.next(ms(0)).batch.unwrap();
        schedule.ended("a", batch.size, ms(8_000));
    }
    assert!(schedule.add("a", key("s"), entry(0, of(1), ms(0))).is_ok());
}

/// Accounts that send again as soon as they are answered, over so many connections, and what one
/// of 1 event waits that is sent from time to time.
struct Simulation {
    schedule: Schedule<(String, usize)>,
    now: Moment,
    /// When they end.
    under_way: VecDeque<(Moment, Batch<(String, usize)>)>,
    served: BTreeMap<String, usize>,
    longest: usize,
    waits: Vec<Duration>,
}

impl Simulation {
    fn new(limits: Limits, connections: &[(&str, usize, usize)]) -> Self {
        let mut new = Self {
            schedule: Schedule::new(limits),
            now: ms(0),
            under_way: VecDeque::new(),
            served: BTreeMap::new(),
            longest: 0,
            waits: Vec::new(),
        };
        for (account, connections, events) in connections {
            for _ in 0..*connections {
                new.send(account, *events);
            }
        }
        new
    }

    fn send(&mut self, account: &str, events: usize) {
        let entry = entry((account.to_owned(), events), of(events), self.now);
        let _ = self.schedule.add(account, key("s"), entry);
    }

    /// Begins what may begin, then ends what ends first; a batch takes 2 ms and a millisecond
    /// for 25 events.
    fn step(&mut self) {
        while let Some(batch) = self.schedule.next(self.now).batch {
            for entry in &batch.entries {
                if entry.item.0 == "quiet" {
                    self.waits.push(self.now - entry.since);
                }
            }
            let took = ms(2 + batch.size.events as u64 / 25);
            self.under_way.push_back((self.now + took, batch));
        }
        self.under_way
            .make_contiguous()
            .sort_by_key(|(end, _)| *end);
        let Some((end, batch)) = self.under_way.pop_front() else {
            return;
        };
        self.longest = self.longest.max(batch.size.events);
        self.now = end;
        let took = ms(2 + batch.size.events as u64 / 25);
        self.schedule.ended(&batch.account_id, batch.size, took);
        *self.served.entry(batch.account_id.clone()).or_default() += batch.size.events;
        for entry in batch.entries {
            if entry.item.0 != "quiet" {
                self.send(&entry.item.0, entry.item.1);
            }
        }
    }
}

#[test]
fn a_quiet_account_waits_for_one_batch_of_a_loud_one_at_most() {
    for events in [1, 10, 500, 1_000] {
        let limits = Limits { slots: 1, ..LIMITS };
        let connections = 10_000 / events.max(100);
        let mut simulation = Simulation::new(limits, &[("loud", connections, events)]);
        for round in 0..1_000 {
            simulation.step();
            if round % 7 == 0 {
                simulation.send("quiet", 1);
            }
        }
        assert!(simulation.waits.len() > 130, "{}", simulation.waits.len());
        let longest = ms(2 + simulation.longest as u64 / 25);
        let waited = simulation.waits.iter().max().unwrap();
        assert!(*waited <= longest, "{waited:?} of {longest:?}");
    }
}

#[test]
fn small_requests_of_a_busy_account_become_large_batches() {
    let mut simulation = Simulation::new(LIMITS, &[("a", 64, 10)]);
    for _ in 0..100 {
        simulation.step();
    }
    let (mut batches, served) = (0, simulation.served["a"]);
    for _ in 0..100 {
        simulation.step();
        batches += 1;
    }
    let each = (simulation.served["a"] - served) / batches;
    assert!(each >= 200, "{each} events a batch");
}

fn loads() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((1_usize..12, 1_usize..1_000), 2..6)
}

proptest! {
    /// The property of deficit round robin: whoever has enough to send gets as much as the others,
    /// but for a batch.
    #[test]
    fn nobody_gets_more_than_others_who_want_as_much(loads in loads()) {
        let limits = Limits {
            slots: 1,
            account_slots: 1,
            small_slots: 1,
            waiting: Size { events: 1 << 30, bytes: 1 << 40 },
        };
        let mut schedule = Schedule::new(limits);
        let mut served = vec![0_i64; loads.len()];
        for (account, (requests, events)) in loads.iter().enumerate() {
            for _ in 0..requests * 100 {
                add(&mut schedule, &account.to_string(), 0, of(*events));
            }
        }
        let least = loads.iter().map(|(requests, events)| requests * events * 100).min().unwrap();
        // As long as everybody has something that waits.
        while served.iter().all(|served| *served + 1_000 < least as i64) {
            let batch = schedule.next(ms(0)).batch.unwrap();
            served[batch.account_id.parse::<usize>().unwrap()] += batch.size.cost();
            schedule.ended(&batch.account_id, batch.size, ms(0));
            let most = served.iter().max().unwrap() - served.iter().min().unwrap();
            prop_assert!(most <= of(1_000).cost(), "{served:?}");
        }
    }

    #[test]
    fn nobody_starves(loads in loads(), slots in 1_usize..5, account_slots in 1_usize..3) {
        let waiting = Size { events: 1 << 30, bytes: 1 << 40 };
        let limits = Limits { slots, account_slots, waiting, ..LIMITS };
        let all: Vec<String> = (0..loads.len()).map(|account| account.to_string()).collect();
        let loads: Vec<_> = loads
            .iter()
            .zip(&all)
            .map(|((requests, events), account)| (&**account, 3 * requests, *events))
            .collect();
        let mut simulation = Simulation::new(limits, &loads);
        let mut since = vec![0; loads.len()];
        for _ in 0..300 {
            let before = simulation.served.clone();
            simulation.step();
            for (account, since) in all.iter().zip(&mut since) {
                let is_served = simulation.served.get(account) != before.get(account);
                *since = if is_served { 0 } else { *since + 1 };
            }
            // A thousand events are paid for in two rounds, in which each begins a few batches.
            let most = 6 * (loads.len() + slots);
            prop_assert!(since.iter().all(|since| *since <= most), "{since:?}");
        }
    }

    #[test]
    fn everything_goes_out_once_in_the_order_of_its_queue_and_within_the_limits(
        steps in prop::collection::vec((0_usize..4, 0_usize..2, 1_usize..1_000, any::<bool>()), 1..300),
    ) {
        let mut schedule = Schedule::new(LIMITS);
        let mut under_way: Vec<Batch<(String, usize)>> = Vec::new();
        let (mut added, mut seen) = (0, BTreeMap::<String, Vec<usize>>::new());
        let mut waiting = 0;
        for (number, (account, source, events, ends)) in steps.into_iter().enumerate() {
            let (account, source) = (account.to_string(), source.to_string());
            let entry = entry((format!("{account} {source}"), number), of(events), ms(number as u64));
            if schedule.add(&account, key(&source), entry).is_ok() {
                added += 1;
                waiting += events;
            }
            while let Some(batch) = schedule.next(ms(number as u64)).batch {
                prop_assert!(batch.size.fits(FULL) || batch.entries.len() == 1);
                prop_assert_eq!(batch.size.events, batch.entries.iter().map(|one| one.size.events).sum::<usize>());
                waiting -= batch.size.events;
                for entry in &batch.entries {
                    seen.entry(entry.item.0.clone()).or_default().push(entry.item.1);
                }
                under_way.push(batch);
            }
            prop_assert_eq!(schedule.waiting().events, waiting);
            prop_assert!(under_way.len() <= LIMITS.slots);
            for account in 0..4 {
                let its = under_way.iter().filter(|one| one.account_id == account.to_string());
                prop_assert!(its.count() <= LIMITS.account_slots);
            }
            if ends && !under_way.is_empty() {
                let batch = under_way.remove(0);
                schedule.ended(&batch.account_id, batch.size, ms(1));
            }
        }
        // What is under way ends, then what still waits begins, each to its end.
        for batch in under_way {
            schedule.ended(&batch.account_id, batch.size, ms(1));
        }
        while let Some(batch) = schedule.next(ms(0)).batch {
            for entry in &batch.entries {
                seen.entry(entry.item.0.clone()).or_default().push(entry.item.1);
            }
            schedule.ended(&batch.account_id, batch.size, ms(1));
        }
        prop_assert_eq!(schedule.waiting(), Size::default());
        prop_assert_eq!(seen.values().map(Vec::len).sum::<usize>(), added);
        prop_assert!(seen.values().all(|items| items.is_sorted()));
    }
}
