//! Who an event is of, and which.

use weir_values::{BlockedValue, BlockedValues};

use super::*;

#[test]
fn an_unusable_user_id_is_refused_whatever_the_anonymous_id() {
    let long = format!("\"{}\"", "x".repeat(256));
    for sent in [
        "\"la\u{200b}na\"",
        r#""la\ufeffna""#,
        r#""la\u0000na""#,
        r#""la\ud83d""#,
        r#"{"id":1}"#,
        "[1]",
        &long,
        &"9".repeat(2_000),
    ] {
        for key in ["user_id", "userId"] {
            let raw = format!(r#"{{"{key}":{sent},"anonymous_id":"x"}}"#);
            let refusal = refused(Kind::Identify, raw.as_bytes());
            assert_eq!(
                (refusal.code, refusal.path),
                (Reason::UserIdUnusable, key),
                "{sent}"
            );

            let raw = format!(r#"{{"{key}":"u","anonymousId":{sent}}}"#);
            let read = event(Kind::Identify, &raw);
            assert_eq!((&*read.user_id, &*read.anonymous_id), ("u", ""), "{sent}");
            let ignored = read.ignored.unwrap();
            assert_eq!(ignored.code, Reason::AnonymousIdUnusable, "{sent}");
            assert_eq!(ignored.path, "anonymousId");
            assert!(!ignored.value.is_empty());
        }
        let alone = refused(
            Kind::Identify,
            format!(r#"{{"anonymous_id":{sent}}}"#).as_bytes(),
        );
        assert_eq!(
            (alone.code, alone.path),
            (Reason::NoIdentifier, "anonymous_id")
        );
        let read = event(
            Kind::Identify,
            &format!(r#"{{"user_id":"u","message_id":{sent}}}"#),
        );
        assert_eq!(read.message_id, "fresh", "{sent}");
    }
    let read = event(Kind::Identify, r#"{"user_id":"u","anonymous_id":"null"}"#);
    assert_eq!(
        (&*read.anonymous_id, read.ignored),
        ("", None),
        "nobody is no fault"
    );
}

#[test]
fn ids_may_be_written_as_segments_documentation_does() {
    let camel = r#"{"type":"track","userId":"u","anonymousId":"a","messageId":"m","event":"e"}"#;
    let read = event(Kind::Identify, camel);
    assert_eq!(
        (&*read.user_id, &*read.anonymous_id, &*read.message_id),
        ("u", "a", "m")
    );
    let both = event(
        Kind::Identify,
        r#"{"user_id":"snake","userId":"camel","anonymousId":"camel","anonymous_id":"snake",
            "message_id":"snake","messageId":"camel"}"#,
    );
    assert_eq!(
        (&*both.user_id, &*both.anonymous_id, &*both.message_id),
        ("snake", "snake", "snake")
    );
    let null = event(Kind::Identify, r#"{"user_id":null,"userId":"camel"}"#);
    assert_eq!(null.user_id, "camel", "a null says nothing");
}

#[test]
fn an_id_that_names_nobody_leaves_its_place_to_the_other_spelling() {
    for nobody in [
        "null",
        r#""""#,
        r#"" \t""#,
        "\"\u{feff}\u{200b}\"",
        r#""undefined""#,
        "0",
        r#""00-00""#,
    ] {
        for (user, other_user, anonymous, other_anonymous) in [
            ("user_id", "userId", "anonymous_id", "anonymousId"),
            ("userId", "user_id", "anonymousId", "anonymous_id"),
        ] {
            let raw = format!(
                r#"{{"event":"e","{user}":{nobody},"{other_user}":"u",
                    "{anonymous}":{nobody},"{other_anonymous}":"a"}}"#
            );
            let read = event(Kind::Track, &raw);
            let ids = (&*read.user_id, &*read.anonymous_id);
            assert_eq!(ids, ("u", "a"), "{raw}");
        }
        let raw = format!(r#"{{"user_id":{nobody},"userId":{nobody}}}"#);
        let refusal = refused(Kind::Identify, raw.as_bytes());
        assert_eq!(
            (refusal.code, refusal.path),
            (Reason::NoIdentifier, "user_id")
        );
    }
    for unusable in ["null", r#"" ""#, "[1]", r#""a\u0000b""#] {
        let raw = format!(r#"{{"user_id":"u","message_id":{unusable},"messageId":"m"}}"#);
        let read = event(Kind::Identify, &raw);
        assert_eq!((&*read.message_id, read.is_nameless), ("m", false), "{raw}");
    }
    let raw = br#"{"user_id":["u"],"userId":"camel"}"#;
    let refusal = refused(Kind::Identify, raw);
    assert_eq!(refusal.code, Reason::UserIdUnusable, "it is there");
}

#[test]
fn what_an_account_blocks_is_absent_and_a_default_that_it_takes_off_is_somebody() {
    let entry = |kind: &str, pattern: &str| BlockedValue {
        kind: kind.to_owned(),
        pattern: pattern.to_owned(),
    };
    let own = vec![entry("user_id", "test-*"), entry("", "kiosk")];
    let blocked = BlockedValues::new(own, vec!["guest".to_owned(), "0".to_owned()]).unwrap();
    let nobody = Nobody {
        user_ids: blocked.of_user_ids(),
        anonymous_ids: blocked.of_anonymous_ids(),
    };
    let ids = |raw: &str| match reading_for(&nobody, Kind::Identify, raw.as_bytes()) {
        Reading::Event(read) => (read.user_id.to_string(), read.anonymous_id.to_string()),
        Reading::Refused(refusal) => (refusal.code.code().to_owned(), String::new()),
        Reading::Echo(_) => unreachable!("it is no track"),
    };
    let pair = |user: &str, anonymous: &str| (user.to_owned(), anonymous.to_owned());
    let sent = r#"{"user_id":"TEST-1","anonymous_id":"test-1"}"#;
    assert_eq!(
        ids(sent),
        pair("", "test-1"),
        "of another kind it is somebody"
    );
    let sent = r#"{"user_id":"kiosk","userId":"u","anonymousId":"Kiosk"}"#;
    assert_eq!(ids(sent), pair("u", ""));
    let sent = r#"{"user_id":"Guest","anonymous_id":0}"#;
    assert_eq!(ids(sent), pair("Guest", "0"));
    let sent = r#"{"user_id":"test-1","anonymous_id":"00"}"#;
    assert_eq!(ids(sent), pair("NO_IDENTIFIER", ""));
}

#[test]
fn a_fresh_message_id_is_not_told_as_if_it_had_been_sent() {
    for sent in [
        r#"{"user_id":"u"}"#,
        r#"{"user_id":"u","message_id":" ","messageId":[1]}"#,
    ] {
        let read = event(Kind::Identify, sent);
        let ids = (&*read.message_id, read.sent_message_id());
        assert_eq!(ids, ("fresh", ""), "{sent}");
    }
    let read = event(Kind::Identify, r#"{"user_id":"u","messageId":"m"}"#);
    assert_eq!(read.sent_message_id(), "m");
}
