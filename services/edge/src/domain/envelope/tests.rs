use super::*;

const ARRIVAL: i64 = 1_752_127_740_000_000;

fn reading(kind: Kind, raw: &[u8]) -> Reading {
    let own = ["ortto.com".to_owned()];
    let reader = Reader {
        kind,
        arrival: ARRIVAL,
        own_namespaces: &own,
        fresh_id: || "fresh".to_owned(),
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
        (read.ip, read.wish, read.properties),
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
        ("true", "true"),
        (r#""\u006cana""#, "lana"),
        ("null", ""),
        (r#""  ""#, ""),
        (r#""Undefined""#, ""),
        ("0", ""),
        ("-1", ""),
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
fn refusals_name_the_field_and_keep_values_out_of_the_message() {
    let ahead = "2025-07-11T06:09:01Z";
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
        (r#"{"user_id":"a"}"#.into(), "event", ""),
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
            r#"{"user_id":"a","event":"e","message_id":[1]}"#.into(),
            "message_id",
            "[1]",
        ),
        (
            r#"{"user_id":"a","event":"e","traits":"secret"}"#.into(),
            "traits",
            "secret",
        ),
        (
            r#"{"user_id":"a","event":"e","properties":[]}"#.into(),
            "properties",
            "[]",
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
    event(
        Kind::Track,
        r#"{"user_id":"a","event":"e","timestamp":"2025-07-11T06:09:00Z"}"#,
    );
}

#[test]
fn what_is_no_event_is_refused_with_the_place() {
    for (raw, what) in [
        (b"42".as_slice(), "object"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"\"x\"", "object"),
        (b"{\"user_id\":\"\xff\"}", "UTF-8"),
        (b"{\"user_id\":\"a\"} {}", "follows"),
        (b"nonsense", "expected a value"),
        (b"", "expected a value"),
    ] {
        let refusal = refused(Kind::Identify, raw);
        assert!(refusal.message().contains(what), "{}", refusal.message());
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
fn wishes_are_read() {
    let wish = |audience: &str| {
        event(
            Kind::Identify,
            &format!(r#"{{"user_id":"a","audience":{audience}}}"#),
        )
        .wish
    };
    for none in ["null", "{}", r#"{"mode":null,"id":null}"#] {
        assert_eq!(wish(none), None, "{none}");
    }
    let expected = Wish {
        mode: WishMode::Remove,
        audience_id: "x".into(),
    };
    assert_eq!(
        wish(r#"{"id":"y","mode":"remove","id":"x"}"#),
        Some(expected)
    );
}

#[test]
fn member_entries_need_a_wish_and_have_no_time() {
    let raw = r#"{"user_id":"a","timestamp":"soon","audience":{"mode":"add","id":"x"}}"#;
    let read = event(Kind::Member, raw);
    assert_eq!((read.micros, read.dated), (ARRIVAL, false));
    assert_eq!(
        refused(Kind::Member, br#"{"user_id":"a"}"#).path,
        "audience"
    );
}

#[test]
fn echoes_of_our_own_are_ignored_whatever_is_in_them() {
    assert_eq!(
        reading(Kind::Track, br#"{"namespace":"ortto.com"}"#),
        Reading::Echo
    );
    let other = br#"{"namespace":"example.org","user_id":"a","event":"e"}"#;
    assert!(matches!(reading(Kind::Track, other), Reading::Event(_)));
}

#[test]
fn help_that_can_not_be_read_is_no_fault() {
    let raw = r#"{"user_id":"a","ip":"::1","location":"Sydney"}"#;
    let read = event(Kind::Identify, raw);
    assert_eq!((read.ip, read.location), (None, None));
}
