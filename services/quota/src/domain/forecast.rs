//! What a window comes to, before it is over.

use chrono::{DateTime, Utc};

use super::Window;

/// So many windows tell what is usual: days of the week differ.
pub const USUAL_WINDOWS: u64 = 7;
/// Less of a day tells nothing of its rest: an hour.
const LEAST_PART: f64 = 1.0 / 24.0;

/// What will be used when the window of `now` ends: what is used, and for the rest of the window
/// what is usual, which is told by the windows before it in its first hours and more and more by
/// this one. `usual` are the last seven, those without any units included, from the first in which
/// the account used one; none where this is the first. None: there is nothing to tell it by.
pub fn forecast(used: i64, usual: &[i64], now: DateTime<Utc>) -> Option<i64> {
    let part = part_gone(now);
    let left = 1.0 - part;
    let of_today = (part >= LEAST_PART).then(|| used as f64 / part);
    let of_others =
        (!usual.is_empty()).then(|| usual.iter().sum::<i64>() as f64 / usual.len() as f64);
    let whole = match (of_today, of_others) {
        (Some(today), Some(others)) => part * today + left * others,
        (Some(today), None) => today,
        (None, Some(others)) => others,
        (None, None) => return None,
    };
    // Far below what any counter goes to, and so exact enough.
    Some(used.saturating_add((left * whole).round() as i64))
}

/// Of the window of `now`, from 0 to 1.
fn part_gone(now: DateTime<Utc>) -> f64 {
    let left = Window::of(now).end() - now;
    1.0 - left.num_milliseconds() as f64 / 86_400_000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    #[test]
    fn a_day_goes_on_as_it_began_and_as_days_do() {
        // The first day of an account: as it began.
        assert_eq!(forecast(600, &[], at("12:00:00")), Some(1_200));
        assert_eq!(forecast(3, &[], at("00:30:00")), None);
        // Just after midnight: as the others.
        assert_eq!(forecast(0, &[1_000, 3_000], at("00:00:00")), Some(2_000));
        // In the middle of a day as usual, and of one that is twice as busy.
        assert_eq!(forecast(500, &[1_000; 7], at("12:00:00")), Some(1_000));
        assert_eq!(forecast(1_000, &[1_000; 7], at("12:00:00")), Some(1_750));
        // Nothing came yet today.
        assert_eq!(forecast(0, &[800], at("12:00:00")), Some(200));
    }

    proptest! {
        #[test]
        fn it_is_never_below_what_is_used_and_meets_it_at_the_end(
            used in 0..1_000_000_000_i64,
            usual in prop::collection::vec(0..1_000_000_000_i64, 0..8),
            second in 0..86_400_i64,
        ) {
            let now = at("00:00:00") + chrono::TimeDelta::seconds(second);
            if let Some(all) = forecast(used, &usual, now) {
                prop_assert!(all >= used);
            }
            let end = at("23:59:59.999");
            let all = forecast(used, &usual, end).unwrap();
            prop_assert!(all - used <= 1 + used.max(*usual.iter().max().unwrap_or(&0)) / 10_000_000);
        }
    }
}
