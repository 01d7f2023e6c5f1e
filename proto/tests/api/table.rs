//! Tables of fields and of an enum's values.

use std::fmt::Write;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use crate::contract::{Contract, short};
use crate::page::anchor;

/// What stands in a cell.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace("\n\n", "<br>")
        .replace('\n', " ")
}

/// A message's fields; a word where it has none.
pub fn fields(contract: &Contract, message: &MessageDescriptor) -> String {
    if message.fields().len() == 0 {
        return "Empty.\n".to_owned();
    }
    let mut table = "| field | type | |\n|---|---|---|\n".to_owned();
    for field in message.fields() {
        let about = cell(&contract.comment_of_field(&field));
        let name = field.name();
        writeln!(table, "| `{name}` | {} | {about} |", kind(&field)).unwrap();
    }
    table
}

/// An enum's values.
pub fn values(contract: &Contract, kind: &EnumDescriptor) -> String {
    let mut table = "| value | |\n|---|---|\n".to_owned();
    for value in kind.values() {
        let about = cell(&contract.comment_of_value(&value));
        writeln!(
            table,
            "| `{}` = {} | {about} |",
            value.name(),
            value.number()
        )
        .unwrap();
    }
    table
}

/// What the heading of a message or an enum says.
pub fn title(package: &str, full_name: &str) -> String {
    let name = full_name.strip_prefix(package).unwrap_or(full_name);
    format!("{}.{}", short(package), name.trim_start_matches('.'))
}

fn kind(field: &FieldDescriptor) -> String {
    let kind = if field.is_map() {
        let entry = field.kind();
        let entry = entry.as_message().expect("a map is made of entries");
        let value = one(&entry.map_entry_value_field());
        format!("map of {} to {value}", one(&entry.map_entry_key_field()))
    } else if field.is_list() {
        format!("list of {}", one(field))
    } else {
        one(field)
    };
    match field.containing_oneof() {
        // `optional` is made as a oneof of its own.
        Some(oneof) if oneof.fields().len() == 1 && field.supports_presence() => {
            format!("{kind}, optional")
        }
        Some(oneof) => format!("{kind}, one of *{}*", oneof.name()),
        None => kind,
    }
}

fn one(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "time".to_owned(),
            "google.protobuf.Duration" => "duration".to_owned(),
            name => link(&title(message.package_name(), name)),
        },
        Kind::Enum(kind) => link(&title(kind.package_name(), kind.full_name())),
        kind => format!("{kind:?}").to_lowercase(),
    }
}

fn link(title: &str) -> String {
    let name = title.split_once('.').map_or(title, |(_, name)| name);
    format!("[{name}](#{})", anchor(title))
}
