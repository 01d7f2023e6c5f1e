//! Charts as shapes, from numbers: where things stand in a picture.

use chrono::{DurationRound, TimeDelta};

use super::Time;

/// Counts of the last `hours` full hours, the oldest first; what is older is left out.
pub fn by_hour(counts: &[(Time, i64)], now: Time, hours: usize) -> Vec<i64> {
    let mut found = vec![0; hours];
    let hour = TimeDelta::hours(1);
    let Ok(last) = now.duration_trunc(hour) else {
        return found;
    };
    for (time, count) in counts {
        let back = (last - *time).num_hours();
        let place = usize::try_from(back)
            .ok()
            .and_then(|back| (hours - 1).checked_sub(back));
        if let Some(place) = place {
            found[place] += count;
        }
    }
    found
}

/// Heights of bars from 0 to `height`: the largest count is as high as the picture, and one that
/// is there at all can be seen.
pub fn heights(counts: &[i64], height: u32) -> Vec<u32> {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let scaled = counts.iter().map(|count| {
        let scaled = (*count).max(0) * i64::from(height) / most;
        let seen = i64::from(*count > 0);
        u32::try_from(scaled.max(seen)).unwrap_or(height)
    });
    scaled.collect()
}

/// How full something is, from 0 to 100; a limit of 0 is full.
pub fn percent(used: i64, limit: i64) -> i64 {
    if limit <= 0 {
        return 100;
    }
    (used.max(0).saturating_mul(100) / limit).min(100)
}

/// The last `days` days up to `today`, the oldest first, as they are written (`2026-11-27`).
pub fn days(today: Time, days: i64) -> Vec<String> {
    let back = (0..days).rev();
    let day = |back| (today - TimeDelta::days(back)).format("%Y-%m-%d");
    back.map(|back| day(back).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn hours_stand_in_their_places() {
        let now = time("2026-11-27T04:20:00Z");
        let counts = [
            (time("2026-11-27T04:00:00Z"), 5),
            (time("2026-11-27T02:00:00Z"), 2),
            (time("2026-11-26T04:00:00Z"), 9),
            (time("2026-11-27T05:00:00Z"), 9),
        ];
        assert_eq!(by_hour(&counts, now, 4), [0, 2, 0, 5]);
    }

    #[test]
    fn days_end_with_today() {
        let today = time("2026-03-01T00:10:00Z");
        assert_eq!(days(today, 3), ["2026-02-27", "2026-02-28", "2026-03-01"]);
    }

    proptest! {
        #[test]
        fn bars_fit_and_what_is_there_is_seen(counts in prop::collection::vec(0_i64..1_000_000, 0..50)) {
            let heights = heights(&counts, 24);
            prop_assert_eq!(heights.len(), counts.len());
            for (count, height) in counts.iter().zip(&heights) {
                prop_assert!(*height <= 24);
                prop_assert_eq!(*count > 0, *height > 0);
            }
        }

        #[test]
        fn percents_are_percents(used in any::<i64>(), limit in any::<i64>()) {
            let percent = percent(used, limit);
            prop_assert!((0..=100).contains(&percent));
        }
    }
}
