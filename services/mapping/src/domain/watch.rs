//! When a source is not as usual (semantics 7.10): it sends nothing, or a reason is given far more
//! often.
//!
//! Both compare with the source's own last two weeks, hour by hour, so that nights, weekends and
//! a nightly import are as usual. One odd day among them is not: the second longest pause and the
//! second greatest count are what is usual.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use weir_reasons::Reason;

/// Hours since 1970, UTC.
pub type Hour = i64;
/// How many, by hour; hours without any may be left out.
pub type ByHour = BTreeMap<Hour, i64>;

/// Two weeks: the shortest time that has two of each day of the week.
pub const WINDOW: i64 = 14 * 24;

/// A source that sent in fewer hours, or for fewer days, has no habit yet.
const HABIT_HOURS: usize = 24;
const HABIT_SPAN: i64 = 72;
/// Silent for so much longer than it usually pauses, and for at least so many whole hours.
const LONGER: i64 = 2;
const SHORTEST_SILENCE: i64 = 3;

/// What is new to a source is no jump.
const KNOWN_FOR: i64 = 48;
/// Fewer of them in an hour are no news, nor is a smaller part of what was received.
const FEWEST: i64 = 20;
const LEAST_PART: i64 = 20;
/// So many times as many as usual, and so many times the usual part of what was received.
const TIMES: i64 = 3;
const PARTS: i64 = 2;

/// The hour that a time lies in.
pub fn hour_of(time: DateTime<Utc>) -> Hour {
    time.timestamp().div_euclid(3_600)
}

/// When an hour begins.
pub fn start_of(hour: Hour) -> DateTime<Utc> {
    DateTime::from_timestamp(hour.saturating_mul(3_600), 0).unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// The last hour in which something came.
    pub last: Hour,
    /// Whole hours without anything since.
    pub hours: i64,
    /// The longest pause that is usual.
    pub usual: i64,
}

/// Whether a source that usually sends is silent; `now` is the hour that is under way.
pub fn silence(received: &ByHour, now: Hour) -> Option<Silence> {
    let active: Vec<Hour> = received
        .range(now - WINDOW..=now)
        .filter(|(_, count)| **count > 0)
        .map(|(hour, _)| *hour)
        .collect();
    let (first, last) = (*active.first()?, *active.last()?);
    if active.len() < HABIT_HOURS || last - first < HABIT_SPAN {
        return None;
    }
    let pauses = active.windows(2).map(|pair| pair[1] - pair[0] - 1);
    let usual = second_greatest(pauses);
    let hours = now - last - 1;
    let is_silent = hours >= SHORTEST_SILENCE && hours > LONGER * usual;
    is_silent.then_some(Silence { last, hours, usual })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    pub count: i64,
    /// The most that is usual at that time of the day.
    pub usual: i64,
}

/// Whether a reason was given far more often in `hour`, which is over, than is usual at that time
/// of the day, give or take an hour.
pub fn jump(given: &ByHour, received: &ByHour, hour: Hour) -> Option<Jump> {
    let at = |counts: &ByHour, hour: Hour| counts.get(&hour).copied().unwrap_or(0);
    let first = received.keys().next()?;
    let (count, all) = (at(given, hour), at(received, hour));
    if hour - first < KNOWN_FOR || count < FEWEST || count * LEAST_PART < all {
        return None;
    }
    let days = (1..=WINDOW / 24).map(|day| {
        let same = hour - day * 24;
        (same - 1..=same + 1).map(|hour| at(given, hour)).max()
    });
    let usual = second_greatest(days.flatten());
    if count <= TIMES * usual {
        return None;
    }
    // Where much more came in altogether, so did what is wrong with it.
    let before = |counts: &ByHour| counts.range(hour - WINDOW..hour).map(|(_, n)| *n).sum();
    let (given_before, all_before): (i64, i64) = (before(given), before(received));
    let part = i128::from(count) * i128::from(all_before);
    let usual_part = i128::from(given_before) * i128::from(all);
    let is_more = all == 0 || part > i128::from(PARTS) * usual_part;
    is_more.then_some(Jump { count, usual })
}

/// For the person who is told.
pub fn silence_message(silence: &Silence) -> String {
    let hours = |count: i64| match count {
        1 => "1 hour".to_owned(),
        count => format!("{count} hours"),
    };
    let usual = match silence.usual {
        0 => "It usually sends every hour".to_owned(),
        usual => format!("It usually pauses for {} at most", hours(usual)),
    };
    format!(
        "Nothing has come in since {}, for {}. {usual}. See whether the source is still enabled in \
         Segment, and whether its key is still good.",
        written(silence.last + 1),
        hours(silence.hours)
    )
}

/// For the person who is told; `subject` is what most of them are about, if that has a name.
pub fn jump_message(reason: Reason, jump: &Jump, hour: Hour, subject: &str) -> String {
    let about = match subject {
        "" => String::new(),
        subject => format!(" Most of them are about {subject}."),
    };
    let usual = match jump.usual {
        0 => "usually there are none".to_owned(),
        usual => format!("usually there are {usual} at most"),
    };
    format!(
        "In the hour from {} there were {} of {reason}; at this time of the day {usual}.{about} \
         {} {}",
        written(hour),
        jump.count,
        reason.meaning(),
        reason.cure()
    )
}

fn written(hour: Hour) -> String {
    start_of(hour).format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Whether more of a reason is bad news.
pub fn is_watched(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::NothingNew | Reason::Stale | Reason::ContactDeleted
    )
}

/// 0 where there are fewer than two.
fn second_greatest(numbers: impl Iterator<Item = i64>) -> i64 {
    let (mut greatest, mut second) = (0, 0);
    for number in numbers {
        if number > greatest {
            (greatest, second) = (number, greatest);
        } else {
            second = second.max(number);
        }
    }
    second
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Hour = 500_000;

    /// So many in each hour of the two weeks before `until` for which `is_active` says so.
    fn habit(until: Hour, count: i64, is_active: impl Fn(Hour) -> bool) -> ByHour {
        let hours = (NOW - WINDOW..until).filter(|hour| is_active(*hour));
        hours.map(|hour| (hour, count)).collect()
    }

    /// Semantics 7.10.
    #[test]
    fn a_source_that_sends_all_day_is_silent_after_three_hours() {
        let silent_for = |hours: i64| silence(&habit(NOW - hours, 1, |_| true), NOW);
        assert_eq!(silent_for(2), None);
        let silent = silent_for(3).unwrap();
        assert_eq!((silent.hours, silent.usual, silent.last), (3, 0, NOW - 4));
    }

    #[test]
    fn nights_are_no_silence_and_two_of_them_are() {
        // Sixteen hours a day; the pause of a night is eight.
        let by_day = |hour: Hour| hour.rem_euclid(24) < 16;
        let received = habit(NOW, 5, by_day);
        let last = *received.keys().last().unwrap();
        assert_eq!(silence(&received, last + 17), None);
        assert_eq!(silence(&received, last + 18).unwrap().usual, 8);
    }

    #[test]
    fn one_earlier_outage_does_not_make_long_silence_usual() {
        let received = habit(NOW - 3, 1, |hour| !(NOW - 200..NOW - 150).contains(&hour));
        assert!(silence(&received, NOW).is_some());
    }

    #[test]
    fn a_source_without_a_habit_is_not_missed() {
        for received in [
            ByHour::new(),
            habit(NOW - 100, 1, |hour| hour > NOW - 150),
            habit(NOW - 50, 1, |hour| hour % 24 == 0),
        ] {
            assert_eq!(silence(&received, NOW), None);
        }
    }

    #[test]
    fn a_reason_that_was_never_given_jumps() {
        let received = habit(NOW + 1, 1_000, |_| true);
        let mut given = ByHour::from([(NOW, 49)]);
        assert_eq!(jump(&given, &received, NOW), None, "under a twentieth");
        given.insert(NOW, 50);
        let jumped = jump(&given, &received, NOW).unwrap();
        assert_eq!((jumped.count, jumped.usual), (50, 0));
        // A source that is set up just now has all kinds of reasons.
        let new = received.range(NOW - 47..).map(|(hour, n)| (*hour, *n));
        assert_eq!(jump(&given, &new.collect(), NOW), None);
    }

    #[test]
    fn what_comes_every_night_is_usual_at_night_and_not_by_day() {
        let received = habit(NOW + 1, 1_000, |_| true);
        let nightly = habit(NOW, 400, |hour| (NOW - hour) % 24 == 0);
        let mut tonight = nightly.clone();
        tonight.insert(NOW, 500);
        assert_eq!(jump(&tonight, &received, NOW), None);
        let mut noon = nightly;
        noon.insert(NOW - 12, 500);
        assert!(jump(&noon, &received, NOW - 12).is_some());
    }

    #[test]
    fn ten_times_the_traffic_brings_ten_times_the_reasons() {
        let mut received = habit(NOW, 1_000, |_| true);
        let mut given = habit(NOW, 100, |_| true);
        received.insert(NOW, 10_000);
        given.insert(NOW, 1_000);
        assert_eq!(jump(&given, &received, NOW), None);
        received.insert(NOW, 1_000);
        assert!(jump(&given, &received, NOW).is_some());
    }

    proptest! {
        #[test]
        fn a_day_that_repeats_itself_is_never_news(
            day in proptest::collection::vec(0_i64..10_000, 24), now in 0_i64..24,
        ) {
            let now = NOW + now;
            let of = |hour: Hour| day[usize::try_from(hour.rem_euclid(24)).unwrap()];
            let received: ByHour = (now - WINDOW..=now).map(|hour| (hour, of(hour))).collect();
            prop_assert_eq!(silence(&received, now), None);
            prop_assert_eq!(jump(&received, &received, now), None);
        }

        #[test]
        fn who_sent_in_the_last_hours_is_not_silent(
            hours in proptest::collection::btree_map(NOW - WINDOW..NOW - 3, 1_i64..100, 0..300),
            last in NOW - 3..=NOW,
        ) {
            let mut received = hours;
            received.insert(last, 1);
            prop_assert_eq!(silence(&received, NOW), None);
        }

        #[test]
        fn how_much_a_source_sends_changes_nothing_about_its_silence(
            hours in proptest::collection::btree_map(NOW - WINDOW..NOW, 1_i64..100, 0..300),
        ) {
            let all_ones: ByHour = hours.keys().map(|hour| (*hour, 1)).collect();
            prop_assert_eq!(silence(&hours, NOW), silence(&all_ones, NOW));
        }
    }

    #[test]
    fn messages_say_since_when_and_what_to_do() {
        let silent = Silence {
            last: 0,
            hours: 5,
            usual: 1,
        };
        let said = silence_message(&silent);
        assert!(
            said.contains("since 1970-01-01 01:00 UTC, for 5 hours. "),
            "{said}"
        );
        assert!(said.contains("pauses for 1 hour at most"), "{said}");
        let jumped = Jump {
            count: 412,
            usual: 0,
        };
        let said = jump_message(Reason::NoMapping, &jumped, 0, "Order Shipped");
        for part in [
            "412 of NO_MAPPING",
            "about Order Shipped.",
            Reason::NoMapping.cure(),
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn hours_begin_where_times_say() {
        let time = "2025-07-11T06:59:59Z".parse().unwrap();
        assert_eq!(
            start_of(hour_of(time)).to_rfc3339(),
            "2025-07-11T06:00:00+00:00"
        );
    }
}
