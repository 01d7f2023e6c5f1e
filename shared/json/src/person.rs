//! A person who is to be deleted, or asks what is known: whether a text names him (semantics 3.9).

use std::collections::HashSet;

use crate::{behind_string, text};

/// Of an excerpt in the log, in characters: a longer value is cut there.
const EXCERPT: usize = 120;
/// An identifier that is shorter is found as a whole value only, and not within one.
const TELLING: usize = 6;

/// What the person is known by, in small ASCII letters.
#[derive(Debug, Clone, Default)]
pub struct Person(HashSet<String>);

impl Person {
    /// Of user ids, anonymous ids, values of unique identifiers.
    pub fn of(identifiers: impl IntoIterator<Item = String>) -> Self {
        let small = |text: String| text.trim().to_ascii_lowercase();
        let identifiers = identifiers.into_iter().map(small);
        Self(identifiers.filter(|text| !text.is_empty()).collect())
    }

    /// Whether some text or number of an event is one of them: the event is JSON most times, and
    /// may be anything.
    pub fn is_in(&self, event: &str) -> bool {
        let bytes = event.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = match bytes[at] {
                b'"' => match behind_string(bytes, at) {
                    Ok(end) => {
                        let said = text(&bytes[at..end]);
                        if said.is_ok_and(|text| self.is(&text)) {
                            return true;
                        }
                        end
                    }
                    // It was cut: what is left may be any part of it.
                    Err(_) => return self.begins_or_holds(&event[at + 1..]),
                },
                b'-' | b'0'..=b'9' => {
                    let rest = bytes[at..].iter();
                    let length = rest
                        .take_while(|byte| {
                            matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                        })
                        .count();
                    if self.is(&event[at..at + length]) {
                        return true;
                    }
                    at + length
                }
                _ => at + 1,
            };
            at = end;
        }
        false
    }

    /// Whether a value in the log, which may be cut or a part of something, names him.
    pub fn is_named(&self, value: &str) -> bool {
        self.is(value) || self.is_in(value) || self.begins_or_holds(value)
    }

    fn is(&self, text: &str) -> bool {
        self.0.contains(&text.trim().to_ascii_lowercase())
    }

    fn begins_or_holds(&self, value: &str) -> bool {
        let value = value.trim().to_ascii_lowercase();
        let was_cut = value.chars().count() >= EXCERPT;
        let mut identifiers = self.0.iter();
        identifiers.any(|identifier| {
            identifier.len() >= TELLING && value.contains(identifier.as_str())
                || was_cut && identifier.starts_with(&value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person::of([
            "u1".into(),
            " Lana@X.org".into(),
            "42".into(),
            String::new(),
        ])
    }

    #[test]
    fn a_person_is_found_wherever_an_event_names_him() {
        for event in [
            r#"{"user_id":"u1"}"#,
            r#"{"userId": " U1 "}"#,
            r#"{"traits":{"email":"LANA@x.org"}}"#,
            r#"{"traits":{"email":"lana\u0040x.org"}}"#,
            r#"{"user_id":42}"#,
            r#"[{"a":[1,42]}]"#,
            // Cut.
            r#"{"traits":{"email":"lana@x.org"#,
        ] {
            assert!(person().is_in(event), "{event}");
        }
        for event in [
            "",
            "{",
            r#"{"user_id":"u11","n":421,"m":-42,"x":"42 "#,
            r#"{"email":"svetlana@y.org"}"#,
        ] {
            assert!(!person().is_in(event), "{event}");
        }
    }

    #[test]
    fn a_line_names_him_also_where_its_value_is_cut() {
        let long = Person::of(["x".repeat(200)]);
        assert!(long.is_named(&"x".repeat(120)) && !long.is_named(&"x".repeat(119)));
        assert!(person().is_named("lana@x.org") && person().is_named("u1"));
        assert!(person().is_named(r#"{"email":"lana@x.org","n":{"#));
        assert!(!person().is_named("u11") && !person().is_named("nobody"));
    }
}
