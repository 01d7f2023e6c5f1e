//! Activities are mapped while others map them, too, and taken away knowing what that comes to.

use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;

use crate::harness::{Answer, Console, SOURCE};
use crate::stub::{ACCOUNT, HOSTILE, Stub};

const PUT: &str = "/weir.mapping.v1.MappingService/PutActivityMapping";
const UNMAP: &str = "/weir.mapping.v1.MappingService/DeleteActivityMapping";
pub const NAME: &str = "order sent";

fn path(page: &str) -> String {
    format!("/accounts/{ACCOUNT}/sources/{SOURCE}/{page}")
}

/// The source at this version, and an activity that is mapped.
pub fn stands(stub: &Stub, version: i64, name: &str) {
    let source = wire::GetSourceResponse {
        source: Some(wire::Source {
            source_id: SOURCE.to_owned(),
            account_id: ACCOUNT.to_string(),
            name: "Website".to_owned(),
            mapping_version: version,
            ..Default::default()
        }),
    };
    stub.answer("/weir.mapping.v1.MappingService/GetSource", &source);
    let activity = wire::ActivityMapping {
        event_name: name.to_owned(),
        retention_days: 90,
        attributes: vec![wire::AttributeMapping {
            property_path: "cart.total".to_owned(),
            attribute: "total".to_owned(),
            r#type: wire::ValueType::Currency.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let all = wire::ListActivityMappingsResponse {
        activities: vec![activity],
        next_page_token: String::new(),
    };
    let method = "/weir.mapping.v1.MappingService/ListActivityMappings";
    stub.answer(method, &all);
}

/// A form that was loaded at version 1.
pub async fn send(console: &Console, says: &[(&str, &str)]) -> Answer {
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let mut form = vec![
        ("form_token", &*token),
        ("version", "1"),
        ("name", NAME),
        ("retention", "730"),
    ];
    form.extend(says);
    console.stub.forget_calls();
    let path = path("activities/edit");
    console.post(&path, &cookie, &form).await
}

#[tokio::test]
async fn a_retention_that_is_none_is_refused() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    for days in ["abc", "-1", "731"] {
        let form = [
            ("form_token", &*token),
            ("version", "1"),
            ("name", NAME),
            ("retention", days),
            ("do", "save"),
        ];
        let answer = console.post(&path("activities/edit"), &cookie, &form).await;
        let says = "Kept for, in days: must be a whole number from 1 to 730";
        assert!(answer.text.contains(says), "{days}: {}", answer.text);
    }
    assert_eq!(versions_sent(&console), []);
}

fn refuse(stub: &Stub) {
    let says = "the mapping was saved by somebody else meanwhile";
    stub.refuse(PUT, weir_rpc::aborted(Reason::MappingChanged, says));
}

fn versions_sent(console: &Console) -> Vec<Option<i64>> {
    let sent: Vec<wire::PutActivityMappingRequest> = console.stub.sent(PUT);
    sent.iter().map(|one| one.expected_version).collect()
}

const TOTAL: [(&str, &str); 3] = [
    ("property:0", "cart.total"),
    ("attribute:0", "total"),
    ("type:0", "decimal"),
];

// Semantics 7.4.
#[tokio::test]
async fn an_activity_that_two_people_add_is_shown_to_the_second_with_the_difference() {
    let console = Console::start().await;
    stands(&console.stub, 2, NAME);
    refuse(&console.stub);
    let mut form = TOTAL.to_vec();
    form.extend([("is_new", "1"), ("do", "save")]);
    let answer = send(&console, &form).await;
    assert_eq!(versions_sent(&console), [Some(1)]);
    for says in [
        "Somebody else added this activity meanwhile.",
        "cart.total, Currency",
        "cart.total, Decimal",
        "90 days",
    ] {
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
    // Saved again it takes the place of what is shown, as an edit.
    assert_eq!(answer.hidden("version"), "2");
    assert!(!answer.text.contains("name=\"is_new\""));
}

#[tokio::test]
async fn another_mapping_of_the_source_is_not_in_the_way_of_a_new_activity() {
    let console = Console::start().await;
    stands(&console.stub, 2, "something else");
    refuse(&console.stub);
    let mut form = TOTAL.to_vec();
    form.extend([("is_new", "1"), ("do", "save")]);
    let answer = send(&console, &form).await;
    assert_eq!(versions_sent(&console), [Some(1), Some(2)]);
    assert!(!answer.text.contains("meanwhile.</strong>"));
}

#[tokio::test]
async fn a_stale_edit_shows_the_difference() {
    let console = Console::start().await;
    stands(&console.stub, 2, NAME);
    refuse(&console.stub);
    let mut form = TOTAL.to_vec();
    form.push(("do", "save"));
    let answer = send(&console, &form).await;
    assert_eq!(versions_sent(&console), [Some(1)]);
    for says in [
        "Somebody else saved version 2 meanwhile.",
        "cart.total, Currency",
        "cart.total, Decimal",
    ] {
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
    // Or it is there no more.
    stands(&console.stub, 3, "something else");
    let answer = send(&console, &form).await;
    let says = "Somebody else took this activity&#39;s mapping away meanwhile.";
    assert!(
        answer.text.contains(says) || answer.text.contains(&says.replace("&#39;", "'")),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("name=\"is_new\""));
}

#[tokio::test]
async fn the_attribute_goes_whose_button_it_is_and_enter_adds_the_property_beside_it() {
    let console = Console::start().await;
    stands(&console.stub, 1, NAME);
    let rows = [
        ("property:0", ""),
        ("property:1", "first"),
        ("property:2", "second"),
    ];
    let mut form = rows.to_vec();
    form.push(("do", "drop:1"));
    let answer = send(&console, &form).await;
    assert!(!answer.text.contains("value=\"first\""), "{}", answer.text);
    assert!(answer.text.contains("name=\"property:2\" value=\"second\""));
    let mut form = rows.to_vec();
    form.extend([
        ("do", "enter"),
        ("new_property", "third"),
        ("new_type", "date"),
    ]);
    let answer = send(&console, &form).await;
    assert!(answer.text.contains("name=\"property:3\" value=\"third\""));
    // What is written and not added is there still.
    form[3] = ("do", "preview");
    let answer = send(&console, &form).await;
    assert!(
        answer
            .text
            .contains("name=\"new_property\" value=\"third\"")
    );
}

#[tokio::test]
async fn a_date_has_its_formats_beside_it_at_once() {
    let console = Console::start().await;
    stands(&console.stub, 1, NAME);
    let form = [
        ("property:4", "when"),
        ("type:4", "date"),
        ("do", "preview"),
    ];
    let answer = send(&console, &form).await;
    let format = answer.text.split("id=\"format-4\"").nth(1).unwrap();
    let format = format.split("</div>").next().unwrap();
    assert!(format.contains("name=\"format:4\""), "{format}");
    assert!(format.contains("name=\"own:4\""), "{format}");
    assert!(
        answer
            .text
            .contains("data-preview=\"faults looked verdict-* format-*\"")
    );
}

#[tokio::test]
async fn who_takes_a_mapping_away_is_told_how_many_events_a_day_it_concerns_and_asked() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for name in [NAME, HOSTILE] {
        stands(&console.stub, 1, name);
        let summary = |status, code: &str, count| wire::LogSummary {
            status,
            code: code.to_owned(),
            subject: name.to_owned(),
            count,
            ..Default::default()
        };
        let taken = wire::SummarizeLogResponse {
            summaries: vec![
                summary(200, "OK", 1_234),
                summary(422, "NO_MAPPING", 64),
                summary(0, "INTEGER_INVALID", 7),
            ],
            ..Default::default()
        };
        let method = "/weir.mapping.v1.LogService/SummarizeLog";
        console.stub.answer(method, &taken);
        let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let page = path(&format!("activities/unmap?name={query}"));
        let answer = console.get(&page, &cookie).await;
        let says = "<strong>1,298 events</strong> of this name came in the last 24 hours: 1,234 \
                    stored (or known before), 64 not.";
        assert!(answer.text.contains(says), "{}", answer.text);
        assert!(!answer.text.contains("<script>alert"), "{}", answer.text);
    }
    // An address of before asks as well.
    let answer = send(&console, &[("do", "unmap")]).await;
    assert!(
        answer
            .location()
            .contains("/activities/unmap?name=order+sent")
    );
    assert!(console.stub.calls().iter().all(|(path, _)| path != UNMAP));
}
