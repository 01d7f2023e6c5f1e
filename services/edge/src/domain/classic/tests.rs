use weir_reasons::Reason;

use super::*;
use crate::domain::envelope::{Envelope, Form, Nobody, Reader, Reading, Refusal};

mod bodies;

const ARRIVAL: i64 = 1_752_300_000_000_000;

fn sorted(call: Call, body: &str) -> Sorted {
    let opened = Opened::new(Bytes::copy_from_slice(body.as_bytes()), call).unwrap();
    opened.sort().unwrap()
}

fn batch(events: &[&str]) -> Sorted {
    let body = format!(
        r#"{{"sentAt":"x","batch":[{}],"writeKey":" k "}}"#,
        events.join(", ")
    );
    sorted(Call::Batch, &body)
}

fn texts(part: &Part) -> Vec<(usize, &str)> {
    let text = |span: &Range<usize>| std::str::from_utf8(&part.body[span.clone()]).unwrap();
    let events = part.events.iter();
    events
        .map(|event| (event.index, text(&event.span)))
        .collect()
}

/// As the pipeline reads them, with their indexes.
fn readings(sorted: &Sorted) -> Vec<(usize, Kind, Reading)> {
    let mut all = Vec::new();
    for part in &sorted.parts {
        let nobody = Nobody::default();
        let reader = Reader {
            kind: part.kind,
            form: Form::Classic,
            arrival: ARRIVAL,
            own_namespaces: &["ortto.com".to_owned()],
            nobody: &nobody,
            fresh_id: &|| "fresh".to_owned(),
        };
        for event in &part.events {
            let raw = part.body.slice(event.span.clone());
            let reading = reader.read_sent(&raw, event.size);
            all.push((event.index, part.kind, reading));
        }
    }
    all
}

fn only(sorted: &Sorted) -> Reading {
    let mut readings = readings(sorted);
    assert_eq!(readings.len(), 1);
    readings.remove(0).2
}

fn envelope(sorted: &Sorted) -> Envelope {
    match only(sorted) {
        Reading::Event(envelope) => envelope,
        other => panic!("{other:?}"),
    }
}

fn refusal(sorted: &Sorted) -> Refusal {
    match only(sorted) {
        Reading::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Of the documentation of Segment (Actions), as it stands.
const IDENTIFY: &str = r#"{ "type": "identify", "userId": "lana.romeijn.myonlinestore-studio", "anonymousId": "507f191e810c19729de860ea", "timestamp": "2025-07-10T06:09:00Z", "messageId":"3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e", "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;
const TRACK: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 }, "traits": { "firstName": "Lana" } }"#;

/// Semantics 8.1.
#[test]
fn the_documentations_samples_are_read_by_batch_and_one_by_one() {
    let both = batch(&[TRACK, IDENTIFY]);
    let read = readings(&both);
    // Semantics 8.0: identifies first.
    assert_eq!(
        read.iter()
            .map(|(index, kind, _)| (*index, *kind))
            .collect::<Vec<_>>(),
        [(1, Kind::Identify), (0, Kind::Track)]
    );
    let one = envelope(&sorted(Call::One(Type::Identify), IDENTIFY));
    assert_eq!(&*one.user_id, "lana.romeijn.myonlinestore-studio");
    assert_eq!(&*one.message_id, "3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e");
    assert_eq!((one.micros, one.dated), (1_752_127_740_000_000, true));
    assert_eq!(
        Reading::Event(one),
        read[0].2,
        "the same event, whichever way"
    );
    let track = sorted(Call::One(Type::Track), TRACK);
    let text = texts(&track.parts[0])[0].1;
    let one = envelope(&track);
    assert_eq!(&*one.event_name, "Sign-in button clicked");
    assert_eq!(
        &text[one.traits.clone().unwrap()],
        r#"{ "firstName": "Lana" }"#
    );
    let properties = r#"{ "action": "sign-in-button-clicked", "count": 3 }"#;
    assert_eq!(&text[one.properties.clone().unwrap()], properties);
}

#[test]
fn what_nobody_is_named_by_has_the_names_that_sdks_send() {
    for sent in [
        r#"{"type":"identify"}"#,
        r#"{"type":"identify","userId":null}"#,
        r#"{"type":"track","event":"a","userId":" ","anonymousId":""}"#,
    ] {
        let refusal = refusal(&batch(&[sent]));
        let told = (refusal.code, refusal.path, &*refusal.reason);
        let reason = "neither userId nor anonymousId names anyone; send at least one";
        assert_eq!(told, (Reason::NoIdentifier, "userId", reason), "{sent}");
    }
}

/// Semantics 8.0.
#[test]
fn what_an_sdk_says_of_a_try_makes_no_other_event() {
    let of = |more: &str| {
        let event = format!(
            r#"{{"type":"track","messageId":"m","userId":"u","event":"e","timestamp":"2025-07-10T06:09:00Z","properties":{{"a":1}}{more}}}"#
        );
        envelope(&batch(&[&event])).key
    };
    let first = of("");
    for more in [
        r#","sentAt":"2025-07-11T00:00:00Z""#,
        r#","originalTimestamp":"2025-07-01T00:00:00Z""#,
        r#","_metadata":{"retryCount":1},"context":{"library":{"name":"x"},"ip":"8.8.8.8"}"#,
        r#","integrations":{"All":true},"writeKey":"k","channel":"server","version":2"#,
        r#","anonymousId":null"#,
    ] {
        assert_eq!(of(more), first, "{more}");
    }
    for more in [
        r#","anonymousId":"a""#,
        r#","traits":{"a":1}"#,
        r#","context":{"traits":{"a":1}}"#,
        r#","timestamp":"2025-07-10T06:09:01Z""#,
        r#","properties":{"a":2}"#,
    ] {
        assert_ne!(of(more), first, "{more}");
    }
}

#[test]
fn traits_stand_at_the_top_or_else_in_the_context() {
    let traits = |members: &str| {
        let event = format!(r#"{{"type":"identify","userId":"u",{members}}}"#);
        let sorted = batch(&[&event]);
        let envelope = envelope(&sorted);
        let text = texts(&sorted.parts[0])[0].1.to_owned();
        envelope.traits.map(|span| text[span].to_owned())
    };
    let context = r#""context":{"page":{"url":"x"},"traits":{"b":2}}"#;
    let cases = [
        (r#""traits":{"a":1}"#.to_owned(), Some(r#"{"a":1}"#)),
        (
            format!(r#""traits":{{"a":1}},{context}"#),
            Some(r#"{"a":1}"#),
        ),
        (context.to_owned(), Some(r#"{"b":2}"#)),
        (format!(r#""traits":null,{context}"#), Some(r#"{"b":2}"#)),
        (format!(r#""traits":{{ }},{context}"#), Some(r#"{"b":2}"#)),
        (format!(r#""traits":[],{context}"#), Some(r#"{"b":2}"#)),
        (r#""traits":{}"#.to_owned(), Some("{}")),
        (r#""context":{"traits":null}"#.to_owned(), None),
        (r#""context":[1]"#.to_owned(), None),
        (
            r#""c\u006fntext":{"tr\u0061its":{"c":3}}"#.to_owned(),
            Some(r#"{"c":3}"#),
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(traits(&members).as_deref(), expected, "{members}");
    }
    let wrong = batch(&[r#"{"type":"identify","userId":"u","traits":"x"}"#]);
    assert_eq!(refusal(&wrong).code, Reason::TraitsNotAnObject);
}

#[test]
fn a_timestamp_is_taken_as_sent_and_the_original_one_where_there_is_none() {
    let micros = |members: &str| {
        let event = format!(r#"{{"type":"identify","userId":"u","sentAt":"2030-01-01"{members}}}"#);
        let envelope = envelope(&batch(&[&event]));
        (envelope.micros, envelope.dated)
    };
    let original = r#","originalTimestamp":"1970-01-01T00:00:01Z""#;
    assert_eq!(micros(original), (1_000_000, true));
    for timestamp in ["null", r#""""#, r#"" ""#] {
        let members = format!(r#","timestamp":{timestamp}{original}"#);
        assert_eq!(micros(&members), (1_000_000, true), "{timestamp}");
    }
    let both = format!(r#","timestamp":"1970-01-01T00:00:02.5Z"{original}"#);
    assert_eq!(micros(&both), (2_500_000, true), "dates of 1970 are dates");
    assert_eq!(micros(""), (ARRIVAL, false));
    let far = format!(r#","timestamp":"2031-01-01T00:00:00Z"{original}"#);
    let event = format!(r#"{{"type":"identify","userId":"u"{far}}}"#);
    assert_eq!(refusal(&batch(&[&event])).code, Reason::TimestampInFuture);
}

/// Semantics 8.1.
#[test]
fn pages_screens_groups_and_aliases_are_counted_and_nothing_else() {
    let both = batch(&[
        r#"{"type":"page"}"#,
        r#"{"type":"alias","previousId":"a","userId":"b"}"#,
        r#"{"type":"page","name":"x"}"#,
        r#"{"type":"screen"}"#,
        r#"{"type":"group","groupId":"g"}"#,
        r#"{"type":"identify","userId":"u"}"#,
    ]);
    assert_eq!(
        both.not_stored,
        [
            (Type::Page, 2),
            (Type::Screen, 1),
            (Type::Group, 1),
            (Type::Alias, 1)
        ]
    );
    assert_eq!(
        texts(&both.parts[0]),
        [(5, r#"{"type":"identify","userId":"u"}"#)]
    );
    assert_eq!(both.parts.len(), 1);
    let one = sorted(Call::One(Type::Group), r#"{"x":tru}"#);
    assert_eq!(
        (one.parts.len(), one.not_stored),
        (0, vec![(Type::Group, 1)])
    );
    let none = sorted(Call::Batch, r#"{"batch":[]}"#);
    assert_eq!((none.parts.len(), none.not_stored.len()), (0, 0));
}

#[test]
fn the_endpoint_says_what_a_single_event_is() {
    let track = sorted(
        Call::One(Type::Track),
        r#"{"type":"page","writeKey":"k","userId":"u","event":"e"}"#,
    );
    assert_eq!(&*envelope(&track).event_name, "e");
}

#[test]
fn types_that_there_are_not_are_refused_now_and_when_they_are_taken_anew() {
    for (event, value) in [
        (
            r#"{"type":"purchase","event":"e","userId":"u"}"#,
            "purchase",
        ),
        (
            r#"{"type":"Identify","userId":"u","event":"e"}"#,
            "Identify",
        ),
        (r#"{"type":7,"userId":"u","event":"e"}"#, "7"),
        (r#"{"userId":"u","event":"e"}"#, ""),
    ] {
        let sorted = batch(&[event]);
        // It stays as it was sent: whoever looks at it sees what is wrong.
        assert_eq!(texts(&sorted.parts[0]), [(0, event)]);
        let refusal = refusal(&sorted);
        assert_eq!(
            (refusal.code, refusal.path),
            (Reason::EventTypeUnknown, "type")
        );
        assert_eq!(
            (refusal.value.as_str(), refusal.event_name.as_str()),
            (value, "e")
        );
    }
}

#[test]
fn events_beyond_32_kb_are_refused_whatever_makes_them_large() {
    let long = "x".repeat(MAX_EVENT);
    for event in [
        format!(r#"{{"type":"identify","userId":"u","traits":{{"a":"{long}"}}}}"#),
        format!(r#"{{"type":"identify","userId":"u","context":{{"a":"{long}"}}}}"#),
    ] {
        let sorted = batch(&[&event, IDENTIFY]);
        let read = readings(&sorted);
        assert!(matches!(&read[0].2, Reading::Refused(why) if why.code == Reason::EventTooLarge));
        assert!(
            matches!(&read[1].2, Reading::Event(_)),
            "its neighbour goes on"
        );
    }
}

// Semantics 8.1: as it was sent. What its endpoint says of it is written in front of it.
#[test]
fn an_event_of_just_32_kb_is_taken_although_it_is_longer_when_written_anew() {
    let of_size = |size: usize| {
        let long = "x".repeat(size - r#"{"userId":"u","traits":{"a":""}}"#.len());
        let event = format!(r#"{{"userId":"u","traits":{{"a":"{long}"}}}}"#);
        sorted(Call::One(Type::Identify), &event)
    };
    let largest = of_size(MAX_EVENT);
    assert!(largest.parts[0].body.len() > MAX_EVENT);
    assert_eq!(&*envelope(&largest).user_id, "u");
    let larger = only(&of_size(MAX_EVENT + 1));
    assert!(matches!(larger, Reading::Refused(why) if why.code == Reason::EventTooLarge));
}
