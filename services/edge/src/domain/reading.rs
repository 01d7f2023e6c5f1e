//! A whole body → its events, looked at once where it can be.
//!
//! What an event is, `split` and `envelope` say; this only spares one of them the way over
//! bytes that the other went over.

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::{Reader, Reading};
use super::split::{Unsplittable, split_beside};

/// What `keep` makes of each event, by its span in the body and what is read there.
///
/// # Errors
/// Where the body is not one array of at most `most` elements.
pub fn read_all<T>(
    reader: &Reader<'_>,
    body: &Bytes,
    most: usize,
    keep: impl Fn(Range<usize>, Reading) -> T,
) -> Result<Vec<T>, Unsplittable> {
    let text = ByteString::try_from(body.clone()).ok();
    // In the order of the body, as are the spans.
    let (mut ahead, mut kept) = (Vec::new(), Vec::new());
    let spans = split_beside(body, most, |start| {
        let text = text.as_ref()?;
        let (end, reading) = reader.read_in_front(text, start)?;
        if ahead.is_empty() {
            // Others are about as long as the first.
            let about = ((text.len() - start) / (end - start) + 1).min(most);
            ahead.reserve(about);
            kept.reserve(about);
        }
        ahead.push(start..end);
        kept.push(keep(start..end, reading));
        Some(end)
    })?;
    if ahead == spans {
        return Ok(kept);
    }
    // Something is no JSON object, or follows one: then the event is more than what was read.
    let mut ahead = ahead.into_iter().zip(kept).peekable();
    let read = |span: Range<usize>| {
        let known = ahead.next_if(|(read, _)| read.start == span.start);
        match known {
            Some((read, kept)) if read == span => kept,
            _ => keep(span.clone(), reader.read(&body.slice(span))),
        }
    };
    Ok(spans.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::envelope::Kind;
    use crate::domain::generate;
    use crate::domain::split::split;

    type Read = Vec<(Range<usize>, Reading)>;

    /// Split first, and then read one by one.
    fn plainly(reader: &Reader<'_>, body: &Bytes) -> Result<Read, Unsplittable> {
        let read = |span: Range<usize>| (span.clone(), reader.read(&body.slice(span)));
        Ok(split(body, 8)?.into_iter().map(read).collect())
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
            1 => Just(b"{\"user_id\":\"\xff\"}".to_vec()),
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
                let reader = Reader {
                    kind,
                    arrival: 0,
                    own_namespaces: &[],
                    fresh_id: || "fresh".into(),
                };
                let read = read_all(&reader, &body, 8, |span, reading| (span, reading));
                prop_assert_eq!(read, plainly(&reader, &body));
            }
        }
    }
}
