//! Strings: what stands between their quotes, and where it ends.

use std::borrow::Cow;

use crate::{NotJson, Raw};

/// A string (quotes included) without its escapes, borrowed where it has none; nothing where it
/// is no text: half of a surrogate pair, a bare control character.
#[inline]
pub fn unescaped(quoted: &str) -> Option<Cow<'_, str>> {
    match inside(quoted.as_bytes()) {
        Some(inside) => quoted.get(inside).map(Cow::Borrowed),
        None if quoted.starts_with('"') && quoted.ends_with('"') => {
            serde_json::from_str(quoted).ok().map(Cow::Owned)
        }
        None => None,
    }
}

/// As [`unescaped`], of bytes.
///
/// # Errors
/// Where it is no text, as bytes that are not UTF-8 are none.
#[inline]
pub fn text(raw: Raw<'_>) -> Result<Cow<'_, str>, NotJson> {
    let quoted = std::str::from_utf8(raw).ok();
    quoted.and_then(unescaped).ok_or(NotJson)
}

/// A string, quotes and all, in which every character stands for itself: none is escaped.
#[inline]
pub fn plain(raw: Raw<'_>) -> Option<&str> {
    inside(raw)?;
    std::str::from_utf8(raw).ok()
}

/// What stands between the quotes of a string in which nothing is escaped.
#[inline]
fn inside(raw: Raw<'_>) -> Option<std::ops::Range<usize>> {
    let last = raw.len().checked_sub(1)?;
    let is_plain = raw[0] == b'"' && raw[last] == b'"' && escaped_at(raw, 1) == last;
    is_plain.then_some(1..last)
}

/// Appends a text as a string, without a copy where nothing in it is escaped.
pub fn write_text(text: &str, json: &mut String) {
    if escaped_at(text.as_bytes(), 0) < text.len() {
        let quoted = serde_json::to_string(text).expect("a string is always JSON");
        json.push_str(&quoted);
        return;
    }
    json.push('"');
    json.push_str(text);
    json.push('"');
}

/// The first byte from `at` that does not stand for itself inside a JSON string: a quote, a
/// backslash or a control character; the length where there is none. Eight bytes at a time.
#[inline]
pub(crate) fn escaped_at(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
        // Borrows make false hits only above a true one, and the lowest hit is taken.
        let hits = (quote | backslash | control) & HIGHS;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(is_escaped)
        .map_or(bytes.len(), |length| at + length)
}

fn is_escaped(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_become_text() {
        for (quoted, text) in [
            (r#""a\u00e9\n""#, Some("aé\n")),
            (r#""\ud83d\ude00""#, Some("😀")),
            ("\"\"", Some("")),
            (r#""half \ud83d""#, None),
            (r#""\ude00\ud83d""#, None),
            ("\"\n\"", None),
            ("\"", None),
            ("", None),
            ("1", None),
            ("\"a\" ", None),
            ("\"a\"b\"", None),
        ] {
            assert_eq!(unescaped(quoted).as_deref(), text, "{quoted}");
        }
        assert_eq!(text(b"\"\xff\""), Err(NotJson));
    }

    proptest! {
        #[test]
        fn texts_survive_and_a_plain_one_is_its_own_text(
            text in prop_oneof![any::<String>(), "[a-zé\"\\\\\u{0}-\u{20}]{0,20}"],
            cut in 0_usize..3,
        ) {
            let mut raw = String::new();
            write_text(&text, &mut raw);
            prop_assert_eq!(&raw, &serde_json::to_string(&text).unwrap());
            prop_assert_eq!(unescaped(&raw).unwrap(), &*text);
            let is_plain = raw.len() == text.len() + 2;
            prop_assert_eq!(plain(raw.as_bytes()), is_plain.then_some(&*raw));
            let quoted = format!("\"{text}\"");
            if let Some(raw) = plain(&quoted.as_bytes()[cut.min(quoted.len())..]) {
                prop_assert!(serde_json::from_str::<String>(raw).is_ok());
            }
        }

        #[test]
        fn what_is_escaped_is_found_as_byte_by_byte(
            bytes in prop::collection::vec(prop_oneof![
                4 => any::<u8>(),
                8 => b'a'..=b'z',
                1 => Just(b'"'),
                1 => Just(b'\\'),
                1 => 0x1e_u8..0x22,
            ], 0..40),
            from in 0_usize..40,
        ) {
            let from = from.min(bytes.len());
            let slow = bytes[from..].iter().position(is_escaped);
            prop_assert_eq!(escaped_at(&bytes, from), slow.map_or(bytes.len(), |at| from + at));
        }
    }
}
