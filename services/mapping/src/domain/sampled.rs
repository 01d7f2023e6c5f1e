//! Samples, read again as events: as far as a mapping looks at them.

use chrono::{DateTime, Utc};
use weir_json::{Kind, Raw};
use weir_values::format::DateFormat;

use super::event::{EventKind, RawEvent, Received};
use super::sample::Sample;

/// How timestamps are read here; the edge reads more, which makes no difference but for
/// retentions.
const TIMESTAMPS: [DateFormat; 2] = [DateFormat::Iso8601, DateFormat::Sql];

/// The event of a sample; none where it is no JSON, or only a part of it was kept.
pub fn event(sample: &Sample) -> Option<RawEvent<'_>> {
    let text = &sample.raw;
    let (mut traits, mut properties, mut location) = (None, None, None);
    let (mut ip, mut timestamp) = (None, None);
    let (mut message_id, mut camel_message_id) = (None, None);
    weir_json::members(text, |key, span| {
        let value = text[span].as_bytes();
        // The last of a name counts.
        let member = match weir_json::unescaped(key).as_deref() {
            Some("traits") => &mut traits,
            Some("properties") => &mut properties,
            Some("location") => &mut location,
            Some("ip") => &mut ip,
            Some("timestamp") => &mut timestamp,
            Some("message_id") => &mut message_id,
            Some("messageId") => &mut camel_message_id,
            _ => return,
        };
        *member = Some(value);
    })
    .ok()?;
    Some(RawEvent {
        received: Received {
            time: sample.receive_time,
            batch_id: "",
        },
        index: 0,
        kind: sample.kind,
        traits: given(traits),
        properties: given(properties).filter(|_| sample.kind == EventKind::Track),
        location: location.filter(|raw| weir_json::kind(raw) == Ok(Kind::Object)),
        ip: word(ip).unwrap_or_default().as_bytes(),
        event_name: &sample.event_name,
        event_time: time(timestamp).unwrap_or(sample.receive_time),
        message_id: word(message_id.or(camel_message_id)).unwrap_or_default(),
    })
}

/// What is not null.
fn given(raw: Option<Raw<'_>>) -> Option<Raw<'_>> {
    raw.filter(|raw| weir_json::kind(raw) != Ok(Kind::Null))
}

/// A text without escapes: ids and addresses have none.
fn word(raw: Option<Raw<'_>>) -> Option<&str> {
    let quoted = weir_json::plain(raw?)?;
    quoted.strip_prefix('"')?.strip_suffix('"')
}

fn time(raw: Option<Raw<'_>>) -> Option<DateTime<Utc>> {
    let text = word(raw)?;
    TIMESTAMPS
        .iter()
        .find_map(|format| format.read_instant(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let read = event(&track).unwrap();
        assert_eq!(read.traits, Some(&br#"{"b":2}"#[..]));
        assert_eq!(read.properties, Some(&br#"{"c":3}"#[..]));
        assert_eq!((read.location, read.ip), (None, &b"203.0.113.9"[..]));
        assert_eq!(read.event_time.to_rfc3339(), "1980-07-27T14:00:00+00:00");
        assert_eq!((read.message_id, read.event_name), ("m", "Login"));
        let identify = sample(EventKind::Identify, raw);
        assert_eq!(event(&identify).unwrap().properties, None);

        let bare = sample(
            EventKind::Identify,
            r#"{"traits":null,"timestamp":7,"ip":null}"#,
        );
        let read = event(&bare).unwrap();
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
