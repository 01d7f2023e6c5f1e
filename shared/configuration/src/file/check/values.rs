//! Checks of single values.

use serde_saphyr::Spanned;
use weir_proto::mapping::v1::{BlankRule, SourceKind, ValueType as ProtoType};
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};
use weir_values::ValueType;

use crate::file::schema::Fault;

/// A word of the file and what it stands for.
pub type Choice<T> = (&'static str, T);

pub const KEY_STRATEGIES: [Choice<KeyStrategy>; 2] = [
    ("any", KeyStrategy::Any),
    ("next_if_empty", KeyStrategy::NextIfEmpty),
];
pub const MERGE_STRATEGIES: [Choice<MergeStrategy>; 3] = [
    ("overwrite", MergeStrategy::Overwrite),
    ("append", MergeStrategy::Append),
    ("ignore", MergeStrategy::Ignore),
];
pub const SOURCE_KINDS: [Choice<SourceKind>; 2] = [
    ("segment_actions", SourceKind::SegmentActions),
    ("segment_classic", SourceKind::SegmentClassic),
];
pub const BLANK_RULES: [Choice<BlankRule>; 1] = [("clear", BlankRule::Clear)];
/// The limits of the mapping service.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 7..=128;
const MAX_URL: usize = 2_000;
const MAX_EVENT_NAME: usize = 255;
const MAX_NUMBER: i64 = 1_000_000_000;

pub fn choose<T: Copy>(written: &Spanned<String>, choices: &[Choice<T>]) -> Result<T, Fault> {
    choices
        .iter()
        .find(|(name, _)| *name == written.value)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let message = format!("{:?} is none of {}", written.value, names.join(", "));
            Fault::at(written, message)
        })
}

/// Trimmed, not blank, not too long, in one line.
pub fn text(written: &Spanned<String>, what: &str, longest: usize) -> Result<String, Fault> {
    let text = as_sent(written, what, longest)?;
    if text.chars().any(char::is_control) {
        return Err(Fault::at(
            written,
            format!("{what} must not hold control characters"),
        ));
    }
    Ok(text)
}

/// That of a track: nobody gave it but whoever sends the event, and all but NUL may be in it.
pub fn event_name(written: &Spanned<String>) -> Result<String, Fault> {
    let what = "an event's name";
    let name = as_sent(written, what, MAX_EVENT_NAME)?;
    if name.contains('\0') {
        return Err(Fault::at(written, format!("{what} must not hold NUL")));
    }
    Ok(name)
}

fn as_sent(written: &Spanned<String>, what: &str, longest: usize) -> Result<String, Fault> {
    let text = written.value.trim();
    if text.is_empty() {
        return Err(Fault::at(written, format!("{what} must not be blank")));
    }
    if text.chars().count() > longest {
        return Err(Fault::at(
            written,
            format!("{what} has at most {longest} characters"),
        ));
    }
    Ok(text.to_owned())
}

pub fn email(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.value.trim();
    let plausible = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !text.contains(' '));
    if plausible {
        return Ok(text.to_owned());
    }
    Err(Fault::at(written, "this is not an e-mail address"))
}

/// Empty: none.
pub fn webhook_url(written: &Spanned<String>) -> Result<String, Fault> {
    let url = written.value.trim();
    let is_http = ["http://", "https://"].iter().any(|it| url.starts_with(it));
    if url.is_empty() || (is_http && url.len() <= MAX_URL) {
        return Ok(url.to_owned());
    }
    Err(Fault::at(
        written,
        "a webhook_url begins with https:// or http://, and has at most 2,000 characters",
    ))
}

/// The message does not repeat it.
pub fn webhook_secret(written: &Spanned<String>) -> Result<String, Fault> {
    let secret = written.value.trim();
    if secret.starts_with("whsec_") {
        return Ok(secret.to_owned());
    }
    Err(Fault::at(
        written,
        "a webhook_secret is whsec_ and the base64 of 24 to 64 random bytes",
    ))
}

pub fn at_least_zero(written: &Spanned<i64>) -> Result<i64, Fault> {
    if (0..=MAX_NUMBER).contains(&written.value) {
        return Ok(written.value);
    }
    Err(Fault::at(
        written,
        format!("a number from 0 to {MAX_NUMBER} is expected"),
    ))
}

/// The message does not repeat the key.
pub fn key(written: &Spanned<String>) -> Result<String, Fault> {
    let key = &written.value;
    if KEY_LENGTH.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key.clone());
    }
    Err(Fault::at(
        written,
        "a key has 7 to 128 characters, without spaces; leave it out to have one generated",
    ))
}

pub fn value_type(written: &Spanned<String>) -> Result<ValueType, Fault> {
    choose(written, &ValueType::NAMES)
}

/// A type's name, as files have it.
pub fn from_proto(value_type: ProtoType) -> &'static str {
    let mut names = ValueType::NAMES.iter();
    let known = names.find(|(_, known)| to_proto(*known) == value_type);
    known.map_or("", |(name, _)| name)
}

/// The contract's name of a type is ours in capitals.
pub fn to_proto(value_type: ValueType) -> ProtoType {
    let name = format!("VALUE_TYPE_{}", value_type.name().to_uppercase());
    ProtoType::from_str_name(&name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_one_of_the_contract() {
        for (name, value_type) in ValueType::NAMES {
            assert_ne!(to_proto(value_type), ProtoType::Unspecified, "{name}");
            assert_eq!(from_proto(to_proto(value_type)), name);
        }
    }

    #[test]
    fn names_are_lines_but_for_those_that_events_come_with() {
        let written = |text: &str| Spanned {
            value: text.to_owned(),
            referenced: serde_saphyr::Location::UNKNOWN,
            defined: serde_saphyr::Location::UNKNOWN,
        };
        for (name, is_line) in [("Sign in", true), ("tab\there", false), ("a\nb", false)] {
            let read = text(&written(name), "a source's name", 150);
            assert_eq!(read.is_ok(), is_line, "{name}");
            assert_eq!(event_name(&written(name)).ok().as_deref(), Some(name));
        }
        assert!(event_name(&written("a\0b")).is_err());
        assert!(event_name(&written(" ")).is_err());
    }
}
