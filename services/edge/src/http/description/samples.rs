//! Events to try: Segment's documentation has those of the first two, as they stand.

use serde_json::Value;

use crate::domain::envelope::Kind;

const IDENTIFY: &str = r#"{ "type": "identify", "userId": "lana.romeijn.myonlinestore-studio", "anonymousId": "507f191e810c19729de860ea", "timestamp": "2025-07-10T06:09:00Z", "messageId":"3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e", "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;

const TRACK: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId":"a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 } }"#;

const TRACK_WITH_TRAITS: &str = r#"{ "type": "track", "userId": "lana.romeijn.myonlinestore-studio", "event": "Sign-in button clicked", "timestamp": "2025-07-11T06:09:00Z", "messageId": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1", "properties": { "action": "sign-in-button-clicked", "count": 3 }, "traits": { "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org", "birthday": "28-07-1980", "active": true } }"#;

/// As Segment's client sends it: in arrays, and with names in snake case.
const IDENTIFY_BATCH: &str = r#"[{
    "user_id": "lana.romeijn.myonlinestore-studio",
    "anonymous_id": "507f191e810c19729de860ea",
    "timestamp": "2025-07-10T06:09:00Z",
    "message_id": "3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e",
    "ip": "192.0.2.1",
    "location": {"country": "Netherlands", "city": "Utrecht"},
    "traits": {"firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org"}
}]"#;

const MEMBERS: &str = r#"[{
    "message_id": "7d1f2c9e-5b0a-4e39-8f43-2f9d0c6b1a55",
    "user_id": "lana.romeijn.myonlinestore-studio",
    "audience": {"mode": "add", "id": "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00"}
}]"#;

/// One event of each kind.
pub fn identify() -> Value {
    read(IDENTIFY)
}

pub fn track() -> Value {
    read(TRACK)
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("a sample is JSON")
}

/// Bodies to try, by name.
pub fn of(kind: Kind) -> Vec<(&'static str, &'static str, Value)> {
    let samples: &[(&str, &str, &str)] = match kind {
        Kind::Identify => &[
            (
                "identify",
                "One event, as Segment's documentation has it",
                IDENTIFY,
            ),
            (
                "batch",
                "A batch, as Segment's client sends it",
                IDENTIFY_BATCH,
            ),
        ],
        Kind::Track => &[
            (
                "track",
                "One event, as Segment's documentation has it",
                TRACK,
            ),
            (
                "trackWithTraits",
                "The same event with traits: the same activity, and the contact as well",
                TRACK_WITH_TRAITS,
            ),
        ],
        Kind::Member => &[("add", "Somebody who is added", MEMBERS)],
    };
    samples
        .iter()
        .map(|(name, summary, text)| (*name, *summary, read(text)))
        .collect()
}
