//! Whole bodies: what is none, and where the key stands.

use proptest::prelude::*;
use weir_json::generate;

use super::*;

#[test]
fn bodies_that_are_none_are_refused_as_a_whole() {
    use Malformed::*;
    let opened = |body: &str, call| Opened::new(Bytes::copy_from_slice(body.as_bytes()), call);
    for (body, why) in [
        ("", NotAnObject),
        ("data=eyJ0eXBlIjoidHJhY2sifQ%3D%3D", NotAnObject),
        ("[]", NotAnObject),
        ("\"{}\"", NotAnObject),
        ("{", NotAnObject),
        (r#"{"batch":[}"#, NotAnObject),
        ("{}", NoBatch),
        (r#"{"batch":{}}"#, NoBatch),
        (r#"{"batch":null}"#, NoBatch),
        (r#"{"batch":[]} x"#, Trailing),
        (r#"{"batch":[]}{}"#, Trailing),
        (r#"{batch:[]}"#, NotAnObject),
    ] {
        assert_eq!(opened(body, Call::Batch), Err(why), "{body}");
    }
    for body in ["", "a=b", "[]", "{", "{} {}", "{nonsense}"] {
        assert!(opened(body, Call::One(Type::Track)).is_err(), "{body}");
    }
    let many = |count: usize| {
        let body = format!(r#"{{"batch":[{}]}}"#, vec!["{}"; count].join(","));
        opened(&body, Call::Batch).unwrap().sort()
    };
    assert!(many(MAX_EVENTS).is_ok());
    let too_many = Batch(Unsplittable::TooMany(MAX_EVENTS));
    assert_eq!(many(MAX_EVENTS + 1), Err(too_many));
    let empty = opened(r#"{"batch":[{},]}"#, Call::Batch).unwrap().sort();
    assert_eq!(empty, Err(Batch(Unsplittable::EmptyElement)));
}

#[test]
fn the_key_stands_beside_the_events() {
    let key = |body: &str, call| {
        let opened = Opened::new(Bytes::copy_from_slice(body.as_bytes()), call);
        opened.unwrap().write_key
    };
    let one = Call::One(Type::Identify);
    assert_eq!(key(r#"{"writeKey":" k "}"#, one).as_deref(), Some("k"));
    assert_eq!(
        key(
            r#"{"batch":[{"writeKey":"inner"}],"writeKey":"k"}"#,
            Call::Batch
        )
        .as_deref(),
        Some("k")
    );
    for none in [
        r#"{"batch":[{"writeKey":"inner"}]}"#,
        r#"{"batch":[],"writeKey":7}"#,
        r#"{"batch":[],"writeKey":""}"#,
        r#"{"batch":[],"writeKey":"\ud800"}"#,
    ] {
        assert_eq!(key(none, Call::Batch), None, "{none}");
    }
}

proptest! {
    /// Semantics 1.2.
    #[test]
    fn a_poisoned_event_changes_nothing_for_its_neighbours(
        count in 1_usize..12,
        at: prop::sample::Index,
        poison in generate::poison(),
        traits in generate::json(),
    ) {
        let mut events: Vec<Vec<u8>> = (0..count)
            .map(|n| {
                format!(r#"{{"type":"identify","userId":"u{n}","traits":{{"x":{traits}}}}}"#).into()
            })
            .collect();
        let at = at.index(count);
        events[at] = poison;
        let body = [b"{\"batch\":[".as_slice(), &events.join(&b','), b"]}"].concat();
        let opened = Opened::new(body.into(), Call::Batch).unwrap();
        let read = readings(&opened.sort().unwrap());
        prop_assert_eq!(read.len(), count);
        for (index, _, reading) in read {
            match reading {
                Reading::Event(read) if index != at => {
                    prop_assert_eq!(&*read.user_id, format!("u{index}"));
                }
                Reading::Refused(_) if index == at => {}
                other => prop_assert!(false, "{index}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_written_anew_reads_as_it_was_sent(
        values in prop::collection::vec(generate::json(), 7),
        of in prop::sample::select(vec![Type::Identify, Type::Track]),
    ) {
        let names = ["userId", "anonymousId", "messageId", "event", "timestamp", "traits", "properties"];
        let members: Vec<String> = names
            .iter()
            .zip(&values)
            .map(|(name, value)| format!(r#""{name}" : {value}"#))
            .collect();
        let event = format!(r#"{{"type":"{}",{}}}"#, of.name(), members.join(" , "));
        prop_assume!(event.len() <= MAX_EVENT);
        let sorted = batch(&[&event]);
        let written = texts(&sorted.parts[0])[0].1;
        let all = |text: &str| {
            let mut all = Vec::new();
            weir_json::members(text, |key, span| {
                let value = text[span].to_owned();
                if value != "null" {
                    all.push((key.to_owned(), value));
                }
            })
            .unwrap();
            all.sort();
            all
        };
        let is_left_out = |name: &str| {
            of == Type::Identify && ["\"event\"", "\"properties\""].contains(&name)
        };
        let mut sent = all(&event);
        sent.retain(|(name, _)| !is_left_out(name));
        // A blank timestamp is none.
        let mut kept = all(written);
        let is_time = |(name, _): &(String, String)| name == "\"timestamp\"";
        if !kept.iter().any(is_time) {
            sent.retain(|member| !is_time(member));
        }
        kept.sort();
        prop_assert_eq!(kept, sent);
    }

    #[test]
    fn no_bytes_make_it_panic(mut body: Vec<u8>, wrapped: bool) {
        if wrapped {
            body = [b"{\"batch\":[".as_slice(), &body, b"]}"].concat();
        }
        for call in [Call::Batch, Call::One(Type::Track), Call::One(Type::Alias)] {
            if let Ok(opened) = Opened::new(body.clone().into(), call)
                && let Ok(sorted) = opened.sort()
            {
                let _ = readings(&sorted);
            }
        }
    }
}
