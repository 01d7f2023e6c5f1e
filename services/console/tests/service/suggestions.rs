//! What is suggested for a map, and how it is said.

use weir_proto::mapping::v1 as wire;

use crate::drafts::{PREVIEW, drafted, event, part, times};
use crate::harness::Console;
use crate::saves::{send, stands};
use crate::stub::Stub;

const SUGGEST: &str = "/weir.mapping.v1.PreviewService/SuggestMappings";

pub fn suggest(stub: &Stub, all: &[(&str, &str)]) {
    let one = |(path, field): &(&str, &str)| wire::Suggestion {
        path: (*path).to_owned(),
        seen_count: 1,
        kinds: vec![wire::SuggestedKind {
            kind: "string".to_owned(),
            count: 1,
        }],
        examples: vec!["\"Lana\"".to_owned()],
        r#type: wire::ValueType::Text.into(),
        field_id: (*field).to_owned(),
        ..Default::default()
    };
    let answer = wire::SuggestMappingsResponse {
        suggestions: all.iter().map(one).collect(),
        event_count: 3,
    };
    stub.answer(SUGGEST, &answer);
}

// Semantics 7.7.
#[tokio::test]
async fn so_many_suggestions_are_taken_as_the_button_says() {
    let console = Console::start().await;
    stands(&console.stub, &[], 1, &[]);
    let all = [
        ("id", "str::ei"),
        ("ID", "str::ei"),
        ("phone", "phn::phone"),
        ("shoe", ""),
    ];
    suggest(&console.stub, &all);
    let preview = wire::PreviewContactMappingResponse {
        rows: vec![drafted(1), drafted(1)],
        events: vec![event()],
    };
    console.stub.answer(PREVIEW, &preview);
    let answer = send(&console, &[("do", "preview")]).await;
    let came = part(&answer, "came", "</section>");
    assert!(came.contains("Take all 2 suggestions"), "{came}");
    // In words of people, and figures that say what they count.
    for says in [
        "in how many of 3 events it was",
        "in 1<",
        ">Text<",
        "its name fits",
    ] {
        assert!(came.contains(says), "{says}: {came}");
    }
    assert!(!came.contains("string"), "{came}");
    let answer = send(&console, &[("do", "take-all")]).await;
    let came = part(&answer, "came", "</section>");
    assert!(!came.contains("value=\"take-all\""), "{came}");
    let second = came.split("data-path=\"ID\"").nth(1).unwrap();
    assert!(second.contains("looked at where id is empty"), "{second}");
    assert_eq!(times(part(&answer, "changes", "</table>"), "<tr><td>"), 2);
}

// Semantics 7.7.
#[tokio::test]
async fn a_suggestion_says_how_many_values_do_not_fit() {
    let console = Console::start().await;
    stands(&console.stub, &[], 1, &[]);
    let kind = wire::SuggestedKind {
        kind: "string".to_owned(),
        count: 20,
    };
    let mut suggestion = wire::Suggestion {
        path: "mail".to_owned(),
        seen_count: 20,
        kinds: vec![kind],
        r#type: wire::ValueType::Text.into(),
        field_id: "str::email".to_owned(),
        ..Default::default()
    };
    for (misfits, says) in [
        (0, "its name fits, and so do its values"),
        (1, "its name fits; 1 of 20 values is no e-mail address"),
        (3, "its name fits; 3 of 20 values are no e-mail address"),
    ] {
        suggestion.misfit_count = misfits;
        let answer = wire::SuggestMappingsResponse {
            suggestions: vec![suggestion.clone()],
            event_count: 20,
        };
        console.stub.answer(SUGGEST, &answer);
        let answer = send(&console, &[("do", "preview")]).await;
        let came = part(&answer, "came", "</section>");
        assert!(came.contains(says), "{says}: {came}");
        assert!(came.contains("Take the suggestion"), "{came}");
    }
    // Nobody but a person knows which of the two is the month.
    suggestion.misfit_count = 0;
    suggestion.formats = vec!["DD/MM/YYYY".to_owned(), "MM/DD/YYYY".to_owned()];
    let answer = wire::SuggestMappingsResponse {
        suggestions: vec![suggestion],
        event_count: 20,
    };
    console.stub.answer(SUGGEST, &answer);
    let answer = send(&console, &[("do", "preview")]).await;
    let came = part(&answer, "came", "</section>");
    assert!(
        came.contains("as DD/MM/YYYY and as MM/DD/YYYY: look which is meant"),
        "{came}"
    );
    assert!(!came.contains("Take the suggestion"), "{came}");
}
