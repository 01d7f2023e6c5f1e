//! No value can fail a batch (semantics 1.2, 2.4c): events of every corner of JSON go through
//! the edge's reader, mapping's conversion and PostgreSQL, in and out again.

use std::time::{Duration, Instant};

use weir_proto::mapping::v1 as mapping;
use weir_tests::events::now;
use weir_tests::fuzz::{Fuzz, mapped};
use weir_tests::{Account, Plan, full_length, journey_alone};

/// The same events in every run; those of a long one begin the same.
const SEED: u8 = 11;
/// In `./weir test`, and under `./weir test long`.
const SHORT: Duration = Duration::from_secs(60);
const FULL: Duration = Duration::from_secs(3_600);
/// Of the fuzzed ones; as many good ones stand between them.
const BATCH: usize = 40;
/// What stands around an event's values when it is read back.
const AROUND: usize = 400;

/// An account that maps a trait and a property of each type.
async fn account(weir: &'static weir_tests::Weir) -> Account {
    let account = Account::unmapped(
        weir,
        Plan {
            contacts: 100_000_000,
            activity_slots: 5,
        },
    )
    .await;
    let mut client = weir.mapping();
    let format = |value_type| match value_type {
        mapping::ValueType::Date => "DD-MM-YYYY",
        mapping::ValueType::TimeAndDate => "ISO 8601",
        _ => "",
    };
    let mut rows = Vec::new();
    for (path, value_type) in mapped() {
        let field = mapping::CreateFieldRequest {
            account_id: account.account_id.clone(),
            name: format!("Fuzzed {path}"),
            r#type: value_type.into(),
            request_id: String::new(),
        };
        let field = client.create_field(field).await.unwrap().into_inner();
        // The unique identifier is among what is fuzzed.
        let email = value_type == mapping::ValueType::Email;
        rows.push(mapping::FieldMapping {
            trait_path: path,
            field_id: if email {
                "str::email".into()
            } else {
                field.field.unwrap().field_id
            },
            date_format: format(value_type).into(),
            ..Default::default()
        });
    }
    account.put_contact_mapping(rows).await;
    let attributes = mapped().map(|(path, value_type)| mapping::AttributeMapping {
        property_path: path.clone(),
        attribute: path,
        r#type: value_type.into(),
        date_format: format(value_type).into(),
        ..Default::default()
    });
    account
        .put_activity_mapping("Fuzzed", 730, attributes.collect())
        .await;
    account
}

/// Sends fuzzed events with good ones between them, and checks what each was answered.
async fn send(account: &Account, path: &str, fuzzed: &[String], round: usize) {
    let mut events = Vec::new();
    for (n, event) in fuzzed.iter().enumerate() {
        events.push(event.clone());
        events.push(format!(
            r#"{{"user_id":"good-{round}-{n}","timestamp":"{}","message_id":"good-{round}-{n}","event":"Fuzzed","traits":{{"text":"good"}},"properties":{{"text":"good"}}}}"#,
            now()
        ));
    }
    let body = format!("[{}]", events.join(","));
    let answer = account.post(path, body.clone().into_bytes()).await;
    assert_eq!(answer.status, 207, "{path} {body} {:?}", answer.json);
    for (n, status) in answer.statuses().into_iter().enumerate() {
        let event = &events[n];
        let result = &answer.json["results"][n];
        if n % 2 == 1 {
            assert_eq!(
                status,
                200,
                "{path}: {result} of {event} behind {}",
                events[n - 1]
            );
        } else {
            assert!(
                matches!(status, 200 | 206 | 400 | 422),
                "{path}: {result} of {event}"
            );
            assert_ne!(result["code"], "UNSTORABLE", "{path}: {event}");
        }
    }
}

#[test]
fn whatever_is_in_an_event_its_neighbours_are_stored_and_all_can_be_read_back() {
    journey_alone(async |weir| {
        let account = account(weir).await;
        let corpus = include_str!("../../corpus/events.txt").lines();
        let corpus: Vec<String> = corpus
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        let mut fuzz = Fuzz::new(SEED);
        let until = Instant::now() + full_length(SHORT, FULL);
        let mut round = 0;
        while Instant::now() < until {
            let fuzzed = match round {
                0 => corpus.clone(),
                _ => (0..BATCH).map(|_| fuzz.event()).collect(),
            };
            for path in ["/v1/identify", "/v1/track"] {
                send(&account, path, &fuzzed, round).await;
            }
            round += 1;
        }
        assert!(round > 5, "{round} rounds");
        let contacts = account.contacts().await;
        let good = |contact: &&weir_proto::contact::v1::Contact| {
            contact.user_ids.iter().any(|id| id.starts_with("good-"))
        };
        assert_eq!(
            contacts.iter().filter(good).count(),
            corpus.len() + (round - 1) * BATCH
        );
        // The largest event there is here has 17,000 characters of two bytes in each of 16 values.
        let largest = 16 * 34_000;
        for contact in contacts.iter().filter(|contact| !good(contact)).take(2_000) {
            for activity in account.activities(&contact.contact_id, 1_000).await {
                let length = activity.attributes_json.len();
                assert!(length < largest + AROUND, "{length} bytes came back");
            }
        }
    });
}
