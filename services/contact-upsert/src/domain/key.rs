//! Identifiers: what a contact is found by.

use std::borrow::Cow;

/// The kind of user ids.
pub const USER_ID: &str = "u";
/// The kind of anonymous ids.
pub const ANONYMOUS_ID: &str = "a";

/// The field whose values are compared without regard to case (semantics 3.2).
const EMAIL: &str = "str::email";
/// A longer value could not be indexed; text fields hold at most 500 characters, so nothing
/// that mapping lets pass is lost.
const MAX_VALUE_BYTES: usize = 2_000;

/// One identifier of an account. Ordered as rows are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    /// [`USER_ID`], [`ANONYMOUS_ID`], or the field id of a merge key.
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

    /// What a merge key's value is found by; none when the canonical JSON is not a text that
    /// can be one.
    pub fn merge(field: &'a str, json: &'a str) -> Option<Self> {
        let quoted = json.strip_prefix('"')?.strip_suffix('"')?;
        let text = if quoted.contains('\\') {
            Cow::Owned(serde_json::from_str::<String>(json).ok()?)
        } else {
            Cow::Borrowed(quoted)
        };
        let value = normalise(field, text);
        // PostgreSQL's texts hold no NUL.
        let usable = !value.is_empty() && value.len() <= MAX_VALUE_BYTES && !value.contains('\0');
        usable.then_some(Self { kind: field, value })
    }
}

/// Whether a kind names a field.
pub fn is_merge_key(kind: &str) -> bool {
    kind != USER_ID && kind != ANONYMOUS_ID
}

/// The form in which a merge key's value is compared.
pub fn normalise<'a>(field: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    let has_case = || {
        if value.is_ascii() {
            return value.bytes().any(|byte| byte.is_ascii_uppercase());
        }
        let mut letters = value.chars();
        letters.any(|c| !c.is_lowercase() && c.is_alphabetic())
    };
    if field == EMAIL && has_case() {
        Cow::Owned(value.to_lowercase())
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mail_addresses_are_compared_without_case_and_other_texts_with_it() {
        let key = |field, json| Key::merge(field, json).map(|key| key.value.into_owned());
        assert_eq!(
            key("str::email", "\"Lana@Example.ORG\"").as_deref(),
            Some("lana@example.org")
        );
        assert_eq!(key("str::ei", "\"AbC\"").as_deref(), Some("AbC"));
        assert_eq!(key("str::ei", r#""a\"b""#).as_deref(), Some("a\"b"));
    }

    #[test]
    fn what_is_no_text_is_no_merge_key() {
        for json in ["3", "true", "[\"a\"]", "\"\"", "\"", r#""a\u0000b""#] {
            assert_eq!(Key::merge("str::ei", json), None, "{json}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES + 1));
        assert_eq!(Key::merge("str::ei", &long), None);
    }
}
