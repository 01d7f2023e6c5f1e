//! Messages to values and back. What comes in is checked here, once.

mod event;

use bytestring::ByteString;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike, Utc};
use prost_types::Timestamp;
use tonic::Status;
use uuid::Uuid;
use weir_ids::{AccountId, TimedKey};
use weir_proto::activity::v1::{
    Activity as WireActivity, GetBacklogRequest, IdentifierKind, IdentifierLink,
    LinkIdentifiersRequest, ListActivitiesResponse, RecordActivitiesResponse, RecordResult,
    RecordStatus,
};
use weir_rpc::{Page, invalid};

use crate::app::{Changes, Recorded};
use crate::domain::{Activity, Cursor, Identifier, Kind, Link, Outcome, RawTime, is_tellable};

pub use event::batch;

/// Of links, and of merges, in one call.
const MAX_CHANGES: usize = 10_000;

/// An id of any kind.
pub fn id<T: From<Uuid>>(field: &str, text: impl AsRef<[u8]>) -> Result<T, Status> {
    Uuid::try_parse_ascii(text.as_ref())
        .map(T::from)
        .map_err(|_| invalid(field, "expected an id (a UUID)"))
}

/// Whose request it is.
pub fn account_id(text: &str) -> Result<AccountId, Status> {
    id("account_id", text)
}

/// A UTC day, `YYYY-MM-DD`.
pub fn day(field: &str, text: &str) -> Result<NaiveDate, Status> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|day| is_tellable(day.and_time(NaiveTime::MIN).and_utc()))
        .ok_or_else(|| invalid(field, "expected a day such as 2026-11-24"))
}

/// A time of the years 1 to 9999, cut to microseconds, which is what is stored.
pub fn time(field: &str, time: Option<Timestamp>) -> Result<DateTime<Utc>, Status> {
    time.and_then(storable_time)
        .ok_or_else(|| invalid(field, "expected a time of the years 1 to 9999"))
}

fn storable_time(time: Timestamp) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(time.nanos).ok()?;
    // A leap second is the second after it.
    let nanos = nanos.min(999_999_999);
    DateTime::from_timestamp(time.seconds, nanos / 1_000 * 1_000).filter(|time| is_tellable(*time))
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or_default(),
    }
}

fn text(field: &str, text: impl TryInto<ByteString>) -> Result<ByteString, Status> {
    storable_text(text).ok_or_else(|| invalid(field, "must be UTF-8 without NUL"))
}

/// NUL is the one character that PostgreSQL does not store.
fn storable_text(text: impl TryInto<ByteString>) -> Option<ByteString> {
    let text = text.try_into().ok()?;
    (!text.contains('\0')).then_some(text)
}

/// What the outbox brings.
pub fn changes(request: LinkIdentifiersRequest) -> Result<Changes, Status> {
    if request.links.len() > MAX_CHANGES {
        return Err(invalid("links", "at most 10,000"));
    }
    if request.merges.len() > MAX_CHANGES {
        return Err(invalid("merges", "at most 10,000"));
    }
    let merges = request
        .merges
        .iter()
        .map(|merge| {
            let gone = id("merges.contact_id", &merge.contact_id)?;
            let stays = id("merges.survivor_id", &merge.survivor_id)?;
            if gone == stays {
                return Err(invalid("merges.survivor_id", "must be another contact"));
            }
            Ok((gone, stays))
        })
        .collect::<Result<_, Status>>()?;
    Ok(Changes {
        account_id: account_id(&request.account_id)?,
        links: request
            .links
            .into_iter()
            .map(link)
            .collect::<Result<_, Status>>()?,
        merges,
    })
}

fn link(link: IdentifierLink) -> Result<Link, Status> {
    let kind = match link.kind() {
        IdentifierKind::UserId => Kind::UserId,
        IdentifierKind::AnonymousId => Kind::AnonymousId,
        IdentifierKind::Unspecified => {
            return Err(invalid("links.kind", "expected user id or anonymous id"));
        }
    };
    if link.value.is_empty() {
        return Err(invalid("links.value", "must not be empty"));
    }
    Ok(Link {
        contact_id: id("links.contact_id", &link.contact_id)?,
        version: link.version,
        link_time: time("links.link_time", link.link_time)?,
        identifier: Identifier {
            kind,
            value: text("links.value", link.value)?,
        },
    })
}

/// Those that a backlog is asked for.
pub fn identifiers(request: GetBacklogRequest) -> Result<Vec<Identifier>, Status> {
    [
        (Kind::UserId, "user_id", request.user_id),
        (Kind::AnonymousId, "anonymous_id", request.anonymous_id),
    ]
    .into_iter()
    .filter(|(.., value)| !value.is_empty())
    .map(|(kind, field, value)| {
        let value = text(field, value)?;
        Ok(Identifier { kind, value })
    })
    .collect()
}

/// Where a page begins; at the newest without a token.
pub fn cursor(token: &str) -> Result<Cursor, Status> {
    if token.is_empty() {
        return Ok(Cursor::START);
    }
    token
        .split_once('.')
        .and_then(|(micros, key)| {
            Some(Cursor {
                event_time: RawTime(micros.parse().ok()?),
                key: TimedKey(Uuid::try_parse(key).ok()?),
            })
        })
        .ok_or_else(weir_rpc::unknown_page)
}

fn token(cursor: Cursor) -> String {
    format!("{}.{}", cursor.event_time.0, cursor.key.0.simple())
}

/// What became of a batch.
pub fn recorded(recorded: &Recorded) -> RecordActivitiesResponse {
    let results = recorded
        .outcomes
        .iter()
        .map(|outcome| RecordResult {
            status: match outcome {
                Outcome::Stored => RecordStatus::Stored,
                Outcome::Backlogged => RecordStatus::Backlogged,
                Outcome::Repeated => RecordStatus::Repeated,
                Outcome::NotFunded => RecordStatus::NotFunded,
                Outcome::Unstorable => RecordStatus::Unstorable,
            }
            .into(),
        })
        .collect();
    RecordActivitiesResponse {
        results,
        units: recorded.units,
    }
}

/// A page of a contact's list.
pub fn activities(page: Page<Activity, Cursor>) -> ListActivitiesResponse {
    ListActivitiesResponse {
        activities: page
            .items
            .into_iter()
            .map(|activity| WireActivity {
                activity_record_id: activity.key.0.simple().to_string(),
                activity_id: activity.activity_id.to_string(),
                event_name: activity.event_name,
                event_time: Some(timestamp(activity.event_time)),
                receive_time: Some(timestamp(activity.receive_time)),
                message_id: activity.message_id,
                attributes_json: activity.attributes,
                expire_day: activity.expire_day.to_string(),
            })
            .collect(),
        next_page_token: page.next.map(token).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_leads_back_to_its_cursor() {
        let cursor_before = Cursor {
            event_time: RawTime(790_000_000_123_456),
            key: TimedKey::new(1_790_000_000_123_456, &[b"m"]),
        };
        assert_eq!(cursor(&token(cursor_before)).unwrap(), cursor_before);
        assert_eq!(cursor("").unwrap(), Cursor::START);
        for bad in ["x", ".", "12", "12.x", "9223372036854775807.0", "1.2.3"] {
            assert_eq!(
                cursor(bad).unwrap_err().code(),
                tonic::Code::InvalidArgument,
                "{bad}"
            );
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
    fn times_are_cut_to_microseconds() {
        let given = Timestamp {
            seconds: 1,
            nanos: 999_999_999,
        };
        let read = time("t", Some(given)).unwrap();
        assert_eq!(timestamp(read).nanos, 999_999_000);
        assert!(time("t", None).is_err());
        // Before the year 1, after 9999, and what is no time at all.
        for (seconds, nanos) in [
            (-62_135_596_801, 0),
            (253_402_300_800, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (0, -1),
        ] {
            assert!(time("t", Some(Timestamp { seconds, nanos })).is_err());
        }
        for seconds in [-62_135_596_800, 253_402_300_799] {
            let given = Timestamp { seconds, nanos: 0 };
            assert_eq!(timestamp(time("t", Some(given)).unwrap()), given);
        }
    }
}
