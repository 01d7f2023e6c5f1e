//! Tests of the workload.

use std::collections::HashSet;

use super::*;

const NOW: i64 = 1_764_000_000_000;

fn batches(recipe: Recipe, count: usize) -> Vec<Batch> {
    let mut workload = Workload::new(7, 2, 3_000, NOW);
    (0..count).map(|_| workload.batch(recipe, 100)).collect()
}

#[test]
fn the_same_seed_gives_the_same_batches() {
    for recipe in Recipe::ALL {
        assert_eq!(batches(recipe, 6), batches(recipe, 6));
    }
}

#[test]
fn accounts_take_turns() {
    let accounts: Vec<usize> = batches(Recipe::Mixed, 4)
        .iter()
        .map(|batch| batch.account)
        .collect();
    assert_eq!(accounts, [0, 1, 0, 1]);
}

#[test]
fn tracks_and_identifies_are_halves_of_any_few_batches() {
    let batches = batches(Recipe::Crowded, 8);
    for few in batches.windows(4) {
        let tracks = few.iter().filter(|batch| batch.endpoint == Endpoint::Track);
        assert_eq!(tracks.count(), 2);
    }
}

#[test]
fn a_part_of_the_accounts_goes_on_where_it_was() {
    let mut all = Workload::new(7, 3, 3_000, NOW);
    let before: Vec<Batch> = (0..3).map(|_| all.batch(Recipe::IdentifyNew, 10)).collect();
    let mut part = all.of_accounts(1..2);
    let batch = part.batch(Recipe::IdentifyNew, 10);
    assert_eq!(batch.account, 0);
    let last = |batch: &Batch| batch.events.last().map(|event| event.person);
    assert_eq!(last(&before[1]).unwrap() + 10, last(&batch).unwrap());
    assert!(batch.events[0].serial > before[2].events[9].serial);
}

#[test]
fn a_hotspot_is_of_few_people_who_are_known() {
    let batches = batches(Recipe::Hotspot, 20);
    let events: Vec<&Event> = batches.iter().flat_map(|batch| &batch.events).collect();
    let hottest = events.iter().filter(|event| event.person == 0).count();
    let share = hottest as f64 / events.len() as f64;
    assert!((0.57..0.65).contains(&share), "{share}");
    assert!(events.iter().all(|event| event.person < 3_000));
}

#[test]
fn events_grow_in_time_and_serial() {
    let mut last = (NOW, 0);
    for batch in batches(Recipe::TrackKnown, 10) {
        for event in batch.events {
            assert!((event.millis, event.serial) > last);
            last = (event.millis, event.serial);
        }
    }
}

#[test]
fn new_contacts_are_new_in_their_account() {
    let mut met = HashSet::new();
    for batch in batches(Recipe::IdentifyNew, 10) {
        for event in batch.events {
            assert!(event.person >= 3_000);
            assert!(met.insert((batch.account, event.person)));
        }
    }
}

#[test]
fn a_pass_through_the_known_meets_nobody_twice() {
    let mut workload = Workload::new(7, 1, 3_000, NOW);
    let batch = workload.batch(Recipe::IdentifyChanged, 3_000);
    let met: HashSet<u64> = batch.events.iter().map(|event| event.person).collect();
    assert_eq!(met.len(), 3_000);
}

#[test]
fn the_mix_has_the_shares_it_was_made_for() {
    let batches = batches(Recipe::Mixed, 2_000);
    // By then there is enough that may be repeated.
    let later = &batches[1_000..];
    let events: Vec<&Event> = later.iter().flat_map(|batch| &batch.events).collect();
    let share = |wanted: &dyn Fn(&&&Event) -> bool| {
        events.iter().filter(wanted).count() as f64 / events.len() as f64
    };
    let near = |share: f64, expected: f64| (share - expected).abs() < 0.01;
    assert!(near(share(&|event| event.shape != Shape::Identify), 0.60));
    assert!(near(share(&|event| event.effect == Effect::Invalid), 0.05));
    assert!(near(share(&|event| event.effect == Effect::Repeat), 0.10));
}

#[test]
fn a_repeat_is_its_original_word_for_word() {
    let mut originals = HashSet::new();
    let mut repeats = 0;
    for batch in batches(Recipe::Mixed, 400) {
        for event in batch.events {
            let words = (batch.account, event.serial, event.person, event.revision);
            if event.effect == Effect::Repeat {
                assert!(originals.contains(&words));
                repeats += 1;
            } else {
                assert!(originals.insert(words));
            }
        }
    }
    assert!(repeats > 100);
}

#[test]
fn in_the_mix_one_effect_never_touches_another_ones_people() {
    let (mut changed, mut unchanged, mut tracked) =
        (HashSet::new(), HashSet::new(), HashSet::new());
    for batch in batches(Recipe::Mixed, 200) {
        for event in batch.events {
            let person = (batch.account, event.person);
            match event.effect {
                Effect::ChangedContact => changed.insert(person),
                Effect::UnchangedContact => unchanged.insert(person),
                Effect::ContactActivity => tracked.insert(person),
                _ => false,
            };
        }
    }
    assert!(changed.is_disjoint(&unchanged));
    assert!(changed.is_disjoint(&tracked));
    assert!(unchanged.is_disjoint(&tracked));
}

#[test]
fn answers_are_checked_by_what_the_event_must_do() {
    let mut event = batches(Recipe::IdentifyUnchanged, 1)[0].events[0];
    assert!(event.accepts(422) && !event.accepts(200));
    event.effect = Effect::NewContact;
    assert!(event.accepts(200) && !event.accepts(500));
    event.effect = Effect::Repeat;
    assert!(event.accepts(200) && event.accepts(422) && !event.accepts(429));
}
