//! Scalars of an event, as text.

use std::borrow::Cow;

use weir_json::unescaped;

/// A string, number or boolean as text; nothing for an object or array, or a string that is
/// no text.
pub fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first() {
        Some(b'"') => unescaped(raw),
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

/// A number as people write it: `125,000`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
        assert_eq!(scalar(r#""half \ud83d""#), None);
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(!longer_than("éé", 2));
        assert!(longer_than("ééé", 2));
        assert_eq!(cut("éab", 2), "éa");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (125_000, "125,000"),
            (-1_234_567, "-1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
