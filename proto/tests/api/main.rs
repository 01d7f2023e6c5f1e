//! The page `docs/api.md` is made of the protos, and of what the edge says of itself
//! (`docs/openapi.json`). `WEIR_WRITE=1` writes it.

#![allow(clippy::unwrap_used)]

mod access;
mod contract;
mod edge;
mod example;
mod page;
mod table;

use std::collections::BTreeSet;

use contract::Contract;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");

#[test]
fn the_page_says_what_the_apis_say() {
    let page = page::write(&Contract::read());
    if std::env::var_os("WEIR_WRITE").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap();
    assert!(
        written == page,
        "docs/api.md is out of date: run with WEIR_WRITE=1"
    );
}

#[test]
fn every_service_rpc_and_value_of_the_contract_is_explained() {
    let contract = Contract::read();
    let mut silent = Vec::new();
    for service in contract.services() {
        if contract.comment_of_service(&service).is_empty() {
            silent.push(service.full_name().to_owned());
        }
        for method in service.methods() {
            if contract.comment_of_method(&method).is_empty() {
                silent.push(method.full_name().to_owned());
            }
        }
    }
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}

#[test]
fn whatever_is_linked_to_is_there_and_once() {
    let page = page::write(&Contract::read());
    let mut headings = BTreeSet::new();
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            let heading = page::anchor(line.trim_start_matches('#').trim());
            assert!(headings.insert(heading), "{line} stands there twice");
        }
    }
    let links = page.split("](#").skip(1);
    let links: BTreeSet<&str> = links.map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 100);
    for link in links {
        assert!(headings.contains(link), "#{link} leads nowhere");
    }
}

#[test]
fn examples_are_requests_of_their_calls() {
    let contract = Contract::read();
    for service in contract.services() {
        for method in service.methods() {
            let json = example::request(&method.input());
            let mut reader = serde_json::Deserializer::from_str(&json);
            let read = prost_reflect::DynamicMessage::deserialize(method.input(), &mut reader);
            let read = read.unwrap_or_else(|error| panic!("{}: {error}", method.full_name()));
            let has_account = method.input().get_field_by_name("account_id").is_some();
            let names_it = read
                .get_field_by_name("account_id")
                .is_some_and(|value| value.as_str().is_some_and(|id| !id.is_empty()));
            assert_eq!(has_account, names_it, "{}", method.full_name());
        }
    }
}
