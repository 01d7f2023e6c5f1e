//! What would have been right, in words.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Names that are listed, at most: an error travels in a header.
const MAX_NAMES: usize = 30;

/// What a field takes.
pub(crate) fn of_field(field: &FieldDescriptor) -> String {
    if field.is_list() {
        return format!("must be an array, each item of it {}", noun(&field.kind()));
    }
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let value = entry.map_entry_value_field();
        return format!(
            "must be an object, each value of it {}",
            noun(&value.kind())
        );
    }
    of_kind(&field.kind())
}

/// What one value of a kind is.
pub(crate) fn of_kind(kind: &Kind) -> String {
    format!("must be {}", noun(kind))
}

/// What a message has.
pub(crate) fn fields_of(message: &MessageDescriptor) -> String {
    match listed(message.fields().map(|field| field.name().to_owned())) {
        names if names.is_empty() => format!("is no field: {} has none", message.name()),
        names => format!("is no field of {}, which has {names}", message.name()),
    }
}

fn noun(kind: &Kind) -> String {
    let noun = match kind {
        Kind::Double | Kind::Float => "a number",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits",
        Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits that is not negative",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "a whole number of 64 bits, best as a text: \"123\""
        }
        Kind::Uint64 | Kind::Fixed64 => {
            "a whole number of 64 bits that is not negative, best as a text: \"123\""
        }
        Kind::Bool => "true or false",
        Kind::String => "a text",
        Kind::Bytes => "base64 in a text",
        Kind::Enum(names) => {
            let names = listed(names.values().map(|value| value.name().to_owned()));
            return format!("one of {names}");
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "a time such as \"2026-11-24T10:30:00Z\"",
            "google.protobuf.Duration" => "a length of time such as \"90s\"",
            _ => return format!("an object ({})", message.name()),
        },
    };
    noun.to_owned()
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<_> = names.collect();
    if names.len() > MAX_NAMES {
        let left = names.len() - MAX_NAMES;
        names.truncate(MAX_NAMES);
        names.push(format!("{left} more"));
    }
    names.join(", ")
}
