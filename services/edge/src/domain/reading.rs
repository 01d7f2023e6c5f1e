//! A whole body → its events, looked at once where it can be.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::{Reader, Reading};
use super::split::{Unsplittable, split};

/// What `keep` makes of each event, by its span in the body and what is read there.
///
/// # Errors
/// Where the body is not one array of at most `most` elements, and not one object.
pub fn read_all<T>(
    reader: &Reader<'_>,
    body: &Bytes,
    most: usize,
    keep: impl Fn(Range<usize>, Reading) -> T,
) -> Result<Vec<T>, Unsplittable> {
    let text = ByteString::try_from(body.clone()).ok();
    let ahead = |start| {
        let (end, reading) = reader.read_in_front(text.as_ref()?, start)?;
        Some((end, keep(start..end, reading)))
    };
    let alone = |span: Range<usize>| keep(span.clone(), reader.read(&body.slice(span)));
    split(body, most, ahead, alone)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_json::generate;

    use super::*;
    use crate::domain::envelope::{Form, Kind};

    type Read = Vec<(Range<usize>, Reading)>;

    fn reader(kind: Kind) -> Reader<'static> {
        Reader {
            kind,
            form: Form::Actions,
            arrival: 0,
            own_namespaces: &[],
            nobody: Box::leak(Box::default()),
            fresh_id: &|| "fresh".into(),
        }
    }

    /// Split first, and then read one by one.
    fn plainly(reader: &Reader<'_>, body: &Bytes) -> Result<Read, Unsplittable> {
        let read = |span: Range<usize>| (span.clone(), reader.read(&body.slice(span)));
        split(body, 8, |_| None, read)
    }

    fn event() -> impl Strategy<Value = Vec<u8>> {
        let members = prop::collection::vec(("user_id|event|audience|x", generate::json()), 0..4);
        prop_oneof![
            4 => members.prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" :{value}"))
                    .collect();
                format!("{{{}}}", members.join(",")).into_bytes()
            }),
            1 => generate::almost_json().prop_map(String::into_bytes),
            1 => Just(b"{} {\"user_id\":\"a\"}".to_vec()),
            1 => Just(b"{\"user_id\":\"a\"}}".to_vec()),
            1 => generate::poison(),
            1 => Just(Vec::new()),
        ]
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_way(
            events in prop::collection::vec(event(), 0..10),
            space in "[ \n]{0,2}",
            end in "]{0,2}",
        ) {
            let comma = format!("{space},{space}").into_bytes();
            let end = format!("{space}{end}");
            let body = Bytes::from([b"[", &*events.join(&*comma), end.as_bytes()].concat());
            for kind in [Kind::Identify, Kind::Track] {
                let reader = reader(kind);
                let read = read_all(&reader, &body, 8, |span, reading| (span, reading));
                prop_assert_eq!(read, plainly(&reader, &body));
            }
        }

        #[test]
        fn a_poisoned_event_changes_nothing_for_its_neighbours(
            count in 1_usize..20,
            at: prop::sample::Index,
            poison in generate::poison(),
            traits in generate::json(),
        ) {
            let mut events: Vec<Vec<u8>> = (0..count)
                .map(|n| {
                    format!(r#"{{"user_id":"u{n}","event":"e","traits":{{"x":{traits}}}}}"#).into()
                })
                .collect();
            let at = at.index(count);
            events[at] = poison;
            let body = Bytes::from([b"[".as_slice(), &events.join(&b','), b"]"].concat());
            for kind in [Kind::Identify, Kind::Track] {
                let reader = reader(kind);
                let read = read_all(&reader, &body, 20, |_, reading| reading).unwrap();
                prop_assert_eq!(read.len(), count);
                for (index, reading) in read.into_iter().enumerate() {
                    match reading {
                        Reading::Event(read) if index != at => {
                            prop_assert_eq!(&*read.user_id, format!("u{index}"));
                        }
                        Reading::Refused(_) if index == at => {}
                        other => prop_assert!(false, "{index}: {other:?}"),
                    }
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut body: Vec<u8>, wrapped: bool) {
            if wrapped {
                body.insert(0, b'[');
                body.push(b']');
            }
            let body = Bytes::from(body);
            for kind in [Kind::Identify, Kind::Member, Kind::Track] {
                let _ = read_all(&reader(kind), &body, 8, |_, reading| reading);
            }
        }

        #[test]
        fn nearly_json_makes_it_neither_panic_nor_lose_an_event(
            texts in prop::collection::vec(generate::almost_json(), 1..5),
        ) {
            let body = Bytes::from(format!("[{}]", texts.join(",")));
            for kind in [Kind::Identify, Kind::Member, Kind::Track] {
                if let Ok(read) = read_all(&reader(kind), &body, 50, |_, reading| reading) {
                    prop_assert!(!read.is_empty());
                }
            }
        }
    }
}
