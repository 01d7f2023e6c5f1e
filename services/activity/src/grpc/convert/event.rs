//! A batch, from its message.

use bytestring::ByteString;
use tonic::Status;
use weir_ids::ActivityId;
use weir_proto::activity::v1::{ActivityEvent, RecordActivitiesRequest};
use weir_rpc::invalid;

use super::{account_id, day, id, text, time};
use crate::domain::{Batch, Event, Identifier, Kind, MAX_EVENTS, Range, key_of, last_day};

/// More earlier retentions than there are classes can't be.
const MAX_EARLIER: usize = 16;

/// Takes a batch apart. The edge and mapping checked its events; what is refused here is a
/// caller's mistake, and the whole request fails with it.
pub fn batch(request: RecordActivitiesRequest, range: Range) -> Result<Batch, Status> {
    if request.events.len() > MAX_EVENTS {
        return Err(invalid("events", "at most 1,000"));
    }
    let mut routes: Vec<(Identifier, usize)> = Vec::with_capacity(request.events.len());
    let mut events = Vec::with_capacity(request.events.len());
    for (at, mut message) in request.events.into_iter().enumerate() {
        match route(&mut message)? {
            Some(identifier) => routes.push((identifier, at)),
            None if message.contact_id.is_empty() => {
                return Err(invalid(
                    "events",
                    "each needs a contact_id, a user_id or an anonymous_id",
                ));
            }
            None => {}
        }
        events.push(event(message, range)?);
    }
    Ok(Batch {
        account_id: account_id(&request.account_id)?,
        batch_id: id("batch_id", &request.batch_id)?,
        window: day("window", &request.window)?,
        epoch: request.epoch,
        receive_time: time("receive_time", request.receive_time)?,
        identities: number(routes, &mut events),
        events,
        probe_only: request.probe_only,
    })
}

/// The user id, else the anonymous id (semantics 4.7).
fn route(message: &mut ActivityEvent) -> Result<Option<Identifier>, Status> {
    let (kind, field, value) = if message.user_id.is_empty() {
        let value = std::mem::take(&mut message.anonymous_id);
        (Kind::AnonymousId, "events.anonymous_id", value)
    } else {
        let value = std::mem::take(&mut message.user_id);
        (Kind::UserId, "events.user_id", value)
    };
    if value.is_empty() {
        return Ok(None);
    }
    let value = text(field, value)?;
    Ok(Some(Identifier { kind, value }))
}

/// Sorts the identifiers, each once, and tells the events which one is theirs.
fn number(mut routes: Vec<(Identifier, usize)>, events: &mut [Event]) -> Vec<Identifier> {
    routes.sort_unstable();
    let mut identities: Vec<Identifier> = Vec::with_capacity(routes.len());
    for (identifier, at) in routes {
        if identities.last() != Some(&identifier) {
            identities.push(identifier);
        }
        events[at].identity = Some(identities.len() - 1);
    }
    identities
}

fn event(message: ActivityEvent, range: Range) -> Result<Event, Status> {
    let activity_id: ActivityId = id("events.activity_id", &message.activity_id)?;
    let event_time = time("events.event_time", message.event_time)?;
    let message_id = text("events.message_id", message.message_id)?;
    let expire_day = last_day(event_time, message.retention_days)
        .filter(|day| range.holds(*day))
        .ok_or_else(|| {
            invalid(
                "events.event_time",
                "outside of the retention of the activity",
            )
        })?;
    if message.earlier_retention_days.len() > MAX_EARLIER {
        return Err(invalid("events.earlier_retention_days", "at most 16"));
    }
    let mut earlier_days: Vec<_> = message
        .earlier_retention_days
        .iter()
        .filter_map(|retention| last_day(event_time, *retention))
        .filter(|day| *day != expire_day)
        .collect();
    earlier_days.dedup();
    let contact_id = if message.contact_id.is_empty() {
        None
    } else {
        Some(id("events.contact_id", &message.contact_id)?)
    };
    Ok(Event {
        key: key_of(activity_id, event_time, &message_id),
        activity_id,
        event_name: text("events.event_name", message.event_name)?,
        attributes: if message.attributes_json.is_empty() {
            ByteString::from_static("{}")
        } else {
            text("events.attributes_json", message.attributes_json)?
        },
        event_time,
        message_id,
        expire_day,
        earlier_days,
        contact_id,
        identity: None,
        funded: message.funded,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::NaiveDate;
    use prost_types::Timestamp;
    use uuid::Uuid;

    use super::*;

    const TIME: i64 = 1_795_521_600;

    fn message(user_id: &str, anonymous_id: &str) -> ActivityEvent {
        ActivityEvent {
            activity_id: Uuid::from_u128(1).to_string().into(),
            event_name: "Signed in".into(),
            retention_days: 90,
            event_time: Some(Timestamp {
                seconds: TIME,
                nanos: 0,
            }),
            message_id: "m".into(),
            user_id: user_id.to_owned().into(),
            anonymous_id: anonymous_id.to_owned().into(),
            ..ActivityEvent::default()
        }
    }

    fn request(events: Vec<ActivityEvent>) -> RecordActivitiesRequest {
        RecordActivitiesRequest {
            account_id: Uuid::from_u128(2).to_string(),
            batch_id: Uuid::from_u128(3).to_string(),
            window: "2026-11-24".to_owned(),
            receive_time: Some(Timestamp {
                seconds: TIME,
                nanos: 0,
            }),
            events,
            ..RecordActivitiesRequest::default()
        }
    }

    fn range() -> Range {
        Range::of("2026-11-24".parse::<NaiveDate>().unwrap())
    }

    #[test]
    fn identities_are_sorted_and_each_is_there_once() {
        let events = vec![
            message("u2", "a1"),
            message("", "a1"),
            message("u1", ""),
            message("u2", ""),
        ];
        let batch = batch(request(events), range()).unwrap();
        let values: Vec<_> = batch.identities.iter().map(|one| &one.value).collect();
        assert_eq!(values, ["a1", "u1", "u2"]);
        let routes: Vec<_> = batch.events.iter().map(|event| event.identity).collect();
        assert_eq!(routes, [Some(2), Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn a_request_that_no_edge_would_send_is_refused() {
        let refused = |change: &dyn Fn(&mut ActivityEvent)| {
            let mut event = message("u", "");
            change(&mut event);
            batch(request(vec![event]), range()).unwrap_err().code()
        };
        let invalid = tonic::Code::InvalidArgument;
        assert_eq!(refused(&|event| event.user_id.clear()), invalid);
        assert_eq!(refused(&|event| event.activity_id.clear()), invalid);
        assert_eq!(refused(&|event| event.contact_id = "x".into()), invalid);
        assert_eq!(refused(&|event| event.message_id = "m\0".into()), invalid);
        let not_utf8 = Bytes::from_static(b"m\xff");
        assert_eq!(
            refused(&|event| event.message_id = not_utf8.clone()),
            invalid
        );
        assert_eq!(refused(&|event| event.event_time = None), invalid);
        assert_eq!(refused(&|event| event.retention_days = 7_300), invalid);
        assert_eq!(
            batch(request(vec![message("u", ""); 1_001]), range())
                .unwrap_err()
                .code(),
            invalid
        );
    }
}
