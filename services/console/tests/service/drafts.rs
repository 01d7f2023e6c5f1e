//! What the pages of a draft show of it while somebody works at them.

use weir_proto::mapping::v1 as wire;

use crate::activities::{self, NAME};
use crate::harness::{Answer, Console, SOURCE};
use crate::saves::{send, stands};
use crate::stub::ACCOUNT;
use crate::suggestions::suggest;

pub const PREVIEW: &str = "/weir.mapping.v1.PreviewService/PreviewContactMapping";
const PREVIEW_ACTIVITY: &str = "/weir.mapping.v1.PreviewService/PreviewActivityMapping";

pub fn drafted(taken: u32) -> wire::DraftedRow {
    wire::DraftedRow {
        taken_count: taken,
        ..Default::default()
    }
}

/// What one event would come to.
pub fn event() -> wire::DraftedEvent {
    wire::DraftedEvent {
        status: 200,
        kind: wire::EventKind::Identify.into(),
        ..Default::default()
    }
}

/// The part of a page that has this id.
pub fn part<'a>(answer: &'a Answer, id: &str, end: &str) -> &'a str {
    let behind = answer.text.split(&format!("id=\"{id}\"")[..]).nth(1);
    let behind = behind.unwrap_or_else(|| panic!("no {id} in {}", answer.text));
    behind.split(end).next().unwrap()
}

pub fn times(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

const ROWS: [(&str, &str); 4] = [
    ("on:dtz::b", "1"),
    ("path:dtz::b", "birthday"),
    ("on:str::email", "1"),
    ("path:str::email", "email"),
];

#[tokio::test]
async fn one_wrong_row_takes_no_verdict_from_the_others() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    let answer = wire::PreviewContactMappingResponse {
        rows: vec![drafted(17)],
        events: vec![event()],
    };
    console.stub.answer(PREVIEW, &answer);
    // The row that was saved stands first.
    let wrong = || weir_rpc::invalid("mappings[1].date_format", "a date needs a format");
    console.stub.refuse_once(PREVIEW, wrong());
    let mut form = ROWS.to_vec();
    form.push(("do", "preview"));
    let answer = send(&console, &form).await;
    let asked: Vec<wire::PreviewContactMappingRequest> = console.stub.sent(PREVIEW);
    let rows: Vec<usize> = asked.iter().map(|one| one.mappings.len()).collect();
    assert_eq!(rows, [2, 1]);
    assert_eq!(asked[1].mappings[0].field_id, "str::email");
    let says = "Birthday: a date needs a format.";
    assert!(part(&answer, "verdict-1", "</div>").contains(says));
    let others = part(&answer, "verdict-2", "</div>");
    assert!(others.contains("17 of 17"), "{others}");
    let preview = part(&answer, "preview", "</section>");
    assert!(preview.contains("1 row is not right yet"), "{preview}");
    assert!(preview.contains("All 1 event"), "{preview}");

    // A save finds the same as the preview behind it.
    console.stub.refuse_once(PREVIEW, wrong());
    let put = "/weir.mapping.v1.MappingService/PutContactMapping";
    console.stub.refuse_once(put, wrong());
    *form.last_mut().unwrap() = ("do", "save");
    form.push(("unique", "str::email"));
    let answer = send(&console, &form).await;
    let faults = part(&answer, "faults", "</div>");
    assert!(faults.contains("1 thing to put right"), "{faults}");
    assert_eq!(times(faults, says), 1, "{faults}");
    assert!(faults.contains("href=\"#line-dtz::b\""), "{faults}");
}

#[tokio::test]
async fn a_ticked_field_without_a_trait_is_said_at_its_row() {
    let console = Console::start().await;
    stands(&console.stub, &[], 1, &[]);
    let form = [("on:dtz::b", "1"), ("do", "save")];
    let answer = send(&console, &form).await;
    let says = "Birthday: it is ticked";
    assert!(part(&answer, "verdict-1", "</div>").contains(says));
    assert!(part(&answer, "faults", "</div>").contains("href=\"#line-dtz::b\""));
}

#[tokio::test]
async fn one_wrong_attribute_takes_no_verdict_from_the_others() {
    let console = Console::start().await;
    activities::stands(&console.stub, 1, NAME);
    let previewed = wire::PreviewActivityMappingResponse {
        rows: vec![drafted(3), drafted(5)],
        events: vec![event()],
    };
    console.stub.answer(PREVIEW_ACTIVITY, &previewed);
    let wrong = || weir_rpc::invalid("attributes[1].property_path", "is no path");
    console.stub.refuse_once(PREVIEW_ACTIVITY, wrong());
    let mut form = vec![
        // A blank line is none, and counts for no place.
        ("property:0", ""),
        ("property:1", "first"),
        ("property:4", "a b"),
        ("property:5", "third"),
        ("do", "preview"),
    ];
    let answer = activities::send(&console, &form).await;
    for (id, says) in [
        ("verdict-1", "3 of 3"),
        ("verdict-4", "a b: is no path."),
        ("verdict-5", "5 of 5"),
        ("looked", "without 1 attribute"),
    ] {
        let shown = part(&answer, id, "</div>");
        assert!(shown.contains(says), "{id}: {shown}");
    }
    console.stub.refuse_once(PREVIEW_ACTIVITY, wrong());
    let put = "/weir.mapping.v1.MappingService/PutActivityMapping";
    console.stub.refuse_once(put, wrong());
    *form.last_mut().unwrap() = ("do", "save");
    let answer = activities::send(&console, &form).await;
    let faults = part(&answer, "faults", "</div>");
    assert_eq!(times(faults, "a b: is no path."), 1, "{faults}");
    assert!(faults.contains("href=\"#row-4\""), "{faults}");
}

#[tokio::test]
async fn every_column_of_an_activity_has_its_label_and_an_attribute_its_way_out() {
    let console = Console::start().await;
    activities::stands(&console.stub, 1, NAME);
    let form = [
        ("property:2", "when"),
        ("type:2", "date"),
        ("do", "preview"),
    ];
    let answer = activities::send(&console, &form).await;
    let row = part(&answer, "row-2", "</li>");
    for label in ["Property", "Attribute", "Type", "Format"] {
        assert!(row.contains(&format!("<span>{label}</span>")), "{row}");
        assert_eq!(times(&answer.text, &format!("<span>{label}</span>")), 2);
    }
    let options = row.split("<details").nth(1).unwrap();
    assert!(row.contains("value=\"drop:2\""), "{row}");
    assert!(!options.contains("value=\"drop:2\""), "{options}");
}

#[tokio::test]
async fn a_search_without_a_match_says_so() {
    let console = Console::start().await;
    stands(&console.stub, &[("email", "str::email")], 1, &[]);
    let cookie = console.administrator().await;
    for (text, hidden) in [("mail", true), ("xyz", false)] {
        let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map?q={text}");
        let answer = console.get(&path, &cookie).await;
        let none = part(&answer, "lines-none", "</p>");
        assert_eq!(none.contains(" hidden>"), hidden, "{none}");
        assert!(none.contains(&format!("“<bdi>{text}</bdi>”")), "{none}");
    }
}

/// Letters that nothing makes shorter.
fn noise(letters: usize, seed: &mut u64) -> String {
    let letter = |_| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char::from(letters[usize::try_from(*seed >> 58).unwrap()])
    };
    (0..letters).map(letter).collect()
}

/// How large a page is that a browser gets.
async fn packed(console: &Console, path: &str) -> usize {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let cookie = console.administrator().await;
    let path = format!("/accounts/{ACCOUNT}/sources/{SOURCE}/{path}");
    let answer = console.get(&path, &cookie).await;
    assert_eq!(answer.status, 200);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(answer.text.as_bytes()).unwrap();
    packed.finish().unwrap().len()
}

/// Most of what a page may weigh.
const LIGHT: usize = 60 * 1024;

#[tokio::test]
async fn two_hundred_fields_with_long_values_are_a_light_page() {
    let console = Console::start().await;
    let mut seed = 1;
    let ids: Vec<String> = (0..209).map(|n| format!("str:cm:custom-{n}")).collect();
    let names: Vec<String> = (0..209).map(|n| format!("trait{n}")).collect();
    let rows: Vec<(&str, &str)> = names.iter().zip(&ids).map(|(a, b)| (&**a, &**b)).collect();
    stands(&console.stub, &rows, 2, &[]);
    let field = |id: &String| wire::Field {
        field_id: id.clone(),
        name: format!("Custom field {id}"),
        r#type: wire::ValueType::Text.into(),
        ..Default::default()
    };
    let fields = wire::ListFieldsResponse {
        fields: ids.iter().map(field).collect(),
        ..Default::default()
    };
    let method = "/weir.mapping.v1.MappingService/ListFields";
    console.stub.answer(method, &fields);
    let mut drafted = |_: &String| wire::DraftedRow {
        taken_count: 5,
        taken: (0..5)
            .map(|_| wire::DraftTakenValue {
                path: String::new(),
                value: format!("\"{}\"", noise(118, &mut seed)),
            })
            .collect(),
        ..Default::default()
    };
    let preview = wire::PreviewContactMappingResponse {
        rows: ids.iter().map(&mut drafted).collect(),
        events: vec![event(); 200],
    };
    console.stub.answer(PREVIEW, &preview);
    suggest(&console.stub, &[]);
    let sample = |_| {
        let traits = names
            .iter()
            .map(|name| (name.clone(), noise(200, &mut seed)));
        let traits: std::collections::BTreeMap<_, _> = traits.collect();
        wire::Sample {
            raw: serde_json::json!({ "traits": traits }).to_string(),
            ..Default::default()
        }
    };
    let samples = wire::ListSamplesResponse {
        samples: (0..5).map(sample).collect(),
    };
    console
        .stub
        .answer("/weir.mapping.v1.MappingService/ListSamples", &samples);
    let size = packed(&console, "map").await;
    assert!(size < LIGHT, "{size}");
    let size = packed(&console, "samples").await;
    assert!(size < LIGHT, "{size}");
}

#[tokio::test]
async fn a_long_sample_is_cut_and_can_be_seen_whole() {
    let console = Console::start().await;
    let mut seed = 1;
    stands(&console.stub, &[], 2, &[]);
    let mut sample = |seconds: i64| wire::Sample {
        raw: format!(
            "{{\"a\": \"{}\", \"z\": {seconds}}}",
            noise(15_000, &mut seed)
        ),
        receive_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    let samples = wire::ListSamplesResponse {
        samples: vec![sample(11), sample(12)],
    };
    console
        .stub
        .answer("/weir.mapping.v1.MappingService/ListSamples", &samples);
    let cookie = console.administrator().await;
    let at = |query: &str| format!("/accounts/{ACCOUNT}/sources/{SOURCE}/samples{query}");
    let all = console.get(&at(""), &cookie).await;
    assert!(!all.text.contains("z&quot;: 12"), "{}", all.text);
    assert!(
        all.text.contains("whole=12000000\">All of it</a>"),
        "{}",
        all.text
    );
    let one = console.get(&at("?whole=12000000"), &cookie).await;
    assert!(one.text.contains("z&quot;: 12"), "{}", one.text);
    assert!(!one.text.contains("z&quot;: 11"));
    let gone = console.get(&at("?whole=13"), &cookie).await;
    assert!(gone.text.contains("none of the last five"), "{}", gone.text);
}

#[tokio::test]
async fn the_first_save_is_held_against_nothing() {
    let console = Console::start().await;
    stands(&console.stub, &[("email", "str::email")], 2, &[]);
    let versions = wire::ListMappingVersionsResponse {
        versions: vec![wire::MappingVersion {
            version: 2,
            fields: vec![wire::FieldMapping {
                trait_path: "email".to_owned(),
                field_id: "str::email".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let method = "/weir.mapping.v1.ConfigurationService/ListMappingVersions";
    console.stub.answer(method, &versions);
    let none = tonic::Status::not_found("there is no version 1 of it");
    let method = "/weir.mapping.v1.ConfigurationService/DiffMappingVersions";
    console.stub.refuse(method, none);
    let cookie = console.administrator().await;
    let at = |query: &str| format!("/accounts/{ACCOUNT}/sources/{SOURCE}/map/versions{query}");
    let list = console.get(&at(""), &cookie).await;
    assert!(list.text.contains("before the first save"), "{}", list.text);
    let one = console.get(&at("?from=1&to=2"), &cookie).await;
    assert_eq!(one.status, 200);
    assert!(one.text.contains("<bdi>email</bdi>"), "{}", one.text);
    // What is none of them is said on the page.
    let none = console.get(&at("?from=7&to=9"), &cookie).await;
    assert_eq!(none.status, 200);
    assert!(none.text.contains("There is no version 1"), "{}", none.text);
}

#[tokio::test]
async fn a_page_says_whether_leaving_it_loses_something() {
    let console = Console::start().await;
    stands(
        &console.stub,
        &[("email", "str::email")],
        1,
        &["str::email"],
    );
    let email = &ROWS[2..];
    for (more, is_changed) in [
        (vec![("unique", "str::email")], false),
        (vec![], true),
        (ROWS[..2].to_vec(), true),
        (vec![("unique", "str::email"), ("new_name", "Shoe")], true),
    ] {
        let mut form = email.to_vec();
        form.extend(&more);
        form.push(("do", "preview"));
        let answer = send(&console, &form).await;
        let says = answer.text.contains("data-changed=\"1\"");
        assert_eq!(says, is_changed, "{more:?}");
    }
}
