//! Scalars of an event, as text.

use std::borrow::Cow;

use weir_values::escaped_at;

/// A validated string (quotes included) without its escapes.
pub fn unescaped(quoted: &str) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    // In a validated string nothing but a backslash stops before the closing quote.
    if escaped_at(quoted.as_bytes(), 1) == quoted.len() - 1 {
        return Cow::Borrowed(inner);
    }
    // The walk checked it before; a string that it passed is read here, too.
    serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// A string, number or boolean as text; nothing for an object or array.
pub fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first() {
        Some(b'"') => Some(unescaped(raw)),
        Some(b'{' | b'[') | None => None,
        Some(_) => Some(Cow::Borrowed(raw)),
    }
}

/// The first `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Whether `text` has more than `most` characters.
pub fn longer_than(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

/// Values that clients write where there is nobody (semantics 3.1).
pub fn means_nobody(identifier: &str) -> bool {
    const WORDS: [&str; 4] = ["null", "undefined", "none", "anonymous"];
    identifier == "-1"
        || identifier.bytes().all(|byte| matches!(byte, b'0' | b'-'))
        || WORDS
            .iter()
            .any(|word| identifier.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_text() {
        assert_eq!(scalar(r#""a\u00e9\n""#).unwrap(), "aé\n");
        assert_eq!(scalar("12.50").unwrap(), "12.50");
        assert_eq!(scalar("true").unwrap(), "true");
        assert_eq!(scalar("[1]"), None);
    }

    #[test]
    fn nobody_is_nobody_in_any_case() {
        for nobody in [
            "null",
            "UNDEFINED",
            "None",
            "anonymous",
            "-1",
            "0",
            "00000000-0000-0000",
            "-",
        ] {
            assert!(means_nobody(nobody), "{nobody}");
        }
        for somebody in ["nullable", "1", "-2", "0a", "10"] {
            assert!(!means_nobody(somebody), "{somebody}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(!longer_than("éé", 2));
        assert!(longer_than("ééé", 2));
        assert_eq!(cut("éab", 2), "éa");
    }
}
