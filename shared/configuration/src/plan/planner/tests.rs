//! Plans are played against the rules of the services: no step of a plan without faults is
//! refused, and afterwards there is nothing left to plan.

mod server;

use proptest::prelude::*;

use super::*;
use crate::file;
use crate::plan::export;
use server::Server;

fn configuration(text: &str) -> Configuration {
    file::read("test", text).unwrap_or_else(|fault| panic!("{fault:?} in\n{text}"))
}

/// What stands after this file was applied to nothing.
fn after(text: &str) -> Server {
    let mut server = Server::default();
    let made = plan(&configuration(text), Standing::default(), false);
    assert_eq!(made.faults, []);
    server.play(&made);
    server
}

fn planned(text: &str, server: &Server, prune: bool) -> Plan {
    plan(&configuration(text), server.standing(), prune)
}

fn whats(plan: &Plan) -> Vec<String> {
    let show = |step: &Step| format!("{} {}", step.change.word(), step.what);
    plan.steps.iter().map(show).collect()
}

/// An account with these parts.
fn file(slots: usize, below: &str) -> String {
    format!("accounts:\n  - name: shop\n    plan: {{activity_slots: {slots}}}\n{below}")
}

fn source(name: &str, kind: &str, below: &str) -> String {
    format!("      - name: {name}\n        kind: {kind}\n{below}")
}

#[test]
fn the_demo_is_made_in_order_and_then_there_is_nothing_to_change() {
    let text = include_str!("../../../../../weir.yaml");
    let server = after(text);
    let again = planned(text, &server, true);
    assert_eq!((again.steps, again.left_over), (vec![], vec![]));
    assert!(again.unchanged > 20);
}

#[test]
fn slots_are_freed_before_they_are_taken() {
    let sources = |activity: &str| {
        let below = format!("        activities:\n          - event: {activity}\n");
        let sources = source("Segment", "segment_actions", &below);
        file(1, &format!("    sources:\n{sources}"))
    };
    let mut server = after(&sources("Old"));
    let full = planned(&sources("New"), &server, false);
    assert_eq!(full.faults.len(), 1);
    assert!(
        full.faults[0].message.contains("--prune"),
        "{:?}",
        full.faults
    );
    assert_eq!(full.left_over[0].what, "activity Old of Segment");
    let pruned = planned(&sources("New"), &server, true);
    assert_eq!(
        whats(&pruned),
        ["removed activity Old", "created activity New"]
    );
    server.play(&pruned);
}

#[test]
fn a_plan_shrinks_after_activities_were_unmapped() {
    let all = "        activities:\n          - event: One\n          - event: Two\n";
    let sources = |below: &str| {
        let source = source("Segment", "segment_actions", below);
        format!("    sources:\n{source}")
    };
    let mut server = after(&file(2, &sources(all)));
    let one = file(1, &sources("        activities:\n          - event: One\n"));
    let pruned = planned(&one, &server, true);
    assert_eq!(
        whats(&pruned),
        ["removed activity Two", "updated account shop"]
    );
    server.play(&pruned);
    // Whoever asks for less than stays is told before anything is done.
    let none = file(0, &sources(""));
    assert_eq!(planned(&none, &server, true).faults.len(), 1);
}

#[test]
fn fields_come_before_what_names_them_and_go_after_it() {
    let with = |field: &str| {
        let below = format!("        contact_mapping:\n          - {{trait: x, field: {field}}}\n");
        let sources = source("Segment", "segment_actions", &below);
        file(
            0,
            &format!(
                "    unique_identifiers: [{field}]\n    fields:\n      - {{name: {field}, type: \
                 text}}\n    sources:\n{sources}"
            ),
        )
    };
    let mut server = after(&with("Old"));
    let pruned = planned(&with("New"), &server, true);
    assert_eq!(
        whats(&pruned),
        [
            "created field New",
            "updated unique identifiers of shop",
            "updated contact mapping of Segment",
            "removed field Old",
        ]
    );
    server.play(&pruned);
    server.account("shop").has_contacts = true;
    let fixed = planned(&with("Old"), &server, true);
    assert_eq!(fixed.faults.len(), 1);
    assert!(fixed.faults[0].message.contains("has contacts"));
}

#[test]
fn a_list_that_is_not_there_is_not_the_files_business() {
    let mut server = after(include_str!("../../../../../weir.yaml"));
    let silent = "accounts:\n  - name: demo\n";
    let nothing = planned(silent, &server, true);
    assert_eq!((nothing.steps, nothing.left_over), (vec![], vec![]));
    let none = "accounts:\n  - name: demo\n    fields: []\n    sources: []\n    audiences: []\n";
    let left = planned(none, &server, false);
    assert_eq!(left.steps, []);
    let names: Vec<&str> = left.left_over.iter().map(|left| &*left.what).collect();
    assert_eq!(
        names,
        [
            "source Segment",
            "audience Newsletter",
            "field Active",
            "field Loyalty points",
        ]
    );
    let pruned = planned(none, &server, true);
    assert_eq!(pruned.count(Change::Removed), 4);
    server.play(&pruned);
}

#[test]
fn an_audience_for_which_events_come_is_not_pruned() {
    let mut server = after(include_str!("../../../../../weir.yaml"));
    server.account("demo").audiences[0].figures = Some(weir_proto::audience::v1::AudienceFigures {
        members: 3,
        updates_last_7_days: 15,
    });
    let none = "accounts:\n  - name: demo\n    audiences: []\n";
    let plan = planned(none, &server, true);
    assert_eq!(plan.steps, []);
    let [left] = plan.left_over.as_slice() else {
        panic!("{:?}", plan.left_over)
    };
    assert_eq!(
        left.what,
        "audience Newsletter, for which some 3 events a day come"
    );
    assert!(!left.prunable);
}

#[test]
fn a_source_is_renamed_with_all_that_it_has() {
    let text = include_str!("../../../../../weir.yaml");
    let mut server = after(text);
    let renamed = text.replacen(
        "- name: Segment\n",
        "- name: Website\n        renamed_from: Segment\n",
        1,
    );
    let step = planned(&renamed, &server, true);
    assert_eq!(whats(&step), ["updated source Website"]);
    server.play(&step);
    assert_eq!(planned(&renamed, &server, true).steps, []);
    // Without a word of the old name it would be a second one.
    let unsaid = text.replacen("- name: Segment\n", "- name: Shop\n", 1);
    let faults = planned(&unsaid, &server, false).faults;
    assert!(faults[0].message.contains("renamed_from: Website"));
    let replaced = planned(&unsaid, &server, true);
    assert_eq!(replaced.faults, []);
    server.play(&replaced);
}

#[test]
fn what_is_fixed_is_a_fault() {
    let mut server = after(include_str!("../../../../../weir.yaml"));
    let wrong = "accounts:\n  - name: demo\n    fields:\n      - {name: Active, type: text}\n    \
                 sources:\n      - name: Segment\n        kind: segment_classic\n        key: \
                 pau-taken-by-others\n";
    server
        .keys
        .insert("pau-taken-by-others".to_owned(), GivenKey::Taken);
    let faults = planned(wrong, &server, false).faults;
    let lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [4, 6, 6], "{faults:?}");
}

#[test]
fn origins_of_a_classic_source_are_its_settings() {
    let with = |origins: &str| {
        let sources = source("Web", "segment_classic", "");
        file(
            0,
            &format!("    sources:\n{sources}        allowed_origins: {origins}\n"),
        )
    };
    let mut server = after(&with("['https://a.example/', '*']"));
    let again = planned(&with("['https://a.example', '*']"), &server, false);
    assert_eq!((again.steps, again.faults), (vec![], vec![]));
    let changed = planned(&with("[]"), &server, false);
    let details = &changed.steps[0].details;
    assert_eq!(details[0].what, "allowed_origins");
    assert_eq!(details[0].before, "https://a.example, *");
    assert_eq!(details[0].after, "");
    server.play(&changed);
}

#[test]
fn a_webhook_needs_a_secret_with_its_first_url() {
    let with = |secret: &str| {
        format!("accounts:\n  - name: shop\n    webhook_url: https://example.org/x\n{secret}")
    };
    let bare = plan(&configuration(&with("")), Standing::default(), false);
    assert!(bare.faults[0].message.contains("webhook_secret"));
    let secret = "    webhook_secret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let server = after(&with(secret));
    for text in [with(secret), with("")] {
        let again = planned(&text, &server, false);
        assert_eq!((again.steps, again.faults), (vec![], vec![]));
    }
}

#[test]
fn a_source_gets_a_key_where_the_file_gives_none() {
    let sources = format!(
        "    sources:\n{}{}",
        source("Actions", "segment_actions", ""),
        source("Classic", "segment_classic", "")
    );
    let made = plan(
        &configuration(&file(0, &sources)),
        Standing::default(),
        false,
    );
    let keys: Vec<String> = whats(&made)
        .into_iter()
        .filter(|what| what.contains("key"))
        .collect();
    assert_eq!(keys, ["created key of Actions", "created key of Classic"]);
}

/// A source's kind follows from its name, so that files differ in what can change.
fn any_source(name: &'static str) -> impl Strategy<Value = String> {
    let activities = prop::collection::btree_set("[xyz]", 0..3);
    let rows = prop::collection::btree_set(prop::sample::select(vec!["F1", "F2", "F3"]), 0..3);
    let renamed = prop::option::weighted(0.2, prop::sample::select(vec!["A", "B", "C"]));
    let ingredients = (
        prop::option::of(rows),
        prop::option::of(activities),
        prop::sample::select(vec![30, 730]),
        renamed,
    );
    ingredients.prop_map(move |(rows, activities, days, renamed)| {
        let kind = if name == "A" {
            "segment_actions"
        } else {
            "segment_classic"
        };
        let mut text = source(name, kind, "");
        if let Some(from) = renamed.filter(|from| *from != name && name != "A" && *from != "A") {
            text += &format!("        renamed_from: {from}\n");
        }
        if let Some(rows) = rows {
            text += "        contact_mapping:";
            text += if rows.is_empty() { " []\n" } else { "\n" };
            for row in rows {
                text += &format!("          - {{trait: t{days}, field: {row}}}\n");
            }
        }
        if let Some(activities) = activities {
            text += "        activities:";
            text += if activities.is_empty() { " []\n" } else { "\n" };
            for activity in activities {
                text += &format!("          - {{event: {activity}, retention_days: {days}}}\n");
            }
        }
        text
    })
}

fn any_file() -> impl Strategy<Value = String> {
    let sources = (
        prop::option::of(any_source("A")),
        prop::option::of(any_source("B")),
        prop::option::of(any_source("C")),
    );
    let fields = prop::collection::btree_set(
        prop::sample::select(vec![
            "F1, type: text",
            "F2, type: text",
            "F3, type: text",
            "f1, type: object",
        ]),
        0..4,
    );
    let identifiers = prop::option::of(prop::sample::select(vec![
        "F1",
        "F2",
        "'str:cm:f1'",
        "'str::email'",
    ]));
    let ingredients = (0_usize..4, fields, identifiers, sources);
    ingredients.prop_map(|(slots, fields, identifier, (a, b, c))| {
        let mut below = String::new();
        if let Some(identifier) = identifier {
            below += &format!("    unique_identifiers: [{identifier}]\n");
        }
        below += "    fields:";
        below += if fields.is_empty() { " []\n" } else { "\n" };
        for field in &fields {
            below += &format!("      - {{name: {field}}}\n");
        }
        let sources: Vec<String> = [a, b, c].into_iter().flatten().collect();
        below += "    sources:";
        below += if sources.is_empty() { " []\n" } else { "\n" };
        below += &sources.concat();
        file(slots, &below)
    })
}

proptest! {
    #[test]
    fn no_plan_fails_half_way(files in prop::collection::vec((any_file(), any::<bool>()), 1..5)) {
        let mut server = Server::default();
        for (text, prune) in files {
            let Ok(wanted) = file::read("test", &text) else {
                continue;
            };
            let made = plan(&wanted, server.standing(), prune);
            if !made.faults.is_empty() {
                continue;
            }
            // Panics where the rules refuse a step.
            server.play(&made);
            let again = plan(&wanted, server.standing(), prune);
            prop_assert_eq!(&again.faults, &vec![]);
            prop_assert_eq!(whats(&again), Vec::<String>::new());
            if prune {
                prop_assert_eq!(&again.left_over, &vec![]);
            }
            let standing: Vec<Actual> = server.standing().accounts.into_values().collect();
            let exported = export::yaml(&standing).unwrap();
            let same = plan(&configuration(&exported), server.standing(), true);
            prop_assert_eq!(whats(&same), Vec::<String>::new());
            prop_assert_eq!(&same.faults, &vec![]);
        }
    }
}
