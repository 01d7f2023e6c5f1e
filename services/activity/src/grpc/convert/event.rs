//! A batch, from its message.

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use tonic::Status;
use weir_ids::{ActivityId, ContactId};
use weir_proto::activity::v1::{ActivityEvent, RecordActivitiesRequest};
use weir_rpc::invalid;
use weir_rpc::wire::{day, id, read_time, time};

use super::storable_text;
use crate::domain::{
    Batch, Event, Identifier, Kind, MAX_EVENTS, Range, Whose, key_of, last_day, receipt_of,
};

/// More earlier retentions than there are classes can't be.
const MAX_EARLIER: usize = 16;
/// Four bytes for each of 255 characters: longer ones are no identifiers (semantics 3.1), and
/// do not fit into an index.
const MAX_IDENTIFIER: usize = 4 * 255;

/// What is wrong with an event.
enum Wrong {
    /// A value that can't be stored: the event is refused, and no other.
    Value,
    /// A caller's mistake: the request fails.
    Call(Status),
}

impl From<Status> for Wrong {
    fn from(status: Status) -> Self {
        Self::Call(status)
    }
}

/// Takes a batch apart. The edge and mapping checked its events; what is wrong with their
/// values all the same costs its event alone, what no edge would send fails the request.
pub fn batch(request: RecordActivitiesRequest, range: Range) -> Result<Batch, Status> {
    let asked = request.events.len();
    if asked > MAX_EVENTS {
        return Err(invalid("events", "at most 1,000"));
    }
    let receive_time = time("receive_time", request.receive_time)?;
    let mut routes: Vec<(Identifier, usize)> = Vec::with_capacity(asked);
    let mut events = Vec::with_capacity(asked);
    let mut indices = Vec::with_capacity(asked);
    for (index, message) in request.events.into_iter().enumerate() {
        match event(message, receive_time, range) {
            Ok((event, identifier)) => {
                routes.extend(identifier.map(|identifier| (identifier, events.len())));
                events.push(event);
                indices.push(index);
            }
            Err(Wrong::Value) => {}
            Err(Wrong::Call(status)) => return Err(status),
        }
    }
    Ok(Batch {
        account_id: id("account_id", &request.account_id)?,
        batch_id: id("batch_id", &request.batch_id)?,
        window: day("window", &request.window)?,
        epoch: request.epoch,
        receive_time,
        identifiers: number(routes, &mut events),
        events,
        indices,
        asked,
        probe_only: request.probe_only,
        source_id: match request.source_id.as_str() {
            "" => None,
            text => Some(id("source_id", text)?),
        },
    })
}

/// The user id, else the anonymous id (semantics 4.7).
fn route(message: &mut ActivityEvent) -> Result<Option<Identifier>, Wrong> {
    let (kind, value) = if message.user_id.is_empty() {
        let value = std::mem::take(&mut message.anonymous_id);
        (Kind::AnonymousId, value)
    } else {
        (Kind::UserId, std::mem::take(&mut message.user_id))
    };
    if value.is_empty() {
        return Ok(None);
    }
    let value = storable_text(value)
        .filter(|value| value.len() <= MAX_IDENTIFIER)
        .ok_or(Wrong::Value)?;
    Ok(Some(Identifier { kind, value }))
}

/// Sorts the identifiers, each once, and tells the events which one is theirs.
fn number(mut routes: Vec<(Identifier, usize)>, events: &mut [Event]) -> Vec<Identifier> {
    routes.sort_unstable();
    let mut identifiers: Vec<Identifier> = Vec::with_capacity(routes.len());
    for (identifier, at) in routes {
        if identifiers.last() != Some(&identifier) {
            identifiers.push(identifier);
        }
        events[at].identifier = Some(identifiers.len() - 1);
    }
    identifiers
}

/// The event, and by whom it is routed.
fn event(
    mut message: ActivityEvent,
    receive_time: DateTime<Utc>,
    range: Range,
) -> Result<(Event, Option<Identifier>), Wrong> {
    let activity_id: ActivityId = id("events.activity_id", &message.activity_id)?;
    let contact_id: Option<ContactId> = if message.contact_id.is_empty() {
        None
    } else {
        Some(id("events.contact_id", &message.contact_id)?)
    };
    if message.earlier_retention_days.len() > MAX_EARLIER {
        return Err(invalid("events.earlier_retention_days", "at most 16").into());
    }
    let event_time = message
        .event_time
        .ok_or_else(|| invalid("events.event_time", "expected a time"))?;
    let identifier = route(&mut message)?;
    let event_time = read_time(event_time).ok_or(Wrong::Value)?;
    let message_id = storable_text(message.message_id).ok_or(Wrong::Value)?;
    let expire_day = last_day(event_time, message.retention_days)
        .filter(|day| range.holds(*day))
        .ok_or(Wrong::Value)?;
    let mut earlier_days: Vec<_> = message
        .earlier_retention_days
        .iter()
        .filter_map(|retention| last_day(event_time, *retention))
        .filter(|day| *day != expire_day)
        .collect();
    earlier_days.dedup();

    let whose = match (&identifier, contact_id) {
        (Some(identifier), _) => Whose::Identifier(identifier),
        (None, Some(contact_id)) => Whose::Contact(contact_id),
        (None, None) => {
            return Err(invalid(
                "events",
                "each needs a contact_id, a user_id or an anonymous_id",
            )
            .into());
        }
    };
    let event = Event {
        key: key_of(activity_id, event_time, &message_id, whose),
        receipt: message
            .undated
            .then(|| receipt_of(activity_id, &message_id, &message.event_key, whose)),
        activity_id,
        event_name: storable_text(message.event_name).ok_or(Wrong::Value)?,
        attributes: if message.attributes_json.is_empty() {
            ByteString::from_static("{}")
        } else {
            storable_text(message.attributes_json).ok_or(Wrong::Value)?
        },
        event_time,
        receive_time: match message.receive_time {
            None => receive_time,
            its => time("events.receive_time", its)?,
        },
        message_id,
        expire_day,
        earlier_days,
        contact_id,
        identifier: None,
        funded: message.funded,
        deferred: message.contact_deferred,
        correction: message.correction,
    };
    Ok((event, identifier))
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
        let today = "2026-11-24".parse::<NaiveDate>().unwrap();
        Range::of(today, today)
    }

    #[test]
    fn identifiers_are_sorted_and_each_is_there_once() {
        let events = vec![
            message("u2", "a1"),
            message("", "a1"),
            message("u1", ""),
            message("u2", ""),
        ];
        let batch = batch(request(events), range()).unwrap();
        let values: Vec<_> = batch.identifiers.iter().map(|one| &one.value).collect();
        assert_eq!(values, ["a1", "u1", "u2"]);
        let routes: Vec<_> = batch.events.iter().map(|event| event.identifier).collect();
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
        assert_eq!(refused(&|event| event.event_time = None), invalid);
        assert_eq!(
            batch(request(vec![message("u", ""); 1_001]), range())
                .unwrap_err()
                .code(),
            invalid
        );
    }

    #[test]
    fn a_value_that_can_t_be_stored_costs_its_event_alone() {
        let not_utf8 = Bytes::from_static(b"m\xff");
        let bad: [&dyn Fn(&mut ActivityEvent); 9] = [
            &|event| event.message_id = "m\0".into(),
            &|event| event.message_id = not_utf8.clone(),
            &|event| event.event_name = "na\0me".into(),
            &|event| event.attributes_json = "{\"a\":\"\0\"}".into(),
            &|event| event.user_id = "u\0".into(),
            &|event| event.user_id = "u".repeat(1_021).into(),
            &|event| event.event_time = Some(seconds(-62_135_596_801)),
            &|event| event.event_time = Some(seconds(i64::MAX)),
            &|event| event.retention_days = 7_300,
        ];
        for (number, change) in bad.into_iter().enumerate() {
            let mut event = message("u", "");
            change(&mut event);
            let events = vec![message("u", ""), event, message("v", "")];
            let batch = batch(request(events), range()).unwrap();
            assert_eq!((batch.asked, batch.indices), (3, vec![0, 2]), "{number}");
            let routes: Vec<_> = batch.events.iter().map(|event| event.identifier).collect();
            assert_eq!(routes, [Some(0), Some(1)], "{number}");
        }
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn a_part_of_a_batch_has_the_identifiers_of_its_events() {
        let events = vec![message("u2", ""), message("", "a1"), message("u1", "")];
        let batch = batch(request(events), range()).unwrap();
        let part = batch.only(&[0, 2]);
        let values: Vec<_> = part.identifiers.iter().map(|one| &one.value).collect();
        assert_eq!(values, ["u1", "u2"]);
        let routes: Vec<_> = part.events.iter().map(|event| event.identifier).collect();
        assert_eq!((routes, part.indices), (vec![Some(1), Some(0)], vec![0, 2]));
        assert_eq!(part.asked, 3);
    }

    #[test]
    fn the_same_message_of_an_identifier_is_the_same_activity_named_or_not() {
        let mut named = message("u", "a");
        named.contact_id = Uuid::from_u128(9).to_string().into();
        let events = vec![message("u", ""), named, message("", "u"), message("v", "")];
        let batch = batch(request(events), range()).unwrap();
        let keys: Vec<_> = batch.events.iter().map(|event| event.key).collect();
        assert_eq!(keys[0], keys[1]);
        assert!(keys[0] != keys[2] && keys[0] != keys[3] && keys[2] != keys[3]);
    }
}
