//! Body bytes → events, as spans.
//!
//! Looks at strings and brackets only, so that whatever else is wrong inside an event is
//! wrong with that event alone (semantics 1.2). Where even these don't add up there is no
//! telling which event is which, and the body is refused as a whole. A single object is a
//! batch of one.

use std::ops::Range;

use bytes::Bytes;
use weir_values::escaped_at;

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
    EmptyPlace,
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

/// The span of each element, without the white space around it.
///
/// # Errors
/// Where the body is not one array of at most `most` elements, and not one object.
pub fn split(body: &[u8], most: usize) -> Result<Vec<Range<usize>>, Unsplittable> {
    split_beside(body, most, |_| None)
}

/// As [`split`], beside a reader: `jump` gets where each element starts, and may answer where
/// the JSON value that starts there ends, so that it is not looked at twice.
///
/// # Errors
/// As [`split`].
pub fn split_beside(
    body: &[u8],
    most: usize,
    mut jump: impl FnMut(usize) -> Option<usize>,
) -> Result<Vec<Range<usize>>, Unsplittable> {
    let mut at = skip_space(body, 0);
    match body.get(at) {
        Some(b'[') => {}
        Some(b'{') => {
            let end = jump(at).map_or_else(|| object_end(body, at), Ok)?;
            return nothing_behind(body, end).map(|()| std::iter::once(at..end).collect());
        }
        _ => return Err(Unsplittable::NotAnArray),
    }
    at = skip_space(body, at + 1);
    let mut events = Vec::new();
    if body.get(at) == Some(&b']') {
        return nothing_behind(body, at + 1).map(|()| events);
    }
    // The brackets that must close what is open inside the event.
    let mut open = Vec::new();
    let mut start = at;
    at = jump(at).unwrap_or(at);
    loop {
        let byte = *body.get(at).ok_or(Unsplittable::Unbalanced)?;
        match byte {
            b'"' => at = string_end(body, at)?,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b',' | b']' if open.is_empty() => {
                let event = trimmed(body, start..at);
                if event.is_empty() {
                    return Err(Unsplittable::EmptyPlace);
                }
                if events.len() == most {
                    return Err(Unsplittable::TooMany(most));
                }
                if events.is_empty() {
                    // Others are about as long as the first.
                    events.reserve((body.len() / event.len() + 1).min(most));
                }
                events.push(event);
                start = at + 1;
                if byte == b']' {
                    return nothing_behind(body, start).map(|()| events);
                }
                // Behind the white space stands the element, if there is one.
                let next = skip_space(body, start);
                at = jump(next).unwrap_or(next);
                continue;
            }
            b'}' | b']' if open.pop() != Some(byte) => return Err(Unsplittable::Unbalanced),
            _ => {}
        }
        at += 1;
    }
}

/// From an opening brace to behind the one that closes it.
fn object_end(body: &[u8], start: usize) -> Result<usize, Unsplittable> {
    let mut open = Vec::new();
    let mut at = start;
    loop {
        let byte = *body.get(at).ok_or(Unsplittable::Unbalanced)?;
        match byte {
            b'"' => at = string_end(body, at)?,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' if open.pop() != Some(byte) => return Err(Unsplittable::Unbalanced),
            _ => {}
        }
        at += 1;
        if open.is_empty() {
            return Ok(at);
        }
    }
}

/// From the opening quote to the closing one.
fn string_end(body: &[u8], start: usize) -> Result<usize, Unsplittable> {
    let mut at = start + 1;
    loop {
        at = escaped_at(body, at);
        match body.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => at += 2,
            // A control byte: the event's own trouble.
            Some(_) => at += 1,
            None => return Err(Unsplittable::Unbalanced),
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn skip_space(body: &[u8], mut at: usize) -> usize {
    while body.get(at).is_some_and(|byte| is_space(*byte)) {
        at += 1;
    }
    at
}

fn nothing_behind(body: &[u8], at: usize) -> Result<(), Unsplittable> {
    if skip_space(body, at) == body.len() {
        Ok(())
    } else {
        Err(Unsplittable::Trailing)
    }
}

fn trimmed(body: &[u8], mut span: Range<usize>) -> Range<usize> {
    span.start = skip_space(body, span.start).min(span.end);
    while span.end > span.start && is_space(body[span.end - 1]) {
        span.end -= 1;
    }
    span
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::generate;

    fn pieces(body: &[u8]) -> Result<Vec<Vec<u8>>, Unsplittable> {
        let spans = split(body, 1_000)?;
        Ok(spans.into_iter().map(|span| body[span].to_vec()).collect())
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
            ("[{},]", EmptyPlace),
            ("[,{}]", EmptyPlace),
            ("[{},,{}]", EmptyPlace),
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
        assert_eq!(split(b"[1,2,3]", 3).map(|events| events.len()), Ok(3));
        assert_eq!(split(b"[1,2,3,4]", 3), Err(Unsplittable::TooMany(3)));
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
            let _ = split(&body, 10);
        }
    }
}
