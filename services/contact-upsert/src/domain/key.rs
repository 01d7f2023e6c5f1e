//! Identifiers: what a contact is found by.

use std::borrow::Cow;

use weir_json::unescaped;
use weir_reasons::Reason;

/// The kind of user ids.
pub const USER_ID: &str = "u";
/// The kind of anonymous ids.
pub const ANONYMOUS_ID: &str = "a";

/// An e-mail field that every account has; that others are of this type the settings say.
const EMAIL: &str = "str::email";
/// A longer value could not be indexed; text fields hold at most 500 characters, so nothing
/// that mapping lets pass is lost.
const MAX_VALUE_BYTES: usize = 2_000;

/// One identifier of an account. Ordered as rows are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    /// [`USER_ID`], [`ANONYMOUS_ID`], or the field id of a unique identifier.
    pub kind: &'a str,
    /// Normalised.
    pub value: Cow<'a, str>,
}

impl<'a> Key<'a> {
    /// A user id; none when it is absent.
    pub fn user(id: &'a str) -> Option<Self> {
        Self::linking(USER_ID, id)
    }

    /// An anonymous id; none when it is absent.
    pub fn anonymous(id: &'a str) -> Option<Self> {
        Self::linking(ANONYMOUS_ID, id)
    }

    fn linking(kind: &'a str, id: &'a str) -> Option<Self> {
        (!id.is_empty()).then_some(Self {
            kind,
            value: Cow::Borrowed(id),
        })
    }

    /// What a unique identifier's value is found by; none when the canonical JSON is not a text
    /// that can be one. `caseless` of a field whose values are compared without regard to ASCII case.
    pub fn unique(field: &'a str, json: &'a str, caseless: bool) -> Option<Self> {
        let value = normalise(unescaped(json)?, caseless);
        // PostgreSQL's texts hold no NUL.
        let usable = !value.is_empty() && value.len() <= MAX_VALUE_BYTES && !value.contains('\0');
        usable.then_some(Self { kind: field, value })
    }
}

/// Why a value, as canonical JSON, is no unique identifier.
pub fn why_no_key(json: &str) -> Reason {
    match unescaped(json) {
        Some(text) if text.len() > MAX_VALUE_BYTES => Reason::TooLong,
        Some(text) if text.contains('\0') => Reason::NotStorable,
        Some(_) | None => Reason::TextInvalid,
    }
}

/// Whether a kind names a field.
pub fn is_unique_key(kind: &str) -> bool {
    kind != USER_ID && kind != ANONYMOUS_ID
}

/// Whether a field's values are compared without regard to ASCII case, whatever else is known
/// of it (semantics 3.2).
pub fn is_email(field: &str) -> bool {
    field == EMAIL
}

/// The form in which a unique identifier's value is compared. Letters beyond ASCII stay as they
/// are: some of them fold into others that are somebody else's (semantics 2.4b).
pub fn normalise(value: Cow<'_, str>, caseless: bool) -> Cow<'_, str> {
    if caseless && value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(value.to_ascii_lowercase())
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mail_addresses_are_compared_without_ascii_case_and_other_texts_with_it() {
        let key = |json, caseless| Key::unique("str:cm:x", json, caseless).map(|key| key.value);
        assert_eq!(
            key("\"Lana@Example.ORG\"", true).unwrap(),
            "lana@example.org"
        );
        assert_eq!(key("\"AbC\"", false).unwrap(), "AbC");
        assert_eq!(key(r#""a\"B""#, true).unwrap(), "a\"b");
    }

    #[test]
    fn letters_that_only_look_alike_are_others() {
        for (one, other) in [
            ("\"\u{212a}ate@x.org\"", "\"kate@x.org\""),
            ("\"\u{130}@x.org\"", "\"i@x.org\""),
            ("\"\u{c9}@x.org\"", "\"\u{e9}@x.org\""),
        ] {
            let key = |json| Key::unique("str::email", json, true).unwrap();
            assert_ne!(key(one), key(other), "{one}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_unique_identifier() {
        for json in ["3", "true", "[\"a\"]", "\"\"", "\"", r#""a\u0000b""#] {
            assert_eq!(Key::unique("str::ei", json, true), None, "{json}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES + 1));
        let reasons = [&long, "3", r#""a\u0000b""#].map(why_no_key);
        let expected = [Reason::TooLong, Reason::TextInvalid, Reason::NotStorable];
        assert_eq!(reasons, expected);
        assert_eq!(Key::unique("str::ei", &long, false), None);
    }
}
