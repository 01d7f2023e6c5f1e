//! Events as Segment's client sends them (the HTTP contract's form), around 500 bytes each.

use std::fmt::Write;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};

use super::person::{Person, pick};
use super::{Batch, Effect, Event, Shape};
use crate::random::hash;

/// The activity that every track of the workload names.
pub const EVENT_NAME: &str = "Order Completed";

const CATEGORIES: [&str; 5] = ["shoes", "garden", "books", "outdoor", "kitchen"];

/// The body of one request; `audience_id` is where membership updates go.
pub fn body(seed: u64, batch: &Batch, audience_id: &str) -> Bytes {
    let mut json = String::with_capacity(batch.events.len() * 640);
    json.push('[');
    for (index, event) in batch.events.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_event(seed, event, audience_id, &mut json);
    }
    json.push(']');
    Bytes::from(json)
}

/// The same events as an SDK sends them, without audiences: those have none.
pub fn classic_body(seed: u64, batch: &Batch, write_key: &str) -> Bytes {
    let mut json = String::with_capacity(batch.events.len() * 640);
    let _ = write!(json, r#"{{"writeKey":"{write_key}","batch":["#);
    for (index, event) in batch.events.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_classic(seed, event, &mut json);
    }
    json.push_str("]}");
    Bytes::from(json)
}

fn write_classic(seed: u64, event: &Event, json: &mut String) {
    let person = Person::new(seed, event.person, event.revision);
    let _ = write!(
        json,
        r#"{{"type":"{}","timestamp":"{}","messageId":"{}","userId":"{}","anonymousId":"{}","context":{{"library":{{"name":"analytics-node","version":"2.0.0"}}}},"#,
        if event.shape == Shape::Identify {
            "identify"
        } else {
            "track"
        },
        timestamp(event.millis),
        event.message_id(seed),
        person.user_id(),
        person.anonymous_id(),
    );
    match event.shape {
        Shape::Identify => {
            json.push_str(r#""traits":"#);
            person.write_traits(json);
        }
        Shape::Track | Shape::TrackWithContact => write_track(event, seed, json),
    }
    json.push('}');
}

fn write_event(seed: u64, event: &Event, audience_id: &str, json: &mut String) {
    let person = Person::new(seed, event.person, event.revision);
    let message_id = event.message_id(seed);
    let timestamp = if event.effect == Effect::Invalid {
        "yesterday at noon".to_owned()
    } else {
        timestamp(event.millis)
    };
    let ip = event.serial % 250 + 1;
    let _ = write!(
        json,
        r#"{{"timestamp":"{timestamp}","message_id":"{message_id}","user_id":"{}","anonymous_id":"{}","ip":"203.0.113.{ip}","location":{{}},"#,
        person.user_id(),
        person.anonymous_id(),
    );
    match event.shape {
        Shape::Identify => {
            json.push_str(r#""traits":"#);
            person.write_traits(json);
        }
        Shape::Track => write_track(event, seed, json),
        Shape::TrackWithContact => {
            write_track(event, seed, json);
            json.push_str(r#","traits":"#);
            person.write_track_traits(json);
            let _ = write!(
                json,
                r#","audience":{{"mode":"add","id":"{audience_id}"}},"audience_update_mode":"add""#
            );
        }
    }
    json.push_str(r#","enable_batching":true,"batch_size":500}"#);
}

fn write_track(event: &Event, seed: u64, json: &mut String) {
    let order = Order::of(seed, event);
    let _ = write!(
        json,
        r#""event":"{EVENT_NAME}","properties":{{"orderId":"{}","total":{},"currency":"AUD","itemCount":{},"category":"{}","url":"{}","firstPurchase":{},"deliveredOn":"{}","coupon":null}}"#,
        order.id,
        order.total,
        order.items,
        order.category,
        order.url,
        order.first,
        order.delivered_on
    );
}

/// What is stored of a track's properties: a JSON object of canonical values.
pub fn write_attributes(seed: u64, event: &Event, json: &mut String) {
    let order = Order::of(seed, event);
    let _ = write!(
        json,
        r#"{{"orderId":"{}","total":"{}","currency":"AUD","itemCount":{},"category":"{}","url":"{}","firstPurchase":{},"deliveredOn":"{}"}}"#,
        order.id,
        order.total,
        order.items,
        order.category,
        order.url,
        order.first,
        order.delivered_on
    );
}

/// The properties of a track.
struct Order {
    id: String,
    /// A decimal number in its shortest form.
    total: String,
    items: u64,
    category: &'static str,
    url: String,
    first: bool,
    delivered_on: String,
}

impl Order {
    fn of(seed: u64, event: &Event) -> Self {
        let bits = hash(seed ^ 0x0_0D_E5, event.serial);
        let category = pick(&CATEGORIES, bits >> 8);
        Self {
            id: format!("{:08}-{:04}", bits >> 40, bits % 10_000),
            total: format!("{}.{}5", 10 + bits % 900, bits / 1_000 % 10),
            items: 1 + bits % 7,
            category,
            url: format!(
                "https://shop.example.org/{category}/orders/{}?ref=checkout",
                bits % 1_000_000
            ),
            first: bits.is_multiple_of(11),
            delivered_on: format!("2025-12-{:02}", 1 + bits % 28),
        }
    }
}

/// Milliseconds of Unix time as Segment writes them.
pub fn timestamp(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .expect("the workload's clock stays near the present")
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Recipe, Workload};

    fn events(recipe: Recipe) -> Vec<serde_json::Value> {
        let mut workload = Workload::new(42, 1, 1_000, 1_764_000_000_000);
        let batch = workload.batch(recipe, 200);
        let body = body(42, &batch, "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00");
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn bodies_are_json_of_the_size_that_was_asked_for() {
        for recipe in Recipe::ALL {
            assert_eq!(events(recipe).len(), 200, "{recipe:?}");
        }
    }

    #[test]
    fn events_have_about_five_hundred_bytes() {
        for recipe in [Recipe::IdentifyNew, Recipe::TrackKnown] {
            let events = events(recipe);
            let bytes: usize = events.iter().map(|event| event.to_string().len()).sum();
            let mean = bytes / events.len();
            assert!((420..650).contains(&mean), "{recipe:?}: {mean}");
        }
    }

    #[test]
    fn an_sdk_sends_the_same_events() {
        let mut workload = Workload::new(42, 1, 1_000, 1_764_000_000_000);
        let batch = workload.batch(Recipe::Crowded, 10);
        let body = classic_body(42, &batch, "a key");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["writeKey"], "a key");
        let sent = body["batch"].as_array().unwrap();
        assert_eq!(sent.len(), 10);
        for (sent, event) in sent.iter().zip(&batch.events) {
            assert_eq!(sent["messageId"], event.message_id(42));
            assert_eq!(sent["type"] == "track", sent["event"] == EVENT_NAME);
        }
    }

    #[test]
    fn only_tracks_with_contacts_bring_traits_and_a_membership_update() {
        let plain = events(Recipe::TrackKnown);
        assert!(plain.iter().all(|event| event["traits"].is_null()));
        let full = events(Recipe::TrackWithContact);
        assert!(full.iter().all(|event| event["traits"].is_object()));
        assert!(full.iter().all(|event| event["audience"]["mode"] == "add"));
    }

    #[test]
    fn attributes_are_json() {
        let mut workload = Workload::new(42, 1, 1_000, 1_764_000_000_000);
        let batch = workload.batch(Recipe::TrackKnown, 10);
        for event in &batch.events {
            let mut json = String::new();
            write_attributes(42, event, &mut json);
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
        }
    }
}
