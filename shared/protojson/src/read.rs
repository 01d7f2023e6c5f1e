//! Reading, and where it is wrong.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_path_to_error::{Path, Segment, Track};

use crate::expected;

/// Of a name that somebody made up, in characters.
const MAX_SHOWN: usize = 100;

/// What the reader of messages says first where it does not know a field, and of fields that
/// exclude each other.
const UNKNOWN: &str = "unrecognized field name '";
const SEVERAL: &str = "multiple fields provided for oneof '";

/// Why some bytes are no such message. Nothing of what a caller sent is in it but names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// They are not JSON; says where they stop to be.
    NotJson(String),
    /// A part of them is not what its field takes. `field` is empty where the whole is meant.
    Field { field: String, expected: String },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotJson(why) => write!(formatter, "it is not JSON: {why}"),
            Self::Field { field, expected } if field.is_empty() => {
                write!(formatter, "it {expected}")
            }
            Self::Field { field, expected } => write!(formatter, "{field}: {expected}"),
        }
    }
}

/// Reads a message; nothing at all is an empty one. Objects and lists in each other are followed
/// for a hundred levels and some more, which no message of ours has.
///
/// # Errors
/// The first fault there is.
pub fn read(json: &[u8], message: &MessageDescriptor) -> Result<DynamicMessage, Fault> {
    let text = std::str::from_utf8(json)
        .map_err(|error| Fault::NotJson(format!("byte {} is not UTF-8", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(message.clone()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    match DynamicMessage::deserialize_with_options(message.clone(), tracked, &options) {
        Ok(read) => match reader.end() {
            Ok(()) => Ok(read),
            Err(error) => Err(Fault::NotJson(error.to_string())),
        },
        Err(error) if error.is_data() => Err(misfit(message, &track.path(), &error.to_string())),
        Err(error) => Err(Fault::NotJson(error.to_string())),
    }
}

/// Where in a message a value stands.
enum Place {
    Message(MessageDescriptor),
    /// With all its items, where it has several.
    Field(FieldDescriptor),
    Item(Kind),
    /// Behind a name that no message has.
    Nowhere,
}

fn misfit(message: &MessageDescriptor, path: &Path, said: &str) -> Fault {
    let mut place = Place::Message(message.clone());
    let mut field = String::new();
    for segment in path {
        place = step(place, segment, &mut field);
    }
    let inside = match &place {
        Place::Message(message) => Some(message.clone()),
        Place::Field(field) => field.kind().as_message().cloned(),
        Place::Item(kind) => kind.as_message().cloned(),
        Place::Nowhere => None,
    };
    if let (Some(name), Some(message)) = (quoted(said, UNKNOWN), &inside) {
        push(&mut field, &shown(name));
        let expected = expected::fields_of(message);
        return Fault::Field { field, expected };
    }
    if let Some(name) = quoted(said, SEVERAL) {
        push(&mut field, name);
        let expected = "must be given by one field alone".to_owned();
        return Fault::Field { field, expected };
    }
    let expected = match &place {
        Place::Field(field) => expected::of_field(field),
        Place::Item(kind) => expected::of_kind(kind),
        Place::Message(message) => format!("must be a JSON object: a {}", message.name()),
        Place::Nowhere => "must not be there".to_owned(),
    };
    Fault::Field { field, expected }
}

/// One step further in, which is noted in `path` as the protos name it.
fn step(place: Place, segment: &Segment, path: &mut String) -> Place {
    match (place, segment) {
        (Place::Field(field), Segment::Seq { index }) if field.is_list() => {
            path.push_str(&format!("[{index}]"));
            Place::Item(field.kind())
        }
        (Place::Field(field), Segment::Map { key }) if field.is_map() => {
            path.push_str(&format!("[{}]", shown(key)));
            match field.kind() {
                Kind::Message(entry) => Place::Item(entry.map_entry_value_field().kind()),
                _ => Place::Nowhere,
            }
        }
        (Place::Message(message), Segment::Map { key }) => into_field(&message, key, path),
        (Place::Field(field), Segment::Map { key }) => match field.kind() {
            Kind::Message(message) => into_field(&message, key, path),
            _ => Place::Nowhere,
        },
        (Place::Item(Kind::Message(message)), Segment::Map { key }) => {
            into_field(&message, key, path)
        }
        _ => Place::Nowhere,
    }
}

fn into_field(message: &MessageDescriptor, key: &str, path: &mut String) -> Place {
    let field = message
        .get_field_by_json_name(key)
        .or_else(|| message.get_field_by_name(key));
    match field {
        Some(field) => {
            push(path, field.name());
            Place::Field(field)
        }
        None => {
            push(path, &shown(key));
            Place::Nowhere
        }
    }
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN).collect()
}

/// What stands behind `start`, up to the last quotation mark.
fn quoted<'a>(said: &'a str, start: &str) -> Option<&'a str> {
    let (name, _) = said.strip_prefix(start)?.rsplit_once('\'')?;
    Some(name)
}

#[cfg(test)]
mod tests;
