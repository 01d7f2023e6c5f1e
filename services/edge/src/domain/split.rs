//! Body bytes → events, each read on its own.
//!
//! Where an event ends that is no JSON, quotes and brackets tell, so that whatever else is wrong
//! inside it is wrong with that event alone (semantics 1.2). Where even these don't add up there
//! is no telling which event is which, and the body is refused as a whole. A single object is a
//! batch of one.

use std::ops::Range;

use bytes::Bytes;
use weir_json::{behind_space, behind_value};

/// Some programs write it in front of everything.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a body is not a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsplittable {
    #[error("the body must be a JSON array of events, or one event")]
    NotAnArray,
    #[error("the brackets or quotes of the body don't match")]
    Unbalanced,
    #[error("something follows the events")]
    Trailing,
    #[error("the array has an empty place between its commas")]
    EmptyElement,
    #[error("the array has more than the {0} events that are taken at once")]
    TooMany(usize),
}

/// The body behind its byte order mark, if it has one.
pub fn without_mark(body: &Bytes) -> Bytes {
    let length = if body.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    body.slice(length..)
}

/// What the elements of a body are read as.
///
/// `ahead` gets where one starts, and may read the JSON value there and say where it ends, so
/// that no byte is looked at twice. What it does not take, or what something follows, goes to
/// `alone`: the element's span, without the white space around it.
///
/// # Errors
/// Where the body is not one array of at most `most` elements, and not one object.
pub fn split<T>(
    body: &[u8],
    most: usize,
    mut ahead: impl FnMut(usize) -> Option<(usize, T)>,
    mut alone: impl FnMut(Range<usize>) -> T,
) -> Result<Vec<T>, Unsplittable> {
    let start = behind_space(body, 0);
    let mut at = match body.get(start) {
        Some(b'[') => behind_space(body, start + 1),
        Some(b'{') => {
            let (end, event) = match ahead(start) {
                Some(read) => read,
                None => {
                    let end = behind_value(body, start).map_err(|_| Unsplittable::Unbalanced)?;
                    (end, alone(start..end))
                }
            };
            return nothing_behind(body, end, vec![event]);
        }
        _ => return Err(Unsplittable::NotAnArray),
    };
    let mut events = Vec::new();
    if body.get(at) == Some(&b']') {
        return nothing_behind(body, at + 1, events);
    }
    loop {
        let is_whole = |(end, _): &(usize, T)| matches!(body.get(*end), Some(b',' | b']'));
        let read = ahead(at).map(|(end, event)| (behind_space(body, end), event));
        let (end, event) = match read.filter(is_whole) {
            Some(read) => read,
            None => {
                let end = element_end(body, at)?;
                let is_not_space = |byte: &u8| !b" \n\r\t".contains(byte);
                let last = body[at..end].iter().rposition(is_not_space);
                let last = at + last.ok_or(Unsplittable::EmptyElement)?;
                (end, alone(at..last + 1))
            }
        };
        if events.len() == most {
            return Err(Unsplittable::TooMany(most));
        }
        if events.is_empty() {
            // Others are about as long as the first.
            events.reserve((body.len() / (end - at) + 1).min(most));
        }
        events.push(event);
        if body[end] == b']' {
            return nothing_behind(body, end + 1, events);
        }
        at = behind_space(body, end + 1);
    }
}

/// The comma or bracket behind the element of an array that starts at `at`.
fn element_end(body: &[u8], mut at: usize) -> Result<usize, Unsplittable> {
    loop {
        match body.get(at) {
            Some(b',' | b']') => return Ok(at),
            Some(b'"' | b'{' | b'[') => {
                at = behind_value(body, at).map_err(|_| Unsplittable::Unbalanced)?;
            }
            Some(b'}') | None => return Err(Unsplittable::Unbalanced),
            Some(_) => at += 1,
        }
    }
}

fn nothing_behind<T>(body: &[u8], at: usize, events: Vec<T>) -> Result<Vec<T>, Unsplittable> {
    if behind_space(body, at) == body.len() {
        Ok(events)
    } else {
        Err(Unsplittable::Trailing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_json::generate;

    use super::*;

    fn pieces(body: &[u8]) -> Result<Vec<Vec<u8>>, Unsplittable> {
        split(body, 1_000, |_| None, |span| body[span].to_vec())
    }

    #[test]
    fn an_empty_array_has_no_events() {
        assert_eq!(pieces(b" [ \n ] "), Ok(vec![]));
    }

    #[test]
    fn what_is_no_array_is_refused_as_a_whole() {
        use Unsplittable::*;
        for (body, why) in [
            ("", NotAnArray),
            ("42", NotAnArray),
            ("\u{feff}[]", NotAnArray),
            ("{", Unbalanced),
            ("{\"a\":[}", Unbalanced),
            ("{\"a\":\"}", Unbalanced),
            ("{}]", Trailing),
            ("{} {}", Trailing),
            ("{}x", Trailing),
            ("\"[]\"", NotAnArray),
            ("[", Unbalanced),
            ("[{}", Unbalanced),
            ("[{\"a\":[1}, {\"b\":2]}]", Unbalanced),
            ("[{\"a\":1]}]", Unbalanced),
            ("[\"x]", Unbalanced),
            ("[\"x\\", Unbalanced),
            ("[{}]]", Trailing),
            ("[{}] x", Trailing),
            ("[{},]", EmptyElement),
            ("[,{}]", EmptyElement),
            ("[{},,{}]", EmptyElement),
        ] {
            assert_eq!(pieces(body.as_bytes()), Err(why), "{body}");
        }
    }

    #[test]
    fn a_single_object_is_a_batch_of_one() {
        for object in [
            "{}",
            r#"{"a":"}]\"{"}"#,
            r#"{"a":[{},[]]}"#,
            "{nonsense \u{1}}",
        ] {
            let body = format!(" \n{object}\t");
            assert_eq!(pieces(body.as_bytes()), Ok(vec![object.into()]), "{object}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_body() {
        for (body, without) in [("\u{feff}[]", "[]"), ("[]", "[]"), ("", "")] {
            assert_eq!(without_mark(&Bytes::from(body)), without);
        }
    }

    #[test]
    fn one_event_too_many_is_refused() {
        let count = |body| split(body, 3, |_| None, |_| ()).map(|events| events.len());
        assert_eq!(count(b"[1,2,3]"), Ok(3));
        assert_eq!(count(b"[1,2,3,4]"), Err(Unsplittable::TooMany(3)));
    }

    proptest! {
        #[test]
        fn any_values_are_found_as_they_were(
            values in prop::collection::vec(generate::json(), 0..20),
            space in "[ \r\n\t]{0,3}",
        ) {
            let body = format!("[{space}{}{space}]", values.join(&format!("{space},{space}")));
            let values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(pieces(body.as_bytes()), Ok(values));
        }

        #[test]
        fn a_poisoned_event_leaves_its_neighbours_alone(
            mut values in prop::collection::vec(generate::json().prop_map(String::into_bytes), 1..20),
            poison in generate::poison(),
            at: prop::sample::Index,
        ) {
            let at = at.index(values.len());
            values[at] = poison;
            let body = [b"[".as_slice(), &values.join(&b','), b"]"].concat();
            prop_assert_eq!(pieces(&body), Ok(values));
        }

        #[test]
        fn nothing_makes_it_panic(body: Vec<u8>) {
            let _ = split(&body, 10, |_| None, |_| ());
        }
    }
}
