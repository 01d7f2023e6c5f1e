//! Messages as JSON (ProtoJSON), by their descriptors, for who has no generated code: the
//! servers' JSON over HTTP, and `./weir call`.
//!
//! What is written is the canonical form: lowerCamelCase, 64-bit numbers as texts, enums by
//! name, times as RFC 3339, nothing that has its default. What is read may name fields as the
//! protos do, too.
//!
//! **Invariant:** whatever comes in ends as a message or as a [`Fault`] that says where it is
//! wrong and what would be right. A field that there is not is wrong.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod expected;
mod read;

use prost_reflect::{DynamicMessage, SerializeOptions};

pub use error::error;
pub use read::{Fault, read};

/// A message in one line.
///
/// # Errors
/// A time or a length of time that is outside of what its type promises.
pub fn write(message: &DynamicMessage) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut text);
    message.serialize_with_options(&mut writer, &SerializeOptions::new())?;
    Ok(text)
}

/// As [`write()`], for people.
///
/// # Errors
/// As there.
pub fn write_pretty(message: &DynamicMessage) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::pretty(&mut text);
    message.serialize_with_options(&mut writer, &SerializeOptions::new())?;
    Ok(String::from_utf8(text).expect("JSON is UTF-8"))
}
