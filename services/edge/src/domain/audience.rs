//! What is sent to the audience endpoints (semantics 5.1).

use bytes::Bytes;
use weir_json::unescaped;

use super::split::without_mark;
use super::text::longer_than;

/// Characters of a name.
const MAX_NAME: usize = 150;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFault {
    Blank,
    TooLong,
    ControlCharacter,
    /// The audience service says so.
    Other,
}

impl NameFault {
    #[cfg(test)]
    pub const ALL: [Self; 4] = [
        Self::Blank,
        Self::TooLong,
        Self::ControlCharacter,
        Self::Other,
    ];
}

/// The text that a body, one JSON object, has under `key`; the last one counts.
pub fn text_member(body: &Bytes, key: &str) -> Option<String> {
    let body = without_mark(body);
    let text = std::str::from_utf8(&body).ok()?;
    let mut found = None;
    weir_json::members(text, |name, span| {
        if unescaped(name).as_deref() == Some(key) {
            found = Some(&text[span]);
        }
    })
    .ok()?;
    let value = found.filter(|value| value.starts_with('"'))?;
    unescaped(value).map(std::borrow::Cow::into_owned)
}

/// A name without the white space around it.
///
/// # Errors
/// Where it is none that an audience may have.
pub fn name(sent: &str) -> Result<&str, NameFault> {
    let name = sent.trim();
    if name.is_empty() {
        Err(NameFault::Blank)
    } else if longer_than(name, MAX_NAME) {
        Err(NameFault::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(NameFault::ControlCharacter)
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_whatever_stands_beside_it() {
        let found = |body: &str| text_member(&Bytes::from(body.to_owned()), "name");
        for (body, name) in [
            (r#"{"name":"a"}"#, Some("a")),
            ("\u{feff} {\"name\" : \"\\u0061\"} ", Some("a")),
            (
                r#"{"name":"b","n\u0061me":"a","x":1e999,"y":"\ud800"}"#,
                Some("a"),
            ),
            (r#"{"name":1}"#, None),
            (r#"{"name":null}"#, None),
            (r#"{"name":"a\ud800"}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
            (r#"{"name":"a"} x"#, None),
        ] {
            assert_eq!(found(body).as_deref(), name, "{body}");
        }
        assert_eq!(
            text_member(&Bytes::from_static(b"{\"name\":\"\xff\"}"), "name"),
            None
        );
    }

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        assert_eq!(name(" Newsletter\n"), Ok("Newsletter"));
        assert_eq!(name(&"é".repeat(150)).map(str::len), Ok(300));
        assert_eq!(name(" \t"), Err(NameFault::Blank));
        assert_eq!(name(&"é".repeat(151)), Err(NameFault::TooLong));
        for sent in ["a\nb", "a\0b", "a\u{85}b"] {
            assert_eq!(name(sent), Err(NameFault::ControlCharacter), "{sent:?}");
        }
    }
}
