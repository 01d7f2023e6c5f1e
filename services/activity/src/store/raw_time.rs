//! A timestamp that can always be read.

use std::error::Error;

use bytes::BytesMut;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// 2000-01-01, from which PostgreSQL counts, in Unix microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// Microseconds as PostgreSQL has them, infinity included. A list is cut by it, so that a row
/// whose time nobody can read does not end the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawTime(pub i64);

impl RawTime {
    /// After everything.
    pub const INFINITY: Self = Self(i64::MAX);

    /// As a time, if it lies within the years that can be told to others (1 to 9999).
    pub fn time(self) -> Option<DateTime<Utc>> {
        let epoch = DateTime::from_timestamp_micros(EPOCH)?;
        let time = epoch.checked_add_signed(TimeDelta::microseconds(self.0))?;
        crate::domain::is_tellable(time).then_some(time)
    }
}

impl<'a> FromSql<'a> for RawTime {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        i64::from_sql(ty, raw).map(Self)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

impl ToSql for RawTime {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> RawTime {
        let time: DateTime<Utc> = text.parse().unwrap();
        RawTime(time.timestamp_micros() - EPOCH)
    }

    #[test]
    fn times_within_the_calendar_come_back_and_others_are_none() {
        for text in [
            "0001-01-01T00:00:00Z",
            "2026-11-24T12:00:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(of(text).time(), Some(text.parse().unwrap()));
        }
        for time in ["0000-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"] {
            assert_eq!(of(time).time(), None);
        }
        assert_eq!(RawTime::INFINITY.time(), None);
        assert_eq!(RawTime(i64::MIN).time(), None);
    }
}
