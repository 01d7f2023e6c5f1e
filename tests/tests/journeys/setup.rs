//! From nothing to a contact with her activity, by hand and in the order of the documentation:
//! what arrives before anything is mapped is a sample, a mail and a kept event; what is mapped
//! afterwards is tried first, and then takes what was kept (semantics 7.1, 7.2, 7.5 to 7.7).

use serde_json::{Value, json};
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_tests::events::{ago, now};
use weir_tests::{Account, Plan, Weir, eventually, journey};

use crate::samples::{IDENTIFY, TRACK, TRACK_WITH_TRAITS};

const LANA: &str = "lana.romeijn.myonlinestore-studio";
const OWNER: &str = "owner@example.org";
const CLICK: &str = "Sign-in button clicked";

#[test]
fn a_source_is_set_up_by_hand_from_its_first_event_to_an_activity_of_lana() {
    journey(async |weir| {
        let account = connected(weir).await;
        an_identify_is_refused_kept_and_mailed(&account).await;
        unique_identifiers_are_chosen(&account).await;
        let rows = traits_are_suggested(&account).await;
        the_draft_shows_what_would_be_taken(&account, &rows).await;
        account.put_contact_mapping(rows).await;
        assert_eq!(
            account.source().await.status(),
            mapping::SourceStatus::Active
        );
        what_was_kept_is_replayed(&account).await;
        let contact_id = she_is_there(&account).await;
        a_track_is_refused_and_found_by_its_name(&account).await;
        the_activity_is_mapped(&account).await;
        the_tracks_are_one_activity_of_hers(&account, &contact_id).await;
        a_date_is_read_in_the_format_of_its_attribute(&account, &contact_id).await;
    });
}

/// An account with somebody to be told, a source and a key; nothing was received.
async fn connected(weir: &'static Weir) -> Account {
    let account = Account::unmapped(weir, Plan::default()).await;
    let put = mapping::PutAccountRequest {
        name: account.name.clone(),
        notification_address: Some(OWNER.into()),
        ..Default::default()
    };
    let put = weir.mapping().put_account(put).await.unwrap().into_inner();
    assert_eq!(put.account.unwrap().notification_address, OWNER);
    let key = Some(account.key.as_str());
    let me = weir.send("GET", "/v1/me", key, "".into()).await;
    assert_eq!(me.status, 200, "the key is good: {me:?}");
    let waiting = mapping::SourceStatus::WaitingForEvents;
    assert_eq!(account.source().await.status(), waiting);
    account
}

async fn deliveries(account: &Account) -> Vec<mapping::Delivery> {
    let request = mapping::ListDeliveriesRequest {
        account_id: account.account_id.clone(),
        ..Default::default()
    };
    let answer = account.weir.alerts().list_deliveries(request).await;
    answer.unwrap().into_inner().deliveries
}

async fn an_identify_is_refused_kept_and_mailed(account: &Account) {
    refused(account, "/v1/identify", IDENTIFY).await;
    eventually("its sample is there", async || {
        account
            .samples("")
            .await
            .first()
            .map(|one| one.raw == IDENTIFY)
    })
    .await;
    let waiting = mapping::SourceStatus::WaitingForMapping;
    eventually("the source waits", async || {
        account.source().await.status() == waiting
    })
    .await;

    // No mail server is configured: it is a file.
    let mail = eventually("the mail is a file", async || {
        let mail = account.source().await.arrival_mail?;
        (!mail.file.is_empty()).then_some(mail)
    })
    .await;
    assert_eq!(mail.state(), mapping::DeliveryState::Kept);
    assert!(mail.file.ends_with(".eml"), "{mail:?}");
    let text = std::fs::read_to_string(&mail.file).unwrap();
    assert!(text.contains(&format!("To: {OWNER}\r\n")), "{text}");
    let joined = text.replace("=\r\n", "");
    assert!(joined.contains(&account.source_id), "{text}");

    // Sent again it is another sample, but neither another mail nor another kept event.
    refused(account, "/v1/identify", IDENTIFY).await;
    eventually("both samples are there", async || {
        account.samples("").await.len() == 2
    })
    .await;
    let all = deliveries(account).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].delivery_id, mail.delivery_id);
    eventually("it is kept", async || kept(account).await == ["NO_MAPPING"]).await;
    assert_eq!(account.usage().await, (0, 0));
    assert_eq!(account.contacts().await, []);
}

/// Sends one event, which nothing is mapped for.
async fn refused(account: &Account, path: &str, event: &'static str) {
    let answer = account.post(path, event).await;
    assert_eq!(answer.statuses(), [422]);
    assert_eq!(answer.json["results"][0]["code"], "NO_MAPPING");
}

/// Why each kept event that is not done was not taken.
async fn kept(account: &Account) -> Vec<String> {
    let request = mapping::ListKeptEventsRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        ..Default::default()
    };
    let answer = account.weir.replays().list_kept_events(request).await;
    let events = answer.unwrap().into_inner().events.into_iter();
    events.map(|event| event.code).collect()
}

async fn unique_identifiers_are_chosen(account: &Account) {
    let ids = ["str::email", "phn::phone"].map(str::to_owned).to_vec();
    let request = mapping::PutAccountRequest {
        name: account.name.clone(),
        unique_identifiers: Some(mapping::UniqueIdentifiers {
            field_ids: ids.clone(),
        }),
        ..Default::default()
    };
    let put = account.weir.mapping().put_account(request).await;
    let put = put.unwrap().into_inner();
    assert_eq!(put.change(), mapping::ChangeKind::Updated);
    let changed = put.account.unwrap();
    assert_eq!(changed.unique_identifiers, ids);
    assert_eq!(changed.notification_address, OWNER, "the rest stays");
}

async fn suggestions(account: &Account, event_name: &str) -> Vec<mapping::Suggestion> {
    let request = mapping::SuggestMappingsRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        event_name: event_name.into(),
    };
    let answer = account.weir.previews().suggest_mappings(request).await;
    answer.unwrap().into_inner().suggestions
}

/// The rows that the suggestions come to, once the field that was missing is made.
async fn traits_are_suggested(account: &Account) -> Vec<mapping::FieldMapping> {
    let said = suggestions(account, "").await;
    let mut found: Vec<_> = said
        .iter()
        .map(|one| (one.path.as_str(), one.field_id.as_str(), one.r#type()))
        .collect();
    found.sort_unstable();
    use mapping::ValueType::{Boolean, Date, Email, Text};
    let expected = [
        ("active", "", Boolean),
        ("birthday", "dtz::b", Date),
        ("email", "str::email", Email),
        ("firstName", "str::first", Text),
        ("lastName", "str::last", Text),
    ];
    assert_eq!(found, expected);
    let birthday = said.iter().find(|one| one.path == "birthday").unwrap();
    assert_eq!(birthday.formats, ["DD-MM-YYYY"]);
    assert_eq!(birthday.examples, ["28-07-1980"]);

    let request = mapping::CreateFieldRequest {
        account_id: account.account_id.clone(),
        name: "Active".into(),
        r#type: Boolean.into(),
        request_id: String::new(),
    };
    account.weir.mapping().create_field(request).await.unwrap();
    let said = suggestions(account, "").await;
    let active = said.iter().find(|one| one.path == "active").unwrap();
    assert_eq!(active.field_id, "bol:cm:active", "now there is one");
    let row = |one: mapping::Suggestion| mapping::FieldMapping {
        trait_path: one.path,
        field_id: one.field_id,
        date_format: one.formats.into_iter().next().unwrap_or_default(),
        ..Default::default()
    };
    said.into_iter().map(row).collect()
}

async fn the_draft_shows_what_would_be_taken(account: &Account, rows: &[mapping::FieldMapping]) {
    let request = mapping::PreviewContactMappingRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        mappings: rows.to_vec(),
    };
    let mut client = account.weir.previews();
    let said = client.preview_contact_mapping(request).await;
    let said = said.unwrap().into_inner();
    let mut taken: Vec<_> = rows
        .iter()
        .zip(&said.rows)
        .map(|(row, drafted)| {
            assert!(drafted.taken_count > 0, "{drafted:?}");
            assert_eq!((drafted.ignored_count, drafted.absent_count), (0, 0));
            assert_eq!(drafted.taken.len(), 1, "{drafted:?}");
            (row.trait_path.as_str(), drafted.taken[0].value.as_str())
        })
        .collect();
    taken.sort_unstable();
    let expected = [
        ("active", "true"),
        ("birthday", r#""1980-07-28""#),
        ("email", r#""lana.romeijn@example.org""#),
        ("firstName", r#""Lana""#),
        ("lastName", r#""Romeijn""#),
    ];
    assert_eq!(taken, expected);
    assert!(!said.events.is_empty());
    for event in &said.events {
        assert_eq!((event.status, event.values.len()), (200, 5), "{event:?}");
        assert_eq!(event.differences.len(), 5, "nothing is saved: {event:?}");
    }
    assert_eq!(account.source().await.mapping_version, 1);
    refused(account, "/v1/identify", IDENTIFY).await;
}

async fn what_was_kept_is_replayed(account: &Account) {
    let filter = mapping::KeptEventFilter {
        codes: vec!["NO_MAPPING".into()],
        ..Default::default()
    };
    let request = mapping::PreviewReplayRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        filter: Some(filter.clone()),
        ..Default::default()
    };
    let said = account.weir.replays().preview_replay(request).await;
    let said = said.unwrap().into_inner();
    assert_eq!(counts(&said.counts), [(200, 1)]);
    assert_eq!(said.events.len(), 1);
    let fields: Value = serde_json::from_str(&said.events[0].fields_json).unwrap();
    let expected = json!({
        "str::first": "Lana", "str::last": "Romeijn", "str::email": "lana.romeijn@example.org",
        "dtz::b": "1980-07-28", "bol:cm:active": true,
    });
    assert_eq!(fields, expected);
    assert_eq!(account.contacts().await, [], "it was a dry run");

    let request = mapping::StartReplayRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        filter: Some(filter),
        request_id: "what came before the mapping".into(),
        all: false,
    };
    let replay = account.weir.replays().start_replay(request).await;
    let replay = replay.unwrap().into_inner().replay.unwrap();
    assert_eq!(replay.event_count, 1);
    let request = mapping::GetReplayRequest {
        account_id: account.account_id.clone(),
        replay_id: replay.replay_id,
    };
    let ended = eventually("it has ended", async || {
        let answer = account.weir.replays().get_replay(request.clone()).await;
        let now = answer.unwrap().into_inner().replay.unwrap();
        (now.state() == mapping::ReplayState::Ended).then_some(now)
    })
    .await;
    assert_eq!(counts(&ended.counts), [(200, 1)]);
    assert!(kept(account).await.is_empty(), "it is done");
}

fn counts(counts: &[mapping::ReplayCount]) -> Vec<(u32, i64)> {
    counts.iter().map(|one| (one.status, one.count)).collect()
}

/// By her id and by her name; it cost one unit. Answers her contact's id.
async fn she_is_there(account: &Account) -> String {
    let lana = account.contact(LANA).await.unwrap();
    assert_eq!(lana.anonymous_ids, ["507f191e810c19729de860ea"]);
    let mut fields: Vec<_> = lana
        .fields
        .iter()
        .map(|one| {
            let value = one.value.clone().unwrap().kind.unwrap();
            (one.field_id.as_str(), value)
        })
        .collect();
    fields.sort_unstable_by_key(|(field_id, _)| *field_id);
    use contact::value::Kind;
    let expected = [
        ("bol:cm:active", Kind::Boolean(true)),
        ("dtz::b", Kind::Date("1980-07-28".into())),
        ("str::email", Kind::Text("lana.romeijn@example.org".into())),
        ("str::first", Kind::Text("Lana".into())),
        ("str::last", Kind::Text("Romeijn".into())),
    ];
    assert_eq!(fields, expected);

    for query in ["lana", "romeijn l", "Lana.Romeijn@", "lana.romeijn.my"] {
        let request = contact::SearchContactsRequest {
            account_id: account.account_id.clone(),
            query: query.into(),
            ..Default::default()
        };
        let answer = account.weir.search().search_contacts(request).await;
        let matches = answer.unwrap().into_inner().matches.into_iter();
        let found: Vec<_> = matches.filter_map(|one| one.contact).collect();
        assert_eq!(found, std::slice::from_ref(&lana), "{query}");
    }
    assert_eq!(account.usage().await, (1, 0));
    // The event itself, should Segment send it once more, is a repeat.
    let again = account.post("/v1/identify", IDENTIFY).await;
    assert_eq!(again.statuses(), [200]);
    assert_eq!(account.usage().await, (1, 0));
    lana.contact_id
}

async fn a_track_is_refused_and_found_by_its_name(account: &Account) {
    refused(account, "/v1/track", TRACK).await;
    eventually("its sample is there", async || {
        account
            .samples(CLICK)
            .await
            .first()
            .map(|one| one.raw == TRACK)
    })
    .await;
    for contains in ["", "BUTTON", "sign-in b"] {
        let found = account.event_names(contains).await;
        assert_eq!(found, [(CLICK.to_owned(), false)], "{contains}");
    }
    assert_eq!(account.event_names("sign-out").await, []);
    assert_eq!(account.usage().await, (1, 0));
}

async fn the_activity_is_mapped(account: &Account) {
    use mapping::ValueType::{Date, Integer, Text};
    let said = suggestions(account, CLICK).await;
    let said: Vec<_> = said.iter().map(|one| (&*one.path, one.r#type())).collect();
    assert_eq!(said, [("action", Text), ("count", Integer)]);
    let attribute =
        |path: &str, value_type: mapping::ValueType, format: &str| mapping::AttributeMapping {
            property_path: path.into(),
            attribute: path.into(),
            r#type: value_type.into(),
            date_format: format.into(),
            ..Default::default()
        };
    let request = mapping::PutActivityMappingRequest {
        account_id: account.account_id.clone(),
        source_id: account.source_id.clone(),
        event_name: CLICK.into(),
        attributes: vec![
            attribute("action", Text, ""),
            attribute("count", Integer, ""),
            // Of a later release of the site; no sample has it.
            attribute("customerSince", Date, "DD-MM-YYYY"),
        ],
        ..Default::default()
    };
    let put = account.weir.mapping().put_activity_mapping(request).await;
    let put = put.unwrap().into_inner();
    assert_eq!(put.change(), mapping::ChangeKind::Created);
    let activity = put.activity.unwrap();
    assert_eq!(
        (activity.retention_days, activity.attributes.len()),
        (730, 3)
    );
    assert_eq!(account.event_names(CLICK).await, [(CLICK.to_owned(), true)]);
}

async fn the_tracks_are_one_activity_of_hers(account: &Account, contact_id: &str) {
    eventually("the mapping takes effect", async || {
        account.post("/v1/track", TRACK).await.statuses() == [200]
    })
    .await;
    let with_traits = account.post("/v1/track", TRACK_WITH_TRAITS).await;
    assert_eq!(with_traits.statuses(), [200]);
    let activities = activities(account, contact_id, 1).await;
    assert_eq!(activities[0].event_name, CLICK);
    assert_eq!(
        activities[0].message_id,
        "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1"
    );
    let attributes: Value = serde_json::from_str(&activities[0].attributes_json).unwrap();
    let expected = json!({"action": "sign-in-button-clicked", "count": 3});
    assert_eq!(attributes, expected);
    assert_eq!(account.backlog().await, 0);
    assert_eq!(account.contacts().await.len(), 1, "she is one");
    // The traits are a message of their own, and cost a profile unit; the activity cost one.
    assert_eq!(account.usage().await, (2, 1));
    eventually("what was kept of it is done", async || {
        kept(account).await.is_empty()
    })
    .await;
}

/// Hers, once there are so many; not one more.
async fn activities(
    account: &Account,
    contact_id: &str,
    count: usize,
) -> Vec<weir_proto::activity::v1::Activity> {
    let found = eventually("the activities are on their contact", async || {
        let found = account.activities(contact_id, 100).await;
        (found.len() >= count).then_some(found)
    })
    .await;
    assert_eq!(found.len(), count, "{found:?}");
    found
}

async fn a_date_is_read_in_the_format_of_its_attribute(account: &Account, contact_id: &str) {
    let click = |message_id: &str, time: String, since: &str| {
        json!({
            "userId": LANA, "event": CLICK, "timestamp": time, "messageId": message_id,
            "properties": {"customerSince": since},
        })
    };
    // A date that is written otherwise is ignored, and nothing else of its event.
    let events = [
        click("read", now(), "09-02-2024"),
        click("ignored", ago(60), "2024-02-09"),
    ];
    assert_eq!(account.track(&events).await.statuses(), [200, 200]);
    let newest = activities(account, contact_id, 3).await;
    let said: Vec<_> = newest[..2]
        .iter()
        .map(|one| (&*one.message_id, &*one.attributes_json))
        .collect();
    let read = r#"{"customerSince":"2024-02-09"}"#;
    assert_eq!(said, [("read", read), ("ignored", "{}")]);
    let line = eventually("the log says why", async || {
        let log = account.log().await.into_iter();
        log.into_iter().find(|line| line.message_id == "ignored")
    })
    .await;
    assert_eq!(
        (&*line.code, &*line.path),
        ("DATE_FORMAT_MISMATCH", "properties.customerSince")
    );
}
