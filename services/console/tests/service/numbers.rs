//! What takes something away is asked about with what it comes to, in numbers.

use tonic::Code;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;
use weir_rpc::refused;

use crate::harness::{Answer, Console, SOURCE};
use crate::saves::stands;
use crate::stub::ACCOUNT;

const COUNT: &str = "/weir.contact.v1.SearchService/CountFieldValues";
const SOURCES: &str = "/weir.mapping.v1.MappingService/ListSources";
const DIFF: &str = "/weir.mapping.v1.ConfigurationService/DiffMappingVersions";
const COPY: &str = "/weir.mapping.v1.ConfigurationService/CopyMapping";

/// As a form of that page of the account.
async fn ask(console: &Console, page: &str, says: &[(&str, &str)]) -> Answer {
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let mut form = vec![("form_token", &*token)];
    form.extend(says);
    let path = format!("/accounts/{ACCOUNT}/{page}");
    console.post(&path, &cookie, &form).await
}

#[tokio::test]
async fn a_field_that_is_taken_away_says_how_many_contacts_have_it_and_who_is_in_the_way() {
    let console = Console::start().await;
    let stub = &console.stub;
    stands(stub, &[("email", "str::email")], 1, &["str::email"]);
    let sources = wire::ListSourcesResponse {
        sources: vec![wire::Source {
            source_id: SOURCE.to_owned(),
            name: "Website".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    stub.answer(SOURCES, &sources);
    let found = contact::CountFieldValuesResponse {
        contacts: 1_204,
        seen_contacts: 7_000,
        complete: true,
    };
    stub.answer(COUNT, &found);
    let form = |field| [("do", "delete-field"), ("field", field)];
    let asked = ask(&console, "settings", &form("phn::phone")).await.text;
    assert!(
        asked.contains("1,204 contacts have a value of it."),
        "{asked}"
    );
    assert!(asked.contains("name=\"sure\""), "{asked}");
    let sent: Vec<contact::CountFieldValuesRequest> = stub.sent(COUNT);
    assert_eq!(sent[0].field_id, "phn::phone");
    // Of one that is mapped there is nothing to press.
    stands(stub, &[("phone", "phn::phone")], 1, &["str::email"]);
    let asked = ask(&console, "settings", &form("phn::phone")).await.text;
    let leads = format!("<a href=\"/accounts/{ACCOUNT}/sources/{SOURCE}/map\"><bdi>Website</bdi>");
    for says in [
        "It can&#39;t be taken away now: 1 source fills it. Take it out of its mapping first.",
        &leads,
        "Leave it as it is",
    ] {
        assert!(asked.contains(says), "{says}: {asked}");
    }
    assert!(!asked.contains("name=\"sure\""), "{asked}");
    let asked = ask(&console, "settings", &form("str::email")).await.text;
    assert!(asked.contains("it tells contacts apart"), "{asked}");
    assert!(!asked.contains("name=\"sure\""), "{asked}");
    // Who can't be asked is not made up.
    stub.take_away("weir.contact.v1");
    let asked = ask(&console, "settings", &form("str::ei")).await.text;
    assert!(asked.contains("name=\"sure\""), "{asked}");
    assert!(!asked.contains("a value of it"), "{asked}");
}

#[tokio::test]
async fn a_version_that_is_brought_back_says_how_many_rows_it_changes() {
    let console = Console::start().await;
    let row = |path: &str| {
        Some(wire::FieldMapping {
            trait_path: path.to_owned(),
            field_id: "str::first".to_owned(),
            ..Default::default()
        })
    };
    let differences = wire::DiffMappingVersionsResponse {
        rows: vec![
            wire::RowDifference {
                field_before: row("first"),
                ..Default::default()
            },
            wire::RowDifference {
                field_after: row("last"),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    console.stub.answer(DIFF, &differences);
    let page = format!("sources/{SOURCE}/map/versions");
    let form = [("restore", "3"), ("version", "7")];
    let asked = ask(&console, &page, &form).await.text;
    let says = "Against what stands now it adds 1 row and takes 1 row away.";
    assert!(asked.contains(says), "{asked}");
    let sent: Vec<wire::DiffMappingVersionsRequest> = console.stub.sent(DIFF);
    assert_eq!((sent[0].from_version, sent[0].to_version), (3, 0));
    assert!(asked.contains("name=\"version\" value=\"7\""), "{asked}");
}

#[tokio::test]
async fn a_mapping_is_copied_only_over_the_version_that_was_seen() {
    let console = Console::start().await;
    let page = format!("sources/{SOURCE}/settings");
    let mut form = vec![("do", "copy"), ("from", "s"), ("version", "7")];
    let asked = ask(&console, &page, &form).await.text;
    assert!(asked.contains("name=\"version\" value=\"7\""), "{asked}");
    form.push(("sure", "1"));
    let says = "the mapping was saved by somebody else meanwhile: look again, and save again";
    let overtaken = refused(Code::Aborted, Reason::MappingChanged, says);
    console.stub.refuse_once(COPY, overtaken);
    let answer = ask(&console, &page, &form).await;
    assert!(
        answer.text.contains("saved by somebody else meanwhile"),
        "{}",
        answer.text
    );
    let sent: Vec<wire::CopyMappingRequest> = console.stub.sent(COPY);
    assert_eq!(sent[0].expected_version, Some(7));
}
