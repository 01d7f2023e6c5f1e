use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_780_000_000_000 + millis).unwrap()
}

fn update(mode: Mode, millis: i64) -> Update {
    Update {
        time: at(millis),
        mode,
        message_id: format!("m{millis}").into(),
    }
}

/// That it says truly whether it changed is checked every time.
fn take(before: Option<Membership>, update: Update, now: DateTime<Utc>) -> (Membership, Decision) {
    let taken = Membership::take(before.clone(), update, now);
    assert_eq!(taken.changed, before.as_ref() != Some(&taken.membership));
    (taken.membership, taken.decision)
}

/// One who was in and left at the time zero.
fn gone() -> Membership {
    let (member, _) = take(None, update(Mode::Add, -20), at(-10));
    let (gone, decision) = take(Some(member), update(Mode::Remove, -5), at(0));
    assert_eq!(decision, Decision::Applied);
    assert_eq!(gone.left, Some(at(0)));
    gone
}

#[test]
fn who_comes_back_within_a_minute_is_held_back_the_minute_included() {
    for millis in [1, 59_999, 60_000] {
        let (held, decision) = take(Some(gone()), update(Mode::Add, 1), at(millis));
        assert_eq!(decision, Decision::HeldBack, "{millis}");
        assert!(!held.member && held.waits());
        assert_eq!(held.update, update(Mode::Add, 1));
    }
    let just_more = at(60_000) + TimeDelta::microseconds(1);
    let (back, decision) = take(Some(gone()), update(Mode::Add, 1), just_more);
    assert_eq!(decision, Decision::Applied);
    assert!(back.member && !back.waits());
    assert_eq!(back.member_since, Some(just_more));
}

#[test]
fn any_update_after_the_minute_applies_what_was_held_back() {
    let (held, _) = take(Some(gone()), update(Mode::Add, 1), at(100));
    // A repeat of the same, an older one, and a newer one.
    for (update, expected) in [
        (update(Mode::Add, 1), Decision::Applied),
        (update(Mode::Remove, -50), Decision::Overtaken),
        (update(Mode::Add, 70_000), Decision::Applied),
    ] {
        let (back, decision) = take(Some(held.clone()), update, at(61_000));
        assert_eq!(decision, expected);
        assert!(back.member);
    }
    let mut synced = held;
    assert!(!synced.catch_up(at(60_000)));
    assert!(synced.catch_up(at(60_001)));
}

#[test]
fn a_removal_while_held_back_leaves_nothing_to_catch_up_with() {
    let (held, _) = take(Some(gone()), update(Mode::Add, 1), at(100));
    let (out, decision) = take(Some(held), update(Mode::Remove, 2), at(200));
    assert_eq!(decision, Decision::Applied);
    assert!(!out.member);
    // The contact never came back, so it did not leave again either.
    assert_eq!(out.left, Some(at(0)));
}

#[test]
fn who_never_was_a_member_is_not_held_back() {
    let (out, _) = take(None, update(Mode::Remove, 1), at(10));
    assert_eq!(out.left, None);
    let (member, decision) = take(Some(out), update(Mode::Add, 2), at(20));
    assert_eq!(decision, Decision::Applied);
    assert!(member.member);
}

#[test]
fn at_equal_times_a_remove_wins_and_a_late_add_does_not_beat_it() {
    let (out, _) = take(None, update(Mode::Add, 5), at(10));
    let (out, decision) = take(Some(out), update(Mode::Remove, 5), at(11));
    assert_eq!((out.member, decision), (false, Decision::Applied));
    let mut late = update(Mode::Add, 5);
    late.message_id = "z".into();
    let (out, decision) = take(Some(out), late, at(100_000));
    assert_eq!((out.member, decision), (false, Decision::Overtaken));
}

#[test]
fn a_remove_that_was_kept_takes_its_place_by_its_time_whenever_it_comes() {
    // semantics 4.7: it comes with its own time, long after, perhaps more than once.
    let kept = update(Mode::Remove, 10);
    let (out, decision) = take(None, kept.clone(), at(900_000));
    assert_eq!((out.member, decision), (false, Decision::Applied));
    let (out, decision) = take(Some(out), update(Mode::Add, 9), at(900_001));
    assert_eq!((out.member, decision), (false, Decision::Overtaken));
    assert!(!Membership::take(Some(out.clone()), kept.clone(), at(900_002)).changed);
    let (member, decision) = take(Some(out), update(Mode::Add, 11), at(900_003));
    assert_eq!((member.member, decision), (true, Decision::Applied));
    let (member, decision) = take(Some(member), kept, at(900_004));
    assert_eq!((member.member, decision), (true, Decision::Overtaken));
}

fn any_update() -> impl Strategy<Value = Update> {
    (any::<bool>(), 0..20_i64, 0..3_u8).prop_map(|(add, time, message)| Update {
        time: at(time),
        mode: if add { Mode::Add } else { Mode::Remove },
        message_id: message.to_string().into(),
    })
}

fn any_membership() -> impl Strategy<Value = Membership> {
    (
        any::<bool>(),
        prop::option::of(0..20_i64),
        0..20_i64,
        any_update(),
    )
        .prop_map(|(member, left, since, update)| Membership {
            member,
            member_since: member.then(|| at(since)),
            left: left.map(at),
            update,
        })
}

proptest! {
    #[test]
    fn any_order_of_updates_ends_with_the_same_update_and_membership(
        updates in prop::collection::vec(any_update(), 1..12),
        seed in any::<u64>(),
    ) {
        let mut shuffled = updates.clone();
        // A cheap permutation, and some repeats.
        shuffled.sort_by_key(|one| (one.time.timestamp_millis() as u64).wrapping_mul(seed | 1));
        shuffled.extend(updates.iter().take(3).cloned());
        let run = |list: &[Update]| {
            let mut state = None;
            // Each comes more than a minute after the one before, so none is held back.
            for (index, update) in (0_i64..).zip(list) {
                state = Some(take(state, update.clone(), at(index * 61_000)).0);
            }
            state.unwrap()
        };
        let (one, other) = (run(&updates), run(&shuffled));
        prop_assert_eq!(&one.update, &other.update);
        prop_assert_eq!(one.member, other.member);
        prop_assert_eq!(&one.update, updates.iter().max().unwrap());
        prop_assert_eq!(one.member, one.update.mode == Mode::Add);
    }

    #[test]
    fn after_a_minute_of_quiet_everyone_is_where_they_were_asked_to_be(
        updates in prop::collection::vec((any_update(), 0..30_000_i64), 1..12),
    ) {
        let (mut state, mut now) = (None, 0);
        for (update, pause) in updates {
            now += pause;
            let (next, decision) = take(state, update.clone(), at(now));
            match decision {
                Decision::Applied => prop_assert_eq!(next.member, update.mode == Mode::Add),
                Decision::HeldBack => prop_assert!(!next.member && update.mode == Mode::Add),
                Decision::Overtaken => prop_assert!(update < next.update),
            }
            prop_assert_eq!(next.member, next.member_since.is_some());
            state = Some(next);
        }
        let mut state = state.unwrap();
        prop_assert!(state.catch_up(at(now + 60_001)));
        prop_assert_eq!(state.member, state.update.mode == Mode::Add);
    }

    #[test]
    fn contacts_may_be_merged_in_any_order(
        a in any_membership(), b in any_membership(), c in any_membership(),
    ) {
        prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
        prop_assert_eq!(
            a.clone().merge(b.clone()).merge(c.clone()),
            a.clone().merge(b.merge(c))
        );
        prop_assert_eq!(a.clone().merge(a.clone()), a);
    }
}
