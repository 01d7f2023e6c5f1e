//! Comparing short texts, and values.

use std::cmp::Ordering;

/// Whether two short texts are the same. Field ids are compared more often than anything
/// else, and are too short for a call to be worth it.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    // Both ends of a text, which overlap, are all of it.
    if let (Some(one), Some(other)) = (eights(one), eights(other))
        && length <= 16
    {
        return one == other;
    }
    if let (Some(one), Some(other)) = (sixteens(one), sixteens(other))
        && length <= 32
    {
        return one == other;
    }
    one == other
}

/// Whether two values of a field, canonical JSON each, say the same. Objects and arrays stay as they
/// were sent, and are the same however they are written (semantics 8.1).
pub fn same_value(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            same(one.as_bytes(), other.as_bytes()) || in_order(one, other).is_eq()
        }
        (None, None) => true,
        _ => false,
    }
}

/// Which of two values counts where nothing else tells; those that say the same are equal, and a
/// cleared field is the least.
pub fn order(one: Option<&str>, other: Option<&str>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => in_order(one, other),
        _ => one.cmp(&other),
    }
}

/// Of texts that differ those alone are written anew that nobody wrote in a canonical form.
fn in_order(one: &str, other: &str) -> Ordering {
    let is_as_sent = |text: &str| text.starts_with(['{', '[']);
    if one == other || !is_as_sent(one) || !is_as_sent(other) {
        return one.cmp(other);
    }
    let (mut left, mut right) = (String::new(), String::new());
    let both = weir_json::normal(one.as_bytes(), &mut left)
        .and_then(|()| weir_json::normal(other.as_bytes(), &mut right));
    match both {
        Ok(()) => left.cmp(&right),
        Err(_) => one.cmp(other),
    }
}

fn eights(text: &[u8]) -> Option<[u64; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u64::from_ne_bytes))
}

fn sixteens(text: &[u8]) -> Option<[u128; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u128::from_ne_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_in_all_their_bytes() {
        let text = b"str:cm:a-name-of-more-than-32-bytes";
        for length in 0..=text.len() {
            let text = &text[..length];
            for at in 0..length {
                let mut other = text.to_owned();
                assert!(same(text, &other));
                other[at] = b'~';
                assert!(!same(text, &other), "{other:?}");
            }
        }
        assert!(!same(b"str::a", b"str::aa"));
    }

    #[test]
    fn objects_are_the_same_however_they_are_written() {
        for (one, other) in [
            (r#"{"a":1,"z":2}"#, r#"{"z":2,"a":1}"#),
            (r#"{"a":1.0,"b":"é"}"#, r#"{"b":"\u00e9","a":1}"#),
            (r#"[{"a":1e0}]"#, r#"[{"a":1}]"#),
            ("\"1\"", "\"1\""),
        ] {
            assert!(same_value(Some(one), Some(other)), "{one}");
            assert_eq!(order(Some(one), Some(other)), Ordering::Equal);
        }
        for (less, more) in [
            (None, Some("{}")),
            (Some(r#"{"a":1}"#), Some(r#"{"a":2}"#)),
            (Some(r#"{"z":1,"a":1}"#), Some(r#"{"a":2}"#)),
            (Some("[1,2]"), Some("[2,1]")),
            (Some("\"1\""), Some("\"1.0\"")),
            (Some("\"1\""), Some("[1]")),
        ] {
            assert!(!same_value(less, more), "{less:?}");
            assert_eq!(order(less, more), Ordering::Less, "{less:?}");
            assert_eq!(order(more, less), Ordering::Greater, "{less:?}");
        }
    }
}
