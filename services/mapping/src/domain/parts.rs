//! The parts of an event that a mapping looks at, read once more from what was received: of a
//! sample, of a kept event.

use std::net::Ipv4Addr;

use weir_json::{Raw, unescaped};

/// The parts of an event that a mapping looks at.
#[derive(Debug, Default)]
pub struct Parts<'a> {
    pub traits: Option<Raw<'a>>,
    pub properties: Option<Raw<'a>>,
    pub location: Option<Raw<'a>>,
    /// An IPv4 address as text, or empty.
    pub ip: &'a [u8],
    pub has_audience: bool,
    /// Texts without escapes, as ids and times are; empty where they are none.
    pub timestamp: &'a str,
    pub message_id: &'a str,
}

impl<'a> Parts<'a> {
    /// None where it is no JSON object, or only a part of one. Of a doubled key the last one counts, as in the edge.
    pub fn of(text: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        let walked = weir_json::members(text, |key, span| {
            let value = &text[span];
            let object = value.starts_with('{').then_some(value.as_bytes());
            match unescaped(key).as_deref() {
                Some("traits") => parts.traits = object,
                Some("properties") => parts.properties = object,
                Some("location") => parts.location = object,
                Some("ip") => parts.ip = address(value),
                Some("timestamp") => parts.timestamp = word(value),
                Some("message_id" | "messageId") => parts.message_id = word(value),
                Some("audience") => parts.has_audience = object.is_some_and(wants_something),
                _ => {}
            }
        });
        walked.ok().map(|_| parts)
    }
}

/// As the edge reads it: where it is no IPv4 address, there is none.
fn address(value: &str) -> &[u8] {
    let text = word(value).trim();
    match text.parse::<Ipv4Addr>() {
        Ok(_) => text.as_bytes(),
        Err(_) => b"",
    }
}

fn word(value: &str) -> &str {
    let plain = weir_json::plain(value.as_bytes());
    let inner = plain.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    inner.unwrap_or_default()
}

/// Both members null is no update, as the client sends it where there is no audience.
fn wants_something(audience: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(audience) else {
        return false;
    };
    let mut wants = false;
    let walked = weir_json::members(text, |key, span| {
        let is_known = matches!(unescaped(key).as_deref(), Some("mode" | "id"));
        wants |= is_known && &text[span] != "null";
    });
    walked.is_ok() && wants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_objects_and_the_last_of_a_name_counts() {
        let raw = r#"{"traits": [], "traits": {"a": 1}, "properties": null, "location": 3,
            "audience": {"mode": null, "id": null}}"#;
        let parts = Parts::of(raw).unwrap();
        assert_eq!(parts.traits, Some(&br#"{"a": 1}"#[..]));
        assert_eq!((parts.properties, parts.location), (None, None));
        assert!(!parts.has_audience && parts.ip.is_empty());
        for (ip, read) in [
            ("\"8.8.8.8 \"", "8.8.8.8"),
            ("\"::1\"", ""),
            ("8", ""),
            ("\"\"", ""),
        ] {
            let raw = format!(r#"{{"ip": {ip}}}"#);
            let parts = Parts::of(&raw).unwrap();
            assert_eq!(parts.ip, read.as_bytes(), "{ip}");
        }
        let raw = r#"{"\u0061udience": {"mode": "add", "id": "x"}}"#;
        assert!(Parts::of(raw).unwrap().has_audience);
        for broken in ["{", "3", "", "{} x"] {
            assert!(Parts::of(broken).is_none());
        }
    }
}
