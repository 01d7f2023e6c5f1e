//! Faults are found, all of them, and in the right line.

use proptest::prelude::*;
use weir_proto::settings::v1::KeyStrategy;

use super::*;
use crate::file::schema::parse;

mod rows;

const GOOD: &str = include_str!("../../../../../weir.yaml");

fn faults(text: &str) -> Vec<Fault> {
    match parse(text) {
        Ok(file) => check(&file).err().unwrap_or_default(),
        Err(fault) => vec![fault],
    }
}

/// Expects exactly one fault, in the line that holds `<<<` (which is taken out).
fn expect_fault(text: &str, hint: &str) {
    let line = text.lines().position(|line| line.contains("<<<")).unwrap() as u64 + 1;
    let found = faults(&text.replace("<<<", ""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].line, line, "{found:?}");
    assert!(
        found[0].message.contains(hint),
        "{:?} lacks {hint:?}",
        found[0].message
    );
}

/// A file with this below the account.
fn account(below: &str) -> String {
    format!(
        "accounts:\n  - name: shop\n    plan: {{included_contacts: 100, activity_slots: 2}}\n{below}"
    )
}

/// A file with this below a source.
fn source(below: &str) -> String {
    account(&format!(
        "    fields:\n      - {{name: Active, type: boolean}}\n      - {{name: Visits, type: integer}}\n    sources:\n      - name: Segment\n        kind: segment_actions\n{below}"
    ))
}

#[test]
fn the_demo_is_without_fault() {
    assert_eq!(faults(GOOD), []);
}

#[test]
fn a_checked_file_carries_what_was_written() {
    let text = source(
        "        contact_mapping:\n          - {trait: birthday, field: 'dtz::b', date_format: DD-MM-YYYY}\n          - {trait: active, field: Active}\n        activities:\n          - event: Signed in\n            attributes: [{property: count, type: integer}]\n",
    );
    let configuration = check(&parse(&text).unwrap()).unwrap();
    let account = &configuration.accounts[0];
    let pairs: Vec<_> = account.sources[0]
        .contact_mapping
        .as_ref()
        .map(|(_, put)| &put.mappings)
        .into_iter()
        .flatten()
        .map(|pair| (pair.field_id.as_str(), pair.date_format.as_str()))
        .collect();
    assert_eq!(pairs, [("dtz::b", "DD-MM-YYYY"), ("bol:cm:active", "")]);
    let activity = &account.sources[0].activities[0].put;
    assert_eq!(activity.retention_days, None);
    assert_eq!(activity.attributes.len(), 1);
    assert_eq!(activity.attributes[0].attribute, "count");
    assert_eq!(account.put.unique_identifiers, None);
}

#[test]
fn what_the_file_does_not_name_is_not_sent() {
    let text = "accounts:\n  - name: shop\n    plan: {activity_slots: 3}\n    sources:\n      - name: Segment\n        kind: segment_actions\n        activities:\n          - event: Signed in\n";
    let configuration = check(&parse(text).unwrap()).unwrap();
    let account = &configuration.accounts[0];
    let slots = mapping::Plan {
        activity_slots: Some(3),
        ..Default::default()
    };
    let expected = mapping::PutAccountRequest {
        name: "shop".to_owned(),
        plan: Some(slots),
        ..Default::default()
    };
    assert_eq!(account.put, expected);
    let source = &account.sources[0];
    let expected = mapping::PutSourceRequest {
        kind: mapping::SourceKind::SegmentActions.into(),
        name: "Segment".to_owned(),
        ..Default::default()
    };
    assert_eq!((&source.put, &source.contact_mapping), (&expected, &None));
    let expected = mapping::PutActivityMappingRequest {
        event_name: "Signed in".to_owned(),
        ..Default::default()
    };
    assert_eq!(source.activities[0].put, expected);
}

#[test]
fn origins_are_read_as_browsers_write_them() {
    let text = source("").replace("segment_actions", "segment_classic")
        + "        allowed_origins: ['https://Shop.example/', '*', 'https://shop.example']\n";
    let configuration = check(&parse(&text).unwrap()).unwrap();
    let put = &configuration.accounts[0].sources[0].put;
    let origins = &put.allowed_origins.as_ref().unwrap().origins;
    assert_eq!(*origins, ["https://shop.example", "*"]);
    // Of each that is wrong the line.
    let wrong = source(
        "        allowed_origins:\n          - 'https://a.example'\n          - a.example\n",
    );
    let faults = check(&parse(&wrong).unwrap()).unwrap_err();
    let lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [11, 12], "{faults:?}");
}

#[test]
fn an_empty_list_takes_away_what_was_there() {
    let text = source(
        "        contact_mapping: []\n        activities:\n          - {event: Signed in, attributes: []}\n",
    );
    let configuration = check(&parse(&text).unwrap()).unwrap();
    let source = &configuration.accounts[0].sources[0];
    let (line, put) = source.contact_mapping.as_ref().unwrap();
    assert!(put.clear && put.mappings.is_empty());
    assert_eq!(*line, 10);
    assert!(source.activities[0].put.clear_attributes);
}

#[test]
fn unique_identifiers_of_ones_own_come_after_their_fields() {
    let text = account(
        "    key_strategy: next_if_empty\n    unique_identifiers: [Login, 'str::email']\n    fields:\n      - {name: Login, type: text}\n",
    );
    let configuration = check(&parse(&text).unwrap()).unwrap();
    let account = &configuration.accounts[0];
    assert_eq!(account.put.unique_identifiers, None);
    assert_eq!(account.put.key_strategy(), KeyStrategy::Unspecified);
    let later = account.identify.as_ref().unwrap();
    let ids = later.unique_identifiers.as_ref().unwrap();
    assert_eq!(ids.field_ids, ["str:cm:login", "str::email"]);
    assert_eq!(later.key_strategy(), KeyStrategy::NextIfEmpty);
    assert_eq!(
        (later.plan, later.notification_address.clone()),
        (None, None)
    );
}

#[test]
fn blocked_values_go_with_the_account_unless_they_are_of_fields_of_its_own() {
    let lists = "    keep_user_ids_apart: true\n    allowed_defaults: [guest, '0']\n    blocked_values:\n      - value: noemail@*\n      - {value: 'test-*', kind: user_id}\n";
    let configuration = check(&parse(&account(lists)).unwrap()).unwrap();
    let put = &configuration.accounts[0].put;
    assert_eq!(put.keep_user_ids_apart, Some(true));
    let blocked = put.blocked_values.as_ref().unwrap();
    assert_eq!(blocked.allowed_defaults, ["guest", "0"]);
    let entries = blocked.blocked.iter();
    let entries: Vec<_> = entries
        .map(|entry| (&*entry.kind, &*entry.pattern))
        .collect();
    assert_eq!(entries, [("", "noemail@*"), ("user_id", "test-*")]);

    let own = "    blocked_values: [{value: x, kind: Login}]\n    fields:\n      - {name: Login, type: text}\n";
    let configuration = check(&parse(&account(own)).unwrap()).unwrap();
    let account = &configuration.accounts[0];
    assert_eq!(account.put.blocked_values, None);
    let later = account.identify.as_ref().unwrap().blocked_values.as_ref();
    assert_eq!(later.unwrap().blocked[0].kind, "str:cm:login");
}

#[test]
fn what_serde_refuses_has_its_line_too() {
    expect_fault(
        "accounts:\n  - name: shop\n    plan: {included_contacts: 1, activity_slots: 1}\n    colour: red<<<\n",
        "colour",
    );
    expect_fault(
        "accounts:\n  - name: shop\n    plan: {included_contacts: many, activity_slots: 1}<<<\n",
        "",
    );
    expect_fault("accounts:\n  - name: shop\n    name: shop<<<\n", "name");
    expect_fault("accounts: [<<<\n", "");
    expect_fault("people: []<<<\n", "people");
}

#[test]
fn faults_of_accounts_are_found() {
    expect_fault(&account("    notification_address: nobody<<<\n"), "e-mail");
    expect_fault(
        &account("    key_strategy: some<<<\n"),
        "any, next_if_empty",
    );
    expect_fault(
        &account("    unique_identifiers: ['str::email', 'dtz::b']<<<\n"),
        "unique identifier",
    );
    expect_fault(
        &account("    unique_identifiers: ['str::email', 'str::ei', 'phn::phone']<<<\n"),
        "at most 2",
    );
    expect_fault(&account("    audiences:\n      - name: ' '<<<\n"), "blank");
    expect_fault(
        &account("    audiences:\n      - name: A\n      - name: A<<<\n"),
        "line 5",
    );
    expect_fault(
        &account("  - name: shop<<<\n    plan: {included_contacts: 1, activity_slots: 1}\n"),
        "line 2",
    );
    expect_fault(
        "accounts:\n  - name: shop\n    plan:\n      included_contacts: -1<<<\n      activity_slots: 1\n",
        "from 0",
    );
}

#[test]
fn faults_of_fields_are_found() {
    expect_fault(
        &account("    fields:\n      - {name: A, type: colour}<<<\n"),
        "long_text",
    );
    expect_fault(
        &account("    fields:\n      - {name: A, type: text}\n      - {name: a, type: text}<<<\n"),
        "line 5",
    );
    let twins =
        "    fields:\n      - {name: Blob, type: text}\n      - {name: BLOB, type: object}\n";
    assert_eq!(faults(&account(twins)), []);
    let meant = |id: &str| {
        account(&format!(
            "    blocked_values: [{{value: x, kind: {id}}}]<<<\n{twins}"
        ))
    };
    expect_fault(&meant("blob"), "may be obj:cm:blob or str:cm:blob");
    assert_eq!(faults(&meant("'str:cm:blob'").replace("<<<", "")), []);
    expect_fault(
        &account("    fields:\n      - {name: Email, type: text}<<<\n"),
        "built in",
    );
    expect_fault(
        &account("    fields:\n      - {name: '!', type: text}<<<\n"),
        "letter",
    );
}

#[test]
fn faults_of_blocked_values_are_found() {
    let list = |entry: &str| account(&format!("    blocked_values:\n      - {entry}<<<\n"));
    expect_fault(&list("{value: '*'}"), "everything");
    expect_fault(&list("{value: ' '}"), "blank");
    expect_fault(
        &list("{value: x, kind: 'dtz::b'}"),
        "tells no contacts apart",
    );
    expect_fault(&list("{value: x, kind: email}"), "str::email");
    expect_fault(&list("{value: x, case: any}"), "case");
    expect_fault(
        &account("    allowed_defaults:\n      - guest\n      - lana<<<\n"),
        "no default",
    );
}

#[test]
fn a_source_is_renamed_once_and_from_a_name_that_none_has() {
    let two = |from: &str, to: &str| {
        account(&format!(
            "    sources:\n      - {{name: A, kind: segment_classic{from}}}\n      - {{name: B, kind: segment_classic, renamed_from: {to}}}<<<\n"
        ))
    };
    expect_fault(&two("", "A"), "is named A still");
    expect_fault(&two(", renamed_from: C", "C"), "another source");
    assert_eq!(faults(&two("", "C").replace("<<<", "")), vec![]);
}

#[test]
fn faults_of_sources_are_found() {
    expect_fault(&source("        key: pau<<<\n"), "7 to 128");
    expect_fault(
        &source("        merge_strategy: guess<<<\n"),
        "overwrite, append, ignore",
    );
    expect_fault(
        &source("        merge_strategy: ignore\n        existing_only: true<<<\n"),
        "ignore",
    );
    expect_fault(
        &source("      - name: Other\n        kind: segment_actions<<<\n"),
        "at most one",
    );
    expect_fault(
        &source("      - name: Segment<<<\n        kind: segment_classic\n"),
        "already",
    );
    expect_fault(
        &source(
            "        key: pau-12345\n      - name: Other\n        kind: segment_classic\n        key: pau-12345<<<\n",
        ),
        "already",
    );
}

#[test]
fn faults_of_mappings_are_found() {
    expect_fault(
        &source("        contact_mapping:\n          - {trait: a..b, field: 'str::email'}<<<\n"),
        "a key is missing",
    );
    expect_fault(
        &source("        contact_mapping:\n          - {trait: a, field: 'str::nothing'}<<<\n"),
        "str::email",
    );
    expect_fault(
        &source("        contact_mapping:\n          - {trait: a, field: 'dtz::b'}<<<\n"),
        "date_format",
    );
    expect_fault(
        &source(
            "        contact_mapping:\n          - {trait: a, field: 'dtz::b', date_format: DD-MM-YY}<<<\n",
        ),
        "DD-MM-YY",
    );
    expect_fault(
        &source(
            "        contact_mapping:\n          - {trait: a, field: 'str::email', date_format: DD-MM-YYYY}<<<\n",
        ),
        "email",
    );
    expect_fault(
        &source(
            "        contact_mapping:\n          - {trait: a, field: Visits}\n          - {trait: b, field: 'int:cm:visits'}<<<\n",
        ),
        "line 11",
    );
    expect_fault(
        &source("        activities:\n          - {event: A, retention_days: 31}<<<\n"),
        "730",
    );
    expect_fault(
        &source(
            "        activities:\n          - {event: A, attributes: [{property: a, type: date}]}<<<\n",
        ),
        "date_format",
    );
    expect_fault(
        &source("        activities:\n          - event: A\n          - event: A<<<\n"),
        "already",
    );
}

#[test]
fn more_activities_than_the_plan_has_are_refused_at_the_plan() {
    let text = source(
        "        activities:\n          - event: A\n          - event: B\n          - event: C\n",
    );
    let found = faults(&text);
    assert_eq!((found.len(), found[0].line), (1, 3), "{found:?}");
}

#[test]
fn all_faults_are_told_at_once_in_their_order() {
    let text = account(
        "    key_strategy: some\n    fields:\n      - {name: A, type: colour}\n    audiences:\n      - name: ''\n",
    );
    let lines: Vec<u64> = faults(&text).iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [4, 6, 8]);
}

#[test]
fn a_fault_is_rendered_with_file_line_and_column() {
    let text = account("    key_strategy: some\n");
    let rendered = faults(&text)[0].render("weir.yaml");
    assert!(rendered.starts_with("weir.yaml:4:19: "), "{rendered}");
}

proptest! {
    #[test]
    fn the_line_is_right_wherever_the_fault_is(before in 0usize..40, between in 0usize..40) {
        let comments = |count: usize| "# nothing\n\n".repeat(count);
        let text = format!(
            "{}accounts:\n  - name: shop\n{}    plan: {{included_contacts: 1, activity_slots: 1}}\n    key_strategy: some\n",
            comments(before),
            comments(between),
        );
        let found = faults(&text);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].line as usize, before * 2 + between * 2 + 4);
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_line_of_it(text in "[ -~\n]{0,200}") {
        for fault in faults(&text) {
            prop_assert!(fault.line >= 1);
            prop_assert!(fault.line as usize <= text.lines().count() + 1);
            prop_assert!(!fault.message.is_empty());
        }
    }
}

#[test]
fn an_activity_has_one_retention() {
    expect_fault(
        &account(
            "    sources:\n      - name: A\n        kind: segment_actions\n        activities:\n          - {event: X, retention_days: 30}\n      - name: B\n        kind: segment_classic\n        activities:\n          - {event: ' X', retention_days: 90}<<<\n",
        ),
        "it is 30 in line 8",
    );
}

#[test]
fn faulty_names_are_no_doubles_of_each_other() {
    let found = faults(&account(
        "    audiences:\n      - name: ' '\n      - name: ''\n",
    ));
    let messages: Vec<&str> = found.iter().map(|fault| &*fault.message).collect();
    assert_eq!(messages, ["an audience's name must not be blank"; 2]);
}

#[test]
fn faults_of_webhooks_are_found_and_their_secrets_not_repeated() {
    expect_fault(
        &account("    webhook_url: ftp://example.org<<<\n"),
        "https://",
    );
    let secret = account("    webhook_secret: not-to-be-shown\n");
    let found = faults(&secret);
    assert!(found[0].message.contains("whsec_"));
    assert!(!found[0].message.contains("not-to-be-shown"));
    assert_eq!(faults(&account("    webhook_url: ''\n")), vec![]);
}
