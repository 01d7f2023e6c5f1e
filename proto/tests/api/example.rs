//! Requests to try: of each call what it takes at least, with values that look like some.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, SerializeOptions, Value,
};

/// Messages inside of messages, so deep.
const DEPTH: usize = 3;
/// What narrows an answer down, pages through it, or says how it is shown may be absent.
const LEFT_OUT: [&str; 10] = [
    "fallback_paths",
    "filter",
    "options",
    "page_token",
    "expected_version",
    "codes",
    "start_time",
    "end_time",
    "receive_time",
    "expire_time",
];

/// What stands beside another field that says the same.
const EITHER: [(&str, &str); 2] = [
    ("GetAccountRequest", "name"),
    ("GetBacklogRequest", "anonymous_id"),
];

/// What is `optional` is left out, but for these.
const ASKED_FOR: [&str; 2] = ["included_contacts", "activity_slots"];

/// JSON of a request.
pub fn request(message: &MessageDescriptor) -> String {
    let made = make(message, DEPTH);
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut text);
    made.serialize_with_options(&mut writer, &SerializeOptions::new())
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    // As people write it.
    text.replace("\":", "\": ").replace(",\"", ", \"")
}

fn make(message: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    let mut chosen = Vec::new();
    for field in message.fields() {
        let is_said = EITHER.contains(&(message.name(), field.name()));
        if is_said || LEFT_OUT.contains(&field.name()) {
            continue;
        }
        if let Some(oneof) = field.containing_oneof() {
            let is_optional = oneof.fields().len() == 1 && !ASKED_FOR.contains(&field.name());
            // Of several the first.
            if is_optional || chosen.contains(&oneof.name().to_owned()) {
                continue;
            }
            chosen.push(oneof.name().to_owned());
        }
        if let Some(value) = value(&field, depth) {
            made.set_field(&field, value);
        }
    }
    made
}

fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    if field.is_map() {
        return map(field, depth);
    }
    let one = match field.kind() {
        Kind::Message(message) => match message.full_name() {
            // 2025-07-10T06:09:00Z
            "google.protobuf.Timestamp" => Value::Message(seconds(&message, 1_752_127_740)),
            "google.protobuf.Duration" => Value::Message(seconds(&message, 86_400)),
            _ if depth > 0 => {
                let made = make(&message, depth - 1);
                made.fields().next()?;
                Value::Message(made)
            }
            _ => return None,
        },
        Kind::Enum(kind) => {
            let value = kind.values().find(|value| value.number() != 0)?;
            Value::EnumNumber(value.number())
        }
        Kind::String => Value::String(text(field.name())?.to_owned()),
        Kind::Int32 if field.name() == "page_size" => Value::I32(50),
        Kind::Int64 => Value::I64(match field.name() {
            "from_version" | "version" => 1,
            "to_version" => 2,
            "included_contacts" => 10_000,
            "activity_slots" => 10,
            _ => return None,
        }),
        _ => return None,
    };
    if field.is_list() {
        return Some(Value::List(vec![one]));
    }
    Some(one)
}

fn map(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    let entry = field.kind();
    let value = value(&entry.as_message()?.map_entry_value_field(), depth)?;
    Some(Value::Map([(MapKey::String("name".into()), value)].into()))
}

fn seconds(message: &MessageDescriptor, seconds: i64) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    made.set_field_by_name("seconds", Value::I64(seconds));
    made
}

/// What a field of this name may hold; none where nothing is as good.
fn text(name: &str) -> Option<&'static str> {
    Some(match name.trim_end_matches('s') {
        "account_id" => "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c01",
        "source_id" => "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c02",
        "user_id" => "lana.romeijn.myonlinestore-studio",
        "anonymous_id" => "507f191e810c19729de860ea",
        "message_id" => "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1",
        "request_id" => "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c03",
        "field_id" | "unique_identifier" | "caseless_identifier" => "str::email",
        "event_name" => "Sign-in button clicked",
        "window" | "from_window" | "day" => "2025-07-10",
        "query" => "lana",
        "attribute" => "amount",
        "cell" => "lana@example.org",
        "key" => "pau-key",
        "name" | "new_name" => "Example",
        "display_name" => "Loyalty points",
        "code" => "NO_MAPPING",
        "url" | "webhook_url" => "https://hooks.example.org/weir",
        "notification_addres" | "notification_email" | "to" => "ops@example.org",
        "other_contact_id" | "survivor_id" => "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c05",
        name if name.ends_with("path") => "email",
        name if name.ends_with("_id") => "0197e2a4-6f00-7c3a-8d51-2b9e4f7a1c04",
        name if name.ends_with("_json") => "{}",
        _ => return None,
    })
}
