//! The map page is saved while others save it, too (semantics 7.4, 3.2).

use tonic::Code;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;
use weir_rpc::refused;

use crate::harness::{Answer, Console, SOURCE};
use crate::stub::{ACCOUNT, Stub};

const PUT_MAPPING: &str = "/weir.mapping.v1.MappingService/PutContactMapping";
const PUT_ACCOUNT: &str = "/weir.mapping.v1.MappingService/PutAccount";
const GET_MAPPING: &str = "/weir.mapping.v1.MappingService/GetContactMapping";
const GET_ACCOUNT: &str = "/weir.mapping.v1.MappingService/GetAccount";
const REINDEX: &str = "/weir.contact.v1.IdentityService/StartReindex";

/// What stands: the mapping's rows and version, and the account's unique identifiers.
pub fn stands(stub: &Stub, rows: &[(&str, &str)], version: i64, unique: &[&str]) {
    let source = wire::Source {
        source_id: SOURCE.to_owned(),
        account_id: ACCOUNT.to_string(),
        name: "Website".to_owned(),
        mapping_version: version,
        ..Default::default()
    };
    let source = wire::GetSourceResponse {
        source: Some(source),
    };
    stub.answer("/weir.mapping.v1.MappingService/GetSource", &source);
    stub.answer(GET_MAPPING, &mapping(rows, version));
    stub.answer(GET_ACCOUNT, &account(unique, 1));
    let field = |id: &str, name: &str, of: wire::ValueType| wire::Field {
        field_id: id.to_owned(),
        name: name.to_owned(),
        r#type: of.into(),
        ..Default::default()
    };
    let fields = wire::ListFieldsResponse {
        fields: vec![
            field("dtz::b", "Birthday", wire::ValueType::Date),
            field("str::email", "E-mail", wire::ValueType::Email),
            field("str::ei", "External id", wire::ValueType::Text),
            field("phn::phone", "Phone", wire::ValueType::Phone),
        ],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.MappingService/ListFields", &fields);
    // No change of the unique identifiers is under way.
    let none = contact::GetReindexResponse::default();
    stub.answer("/weir.contact.v1.IdentityService/GetReindex", &none);
}

fn mapping(rows: &[(&str, &str)], version: i64) -> wire::GetContactMappingResponse {
    let row = |(path, field): &(&str, &str)| wire::FieldMapping {
        trait_path: (*path).to_owned(),
        field_id: (*field).to_owned(),
        ..Default::default()
    };
    wire::GetContactMappingResponse {
        mappings: rows.iter().map(row).collect(),
        mapping_version: version,
    }
}

/// What stands of the account.
fn account(unique: &[&str], settings_version: i64) -> wire::GetAccountResponse {
    let account = wire::Account {
        account_id: ACCOUNT.to_string(),
        name: "Shop".to_owned(),
        unique_identifiers: unique.iter().map(ToString::to_string).collect(),
        settings_version,
        ..Default::default()
    };
    wire::GetAccountResponse {
        account: Some(account),
    }
}

/// How many contacts there are, and what a save answers.
fn answers(stub: &Stub, contacts: i64, version: i64, change: wire::ChangeKind) {
    let would = contact::PreviewReindexResponse {
        contacts,
        ..Default::default()
    };
    stub.answer("/weir.contact.v1.IdentityService/PreviewReindex", &would);
    let put = wire::PutContactMappingResponse {
        mapping_version: version,
        change: change.into(),
    };
    stub.answer(PUT_MAPPING, &put);
}

/// A page that was loaded at version 1, with e-mail as unique identifier.
pub async fn send(console: &Console, says: &[(&str, &str)]) -> Answer {
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let mut form = vec![
        ("form_token", &*token),
        ("version", "1"),
        ("unique_was", "str::email"),
    ];
    form.extend(says);
    console.stub.forget_calls();
    let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map");
    console.post(&path, &cookie, &form).await
}

/// Methods that change something, in their order.
fn changes(console: &Console) -> Vec<String> {
    let calls = console.stub.calls().into_iter();
    let names = calls.map(|(path, _)| path.rsplit('/').next().unwrap().to_owned());
    names
        .filter(|name| name.starts_with("Put") || name.starts_with("Start"))
        .collect()
}

const EMAIL: [(&str, &str); 2] = [("on:str::email", "1"), ("path:str::email", "email")];
const PHONE: [(&str, &str); 2] = [("on:phn::phone", "1"), ("path:phn::phone", "phone")];
const NONE: [String; 0] = [];

#[tokio::test]
async fn a_stale_save_changes_no_unique_identifier() {
    for what in ["save", "reindex"] {
        let console = Console::start().await;
        let theirs = [("email", "str::email"), ("id", "str::ei")];
        stands(&console.stub, &theirs, 2, &["str::email"]);
        answers(&console.stub, 0, 3, wire::ChangeKind::Updated);
        let mut form = PHONE.to_vec();
        form.extend([("do", what), ("wish", "w"), ("unique", "phn::phone")]);
        let answer = send(&console, &form).await;
        assert_eq!(changes(&console), NONE, "{what}");
        for says in [
            "Somebody else saved version 2 meanwhile.",
            "Nothing was saved yet",
            "Unique identifiers",
        ] {
            assert!(
                answer.text.contains(says),
                "{what}: {says}: {}",
                answer.text
            );
        }
        // Saved again from here it takes the place of what is shown.
        assert_eq!(answer.hidden("version"), "2");
    }
}

#[tokio::test]
async fn identifiers_that_somebody_else_changed_are_shown_and_not_changed_back() {
    let console = Console::start().await;
    let rows = [("email", "str::email")];
    stands(&console.stub, &rows, 1, &["str::ei"]);
    answers(&console.stub, 0, 2, wire::ChangeKind::Updated);
    let mut form = [EMAIL, PHONE].concat();
    form.extend([("do", "save"), ("unique", "str::email")]);
    let answer = send(&console, &form).await;
    assert_eq!(changes(&console), NONE);
    for says in [
        "Somebody else changed what tells contacts apart meanwhile.",
        "Nothing was saved yet",
        "External id",
    ] {
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
    assert_eq!(answer.hidden("unique_was"), "str::ei");
    // Who has seen it says so again.
    form.insert(0, ("unique_was", "str::ei"));
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    form.extend([("form_token", &*token), ("version", "1")]);
    console.stub.forget_calls();
    let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map");
    let answer = console.post(&path, &cookie, &form).await;
    assert!(answer.location().contains("done=version&n=2"));
    assert_eq!(changes(&console), ["PutContactMapping", "PutAccount"]);
}

#[tokio::test]
async fn what_others_change_between_the_look_and_the_save_is_not_overwritten() {
    let console = Console::start().await;
    let stub = &console.stub;
    stands(stub, &[("email", "str::email")], 1, &["str::email"]);
    stub.answer(GET_ACCOUNT, &account(&["str::email"], 7));
    answers(stub, 0, 2, wire::ChangeKind::Updated);
    let overtaken = || refused(Code::Aborted, Reason::MappingChanged, "look again");
    let mut form = [EMAIL, PHONE].concat();
    form.extend([("do", "save"), ("unique", "phn::phone")]);
    // Some other part of the account was changed: looked at once more, and saved.
    stub.refuse_once(PUT_ACCOUNT, overtaken());
    let answer = send(&console, &form).await;
    assert!(answer.location().contains("done=version&n=2"), "{answer:?}");
    let put: Vec<wire::PutAccountRequest> = stub.sent(PUT_ACCOUNT);
    assert_eq!(put.len(), 2);
    assert!(put.iter().all(|one| one.expected_version == Some(7)));
    // All the time.
    stub.refuse(PUT_ACCOUNT, overtaken());
    let answer = send(&console, &form).await;
    for says in [
        "The mapping was saved as version 2; what tells contacts apart stays as it was.",
        "name=\"unique\" value=\"phn::phone\"",
    ] {
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
    assert_eq!(answer.hidden("version"), "2");
}

#[tokio::test]
async fn identifiers_that_change_while_the_mapping_is_saved_are_shown_and_stay() {
    for (what, wish) in [("save", ""), ("reindex", "w")] {
        let console = Console::start().await;
        let stub = &console.stub;
        stands(stub, &[("email", "str::email")], 1, &["str::email"]);
        answers(stub, 0, 2, wire::ChangeKind::Updated);
        // Theirs stand as soon as the mapping is saved.
        let rows = [("email", "str::email"), ("phone", "phn::phone")];
        stub.answer_behind(PUT_MAPPING, GET_MAPPING, &mapping(&rows, 2));
        stub.answer_behind(PUT_MAPPING, GET_ACCOUNT, &account(&["str::ei"], 8));
        let mut form = [EMAIL, PHONE].concat();
        form.extend([("do", what), ("wish", wish), ("unique", "phn::phone")]);
        let answer = send(&console, &form).await;
        assert_eq!(changes(&console), ["PutContactMapping"], "{what}");
        for says in [
            "Somebody else changed what tells contacts apart meanwhile.",
            "The mapping was saved as version 2; what tells contacts apart was left as it is",
            "<bdi>External id</bdi>",
            "<bdi>Phone</bdi>",
        ] {
            assert!(answer.text.contains(says), "{says}: {}", answer.text);
        }
        assert_eq!(answer.hidden("unique_was"), "str::ei");
        assert_eq!(answer.hidden("version"), "2");
    }
}

#[tokio::test]
async fn identifiers_alone_are_saved_and_said_to_be() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    answers(&console.stub, 0, 1, wire::ChangeKind::Unchanged);
    let mut form = EMAIL.to_vec();
    form.extend([("do", "save"), ("unique", "str::ei")]);
    let answer = send(&console, &form).await;
    assert!(answer.location().ends_with("done=saved"), "{answer:?}");
    let put: Vec<wire::PutAccountRequest> = console.stub.sent(PUT_ACCOUNT);
    let unique = put[0].unique_identifiers.clone().unwrap();
    assert_eq!(unique.field_ids, ["str::ei"]);
    // Where they stay nothing was changed.
    let mut form = EMAIL.to_vec();
    form.extend([("do", "save"), ("unique", "str::email")]);
    let answer = send(&console, &form).await;
    assert!(answer.location().ends_with("done=same"), "{answer:?}");
}

#[tokio::test]
async fn where_there_are_contacts_it_is_asked_before_anything_is_saved() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    answers(&console.stub, 7, 2, wire::ChangeKind::Updated);
    let mut form = [EMAIL, PHONE].concat();
    form.extend([("do", "save"), ("unique", "phn::phone")]);
    let answer = send(&console, &form).await;
    assert_eq!(changes(&console), NONE);
    assert!(answer.text.contains("There are 7 contacts already"));
    form[4] = ("do", "reindex");
    form.push(("wish", "w1"));
    let answer = send(&console, &form).await;
    // To the page that says how far the contacts are looked at.
    let page = format!("/accounts/{ACCOUNT}/reindex?source={SOURCE}&done=reindex&n=2");
    assert_eq!(answer.location(), page);
    assert_eq!(changes(&console), ["PutContactMapping", "StartReindex"]);
    let put: Vec<wire::PutContactMappingRequest> = console.stub.sent(PUT_MAPPING);
    assert_eq!(put[0].expected_version, Some(1), "the page's version");
    let begun: Vec<contact::StartReindexRequest> = console.stub.sent(REINDEX);
    assert_ne!(begun[0].request_id, "");
    let run = contact::GetReindexResponse {
        reindex: Some(contact::Reindex {
            state: contact::ReindexState::Running.into(),
            unique_identifiers: vec!["phn::phone".to_owned()],
            old_unique_identifiers: vec!["str::email".to_owned()],
            contacts: 7_000,
            seen_contacts: 1_204,
            ..Default::default()
        }),
    };
    let get = "/weir.contact.v1.IdentityService/GetReindex";
    console.stub.answer(get, &run);
    let cookie = console.administrator().await;
    let told = console.get(&page, &cookie).await.text;
    for says in [
        "contacts are being looked at",
        "1,204 of 7,000 contacts",
        "<bdi>E-mail</bdi>",
        "<bdi>Phone</bdi>",
        "data-live",
        &format!("/sources/{SOURCE}/map\""),
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    // So does the map, where the identifiers of before stand until it ends.
    let map = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map");
    let told = console.get(&map, &cookie).await.text;
    let leads = format!("/accounts/{ACCOUNT}/reindex?source={SOURCE}");
    assert!(
        told.contains("1,204 of 7,000 contacts were looked at") && told.contains(&leads),
        "{told}"
    );
}

#[tokio::test]
async fn a_mapping_that_is_wrong_or_empty_begins_no_reindex() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    answers(&console.stub, 7, 2, wire::ChangeKind::Updated);
    let form = [("do", "reindex"), ("wish", "w"), ("unique", "phn::phone")];
    let answer = send(&console, &form).await;
    assert_eq!(changes(&console), NONE);
    assert!(answer.text.contains("Tick at least one field"));
    // A date without a format.
    let wrong = weir_rpc::invalid("mappings[1].date_format", "a date needs a format");
    console.stub.refuse(PUT_MAPPING, wrong);
    let mut form = form.to_vec();
    form.extend(EMAIL);
    form.extend([("on:dtz::b", "1"), ("path:dtz::b", "birthday")]);
    let answer = send(&console, &form).await;
    assert_eq!(changes(&console), ["PutContactMapping"]);
    assert!(answer.text.contains("Birthday: a date needs a format."));
    // What was written is there still.
    assert!(answer.text.contains("value=\"birthday\""));
}

#[tokio::test]
async fn what_was_saved_is_said_where_the_identifiers_are_refused() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    answers(&console.stub, 0, 2, wire::ChangeKind::Updated);
    let says = "contacts are stored already";
    let exist = refused(Code::FailedPrecondition, Reason::ContactsExist, says);
    console.stub.refuse(PUT_ACCOUNT, exist);
    let mut form = [EMAIL, PHONE].concat();
    form.extend([("do", "save"), ("unique", "phn::phone")]);
    let answer = send(&console, &form).await;
    assert!(answer.text.contains("The mapping was saved as version 2"));
    assert!(answer.text.contains("Change it and save"));
    assert!(!answer.text.contains("Nothing was saved"));
}

#[tokio::test]
async fn enter_in_the_box_of_a_new_field_makes_it_and_a_preview_keeps_it() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    let mut form = EMAIL.to_vec();
    form.extend([
        ("do", "preview"),
        ("new_name", "Shoe size"),
        ("new_type", "decimal"),
    ]);
    let answer = send(&console, &form).await;
    assert!(
        answer.text.contains("value=\"Shoe size\""),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("<option value=\"decimal\" selected>"));
    form[2] = ("do", "enter");
    send(&console, &form).await;
    let method = "/weir.mapping.v1.MappingService/CreateField";
    let made: Vec<wire::CreateFieldRequest> = console.stub.sent(method);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].name, "Shoe size");
}

#[tokio::test]
async fn what_came_in_is_shown_as_it_came_and_placing_is_said_to_whoever_does_not_see_it() {
    let console = Console::start().await;
    let rows = [("birthday", "dtz::b"), ("email", "str::email")];
    stands(&console.stub, &rows, 1, &["str::email"]);
    let samples = wire::ListSamplesResponse {
        samples: vec![wire::Sample {
            raw: r#"{"traits": {"birthday": "28-07-1980"}}"#.to_owned(),
            ..Default::default()
        }],
    };
    console
        .stub
        .answer("/weir.mapping.v1.MappingService/ListSamples", &samples);
    let cookie = console.administrator().await;
    let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map");
    let answer = console.get(&path, &cookie).await;
    let came = answer.text.split("id=\"came\"").nth(1).unwrap();
    let birthday = came.split("data-path=\"birthday\"").nth(1).unwrap();
    let birthday = birthday.split("class=\"help\"").next().unwrap();
    assert!(birthday.contains("<bdi>28-07-1980</bdi>"), "{birthday}");
    assert!(
        !birthday.contains("script"),
        "what is stored is not what came: {birthday}"
    );
    for part in [
        "role=\"group\" aria-label=\"Trait birthday, ",
        "<p id=\"told\" role=\"status\" aria-live=\"polite\">",
        // Beside the row, and not only for a mouse.
        "value=\"unique:phn::phone\" class=\"plain apart\"",
    ] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    assert!(
        !answer.text.contains("value=\"unique:dtz::b\""),
        "no date tells contacts apart"
    );
    assert_eq!(answer.hidden("unique_was"), "str::email");
}
