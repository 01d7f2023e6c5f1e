//! What pages tell in words, as things stand now.

use weir_proto::access::v1 as access;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;
use weir_proto::settings::v1::ErasedRows;

use crate::harness::{Console, SOURCE};
use crate::stub::{ACCOUNT, Stub};

const GET_CONTACT: &str = "/weir.contact.v1.ContactService/GetContact";

fn of_source(page: &str) -> String {
    format!("/accounts/{ACCOUNT}/sources/{SOURCE}/{page}")
}

/// 64 events of a name came at once before it was mapped, and so many of them are kept, of which so
/// many were stored since.
fn unmapped(stub: &Stub, name: &str, mapped: &str, (kept, done): (i64, i64)) {
    let hour: chrono::DateTime<chrono::Utc> = "2026-11-27T09:00:00Z".parse().unwrap();
    let hour = Some(prost_types::Timestamp {
        seconds: hour.timestamp(),
        nanos: 0,
    });
    let summary = wire::LogSummary {
        status: 422,
        code: "NO_MAPPING".to_owned(),
        subject: name.to_owned(),
        count: 64,
        first_time: hour,
        last_time: hour,
        hours: vec![wire::HourCount { hour, count: 64 }],
        ..Default::default()
    };
    let log = wire::SummarizeLogResponse {
        answered_events: 64,
        summaries: vec![summary],
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.LogService/SummarizeLog", &log);
    let activities = wire::ListActivityMappingsResponse {
        activities: vec![wire::ActivityMapping {
            event_name: mapped.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let list = "/weir.mapping.v1.MappingService/ListActivityMappings";
    stub.answer(list, &activities);
    let count = wire::KeptEventCount {
        code: "NO_MAPPING".to_owned(),
        event_name: name.to_owned(),
        count: kept,
        done_count: done,
    };
    let counts = Some(count).filter(|count| count.count > 0);
    let events = wire::ListKeptEventsResponse {
        counts: counts.into_iter().collect(),
        ..Default::default()
    };
    stub.answer("/weir.mapping.v1.ReplayService/ListKeptEvents", &events);
}

#[tokio::test]
async fn a_reason_that_was_cured_says_so_and_leads_to_the_replay() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let text = async || console.get(&of_source("logs"), &cookie).await.text;
    unmapped(&console.stub, "Order Shipped", "Order Sent", (50, 0));
    let before = text().await;
    assert!(before.contains("was never saved"), "{before}");
    assert!(before.contains(">Map it</a>"), "{before}");
    let some = "50 of 64 were kept; the others came too many at once: have them sent again.";
    assert!(before.contains(some), "{before}");
    unmapped(&console.stub, "Order Shipped", "Order Shipped", (50, 0));
    let since = text().await;
    assert!(!since.contains(">Map it</a>"), "{since}");
    assert!(!since.contains("was never saved"), "{since}");
    assert!(since.contains("Mapped since: 50 kept events can be replayed."));
    assert!(since.contains(some), "{since}");
    assert!(since.contains(">Replay 50</a>"), "{since}");
    assert!(since.contains("kept/replay?code=NO_MAPPING&#38;event=Order+Shipped"));
    unmapped(&console.stub, "Order Shipped", "Order Shipped", (50, 50));
    let replayed = text().await;
    assert!(replayed.contains("Mapped since. All that was kept of them was stored since."));
    assert!(!replayed.contains(">Map it</a>"), "{replayed}");
    unmapped(&console.stub, "Order Shipped", "Order Shipped", (0, 0));
    let never = text().await;
    assert!(never.contains("Mapped since. None of them is kept"));
    assert!(never.contains("None of the 64 was kept: too many came at once."));
}

#[tokio::test]
async fn whoever_has_it_as_a_whole_identifier_is_meant() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let found = contact::GetContactResponse {
        contact: Some(contact::Contact {
            contact_id: "c-5".to_owned(),
            ..Default::default()
        }),
    };
    console.stub.answer(GET_CONTACT, &found);
    console.stub.forget_calls();
    let page = format!("/accounts/{ACCOUNT}/audiences/{SOURCE}");
    let form = [("form_token", &*token), ("do", "ask"), ("contact", "u5")];
    let told = console.post(&page, &cookie, &form).await.text;
    assert!(told.contains("/contacts/c-5\""), "{told}");
    let asked: Vec<contact::GetContactRequest> = console.stub.sent(GET_CONTACT);
    let by_user_id = contact::get_contact_request::Key::UserId("u5".to_owned());
    assert!(
        asked
            .iter()
            .any(|one| one.key.as_ref() == Some(&by_user_id))
    );
    let search = "/weir.contact.v1.SearchService/SearchContacts";
    assert!(
        console
            .stub
            .sent::<contact::SearchContactsRequest>(search)
            .is_empty()
    );
}

#[tokio::test]
async fn the_record_of_changes_and_a_receipt_speak_in_words() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let change = access::Change {
        method: "/weir.mapping.v1.MappingService/PutAccount".to_owned(),
        fields: vec![access::ChangedField {
            field: "unique_identifiers".to_owned(),
            before_json: Some("[\"str::email\"]".to_owned()),
            after_json: Some("[]".to_owned()),
        }],
        ..Default::default()
    };
    let list = access::ListChangesResponse {
        changes: vec![change],
        ..Default::default()
    };
    let method = "/weir.access.v1.ChangeService/ListChanges";
    console.stub.answer(method, &list);
    let page = format!("/accounts/{ACCOUNT}/settings/changes");
    let told = console.get(&page, &cookie).await.text;
    for says in [
        "Changed the account&#39;s settings",
        "Unique identifiers",
        ">Email<",
        ">none<",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert!(!told.contains("PutAccount") && !told.contains("str::email"));
    let rows = |what: &str| contact::DeletedRows {
        service: "activity".to_owned(),
        rows: Some(ErasedRows {
            what: what.to_owned(),
            count: 3,
        }),
    };
    let receipt = contact::GetDeletionResponse {
        deletion: Some(contact::Deletion {
            rows: vec![rows("attached_counts"), rows("kept_removes")],
            ..Default::default()
        }),
    };
    let get = "/weir.contact.v1.PeopleService/GetDeletion";
    console.stub.answer(get, &receipt);
    let page = format!("/accounts/{ACCOUNT}/deletions/{SOURCE}");
    let told = console.get(&page, &cookie).await.text;
    assert!(told.contains("Counts of activities by day"), "{told}");
    assert!(!told.contains("attached_counts") && !told.contains("kept_removes"));
}

#[tokio::test]
async fn a_story_without_stages_says_why_there_are_none() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let story = wire::GetEventStoryResponse {
        kept: vec![wire::KeptEvent::default()],
        ..Default::default()
    };
    let method = "/weir.mapping.v1.StoryService/GetEventStory";
    console.stub.answer(method, &story);
    let page = of_source("events/story?message=m-1");
    let told = console.get(&page, &cookie).await.text;
    assert!(told.contains("this one is not among them"), "{told}");
}

#[tokio::test]
async fn a_part_of_the_record_that_does_not_come_is_named_and_the_rest_is_shown() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let list = access::ListChangesResponse {
        changes: vec![access::Change {
            method: "/weir.mapping.v1.MappingService/PutAccount".to_owned(),
            ..Default::default()
        }],
        missing_services: vec!["audience".to_owned()],
        ..Default::default()
    };
    let method = "/weir.access.v1.ChangeService/ListChanges";
    console.stub.answer(method, &list);
    let page = format!("/accounts/{ACCOUNT}/settings/changes");
    let told = console.get(&page, &cookie).await.text;
    assert!(told.contains("What audience noted is missing"), "{told}");
    assert!(
        told.contains("Changed the account&#39;s settings"),
        "{told}"
    );
    let asked: Vec<access::ListChangesRequest> = console.stub.sent(method);
    assert!(asked.iter().all(|one| one.in_part));
}

#[tokio::test]
async fn where_an_identifier_only_went_no_contact_is_counted() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let reindex = contact::GetReindexResponse {
        reindex: Some(contact::Reindex {
            old_unique_identifiers: vec!["str::email".to_owned(), "phn::phone".to_owned()],
            unique_identifiers: vec!["str::email".to_owned()],
            contacts: 40_038,
            ..Default::default()
        }),
    };
    let method = "/weir.contact.v1.IdentityService/GetReindex";
    console.stub.answer(method, &reindex);
    let page = format!("/accounts/{ACCOUNT}/reindex");
    let told = console.get(&page, &cookie).await.text;
    assert!(told.contains("no contact had to be looked at"), "{told}");
    assert!(!told.contains("of 40,038 contacts"), "{told}");
}

#[tokio::test]
async fn what_two_versions_differ_in_is_called_by_its_name() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let row = wire::RowDifference {
        field_after: Some(wire::FieldMapping {
            field_id: "str::first".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let compared = wire::DiffMappingVersionsResponse {
        rows: vec![row],
        ..Default::default()
    };
    let method = "/weir.mapping.v1.ConfigurationService/DiffMappingVersions";
    console.stub.answer(method, &compared);
    let page = of_source("map/versions?from=3&to=3");
    let told = console.get(&page, &cookie).await.text;
    assert!(told.contains("<td><bdi>First name</bdi></td>"), "{told}");
}

#[tokio::test]
async fn what_stands_already_is_not_said_to_be_brought_back_or_made() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let restored = wire::RestoreMappingVersionResponse {
        mapping_version: 3,
        change: wire::ChangeKind::Unchanged.into(),
    };
    let method = "/weir.mapping.v1.ConfigurationService/RestoreMappingVersion";
    console.stub.answer(method, &restored);
    let form = [("form_token", &*token), ("restore", "1"), ("sure", "1")];
    let answer = console
        .post(&of_source("map/versions"), &cookie, &form)
        .await;
    assert!(answer.location().ends_with("map?done=same"), "{answer:?}");
    let field = wire::Field {
        field_id: "int::size".to_owned(),
        name: "Shoe size".to_owned(),
        r#type: wire::ValueType::Integer.into(),
        custom: true,
    };
    let fields = wire::ListFieldsResponse {
        fields: vec![field.clone()],
        ..Default::default()
    };
    let list = "/weir.mapping.v1.MappingService/ListFields";
    console.stub.answer(list, &fields);
    let made = wire::CreateFieldResponse {
        field: Some(field),
        change: wire::ChangeKind::Unchanged.into(),
    };
    let create = "/weir.mapping.v1.MappingService/CreateField";
    console.stub.answer(create, &made);
    let form = [
        ("form_token", &*token),
        ("do", "add-field"),
        ("new_name", "Shoe size"),
        ("new_type", "integer"),
    ];
    let answer = console.post(&of_source("map"), &cookie, &form).await;
    let says = "The field “Shoe size” was there already";
    assert!(answer.text.contains(says), "{}", answer.text);
}

#[tokio::test]
async fn a_preview_of_a_signed_out_tab_is_no_form_that_somebody_was_sending() {
    let console = Console::start().await;
    let page = of_source("map");
    for (what, is_carried) in [("preview", false), ("save", true)] {
        let answer = console.post(&page, "", &[("do", what)]).await;
        assert_eq!(answer.status, 401);
        let set = answer.headers.contains_key("set-cookie");
        assert_eq!(set, is_carried, "{what}");
    }
}
