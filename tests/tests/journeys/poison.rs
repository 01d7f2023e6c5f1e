//! A poisonous event costs itself alone.

use serde_json::json;
use weir_tests::events::{now, track};
use weir_tests::{Account, Plan, eventually, journey};

/// Raw events, each of which must end as 400 while its neighbours are stored.
fn poisons() -> Vec<(&'static str, Vec<u8>)> {
    let with_trait = |value: &[u8]| {
        let mut event = br#"{"user_id":"p","message_id":"m","traits":{"firstName":"#.to_vec();
        event.extend_from_slice(value);
        event.extend_from_slice(b"}}");
        event
    };
    let deep = |depth: usize| {
        let mut value = b"[".repeat(depth);
        value.extend(b"]".repeat(depth));
        value
    };
    vec![
        ("invalid UTF-8", with_trait(b"\"\xff\xfe\"")),
        ("an overlong encoding", with_trait(b"\"\xc0\xaf\"")),
        ("a raw control byte", with_trait(b"\"a\x01b\"")),
        ("a raw newline in a string", with_trait(b"\"a\nb\"")),
        ("5,000 levels", with_trait(&deep(5_000))),
        ("129 levels", with_trait(&deep(129))),
        ("a bad escape", with_trait(br#""\q""#)),
        ("a bare word", with_trait(b"nonsense")),
        ("a missing value", with_trait(b"")),
        ("a leading zero", with_trait(b"012")),
        (
            "a NUL in the identifier",
            br#"{"user_id":"a\u0000b","message_id":"m"}"#.to_vec(),
        ),
        (
            "an over-long identifier",
            format!(r#"{{"user_id":"{}"}}"#, "x".repeat(256)).into_bytes(),
        ),
        (
            "nobody",
            br#"{"user_id":"undefined","anonymous_id":"0-0","message_id":"m"}"#.to_vec(),
        ),
        (
            "an object as identifier",
            br#"{"user_id":{"a":1},"message_id":"m"}"#.to_vec(),
        ),
        (
            "an invisible character inside the identifier",
            "{\"user_id\":\"a\u{200b}b\",\"anonymous_id\":\"x\"}".into(),
        ),
        (
            "half a character in the timestamp",
            br#"{"user_id":"p","timestamp":"\ud800"}"#.to_vec(),
        ),
        (
            "the year 0",
            br#"{"user_id":"p","timestamp":"0000-01-01T00:00:00Z"}"#.to_vec(),
        ),
        ("a number", b"42".to_vec()),
        ("a string", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("an array", b"[]".to_vec()),
        (
            "the year 9999",
            br#"{"user_id":"p","timestamp":"9999-12-31T00:00:00Z"}"#.to_vec(),
        ),
        (
            "an unreadable time",
            br#"{"user_id":"p","timestamp":"soon"}"#.to_vec(),
        ),
        (
            "a bad mode",
            br#"{"user_id":"p","audience":{"mode":"toggle","id":"x"}}"#.to_vec(),
        ),
        (
            "traits that are text",
            br#"{"user_id":"p","traits":"x"}"#.to_vec(),
        ),
    ]
}

/// Raw events that look odd and are good.
fn oddities() -> Vec<(&'static str, String)> {
    let now = now();
    let event = |name: &str, rest: &str| {
        format!(r#"{{"user_id":"{name}","timestamp":"{now}","message_id":"{name}",{rest}}}"#)
    };
    vec![
        (
            "duplicate keys",
            event("d", r#""traits":{"firstName":"a","firstName":"last"}"#),
        ),
        (
            "an escaped key",
            event("e", r#""tr\u0061its":{"firstN\u0061me":"x"}"#),
        ),
        (
            "127 levels",
            event(
                "n",
                &format!(
                    r#""traits":{{"firstName":"x","deep":{}1{}}}"#,
                    "[".repeat(120),
                    "]".repeat(120)
                ),
            ),
        ),
        (
            "2^64",
            event(
                "b",
                r#""traits":{"firstName":"x","big":18446744073709551616}"#,
            ),
        ),
        (
            "a number beyond floats, and half of a character",
            event(
                "f",
                r#""traits":{"firstName":"x","q":1e999,"h":"\ud800","lastName":"\udc00"}"#,
            ),
        ),
        (
            "invisible characters around the identifier",
            format!(
                "{{\"user_id\":\"\u{feff}i\u{200b}\",\"timestamp\":\"{now}\",\"traits\":{{\"firstName\":\"x\"}}}}"
            ),
        ),
        (
            "brackets in text",
            event("t", r#""traits":{"firstName":"]}\",[{\\"}"#),
        ),
        (
            "a pair of surrogates",
            event("s", r#""traits":{"firstName":"\ud83d\ude00"}"#),
        ),
        (
            "white space",
            event("w", " \"traits\" : \t{ \"firstName\"\r\n: \"x\" } "),
        ),
    ]
}

#[test]
fn each_poison_costs_itself_alone() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let mut body = b"[".to_vec();
        let mut expected = Vec::new();
        for (n, (_, poison)) in poisons().iter().enumerate() {
            let name = format!("good-{n}");
            let good = json!({"user_id": name, "message_id": name, "timestamp": now(), "traits": {"firstName": "G"}});
            body.extend_from_slice(poison);
            body.push(b',');
            body.extend_from_slice(good.to_string().as_bytes());
            body.push(b',');
            expected.extend([400, 200]);
        }
        for (_, odd) in oddities() {
            body.extend_from_slice(odd.as_bytes());
            body.push(b',');
            expected.push(200);
        }
        *body.last_mut().unwrap() = b']';
        let answer = account.post("/v1/identify", body).await;
        let statuses = answer.statuses();
        for (n, (name, _)) in poisons().iter().enumerate() {
            assert_eq!(statuses[2 * n], 400, "{name}: {}", answer.message(2 * n));
            assert!(
                !answer.message(2 * n).is_empty(),
                "{name} is told what is wrong"
            );
            assert_eq!(statuses[2 * n + 1], 200, "the neighbour of {name}");
        }
        assert_eq!(statuses, expected);
        let good = poisons().len() + oddities().len();
        assert_eq!(account.contacts().await.len(), good);
        let last = account.contact("d").await.unwrap();
        assert!(
            format!("{:?}", last.fields).contains("last"),
            "the last key counts: {last:?}"
        );
        assert_eq!(account.usage().await.0, i64::try_from(good).unwrap());
    });
}

#[test]
fn a_poison_among_tracks_leaves_499_neighbours_alone() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        for (name, poison) in poisons().into_iter().take(10) {
            let mut body = b"[".to_vec();
            for n in 0..500 {
                if n == 250 {
                    body.extend_from_slice(&poison);
                } else {
                    body.extend_from_slice(track(&format!("{name}-{n}")).to_string().as_bytes());
                }
                body.push(b',');
            }
            *body.last_mut().unwrap() = b']';
            let statuses = account.post("/v1/track", body).await.statuses();
            let bad: Vec<usize> = (0..500).filter(|n| statuses[*n] != 200).collect();
            assert_eq!((bad.as_slice(), statuses[250]), (&[250][..], 400), "{name}");
        }
    });
}

#[test]
fn refused_events_are_in_the_log_with_their_reason() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let event = json!({"user_id": "p", "timestamp": "soon", "message_id": "in-the-log"});
        assert_eq!(account.identify(&[event]).await.statuses(), [400]);
        let log = eventually("the line is there", async || {
            let log = account.log().await;
            (!log.is_empty()).then_some(log)
        })
        .await;
        let line = &log[0];
        assert_eq!(
            (
                line.path.as_str(),
                line.message_id.as_str(),
                line.value.as_str()
            ),
            ("timestamp", "in-the-log", "soon")
        );
        assert_eq!((line.status, &*line.code), (400, "TIMESTAMP_UNREADABLE"));
    });
}
