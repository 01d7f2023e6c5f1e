//! What traits and a location come to, and what is logged of them (semantics 2.2, 2.4-2.8, 4.7).

use super::*;

/// Fields, what they come to, and the codes of the log.
fn said(snapshot: &Snapshot, event: &RawEvent<'_>) -> (String, Traits, Vec<String>) {
    let mut mapper = Mapper::new(snapshot, None);
    let Outcome::Mapped {
        fields_json,
        traits,
        ..
    } = mapper.map(event)
    else {
        panic!("it is mapped");
    };
    let codes = mapper.into_log().into_iter();
    let codes = codes.map(|line| format!("{} {} {}", line.path, line.code, line.value));
    (fields_json.to_string(), traits, codes.collect())
}

fn under(strategy: MergeStrategy) -> Snapshot {
    let mut snapshot = snapshot(&[
        row("email", "str::email", ""),
        row("firstName", "str::first", ""),
        row("score", "int:cm:score", ""),
        row("address.city", "geo::city", ""),
        row("tags", "sst:cm:tags", ""),
        row("products[].sku", "obj:cm:skus", ""),
    ]);
    snapshot.source.settings.merge_strategy = strategy;
    snapshot
}

const STRATEGIES: [MergeStrategy; 3] = [
    MergeStrategy::Overwrite,
    MergeStrategy::Append,
    MergeStrategy::Ignore,
];

#[test]
fn what_traits_come_to_is_told() {
    let check = |traits: &str, expected: Traits, lines: usize| {
        for strategy in STRATEGIES {
            for kind in [EventKind::Identify, EventKind::Member, EventKind::Track] {
                let (fields, came_to, log) = said(&under(strategy), &event(kind, traits, "{}"));
                assert_eq!(came_to, expected, "{kind:?} {traits} {fields}");
                assert_eq!(log.len(), lines, "{traits} {log:?}");
                assert_eq!(
                    fields.is_empty(),
                    expected != Traits::Values,
                    "{traits} {fields}"
                );
            }
        }
    };
    check("{}", Traits::None, 0);
    check(r#"{"other":"x"}"#, Traits::None, 0);
    check(r#"{"firstName":"Lana"}"#, Traits::Values, 0);
    check(r#"{"firstName":"Lana","score":"x"}"#, Traits::Values, 1);
    check(r#"{"score":"x"}"#, Traits::AllIgnored, 1);
    check(
        r#"{"score":"x","email":"undefined"}"#,
        Traits::AllIgnored,
        2,
    );
    // A blank text is as if it was not there.
    check(
        r#"{"firstName":"","email":" ","score":"\u200b","tags":[""]}"#,
        Traits::None,
        0,
    );
    check(r#"{"firstName":"","score":"x"}"#, Traits::AllIgnored, 1);
    check(r#"{"tags":[null,{}]}"#, Traits::AllIgnored, 2);
    check(r#"{"tags":[null,"a"]}"#, Traits::Values, 1);
    // PHP's empty object.
    check("[ ]", Traits::None, 0);
}

/// Semantics 2.6.
#[test]
fn a_null_clears_under_overwrite_and_is_nothing_otherwise() {
    for strategy in STRATEGIES {
        let clears = strategy == MergeStrategy::Overwrite;
        let check = |traits: &str, fields: &str, otherwise: Traits| {
            let said = said(&under(strategy), &event(EventKind::Track, traits, "{}"));
            let (expected, came_to) = if clears {
                (fields, Traits::Clears)
            } else {
                ("", otherwise)
            };
            assert_eq!((said.0.as_str(), said.1), (expected, came_to), "{traits}");
        };
        check(r#"{"email":null}"#, r#"{"str::email":null}"#, Traits::None);
        check(r#"{"tags":[]}"#, r#"{"sst:cm:tags":null}"#, Traits::None);
        check(
            r#"{"products":[ ]}"#,
            r#"{"obj:cm:skus":null}"#,
            Traits::None,
        );
        // A blank text is as if it was not there, and not ignored.
        check(
            r#"{"email":null,"firstName":" ","tags":[""]}"#,
            r#"{"str::email":null}"#,
            Traits::None,
        );
    }
}

/// Semantics 2.8: where there is no contact a null is nothing, and each mapped trait was
/// ignored.
#[test]
fn nulls_beside_ignored_values_are_told_apart() {
    for strategy in STRATEGIES {
        let (cleared, expected) = match strategy {
            MergeStrategy::Overwrite => (true, Traits::ClearsRestIgnored),
            _ => (false, Traits::AllIgnored),
        };
        for (traits, fields) in [
            (r#"{"score":"x","email":null}"#, r#"{"str::email":null}"#),
            (
                r#"{"email":"undefined","tags":[]}"#,
                r#"{"sst:cm:tags":null}"#,
            ),
            (
                r#"{"firstName":null,"tags":[null,{}],"score":""}"#,
                r#"{"str::first":null}"#,
            ),
        ] {
            for kind in [EventKind::Identify, EventKind::Member, EventKind::Track] {
                let said = said(&under(strategy), &event(kind, traits, "{}"));
                let fields = if cleared { fields } else { "" };
                assert_eq!((said.0.as_str(), said.1), (fields, expected), "{traits}");
            }
        }
        let valued = r#"{"score":"x","email":null,"firstName":"Lana"}"#;
        let said = said(&under(strategy), &event(EventKind::Identify, valued, "{}"));
        assert_eq!(said.1, Traits::Values);
    }
}

const UTRECHT: &str = r#"{"city":"Utrecht","country":null,"state":" ","post_code":""}"#;

fn check_location(
    (kind, strategy): (EventKind, MergeStrategy),
    traits: &str,
    location: &str,
    expected: (&str, Traits),
) {
    let located = RawEvent {
        location: Some(location.as_bytes()),
        ..event(kind, traits, "{}")
    };
    let (fields, came_to, _) = said(&under(strategy), &located);
    assert_eq!((fields.as_str(), came_to), expected, "{traits} {location}");
}

/// Semantics 2.7: it is the contact's on an identify, and the activity's on a track.
#[test]
fn a_location_gives_values_where_no_trait_does() {
    use EventKind::{Identify, Member};
    use MergeStrategy::{Append, Overwrite};
    let located = (r#"{"geo::city":"Utrecht"}"#, Traits::Values);
    for kind in [Identify, Member] {
        for traits in [
            "{}",
            r#"{"score":"x"}"#,
            r#"{"address":{"city":" "}}"#,
            "[]",
        ] {
            check_location((kind, Overwrite), traits, UTRECHT, located);
            check_location((kind, Append), traits, UTRECHT, located);
        }
    }
    let amsterdam = r#"{"address":{"city":"Amsterdam"}}"#;
    check_location(
        (Identify, Overwrite),
        amsterdam,
        UTRECHT,
        (r#"{"geo::city":"Amsterdam"}"#, Traits::Values),
    );
    let cleared = r#"{"address":{"city":null}}"#;
    check_location(
        (Identify, Overwrite),
        cleared,
        UTRECHT,
        (r#"{"geo::city":null}"#, Traits::Clears),
    );
    check_location((Identify, Append), cleared, UTRECHT, located);
    check_location(
        (Identify, Overwrite),
        "{}",
        r#"{"city":{},"country":null}"#,
        ("", Traits::None),
    );
    check_location((Identify, Overwrite), "{}", "{}", ("", Traits::None));
}

/// Semantics 2.7.
#[test]
fn a_null_of_a_location_clears_nothing_and_a_tracks_location_is_not_the_contacts() {
    use EventKind::{Identify, Track};
    use MergeStrategy::Overwrite;
    // A null of a location clears nothing, and what of it is unreadable is no mapped trait.
    check_location(
        (Identify, Overwrite),
        "{}",
        r#"{"city":null,"country":""}"#,
        ("", Traits::None),
    );
    check_location(
        (Identify, Overwrite),
        r#"{"email":null}"#,
        r#"{"city":{},"country":null}"#,
        (r#"{"str::email":null}"#, Traits::Clears),
    );
    check_location(
        (Identify, Overwrite),
        r#"{"email":null,"score":"x"}"#,
        UTRECHT,
        (
            r#"{"str::email":null,"geo::city":"Utrecht"}"#,
            Traits::Values,
        ),
    );
    check_location((Track, Overwrite), "{}", UTRECHT, ("", Traits::None));
    check_location(
        (Track, Overwrite),
        r#"{"score":"x"}"#,
        UTRECHT,
        ("", Traits::AllIgnored),
    );
}

#[test]
fn what_is_ignored_is_logged_with_its_path_code_and_value() {
    let lines = |traits: &str| {
        said(
            &under(MergeStrategy::Overwrite),
            &event(EventKind::Identify, traits, "{}"),
        )
        .2
    };
    let check = |traits: &str, expected: &[&str]| assert_eq!(lines(traits), expected, "{traits}");
    check(r#"{"email":"N/A"}"#, &["traits.email VALUE_BLOCKED N/A"]);
    check(
        r#"{"email":"a\u200bb@example.org"}"#,
        &["traits.email INVISIBLE_CHARACTERS a\u{200b}b@example.org"],
    );
    check(
        r#"{"firstName":"Lana \ud83d"}"#,
        &[r#"traits.firstName NOT_STORABLE "Lana \ud83d""#],
    );
    check(
        r#"{"address":{"city":[1]}}"#,
        &["traits.address.city PLACE_INVALID [1]"],
    );
    check(
        r#"{"tags":["a",{"b":1},null]}"#,
        &[
            r#"traits.tags LIST_INVALID {"b":1}"#,
            "traits.tags LIST_INVALID null",
        ],
    );
    check(
        r#"{"products":[{"sku":null},{"sku":"a"}]}"#,
        &["traits.products[].sku LIST_INVALID null"],
    );
    let long = lines(&format!(r#"{{"score":"{}"}}"#, "é".repeat(500)));
    assert_eq!(
        long,
        [format!("traits.score INTEGER_INVALID {}", "é".repeat(120))]
    );
}

/// Semantics 2.2.
#[test]
fn a_path_with_brackets_gives_a_list() {
    let check = |traits: &str, expected: &str| {
        let (fields, _, log) = said(
            &under(MergeStrategy::Overwrite),
            &event(EventKind::Identify, traits, "{}"),
        );
        assert_eq!((fields.as_str(), log), (expected, vec![]), "{traits}");
    };
    let products = r#"{"products":[{"sku":"a","n":1},{"n":2},{"sku":{ "b" : 1e400 }}]}"#;
    check(products, r#"{"obj:cm:skus":["a",{"b":1e400}]}"#);
    check(r#"{"products":[{"n":1}]}"#, "");
    check(r#"{"products":[]}"#, r#"{"obj:cm:skus":null}"#);
    check(r#"{"products":{"sku":"a"}}"#, "");
    check(r#"{"products":[null]}"#, "");
    check(r#"{"products":null}"#, r#"{"obj:cm:skus":null}"#);
}

/// The index is that in the list as it was sent, whatever of it the path leads to.
#[test]
fn what_is_left_out_of_a_list_is_found_by_its_place() {
    let mut snapshot = under(MergeStrategy::Overwrite);
    let pairs = [
        row("tags", "sst:cm:tags", ""),
        row("orders[].items[].sku", "obj:cm:skus", ""),
    ];
    snapshot.contact = super::snapshot(&pairs).contact;
    let indexes = |traits: &str| {
        let mut mapper = Mapper::new(&snapshot, None);
        mapper.map(&event(EventKind::Identify, traits, "{}"));
        let lines = mapper.into_log().into_iter();
        lines.map(|line| line.reason).collect::<Vec<_>>()
    };
    let at = |index: usize| format!("left out of the list, element {index}: is null");
    assert_eq!(indexes(r#"{"tags":["","a"," ",null]}"#), [at(3)]);
    assert_eq!(
        indexes(
            r#"{"orders":[{},7,{"items":[{"n":1},{"sku":"a"},{"sku":null}]},{"items":null},{"items":[{"sku":null}]}]}"#
        ),
        [at(2), at(4)]
    );
}

/// Semantics 2.4c: no number, half of a character or name of a key costs a neighbour.
#[test]
fn whatever_a_neighbour_is_values_are_taken() {
    for neighbour in [
        "1e400",
        "1e-16384",
        "0e-99999",
        &"9".repeat(2_000),
        r#""\ud800""#,
        r#"{"q":1e400,"\udc00":["\u0000"]}"#,
        r#"[[[[[[[[[[1]]]]]]]]]]"#,
    ] {
        for key in ["score", "other", r"\ud800", r"\u0000"] {
            let traits = format!(r#"{{"{key}":{neighbour},"firstName":"Lana"}}"#);
            let (fields, came_to, _) = said(
                &under(MergeStrategy::Overwrite),
                &event(EventKind::Identify, &traits, "{}"),
            );
            assert_eq!(came_to, Traits::Values);
            assert!(
                fields.contains(r#""str::first":"Lana""#),
                "{traits} {fields}"
            );
        }
    }
}
