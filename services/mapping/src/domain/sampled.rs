//! Samples, read again as events: as far as a mapping looks at them.

use chrono::{DateTime, Utc};
use weir_values::format::DateFormat;

use super::event::{RawEvent, Received};
use super::parts::Parts;
use super::sample::Sample;

/// How timestamps are read here; the edge reads more, which makes no difference but for
/// retentions.
const TIMESTAMPS: [DateFormat; 2] = [DateFormat::Iso8601, DateFormat::Sql];

/// The event of a sample, and whether it wants to change a membership; none where it is no JSON,
/// or only a part of it was kept.
pub fn event(sample: &Sample) -> Option<(RawEvent<'_>, bool)> {
    let parts = Parts::of(&sample.raw)?;
    let event = RawEvent {
        received: Received {
            time: sample.receive_time,
            batch_id: "",
        },
        index: 0,
        kind: sample.kind,
        traits: parts.traits,
        properties: parts.properties,
        location: parts.location,
        ip: parts.ip,
        event_name: &sample.event_name,
        event_time: time(parts.timestamp).unwrap_or(sample.receive_time),
        message_id: parts.message_id,
    };
    Some((event, parts.has_audience))
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    TIMESTAMPS
        .iter()
        .find_map(|format| format.read_instant(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;

    fn sample(kind: EventKind, raw: &str) -> Sample {
        Sample {
            receive_time: DateTime::UNIX_EPOCH,
            kind,
            event_name: "Login".to_owned(),
            raw: raw.to_owned(),
        }
    }

    #[test]
    fn an_event_is_read_as_it_was_sent() {
        let raw = r#" {"traits":{"a":1},"tr\u0061its":{"b":2},"properties":{"c":3},"location":"here",
            "ip":"203.0.113.9","timestamp":"1980-07-28T00:00:00+10:00","messageId":"m"} "#;
        let track = sample(EventKind::Track, raw);
        let (read, has_audience) = event(&track).unwrap();
        assert!(!has_audience);
        assert_eq!(read.traits, Some(&br#"{"b":2}"#[..]));
        assert_eq!(read.properties, Some(&br#"{"c":3}"#[..]));
        assert_eq!((read.location, read.ip), (None, &b"203.0.113.9"[..]));
        assert_eq!(read.event_time.to_rfc3339(), "1980-07-27T14:00:00+00:00");
        assert_eq!((read.message_id, read.event_name), ("m", "Login"));
        let bare = sample(
            EventKind::Identify,
            r#"{"traits":null,"timestamp":7,"ip":null}"#,
        );
        let (read, _) = event(&bare).unwrap();
        assert_eq!((read.traits, read.ip), (None, &b""[..]));
        assert_eq!(read.event_time, DateTime::UNIX_EPOCH);
        for raw in ["", "[]", r#"{"traits":{"a":"#, "{}x"] {
            assert_eq!(
                event(&sample(EventKind::Identify, raw)).map(|_| ()),
                None,
                "{raw}"
            );
        }
    }
}
