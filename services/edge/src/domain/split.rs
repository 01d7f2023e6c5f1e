//! Body bytes → events, as spans.
//!
//! Looks at strings and brackets only, so that whatever else is wrong inside an event is
//! wrong with that event alone (semantics 1.2). Where even these don't add up there is no
//! telling which event is which, and the body is refused as a whole.

use std::ops::Range;

use weir_values::escaped_at;

/// Why a body is not a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsplittable {
    #[error("the body must be a JSON array of events")]
    NotAnArray,
    #[error("the brackets or quotes of the array don't match")]
    Unbalanced,
    #[error("something follows the array")]
    Trailing,
    #[error("the array has an empty place between its commas")]
    EmptyPlace,
    #[error("the array has more than the {0} events that are taken at once")]
    TooMany(usize),
}

/// The span of each element, without the white space around it.
///
/// # Errors
/// Where the body is not one array of at most `most` elements.
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
    if body.get(at) != Some(&b'[') {
        return Err(Unsplittable::NotAnArray);
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
            ("{}", NotAnArray),
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
    fn one_event_too_many_is_refused() {
        assert_eq!(split(b"[1,2,3]", 3).map(|events| events.len()), Ok(3));
        assert_eq!(split(b"[1,2,3,4]", 3), Err(Unsplittable::TooMany(3)));
    }

    /// Things that are no JSON but have their quotes and brackets in order.
    fn poison() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"{\"a\":\"\xff\xfe\"}".to_vec()),
            Just(b"{\"a\":\"\x01\n\"}".to_vec()),
            Just(br#"{"a":"\ud800"}"#.to_vec()),
            Just(b"{\"a\":nonsense 1e999}".to_vec()),
            Just(b"{} {} garbage".to_vec()),
            (1_usize..6_000).prop_map(|n| [b"[".repeat(n), b"]".repeat(n)].concat()),
            prop::collection::vec(any::<u8>(), 1..50).prop_map(|mut bytes| {
                bytes.retain(|byte| !b"\"\\[]{},".contains(byte) && !is_space(*byte));
                bytes.push(b'x');
                bytes
            }),
        ]
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
            poison in poison(),
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
