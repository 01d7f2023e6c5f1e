use std::sync::LazyLock;

use proptest::prelude::*;
use prost::Message;
use prost_reflect::DescriptorPool;
use weir_proto::contact::v1::{
    ContactEvent, ImportContactsRequest, ImportRow, MembershipUpdate, UpsertContactsRequest,
};

use super::*;
use crate::write;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap());

fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).unwrap()
}

fn fault(json: impl AsRef<[u8]>, name: &str) -> (String, String) {
    match read(json.as_ref(), &message(name)) {
        Err(Fault::Field { field, expected }) => (field, expected),
        Err(Fault::NotJson(why)) => ("not JSON".to_owned(), why),
        Ok(read) => panic!("it was read: {read:?}"),
    }
}

const UPSERT: &str = "weir.contact.v1.UpsertContactsRequest";
const EXPORT: &str = "weir.contact.v1.ExportContactsRequest";

/// Messages, what is wrong with each, where that is, and a part of what is said.
const FAULTS: &[[&str; 4]] = &[
    [
        EXPORT,
        r#"{"accountId": 5}"#,
        "account_id",
        "must be a text",
    ],
    [
        EXPORT,
        r#"{"accountid": "a"}"#,
        "accountid",
        "account_id, format",
    ],
    [
        EXPORT,
        r#"{"columns": "a"}"#,
        "columns",
        "must be an array, each item of it a text",
    ],
    [
        EXPORT,
        r#"{"columns": ["a", 7]}"#,
        "columns[1]",
        "must be a text",
    ],
    [
        EXPORT,
        r#"{"format": "PDF"}"#,
        "format",
        "one of EXPORT_FORMAT_UNSPECIFIED, ",
    ],
    [EXPORT, r#"{"format": {}}"#, "format", "EXPORT_FORMAT_CSV"],
    [
        EXPORT,
        "[]",
        "",
        "must be a JSON object: a ExportContactsRequest",
    ],
    [EXPORT, "\"text\"", "", "must be a JSON object"],
    [EXPORT, "null", "", "must be a JSON object"],
    [
        UPSERT,
        r#"{"events": [{}, {"eventTime": "today"}]}"#,
        "events[1].event_time",
        "a time such as",
    ],
    [
        UPSERT,
        r#"{"events": [{"event_key": "%"}]}"#,
        "events[0].event_key",
        "base64",
    ],
    [
        UPSERT,
        r#"{"events": [{"funded": "yes"}]}"#,
        "events[0].funded",
        "true or false",
    ],
    [
        UPSERT,
        r#"{"events": [{"membershipUpdate": []}]}"#,
        "events[0].membership_update",
        "an object (MembershipUpdate)",
    ],
    [
        UPSERT,
        r#"{"events": [{"membershipUpdate": {"x'y": 1}}]}"#,
        "events[0].membership_update.x'y",
        "is no field of MembershipUpdate",
    ],
    [
        "weir.quota.v1.Usage",
        r#"{"limit": 1.5}"#,
        "limit",
        "a whole number of 64 bits",
    ],
    [
        "weir.quota.v1.Usage",
        r#"{"limit": "9223372036854775808"}"#,
        "limit",
        "64 bits",
    ],
    [
        "weir.contact.v1.GetContactRequest",
        r#"{"userId": "a", "contactId": "b"}"#,
        "key",
        "one field alone",
    ],
];

#[test]
fn a_fault_says_where_it_is_and_what_would_be_right() {
    for &[name, json, field, hint] in FAULTS {
        let (found, expected) = fault(json, name);
        assert_eq!(found, field, "{json}: {expected}");
        assert!(expected.contains(hint), "{json}: {expected}");
    }
}

#[test]
fn what_is_not_json_says_where_it_stops_to_be() {
    let name = "weir.contact.v1.ExportContactsRequest";
    let deep = format!("{{\"columns\": {}", "[".repeat(100_000));
    for (json, hint) in [
        (&b"{"[..], "line 1 column 1"),
        (b"{} {}", "trailing"),
        (b"{\"accountId\": \"\xff\"}", "byte 15 is not UTF-8"),
        (b"hello", "line 1"),
        (br#"{"accountId": "\ud800"}"#, "line 1"),
        (b"{\"accountId\": NaN}", "line 1"),
    ] {
        let (field, why) = fault(json, name);
        assert_eq!(field, "not JSON", "{why}");
        assert!(why.contains(hint), "{why}");
    }
    // It is a fault, and not the end of the stack.
    fault(deep, name);
}

#[test]
fn nothing_is_an_empty_message() {
    let name = "weir.contact.v1.ExportContactsRequest";
    for json in ["", " \n", "{}", "\u{feff}{}"] {
        let read = read(json.as_bytes(), &message(name)).unwrap();
        assert_eq!(read.encoded_len(), 0, "{json:?}");
    }
}

#[test]
fn names_of_strangers_are_shown_as_far_as_there_is_room() {
    let json = format!("{{\"{}\": 1}}", "é".repeat(100_000));
    let (field, _) = fault(json, "weir.contact.v1.ExportContactsRequest");
    assert_eq!(field, "é".repeat(MAX_SHOWN));
}

fn timestamps() -> impl Strategy<Value = prost_types::Timestamp> {
    (-62_135_596_800_i64..=253_402_300_799, 0..1_000_000_000_i32)
        .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos })
}

prop_compose! {
    fn events()(
        mode in 0..4_i32,
        user_id in ".*",
        fields_json in ".*",
        event_time in prop::option::of(timestamps()),
        funded: bool,
        event_key: Vec<u8>,
        update in prop::option::of((0..3_i32, ".*")),
    ) -> ContactEvent {
        ContactEvent {
            mode,
            user_id: user_id.into(),
            fields_json: fields_json.into(),
            event_time,
            funded,
            event_key: event_key.into(),
            membership_update: update.map(|(mode, id)| MembershipUpdate {
                mode,
                audience_id: id,
            }),
            ..Default::default()
        }
    }
}

prop_compose! {
    fn upserts()(
        account_id in ".*",
        epoch: i64,
        kept_removes_limit: Option<i64>,
        events in prop::collection::vec(events(), 0..4),
    ) -> UpsertContactsRequest {
        UpsertContactsRequest { account_id, epoch, kept_removes_limit, events, ..Default::default() }
    }
}

/// The message as JSON, read again, on the wire.
fn around(name: &str, wire: &[u8]) -> Vec<u8> {
    let known = DynamicMessage::decode(message(name), wire).unwrap();
    let json = write(&known).unwrap();
    read(&json, &message(name)).unwrap().encode_to_vec()
}

proptest! {
    #[test]
    fn a_message_is_the_same_by_json(upsert in upserts()) {
        let wire = around("weir.contact.v1.UpsertContactsRequest", &upsert.encode_to_vec());
        prop_assert_eq!(wire, upsert.encode_to_vec());
    }

    #[test]
    fn whatever_comes_in_is_a_message_or_a_fault(json in ".*", bytes: Vec<u8>) {
        let name = message("weir.contact.v1.UpsertContactsRequest");
        let _ = read(json.as_bytes(), &name);
        let _ = read(&bytes, &name);
    }

    #[test]
    fn a_part_of_a_message_that_is_another_is_a_fault_or_not_and_never_more(
        upsert in upserts(),
        at in any::<prop::sample::Index>(),
        odd in prop::sample::select(vec!["null", "[]", "{}", "-1", "1e400", "\"\"", "}", "tru"]),
    ) {
        let name = "weir.contact.v1.UpsertContactsRequest";
        let known = DynamicMessage::decode(message(name), &*upsert.encode_to_vec()).unwrap();
        let mut json = write(&known).unwrap();
        let at = at.index(json.len());
        json.splice(at..=at, odd.bytes());
        let _ = read(&json, &message(name));
    }

    #[test]
    fn imports_are_the_same_by_json(
        account_id in ".*",
        first_row: i64,
        as_of_time in prop::option::of(timestamps()),
        rows in prop::collection::vec((prop::collection::vec(".*", 0..3), ".*"), 0..3),
    ) {
        let rows = rows.into_iter().map(|(cells, json)| ImportRow { cells, json });
        let rows = rows.collect();
        let import = ImportContactsRequest { account_id, first_row, as_of_time, rows, ..Default::default() };
        let wire = around("weir.contact.v1.ImportContactsRequest", &import.encode_to_vec());
        prop_assert_eq!(wire, import.encode_to_vec());
    }
}
