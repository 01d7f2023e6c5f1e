//! The 24 hours that limits are counted in: a UTC day (semantics 6.1).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

/// A UTC day. Ordered by time, and so is its text, `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(NaiveDate);

/// A text that is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day: expected YYYY-MM-DD")]
pub struct InvalidWindow;

impl Window {
    /// Before all others.
    pub const FIRST: Self = Self(NaiveDate::MIN);

    /// The one that `time` lies in; its start belongs to it, its end does not.
    pub fn of(time: DateTime<Utc>) -> Self {
        Self(time.date_naive())
    }

    /// When it ends and the next one begins.
    pub fn end(self) -> DateTime<Utc> {
        let next = self.0.checked_add_days(Days::new(1)).unwrap_or(self.0);
        next.and_time(NaiveTime::MIN).and_utc()
    }

    /// The one `days` before.
    pub fn earlier(self, days: u64) -> Self {
        Self(self.0.checked_sub_days(Days::new(days)).unwrap_or(self.0))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        // chrono alone would also read `2026-1-2` and signs.
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(InvalidWindow);
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| InvalidWindow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn midnight_begins_the_next_window() {
        let at = |text: &str| Window::of(text.parse().unwrap());
        assert_eq!(at("2026-11-24T23:59:59.999999Z").to_string(), "2026-11-24");
        assert_eq!(at("2026-11-25T00:00:00Z").to_string(), "2026-11-25");
        assert_eq!(
            at("2026-11-24T10:00:00Z").end(),
            "2026-11-25T00:00:00Z".parse::<DateTime<Utc>>().unwrap()
        );
    }

    #[test]
    fn texts_of_another_shape_are_refused() {
        for text in [
            "",
            "2026-1-2",
            "2026-02-30",
            "+026-01-02",
            "2026-01-02 ",
            "2026/01/02",
        ] {
            assert_eq!(text.parse::<Window>(), Err(InvalidWindow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_one_window_and_texts_sort_like_windows(
            a in 0..4_102_444_800_i64,
            b in 0..4_102_444_800_i64,
        ) {
            let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let (first, second) = (Window::of(time(a)), Window::of(time(b)));
            prop_assert!(time(a) < first.end());
            prop_assert!(Window::of(first.end()) > first);
            prop_assert_eq!(Window::of(first.end()).earlier(1), first);
            prop_assert_eq!(first.to_string().parse::<Window>(), Ok(first));
            prop_assert_eq!(first.cmp(&second), first.to_string().cmp(&second.to_string()));
        }
    }
}
