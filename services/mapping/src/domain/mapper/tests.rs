//! Events under a snapshot, without a service around them.

use std::collections::HashMap;

use chrono::DateTime;
use proptest::prelude::*;
use weir_ids::{AccountId, ActivityId, SourceId};
use weir_values::options::RawOptions;
use weir_values::{BlockedValues, FieldId, Value, ValueType};

use super::*;

mod explained;
mod places;
mod rows;
mod traits;

use crate::domain::account::{KeyStrategy, Plan};
use crate::domain::event::Received;
use crate::domain::mapping::ActivityMapping;
use crate::domain::row::{RawRow, read_attributes, read_contact_mapping};
use crate::domain::snapshot::CompiledActivity;
use crate::domain::source::{MergeStrategy, Source, SourceKind, SourceSettings, SourceStatus};

const PLAN: Plan = Plan {
    included_contacts: 1,
    additional_contacts: 0,
    activity_slots: 1,
    profile_factor: 10,
    activity_factor: 5,
};

pub fn row<'a>(path: &'a str, target: &'a str, format: &'a str) -> RawRow<'a> {
    let formats = if format.is_empty() {
        vec![]
    } else {
        vec![format]
    };
    RawRow {
        paths: vec![path],
        target,
        options: RawOptions {
            formats,
            ..RawOptions::default()
        },
    }
}

pub fn snapshot(rows: &[RawRow<'_>]) -> Snapshot {
    let custom = HashMap::from([
        ("int:cm:score".to_owned(), ValueType::Integer),
        ("obj:cm:extra".to_owned(), ValueType::Object),
        ("sst:cm:tags".to_owned(), ValueType::MultiSelect),
        ("obj:cm:skus".to_owned(), ValueType::Object),
    ]);
    let unique = ["str::email".parse().unwrap()];
    let contact = ContactMapping::compile(
        read_contact_mapping(rows, &custom).unwrap(),
        &unique,
        &BlockedValues::default(),
    );
    let attributes = [
        (row("count", "count", ""), Some(ValueType::Integer)),
        (row("count", "n \"quoted\"", ""), Some(ValueType::Text)),
    ];
    let activity = CompiledActivity::compile(ActivityMapping {
        activity: Activity {
            activity_id: ActivityId::new(),
            event_name: "Login".to_owned(),
            retention_days: 30,
            earlier_retention_days: vec![],
        },
        attributes: read_attributes(&attributes).unwrap(),
    });
    let strategy = MergeStrategy::Overwrite;
    Snapshot {
        version: 1,
        source: Source {
            account_id: AccountId::new(),
            source_id: SourceId::new(),
            settings: SourceSettings {
                kind: SourceKind::SegmentActions,
                name: "a".to_owned(),
                merge_strategy: strategy,
                existing_only: false,
                allowed_origins: Vec::new(),
            },
            status: SourceStatus::Active,
            mapping_version: 1,
            settings_version: 1,
            create_time: DateTime::UNIX_EPOCH,
            pause_time: None,
        },
        unique_identifiers: vec!["str::email".parse().unwrap()],
        caseless_identifiers: vec!["str::email".parse().unwrap()],
        key_strategy: KeyStrategy::Any,
        plan: PLAN,
        mapped_activities: 1,
        identifiers_version: 0,
        blocked_values_version: 1,
        keep_user_ids_apart: false,
        contact,
        activities: HashMap::from([("Login".to_owned(), activity)]),
    }
}

pub fn default_snapshot() -> Snapshot {
    snapshot(&[
        row("email", "str::email", ""),
        row("birthday", "dtz::b", "DD-MM-YYYY"),
        row("score", "int:cm:score", ""),
        row("extra", "obj:cm:extra", ""),
        row("a.b", "str::first", ""),
    ])
}

fn event<'a>(kind: EventKind, traits: &'a str, properties: &'a str) -> RawEvent<'a> {
    RawEvent {
        received: Received {
            time: DateTime::UNIX_EPOCH,
            batch_id: "batch",
        },
        index: 7,
        kind,
        traits: Some(traits.as_bytes()),
        properties: Some(properties.as_bytes()),
        location: None,
        ip: b"",
        event_name: "Login",
        event_time: DateTime::UNIX_EPOCH,
        message_id: "m",
    }
}

fn map(snapshot: &Snapshot, event: &RawEvent<'_>) -> (String, Option<String>, Vec<LogEntry>) {
    let mut mapper = Mapper::new(snapshot, None);
    match mapper.map(event) {
        Outcome::Mapped {
            fields_json,
            activity,
            ..
        } => {
            let attributes = activity.map(|activity| activity.attributes_json.to_string());
            (fields_json.to_string(), attributes, mapper.into_log())
        }
        other => panic!("{other:?}"),
    }
}

/// Semantics 4.3.
#[test]
fn one_property_may_become_two_attributes_and_null_becomes_none() {
    let snapshot = default_snapshot();
    let (_, attributes, _) = map(&snapshot, &event(EventKind::Track, "{}", r#"{"count":3}"#));
    assert_eq!(attributes.unwrap(), r#"{"count":3,"n \"quoted\"":"3"}"#);
    let (_, attributes, log) = map(
        &snapshot,
        &event(EventKind::Track, "{}", r#"{"count":null}"#),
    );
    assert_eq!((attributes.unwrap().as_str(), log.len()), ("{}", 0));
}

#[test]
fn an_identify_looks_at_traits_alone() {
    let traits = r#"{"email":null,"score":"x"}"#;
    let identify = event(EventKind::Identify, traits, r#"{"count":"x"}"#);
    let (fields, attributes, log) = map(&default_snapshot(), &identify);
    assert_eq!(
        (fields.as_str(), attributes),
        (r#"{"str::email":null}"#, None)
    );
    let line = LogEntry {
        time: DateTime::UNIX_EPOCH,
        batch_id: "batch".to_owned(),
        index: 7,
        kind: EventKind::Identify,
        event_name: "Login".to_owned(),
        message_id: "m".to_owned(),
        status: 0,
        code: "INTEGER_INVALID".into(),
        path: "traits.score".to_owned(),
        field_id: "int:cm:score".to_owned(),
        reason: "expected a whole number of at most 64 bits".to_owned(),
        value: "x".to_owned(),
        count: 1,
    };
    assert_eq!(log, [line]);
}

#[test]
fn texts_of_a_batch_are_their_own() {
    let snapshot = default_snapshot();
    let mut mapper = Mapper::new(&snapshot, None);
    // More than is taken at once, several times over.
    let emails = || (0..10_000).map(|number| format!("person.{number}@example.org"));
    let traits: Vec<_> = emails()
        .map(|email| format!(r#"{{"email":"{email}"}}"#))
        .collect();
    let outcomes: Vec<_> = traits
        .iter()
        .map(|traits| mapper.map(&event(EventKind::Identify, traits, "{}")))
        .collect();
    for (outcome, email) in outcomes.into_iter().zip(emails()) {
        let Outcome::Mapped { fields_json, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(fields_json, format!(r#"{{"str::email":"{email}"}}"#));
    }
}

#[test]
fn a_batch_leaves_no_more_lines_than_a_source_keeps() {
    let snapshot = default_snapshot();
    let mut mapper = Mapper::new(&snapshot, None);
    for _ in 0..1_000 {
        mapper.map(&event(EventKind::Identify, r#"{"score":"x"}"#, "{}"));
    }
    assert_eq!(mapper.into_log().len(), MAX_LINES);
}

/// One path may lead to very many fields, which multiplies what was sent.
#[test]
fn the_values_of_one_event_are_bounded_and_what_follows_is_ignored() {
    let mut snapshot = default_snapshot();
    let names: Vec<String> = (0..200).map(|number| format!("tags {number}")).collect();
    let attributes: Vec<_> = names
        .iter()
        .map(|name| (row("tags", name, ""), Some(ValueType::MultiSelect)))
        .collect();
    let login = snapshot.activities.remove("Login").unwrap();
    let mapping = ActivityMapping {
        activity: login.activity,
        attributes: read_attributes(&attributes).unwrap(),
    };
    let login = CompiledActivity::compile(mapping);
    snapshot.activities.insert("Login".to_owned(), login);
    let tags = vec![format!("\"{}\"", "x".repeat(500)); 200].join(",");
    let properties = format!("{{\"tags\":[{tags}]}}");
    let track = event(EventKind::Track, "{}", &properties);
    let (_, attributes, log) = map(&snapshot, &track);
    let length = attributes.unwrap().len();
    assert!(length <= MAX_EVENT_TEXT + 1, "{length}");
    let kept = MAX_EVENT_TEXT / (tags.len() + 20);
    assert_eq!(log.len(), 200 - kept);
    assert!(log[0].code == "TOO_LONG" && log[0].reason.contains("4 MiB"));

    let mut mapper = Mapper::new(&snapshot, None);
    let fitting = MAX_BATCH_TEXT / length;
    for _ in 0..fitting {
        mapper.map(&track);
        assert!(!mapper.is_outgrown());
    }
    mapper.map(&track);
    assert!(mapper.is_outgrown());
}

fn any_leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""28-07-1980""#.to_owned()),
        Just(r#""lana@example.org""#.to_owned()),
        Just(r#"{"b":[1,{"c":"d"}]}"#.to_owned()),
        Just("[true]".to_owned()),
        Just("1e-16384".to_owned()),
        Just(r#""  ""#.to_owned()),
        Just(r#""undefined""#.to_owned()),
    ]
}

proptest! {
    /// Whatever comes in: valid JSON, mapped fields only, each canonical; and every value
    /// that a mapping asked for is a field or a line.
    #[test]
    fn what_goes_out_is_canonical(members in prop::collection::vec(
        (prop_oneof![Just("email"), Just("birthday"), Just("score"), Just("extra"), Just("a"), Just("other")], any_leaf()), 0..8)
    ) {
        let snapshot = default_snapshot();
        let texts: Vec<String> = members.iter().map(|(key, leaf)| format!("\"{key}\":{leaf}")).collect();
        let traits = format!("{{{}}}", texts.join(","));
        let (fields, _, log) = map(&snapshot, &event(EventKind::Identify, &traits, "{}"));
        let mut count = 0;
        if !fields.is_empty() {
            weir_json::object(fields.as_bytes(), |key, value| {
                let id: FieldId = weir_json::text(key)?.parse().unwrap();
                let value = std::str::from_utf8(value).unwrap();
                assert!(value == "null" || Value::from_canonical(&id, value).is_ok(), "{id} {value}");
                count += 1;
                Ok(())
            }).unwrap();
        }
        let last: HashMap<&str, &String> = members.iter().map(|(key, leaf)| (*key, leaf)).collect();
        let is_blank = |leaf: &str| weir_json::text(leaf.as_bytes()).is_ok_and(|text| weir_values::is_blank(&text));
        let asked = last.iter().filter(|(key, leaf)| match **key {
            "other" => false,
            "a" => leaf.starts_with('{'),
            _ => !is_blank(leaf),
        }).count();
        prop_assert_eq!(count + log.len(), asked);
    }
}
