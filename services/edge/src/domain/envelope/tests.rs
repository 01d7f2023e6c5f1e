use super::*;

mod ids;

const ARRIVAL: i64 = 1_752_127_740_000_000;

fn reading(kind: Kind, raw: &[u8]) -> Reading {
    reading_for(&Nobody::default(), kind, raw)
}

fn reading_for(nobody: &Nobody, kind: Kind, raw: &[u8]) -> Reading {
    let own = ["ortto.com".to_owned()];
    let reader = Reader {
        kind,
        form: Form::Actions,
        arrival: ARRIVAL,
        own_namespaces: &own,
        nobody,
        fresh_id: &|| "fresh".to_owned(),
    };
    reader.read(&Bytes::copy_from_slice(raw))
}

fn event(kind: Kind, raw: &str) -> Envelope {
    match reading(kind, raw.as_bytes()) {
        Reading::Event(envelope) => envelope,
        other => panic!("{raw}: {other:?}"),
    }
}

fn refused(kind: Kind, raw: &[u8]) -> Refusal {
    match reading(kind, raw) {
        Reading::Refused(refusal) => refusal,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(raw)),
    }
}

#[test]
fn the_documentations_identify_is_read() {
    let raw = r#"{"user_id":"lana","anonymous_id":"507f","timestamp":"2025-07-10T06:09:00Z",
        "message_id":"3e9a","traits":{"firstName":"Lana"},"ip":"10.0.0.1","location":{"city":"Sydney"},
        "enable_batching":true,"batch_size":500,"audience_update_mode":"add"}"#;
    let read = event(Kind::Identify, raw);
    assert_eq!(
        &raw[read.traits.clone().unwrap()],
        r#"{"firstName":"Lana"}"#
    );
    assert_eq!(&raw[read.location.clone().unwrap()], r#"{"city":"Sydney"}"#);
    assert_eq!((&*read.user_id, &*read.anonymous_id), ("lana", "507f"));
    assert_eq!(
        (read.micros, read.dated, &*read.message_id),
        (ARRIVAL, true, "3e9a")
    );
    assert_eq!(
        (read.ip, read.update, read.properties),
        (Some(Ipv4Addr::new(10, 0, 0, 1)), None, None)
    );
}

#[test]
fn what_is_absent_is_filled_in() {
    let read = event(
        Kind::Track,
        r#"{"user_id":"a","event":" Sign in ","timestamp":"","message_id":null}"#,
    );
    assert_eq!((read.micros, read.dated), (ARRIVAL, false));
    assert_eq!((&*read.message_id, &*read.event_name), ("fresh", "Sign in"));
}

#[test]
fn identifiers_are_trimmed_text() {
    for (sent, user_id) in [
        (r#"" lana ""#, "lana"),
        ("12", "12"),
        (r#""\u006cana""#, "lana"),
        ("null", ""),
        (r#""  ""#, ""),
        (r#""Undefined""#, ""),
        ("0", ""),
        ("-1", ""),
        ("true", ""),
        (r#""n/a""#, ""),
        (r#""[object Object]""#, ""),
        (r#""0000-00""#, ""),
        (r#""{{ user.id }}""#, ""),
        (r#""{% user %}""#, ""),
        (r#""${user}""#, ""),
        (r#""{{a}}b""#, "{{a}}b"),
        (r#""\ufeff lana\u200b""#, "lana"),
        ("\"\u{202a}lana romeijn\u{a0}\u{ad}\"", "lana romeijn"),
        ("12.50", "12.50"),
    ] {
        let read = event(
            Kind::Identify,
            &format!(r#"{{"user_id":{sent},"anonymous_id":"x"}}"#),
        );
        assert_eq!(read.user_id, user_id, "{sent}");
    }
    let edge = "é".repeat(255);
    assert_eq!(
        event(Kind::Identify, &format!(r#"{{"user_id":"{edge}"}}"#)).user_id,
        edge
    );
}

#[test]
fn the_last_of_doubled_keys_counts_however_it_is_written() {
    let read = event(
        Kind::Identify,
        r#"{"user_id":"a","user_id":"b","us\u0065r_id":"c"}"#,
    );
    assert_eq!(read.user_id, "c");
    let raw = br#"{"user_id":"a","user_id":null}"#;
    assert_eq!(refused(Kind::Identify, raw).path, "user_id");
}

#[test]
fn what_is_too_old_is_told_as_it_was_sent() {
    for (sent, shown) in [
        (r#""2001-01-01 00:00""#, "2001-01-01 00:00"),
        (r#""2001-01-01\u005400:00:00Z""#, "2001-01-01T00:00:00Z"),
        ("978307200", "978307200"),
    ] {
        let raw = format!(r#"{{"user_id":"u","event":"e","timestamp":{sent}}}"#);
        let refusal = event(Kind::Track, &raw).past_retention(&raw, "too old".into());
        assert_eq!(refusal.code, Reason::PastRetention);
        assert_eq!((refusal.path, &*refusal.value), ("timestamp", shown));
    }
    let long = format!("978307200.{}", "0".repeat(2_000));
    let raw = format!(r#"{{"user_id":"u","event":"e","timestamp":{long}}}"#);
    let refusal = event(Kind::Track, &raw).past_retention(&raw, "too old".into());
    assert_eq!(refusal.value, long[..SHOWN]);
}

#[test]
fn what_php_writes_for_an_empty_object_is_one() {
    let raw =
        r#"{"user_id":"a","event":"e","traits":[],"properties":[ ],"audience":[],"location":[]}"#;
    let read = event(Kind::Track, raw);
    assert_eq!((read.traits, read.properties), (None, None));
    assert_eq!((read.update, read.location), (None, None));
    for (key, code) in [
        ("traits", Reason::TraitsNotAnObject),
        ("properties", Reason::PropertiesNotAnObject),
        ("audience", Reason::AudienceInvalid),
    ] {
        let raw = format!(r#"{{"user_id":"a","event":"e","{key}":[1]}}"#);
        assert_eq!(refused(Kind::Track, raw.as_bytes()).code, code);
    }
}

#[test]
fn a_value_that_can_not_be_kept_is_no_fault_of_its_event() {
    for value in ["1e999", "1e-16384", r#""Lana \ud83d""#, r#""a\u0000b""#] {
        let raw = format!(
            r#"{{"user_id":"a","event":"e","traits":{{"x":{value}}},"properties":{{"x":{value}}},"other":{value}}}"#
        );
        let read = event(Kind::Track, &raw);
        assert!(
            read.traits.is_some() && read.properties.is_some(),
            "{value}"
        );
    }
    for (key, code) in [
        ("event", Reason::EventNameUnusable),
        ("timestamp", Reason::TimestampUnreadable),
    ] {
        for value in [r#""x \ud83d""#, r#""x\u0000""#] {
            let raw = format!(r#"{{"user_id":"a","event":"e","{key}":{value}}}"#);
            assert_eq!(refused(Kind::Track, raw.as_bytes()).code, code, "{value}");
        }
    }
}

#[test]
fn a_name_that_nobody_sees_is_missing() {
    for name in [r#""""#, r#"" \u200b""#, "null"] {
        let raw = format!(r#"{{"user_id":"a","event":{name}}}"#);
        assert_eq!(
            refused(Kind::Track, raw.as_bytes()).code,
            Reason::EventNameMissing
        );
    }
    for name in ["{}".to_owned(), format!("\"{}\"", "x".repeat(256))] {
        let raw = format!(r#"{{"user_id":"a","event":{name}}}"#);
        assert_eq!(
            refused(Kind::Track, raw.as_bytes()).code,
            Reason::EventNameUnusable
        );
    }
}

#[test]
fn of_events_without_a_time_the_later_in_the_batch_is_later() {
    let mut undated = event(Kind::Identify, r#"{"user_id":"a"}"#);
    undated.set_index(7);
    assert_eq!(undated.micros, ARRIVAL + 7);
    let mut dated = event(Kind::Identify, r#"{"user_id":"a","timestamp":1752127740}"#);
    dated.set_index(7);
    assert_eq!(dated.micros, ARRIVAL);
}

fn check_refusal(raw: &str, path: &str, value: &str) {
    let refusal = refused(Kind::Track, raw.as_bytes());
    assert_eq!(
        (refusal.path, refusal.value.as_str()),
        (path, value),
        "{raw}"
    );
    assert!(refusal.message().starts_with(path), "{}", refusal.message());
    assert!(
        !refusal.message().contains("secret"),
        "{}",
        refusal.message()
    );
}

#[test]
fn refusals_of_ids_name_the_field_and_keep_values_out_of_the_message() {
    for (raw, path, value) in [
        (
            r#"{"user_id":"secret\u0000"}"#.to_owned(),
            "user_id",
            "secret\0",
        ),
        (
            format!(r#"{{"anonymous_id":"{}"}}"#, "x".repeat(256)),
            "anonymous_id",
            &*"x".repeat(120),
        ),
        (
            r#"{"user_id":{"a":"secret"}}"#.into(),
            "user_id",
            r#"{"a":"secret"}"#,
        ),
        (
            r#"{"user_id":"none","anonymous_id":"0-0"}"#.into(),
            "user_id",
            "none",
        ),
    ] {
        check_refusal(&raw, path, value);
    }
}

#[test]
fn refusals_name_the_field_and_keep_values_out_of_the_message() {
    let ahead = "2025-07-11T06:09:01Z";
    for (raw, path, value) in [
        (r#"{"user_id":"a"}"#.to_owned(), "event", ""),
        (r#"{"user_id":"a","event":"  "}"#.into(), "event", "  "),
        (
            r#"{"user_id":"a","event":"e","timestamp":"soon"}"#.into(),
            "timestamp",
            "soon",
        ),
        (
            r#"{"user_id":"a","event":"e","timestamp":true}"#.into(),
            "timestamp",
            "true",
        ),
        (
            format!(r#"{{"user_id":"a","event":"e","timestamp":"{ahead}"}}"#),
            "timestamp",
            ahead,
        ),
        (
            r#"{"user_id":"a","event":"e","traits":"secret"}"#.into(),
            "traits",
            "secret",
        ),
        (
            r#"{"user_id":"a","event":"e","properties":["x"]}"#.into(),
            "properties",
            r#"["x"]"#,
        ),
        (
            r#"{"user_id":"a","event":"e","audience":1}"#.into(),
            "audience",
            "1",
        ),
        (
            r#"{"user_id":"a","event":"e","audience":{"mode":"toggle","id":"x"}}"#.into(),
            "audience.mode",
            "toggle",
        ),
        (
            r#"{"user_id":"a","event":"e","audience":{"id":"x"}}"#.into(),
            "audience.mode",
            "",
        ),
        (
            r#"{"user_id":"a","event":"e","audience":{"mode":"add"}}"#.into(),
            "audience.id",
            "",
        ),
    ] {
        check_refusal(&raw, path, value);
    }
    event(
        Kind::Track,
        r#"{"user_id":"a","event":"e","timestamp":"2025-07-11T06:09:00Z"}"#,
    );
}

#[test]
fn what_is_no_event_is_refused_with_the_place() {
    use Reason::{InvalidJson, InvalidUtf8, NotAnObject, TooDeep};
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (raw, what, code) in [
        (b"42".as_slice(), "object", NotAnObject),
        (b"null", "object", NotAnObject),
        (b"[]", "object", NotAnObject),
        (b"\"x\"", "object", NotAnObject),
        (b"{\"user_id\":\"\xff\"}", "UTF-8", InvalidUtf8),
        (b"{\"user_id\":\"a\x01\"}", "control", InvalidJson),
        (b"{\"user_id\":\"a\"} {}", "follows", InvalidJson),
        (b"nonsense", "expected a value", InvalidJson),
        (b"", "expected a value", InvalidJson),
        (deep.as_bytes(), "128 levels", TooDeep),
    ] {
        let refusal = refused(Kind::Identify, raw);
        assert!(refusal.message().contains(what), "{}", refusal.message());
        assert_eq!(refusal.code, code);
    }
}

#[test]
fn a_refused_event_is_still_known_by_its_message_and_name() {
    let raw = br#"{"user_id":"a","event":"Sign in","timestamp":"soon","message_id":"m"}"#;
    let refusal = refused(Kind::Track, raw);
    assert_eq!(
        (&*refusal.message_id, &*refusal.event_name),
        ("m", "Sign in")
    );
}

#[test]
fn updates_are_read() {
    let update = |audience: &str| {
        event(
            Kind::Identify,
            &format!(r#"{{"user_id":"a","audience":{audience}}}"#),
        )
        .update
    };
    for none in ["null", "{}", r#"{"mode":null,"id":null}"#] {
        assert_eq!(update(none), None, "{none}");
    }
    let expected = MembershipUpdate {
        mode: MembershipUpdateMode::Remove,
        audience_id: "x".into(),
    };
    assert_eq!(
        update(r#"{"id":"y","mode":"remove","id":"x"}"#),
        Some(expected)
    );
}

#[test]
fn member_entries_need_a_membership_update_and_have_no_time() {
    let raw = r#"{"user_id":"a","timestamp":"soon","audience":{"mode":"add","id":"x"}}"#;
    let read = event(Kind::Member, raw);
    assert_eq!((read.micros, read.dated), (ARRIVAL, false));
    assert_eq!(
        refused(Kind::Member, br#"{"user_id":"a"}"#).path,
        "audience"
    );
}

#[test]
fn echoes_of_our_own_are_ignored_unless_something_is_wrong_with_them() {
    let echo = br#"{"namespace":" ortto.com ","user_id":"a","event":"e","traits":{}}"#;
    assert!(matches!(reading(Kind::Track, echo), Reading::Echo(_)));
    let wrong = br#"{"namespace":"ortto.com","user_id":"a","event":"e","timestamp":"soon"}"#;
    assert_eq!(
        refused(Kind::Track, wrong).code,
        Reason::TimestampUnreadable
    );
    let other = br#"{"namespace":"example.org","user_id":"a","event":"e"}"#;
    assert!(matches!(reading(Kind::Track, other), Reading::Event(_)));
    let identify = br#"{"namespace":"ortto.com","user_id":"a"}"#;
    assert!(matches!(
        reading(Kind::Identify, identify),
        Reading::Event(_)
    ));
}

#[test]
fn help_that_can_not_be_read_is_no_fault() {
    let raw = r#"{"user_id":"a","ip":"::1","location":"Sydney"}"#;
    let read = event(Kind::Identify, raw);
    assert_eq!((read.ip, read.location), (None, None));
}

/// Semantics 1.4, 8.0: both kinds of sources send it, in words of their own.
#[test]
fn a_track_with_traits_is_known_by_what_it_says() {
    let key = |raw: &str| event(Kind::Track, raw).key;
    let sent = r#"{"user_id":"u","message_id":"m","event":"e","timestamp":"2025-07-10T06:09:00Z","traits":{"a":"é","b":1},"properties":{"p":1},"ip":"10.0.0.1"}"#;
    let anew = r#"{"type":"track", "userId":"u", "messageId": "m", "timestamp":"2025-07-10T06:09:00.000Z", "event":"e", "properties": {"p":1.0}, "traits": {"b": 1, "a": "\u00e9"}}"#;
    assert_eq!(key(sent), key(anew));
    for (of, as_said_by) in [
        (r#""p":1"#, r#""p":2,"p":10E-1"#),
        (r#""b":1"#, r#""b":1e0"#),
    ] {
        assert_eq!(key(sent), key(&sent.replace(of, as_said_by)), "{of}");
    }
    // No properties at all are as good as empty ones.
    let of_none = sent.replace(r#""properties":{"p":1},"#, "");
    for empty in ["{ }", "[]", "null"] {
        let empty = sent.replace(r#"{"p":1}"#, empty);
        assert_eq!(key(&of_none), key(&empty), "{empty}");
    }
    let half = sent.replace('é', r"\ud800");
    assert_eq!(key(&half), key(&anew.replace("00e9", "D800")));
    for (of, to) in [
        (r#""u""#, r#""v""#),
        (r#""m""#, r#""n""#),
        (r#""event":"e""#, r#""event":"f""#),
        ("06:09:00Z", "06:09:01Z"),
        (r#""b":1"#, r#""b":2"#),
        (r#""p":1"#, r#""p":2"#),
        (r#""ip""#, r#""audience":{"mode":"add","id":"x"},"ip""#),
    ] {
        assert_ne!(key(sent), key(&sent.replace(of, to)), "{of}");
    }
    let plain = sent.replace(r#""traits":{"a":"é","b":1},"#, "");
    assert_ne!(key(&plain), key(sent));
}
