//! What is asked of all that an account's contacts did: of which activity, and of which time
//! (semantics 4.13).

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{ActivityId, TimedKey};

use super::calendar::{RETENTIONS, first_day_after_month, first_of_month};
use super::listing::NoCursor;

/// Where a list goes on, and which question it answers: a token of one list is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<C> {
    /// Stands for the question.
    pub question: Question,
    pub cursor: C,
}

/// Stands for everything that is asked besides the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question(u64);

impl Question {
    /// Of all its parts. The same in every process.
    pub fn of(parts: &[&[u8]]) -> Self {
        let TimedKey(hash) = TimedKey::new(0, parts);
        Self(hash.as_u64_pair().1)
    }

    /// Where a page of this question begins, if that is where `place` is of.
    pub fn take<C>(self, place: Place<C>) -> Option<C> {
        (place.question == self).then_some(place.cursor)
    }
}

/// As page tokens have it.
impl<C: Display> Display for Place<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.question.0, self.cursor)
    }
}

impl<C: FromStr> FromStr for Place<C> {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (question, cursor) = text.split_once('/').ok_or(NoCursor)?;
        Ok(Self {
            question: Question(u64::from_str_radix(question, 16).map_err(|_| NoCursor)?),
            cursor: cursor.parse().map_err(|_| NoCursor)?,
        })
    }
}

/// A key of an activity, as a place in a list by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyCursor(pub Uuid);

impl Display for KeyCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for KeyCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        Uuid::try_parse(text).map(Self).map_err(|_| NoCursor)
    }
}

/// The last day of an activity that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCursor {
    pub activity_id: ActivityId,
    pub day: NaiveDate,
}

impl Display for DayCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.activity_id.0.simple(), self.day)
    }
}

impl FromStr for DayCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (activity_id, day) = text.split_once('.').ok_or(NoCursor)?;
        Ok(Self {
            activity_id: activity_id.parse().map_err(|_| NoCursor)?,
            day: day.parse().map_err(|_| NoCursor)?,
        })
    }
}

/// How far back an activity may lie that is still shown, and how far ahead (a day, and what
/// clocks differ).
const PAST: Days = Days::new(731);
const AHEAD: Days = Days::new(3);

/// Times of activities that are shown, from the first on and before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl Span {
    /// What is asked of what there can be today.
    pub fn of(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>, today: NaiveDate) -> Self {
        let start = |day: Option<NaiveDate>| {
            let day = day.unwrap_or(today);
            day.and_time(chrono::NaiveTime::MIN).and_utc()
        };
        let first = start(today.checked_sub_days(PAST));
        let last = start(today.checked_add_days(AHEAD));
        Self {
            from: from.map_or(first, |from| from.clamp(first, last)),
            to: to.map_or(last, |to| to.clamp(first, last)),
        }
    }

    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The first key that an activity of it may have, and one behind the last.
    pub fn keys(self) -> (Uuid, Uuid) {
        let last = self.to + TimeDelta::milliseconds(1);
        (first_key(self.from), first_key(last))
    }

    /// Its UTC days.
    pub fn days(self) -> (NaiveDate, NaiveDate) {
        let last = self.to - TimeDelta::microseconds(1);
        (self.from.date_naive(), last.date_naive())
    }

    /// In which months activities of it may expire, by the retentions there are: the first and the
    /// last day of each. Whole months, so that nothing is left of a partition that is read: what a
    /// read throws away would not count towards what it may read.
    pub fn expiries(self) -> (Vec<NaiveDate>, Vec<NaiveDate>) {
        let (first, last) = self.days();
        let after = |day: NaiveDate, retention: u32| {
            let day = day.checked_add_days(Days::new(retention.into()));
            day.unwrap_or(NaiveDate::MAX)
        };
        RETENTIONS
            .iter()
            .map(|retention| {
                let last = first_day_after_month(after(last, *retention));
                (
                    first_of_month(after(first, *retention)),
                    last.pred_opt().unwrap_or(last),
                )
            })
            .unzip()
    }
}

/// The least key of a millisecond.
fn first_key(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}

/// The UTC day of a key.
pub fn day_of(key: TimedKey) -> NaiveDate {
    let millis = i64::try_from(key.0.as_u128() >> 80).unwrap_or(i64::MAX);
    let time = DateTime::from_timestamp_millis(millis);
    time.map_or(NaiveDate::MAX, |time| time.date_naive())
}

/// Where the last activities of a day end, as a place in a list: newest first it begins there.
pub fn end_of(day: NaiveDate) -> KeyCursor {
    let next = day.succ_opt().unwrap_or(NaiveDate::MAX);
    KeyCursor(first_key(next.and_time(chrono::NaiveTime::MIN).and_utc()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::last_day;

    fn today() -> NaiveDate {
        "2026-11-24".parse().unwrap()
    }

    #[test]
    fn a_place_survives_its_text_and_is_of_its_question_alone() {
        let question = Question::of(&[b"account", b"name"]);
        let cursor = KeyCursor(Uuid::from_u128(7));
        let place = Place { question, cursor };
        let read: Place<KeyCursor> = place.to_string().parse().unwrap();
        assert_eq!(question.take(read), Some(cursor));
        assert_eq!(Question::of(&[b"accountname", b""]).take(read), None);
        for bad in ["", "x", "/", "12", "zz/00", "12/", "12/x"] {
            assert!(bad.parse::<Place<KeyCursor>>().is_err(), "{bad}");
        }
        let day = DayCursor {
            activity_id: ActivityId(Uuid::from_u128(9)),
            day: today(),
        };
        assert_eq!(day.to_string().parse::<DayCursor>().unwrap(), day);
    }

    #[test]
    fn questions_are_the_same_in_every_process() {
        assert_eq!(Question::of(&[b"a"]), Question::of(&[b"a"]));
        assert_eq!(
            format!("{:016x}", Question::of(&[b"a", b"bc"]).0),
            "60e07cba95e2e6ef"
        );
    }

    #[test]
    fn what_is_not_asked_is_all_that_can_be_shown() {
        let span = Span::of(None, None, today());
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(span.days(), (day("2024-11-23"), day("2026-11-26")));
        let ancient = Some(DateTime::UNIX_EPOCH);
        assert!(Span::of(None, ancient, today()).is_empty());
        assert_eq!(Span::of(ancient, None, today()), span);
    }

    proptest! {
        /// Semantics 4.13: no partition is left out that an activity of the span may be in.
        #[test]
        fn keys_and_expiries_hold_what_lies_within(
            from in 0..800_i64 * 86_400_000_000,
            length in 1..3_i64 * 86_400_000_000,
            at in 0.0..1.0_f64,
            retention in prop::sample::select(&RETENTIONS[..]),
        ) {
            let base = Span::of(None, None, today()).from;
            let from = base + TimeDelta::microseconds(from);
            let span = Span { from, to: from + TimeDelta::microseconds(length) };
            #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
            let time = from + TimeDelta::microseconds((length as f64 * at) as i64);
            let key = TimedKey::new(time.timestamp_micros(), &[b"m"]).0;
            let (low, high) = span.keys();
            prop_assert!(low <= key && key < high);
            prop_assert!(key < end_of(time.date_naive()).0);
            prop_assert_eq!(day_of(TimedKey(key)), time.date_naive());
            let day = last_day(time, retention).unwrap();
            let (firsts, lasts) = span.expiries();
            prop_assert!(firsts.iter().all(|first| *first == first_of_month(*first)));
            let mut expiries = firsts.into_iter().zip(lasts);
            prop_assert!(expiries.any(|(first, last)| (first..=last).contains(&day)));
        }
    }
}
