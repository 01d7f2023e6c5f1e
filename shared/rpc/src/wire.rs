//! Ids, times and days as messages have them. Whatever comes in is checked here, once: what is
//! refused says its field, and what would be right.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;

use crate::invalid;

/// What is wrong with an id that is none.
pub const NOT_AN_ID: &str = "must be a UUID";
/// What is wrong with a time that is none.
pub const NOT_A_TIME: &str = "must be a time of the years 1 to 9999";

/// An id of any kind.
///
/// # Errors
/// INVALID_ARGUMENT where the text is none.
pub fn id<T: From<Uuid>>(field: &str, text: impl AsRef<[u8]>) -> Result<T, Status> {
    read_id(text).ok_or_else(|| invalid(field, NOT_AN_ID))
}

/// As [`id`], where a text that is no id is no error.
pub fn read_id<T: From<Uuid>>(text: impl AsRef<[u8]>) -> Option<T> {
    Uuid::try_parse_ascii(text.as_ref()).ok().map(T::from)
}

/// The most characters of a `request_id`.
const MAX_REQUEST_ID: usize = 100;

/// By what a caller knows one wish: a text of their own choice.
///
/// # Errors
/// INVALID_ARGUMENT where it is blank, too long, or no text that can be kept.
pub fn request_text(text: &str) -> Result<&str, Status> {
    let text = text.trim();
    let fits = (1..=MAX_REQUEST_ID).contains(&text.chars().count());
    if fits && !text.contains('\0') {
        return Ok(text);
    }
    let expected = "must have 1 to 100 characters, of your own choice";
    Err(invalid("request_id", expected))
}

/// As [`request_text`], as what is kept of it: a UUID is itself, any other text stands for one.
///
/// # Errors
/// As [`request_text`].
pub fn needed_request_id(text: &str) -> Result<Uuid, Status> {
    request_text(text).map(weir_ids::of_text)
}

/// As [`needed_request_id`], where it may be left out.
///
/// # Errors
/// As [`request_text`], but for an empty one.
pub fn request_id(text: &str) -> Result<Option<Uuid>, Status> {
    (!text.is_empty())
        .then(|| needed_request_id(text))
        .transpose()
}

/// A UTC day, `YYYY-MM-DD`.
///
/// # Errors
/// INVALID_ARGUMENT where the text is none of the years 1 to 9999.
pub fn day(field: &str, text: &str) -> Result<NaiveDate, Status> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|day| is_tellable(day.year()))
        .ok_or_else(|| invalid(field, "must be a day such as 2026-11-24"))
}

/// A time that must be given.
///
/// # Errors
/// INVALID_ARGUMENT where it is missing, or none that [`read_time`] takes.
pub fn time(field: &str, time: Option<Timestamp>) -> Result<DateTime<Utc>, Status> {
    time.and_then(read_time)
        .ok_or_else(|| invalid(field, NOT_A_TIME))
}

/// A time of the years 1 to 9999, which is what a timestamp holds by its contract; cut to
/// microseconds, which is what is stored.
pub fn read_time(time: Timestamp) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(time.nanos).ok()?;
    // A leap second is the second after it.
    let nanos = nanos.min(999_999_999);
    DateTime::from_timestamp(time.seconds, nanos / 1_000 * 1_000)
        .filter(|time| is_tellable(time.year()))
}

/// A time for a message; none where clients can't write it down.
pub fn tellable(time: DateTime<Utc>) -> Option<Timestamp> {
    is_tellable(time.year()).then(|| timestamp(time))
}

/// A time for a message.
pub fn timestamp(time: DateTime<Utc>) -> Timestamp {
    timestamp_of(time.timestamp_micros())
}

/// A time for a message, of Unix microseconds.
pub fn timestamp_of(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).expect("less than a second of nanoseconds fits"),
    }
}

fn is_tellable(year: i32) -> bool {
    (1..=9_999).contains(&year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_texts_and_bytes() {
        let id = Uuid::from_u128(7);
        assert_eq!(read_id(id.to_string()), Some(id));
        assert_eq!(read_id(id.simple().to_string().as_bytes()), Some(id));
        assert_eq!(read_id::<Uuid>(b"\xff"), None);
        assert!(super::id::<Uuid>("account_id", "").is_err());
    }

    #[test]
    fn a_wish_is_known_by_any_text() {
        let own = Uuid::from_u128(7);
        assert_eq!(request_id("").unwrap(), None);
        assert_eq!(request_id(&own.to_string()).unwrap(), Some(own));
        let mine = request_id("mine-1").unwrap();
        assert_eq!(request_id(" mine-1 ").unwrap(), mine);
        assert_ne!(request_id("mine-2").unwrap(), mine);
        assert!(needed_request_id("").is_err());
        assert_eq!(needed_request_id("mine-1").ok(), mine);
        assert!(request_id(&"ß".repeat(100)).is_ok());
        for bad in [" ", "a\0b", &"x".repeat(101)] {
            assert!(request_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert!(day("window", "2026-11-24").is_ok());
        for bad in [
            "",
            "2026-13-01",
            "-4714-01-01",
            "+12026-01-01",
            "0000-01-01",
        ] {
            assert!(day("window", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_cut_to_microseconds_and_come_back() {
        let given = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let read = time("t", given(1, 999_999_999)).unwrap();
        assert_eq!(timestamp(read).nanos, 999_999_000);
        let read = time("t", given(-1, 1_999)).unwrap();
        assert_eq!(read.timestamp_micros(), -999_999);
        assert!(time("t", None).is_err());
        // Before the year 1, after 9999, and what is no time at all.
        for (seconds, nanos) in [
            (-62_135_596_801, 0),
            (253_402_300_800, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (0, -1),
        ] {
            assert!(time("t", given(seconds, nanos)).is_err());
        }
        for seconds in [-62_135_596_800, 253_402_300_799] {
            let read = time("t", given(seconds, 0)).unwrap();
            assert_eq!(tellable(read), given(seconds, 0));
        }
        assert_eq!(tellable(DateTime::<Utc>::MAX_UTC), None);
    }
}
