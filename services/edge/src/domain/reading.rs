//! A whole body → its events, looked at once where it can be.
//!
//! What an event is, `split` and `envelope` say; this only spares one of them the way over
//! bytes that the other went over.

use std::ops::Range;

use super::envelope::{self, Kind, Reading};
use super::split::{Unsplittable, split_beside};

/// Each event's span in the body, and what is read there.
///
/// # Errors
/// Where the body is not one array of at most `most` elements.
pub fn read_all(
    kind: Kind,
    body: &[u8],
    most: usize,
    arrival: i64,
    own_namespaces: &[String],
    fresh_id: impl Fn() -> String,
) -> Result<impl Iterator<Item = (Range<usize>, Reading)>, Unsplittable> {
    let text = std::str::from_utf8(body).ok();
    // In the order of the body, as are the spans.
    let mut ahead: Vec<(Range<usize>, Reading)> = Vec::new();
    let spans = split_beside(body, most, |start| {
        let rest = text?.get(start..)?;
        let (length, reading) =
            envelope::read_in_front(kind, rest, arrival, own_namespaces, &fresh_id)?;
        if ahead.is_empty() {
            // Others are about as long as the first.
            ahead.reserve((rest.len() / length + 1).min(most));
        }
        let end = start + length;
        ahead.push((start..end, reading));
        Some(end)
    })?;
    let mut ahead = ahead.into_iter().peekable();
    let read = move |span: Range<usize>| {
        // Where something follows the value, the event is more than what was read of it.
        if let Some((read, reading)) = ahead.next_if(|(read, _)| read.start == span.start)
            && read == span
        {
            return (span, reading);
        }
        let raw = &body[span.clone()];
        let reading = envelope::read(kind, raw, arrival, own_namespaces, &fresh_id);
        (span, reading)
    };
    Ok(spans.into_iter().map(read))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::generate;
    use crate::domain::split::split;

    /// Split first, and then read one by one.
    fn plainly(kind: Kind, body: &[u8]) -> Result<Vec<(Range<usize>, Reading)>, Unsplittable> {
        let read = |span: Range<usize>| {
            let reading = envelope::read(kind, &body[span.clone()], 0, &[], || "fresh".into());
            (span, reading)
        };
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
            let body = [b"[", &*events.join(&*comma), end.as_bytes()].concat();
            for kind in [Kind::Identify, Kind::Track] {
                let read = read_all(kind, &body, 8, 0, &[], || "fresh".into());
                prop_assert_eq!(read.map(Vec::from_iter), plainly(kind, &body));
            }
        }
    }
}
