//! Events in the client's form.

use serde_json::{Value, json};

/// Now, as Segment writes it.
pub fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// `seconds` ago.
pub fn ago(seconds: i64) -> String {
    (chrono::Utc::now() - chrono::Duration::seconds(seconds))
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn message_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An identify of `user_id` with these traits, now.
pub fn identify(user_id: &str, traits: Value) -> Value {
    json!({"user_id": user_id, "timestamp": now(), "message_id": message_id(), "traits": traits})
}

/// A plain track of "Sign-in button clicked", now.
pub fn track(user_id: &str) -> Value {
    json!({
        "user_id": user_id, "event": "Sign-in button clicked", "timestamp": now(),
        "message_id": message_id(),
        "properties": {"action": "sign-in-button-clicked", "count": 3},
    })
}

/// `event` with some of its keys replaced.
pub fn with(mut event: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

/// The identify of Segment's own documentation, as the client sends it.
pub fn sample_identify() -> Value {
    json!({
        "user_id": "lana.romeijn.myonlinestore-studio",
        "anonymous_id": "507f191e810c19729de860ea",
        "timestamp": "2025-07-10T06:09:00Z",
        "message_id": "3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e",
        "traits": sample_traits(),
    })
}

/// Its track.
pub fn sample_track() -> Value {
    json!({
        "user_id": "lana.romeijn.myonlinestore-studio",
        "event": "Sign-in button clicked",
        "timestamp": "2025-07-11T06:09:00Z",
        "message_id": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1",
        "properties": {"action": "sign-in-button-clicked", "count": 3},
    })
}

/// Its track with traits; the same message as the plain one, as there.
pub fn sample_track_with_traits() -> Value {
    with(sample_track(), json!({"traits": sample_traits()}))
}

fn sample_traits() -> Value {
    json!({
        "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org",
        "birthday": "28-07-1980", "active": true,
    })
}
