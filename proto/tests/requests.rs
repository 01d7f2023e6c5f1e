//! What makes, takes away or starts something is known again by its `request_id`, so that whoever
//! got no answer may try again, however late (semantics 9.5).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, Kind, MethodDescriptor};
use weir_access::Need;
use weir_proto::{FILE_DESCRIPTOR_SET, NEEDS};

/// How an RPC's name begins that makes, takes away or starts something.
const ACTS: [&str; 11] = [
    "Copy", "Create", "Delete", "Import", "Merge", "Put", "Restore", "Rotate", "Send", "Split",
    "Start",
];
/// How those begin that change nothing, or say how a thing with an id is to be from now on: a late
/// try of one says no more than the first.
const OTHERS: [&str; 18] = [
    "Count",
    "Describe",
    "Diff",
    "Export",
    "Find",
    "Get",
    "List",
    "Map",
    "Pause",
    "Preview",
    "Rename",
    "Resolve",
    "Resume",
    "Revoke",
    "Search",
    "Stop",
    "Suggest",
    "Summarize",
];

/// What some have in its place.
const OTHERWISE: [(&str, &str); 6] = [
    (
        "weir.contact.v1.PeopleService.SplitContact",
        "`merge_id`: a merge is undone once, and one that is made anew has another id",
    ),
    (
        "weir.contact.v1.TransferService.ImportContacts",
        "`import_id` and its number are what a row is known again by",
    ),
    (
        "weir.mapping.v1.ConfigurationService.DeleteSource",
        "`source_id`: a source that is made anew has another id",
    ),
    (
        "weir.mapping.v1.ConfigurationService.RestoreMappingVersion",
        "`expected_version`: a late try is refused where something was saved since",
    ),
    (
        "weir.mapping.v1.MappingService.PutActivityMapping",
        "`expected_version`, as above",
    ),
    (
        "weir.mapping.v1.MappingService.PutContactMapping",
        "`expected_version`, as above",
    ),
];

#[test]
fn what_makes_takes_away_or_starts_something_is_known_again_by_its_request_id() {
    let without: BTreeSet<_> = acts()
        .filter(|method| !has(method, "request_id"))
        .map(|method| method.full_name().to_owned())
        .collect();
    let otherwise = OTHERWISE.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(without, otherwise.collect());
}

#[test]
fn what_stands_in_its_place_is_a_field_of_the_request() {
    for (name, why) in OTHERWISE {
        let known = why.split('`').nth(1).unwrap();
        let method = acts().find(|method| method.full_name() == name).unwrap();
        assert!(has(&method, known), "{name} has no {known}");
    }
}

fn has(method: &MethodDescriptor, field: &str) -> bool {
    let field = method.input().get_field_by_name(field);
    field.is_some_and(|field| matches!(field.kind(), Kind::String | Kind::Int64))
}

/// Those of our own services among themselves are as repeatable as what they carry.
fn acts() -> impl Iterator<Item = MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    NEEDS.iter().filter_map(move |(path, need)| {
        if *need == Need::Services {
            return None;
        }
        let (service, name) = path[1..].split_once('/').unwrap();
        let acts = verb(name, &ACTS);
        assert!(acts != verb(name, &OTHERS), "{path}: what does it do?");
        let service = pool.get_service_by_name(service).unwrap();
        service
            .methods()
            .find(|method| acts && method.name() == name)
    })
}

fn verb(name: &str, among: &[&str]) -> bool {
    let length = name[1..].find(char::is_uppercase).unwrap() + 1;
    among.contains(&&name[..length])
}
