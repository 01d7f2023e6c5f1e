//! Drafts held against samples.

use chrono::{DateTime, TimeDelta};

use super::*;
use crate::domain::event::EventKind;
use crate::domain::mapper::tests::{default_snapshot, row, snapshot};
use crate::domain::row::{FieldRow, RawRow, read_contact_mapping};
use crate::domain::snapshot::Snapshot;

fn sample(kind: EventKind, name: &str, raw: &str) -> Sample {
    Sample {
        receive_time: DateTime::UNIX_EPOCH,
        kind,
        event_name: name.to_owned(),
        raw: raw.to_owned(),
    }
}

fn samples() -> Vec<Sample> {
    [
        r#"{"message_id":"1","traits":{"email":"a@x.io","birthday":"28-07-1980"}}"#,
        r#"{"message_id":"2","traits":{"email":"lana","birthday":"1980-07-28"}}"#,
        r#"{"message_id":"3","traits":{"email":null,"birthday":"28-07-1980","mail":"c@x.io"}}"#,
        r#"{"message_id":"4","traits":{"birthday":"soon"}}"#,
        "this is no event",
    ]
    .map(|raw| sample(EventKind::Identify, "", raw))
    .into()
}

/// Rows, and the snapshot that they make.
fn draft(raw: &[RawRow<'_>]) -> (Vec<Row>, Snapshot) {
    let rows: Vec<FieldRow> = read_contact_mapping(raw, &Default::default()).unwrap();
    (rows.into_iter().map(|row| row.row).collect(), snapshot(raw))
}

fn previewed(raw: &[RawRow<'_>], saved: &Snapshot, samples: &[Sample]) -> Preview {
    let (rows, snapshot) = draft(raw);
    let draft = Draft {
        which: Drafted::Contact,
        rows: &rows,
        snapshot: &snapshot,
        saved,
        places: None,
    };
    preview(&draft, samples)
}

#[test]
fn each_row_counts_what_it_took_and_shows_it() {
    let email = RawRow {
        paths: vec!["email", "mail"],
        ..row("", "str::email", "")
    };
    let birthday = row("birthday", "dtz::b", "DD-MM-YYYY");
    let saved = default_snapshot();
    let preview = previewed(&[email, birthday], &saved, &samples());
    let counts: Vec<_> = preview
        .rows
        .iter()
        .map(|row| (row.taken, row.cleared, row.ignored, row.absent))
        .collect();
    assert_eq!(counts, [(2, 0, 1, 1), (2, 0, 2, 0)]);
    let pair = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    assert_eq!(
        preview.rows[0].taken_values,
        [pair("email", r#""a@x.io""#), pair("mail", r#""c@x.io""#)]
    );
    // Twice the same is shown once.
    assert_eq!(
        preview.rows[1].taken_values,
        [pair("birthday", r#""1980-07-28""#)]
    );
    let ignored: Vec<(&str, &str, &str)> = preview.rows[1]
        .ignored_values
        .iter()
        .map(|line| (&*line.path, &*line.code, &*line.value))
        .collect();
    assert_eq!(
        ignored,
        [
            ("traits.birthday", "DATE_FORMAT_MISMATCH", "1980-07-28"),
            ("traits.birthday", "DATE_FORMAT_MISMATCH", "soon"),
        ]
    );
}

#[test]
fn each_event_says_what_becomes_of_it_and_what_differs() {
    let saved = snapshot(&[row("birthday", "dtz::b", "DD-MM-YYYY")]);
    let both = RawRow {
        options: weir_values::options::RawOptions {
            formats: vec!["DD-MM-YYYY", "ISO 8601"],
            ..Default::default()
        },
        ..row("birthday", "dtz::b", "")
    };
    let preview = previewed(&[both, row("mail", "str::email", "")], &saved, &samples());
    let said: Vec<_> = preview
        .events
        .iter()
        .map(|event| {
            let code = event.reason.map_or("", Reason::code);
            let differences = event.differences.iter();
            let differences: Vec<String> = differences
                .map(|one| format!("{} {}>{}", one.target, one.saved, one.draft))
                .collect();
            (
                event.sample,
                event.message_id.as_str(),
                event.status,
                code,
                differences,
            )
        })
        .collect();
    let of = |text: &str| vec![text.to_owned()];
    assert_eq!(
        said,
        [
            (0, "1", 200, "", vec![]),
            (1, "2", 200, "", of(r#"dtz::b >"1980-07-28""#)),
            (2, "3", 200, "", of(r#"str::email >"c@x.io""#)),
            (3, "4", 422, "NOTHING_VALID", vec![]),
        ]
    );
    // What the draft no longer fills differs as well.
    let preview = previewed(&[row("mail", "str::email", "")], &saved, &samples());
    let gone = &preview.events[0].differences[0];
    assert_eq!((&*gone.saved, &*gone.draft), (r#""1980-07-28""#, ""));
}

#[test]
fn tracks_are_judged_by_their_activity() {
    let saved = default_snapshot();
    let mut old = sample(
        EventKind::Track,
        "Login",
        r#"{"timestamp":"1969-01-01","traits":{"email":"x"}}"#,
    );
    let track = |name: &str, raw: &str| sample(EventKind::Track, name, raw);
    let tracks = [
        track("Login", r#"{"traits":{"email":"a@x.io"}}"#),
        track("Login", r#"{"traits":{"email":"x"}}"#),
        track("Login", r#"{"properties":{"count":1}}"#),
        // What wants a membership changed has something to say (semantics 2.8).
        track(
            "Login",
            r#"{"traits":{"email":"x"},"audience":{"mode":"add","id":"a"}}"#,
        ),
        track("Logout", r#"{"traits":{"email":"b@x.io"}}"#),
        old.clone(),
    ];
    let raw = [row("email", "str::email", "")];
    let preview = previewed(&raw, &saved, &tracks);
    let said: Vec<(u32, &str)> = preview
        .events
        .iter()
        .map(|event| (event.status, event.reason.map_or("", Reason::code)))
        .collect();
    assert_eq!(
        said,
        [
            (200, ""),
            (206, "CONTACT_NOTHING_VALID"),
            (200, ""),
            (200, ""),
            (422, "NO_MAPPING"),
            (422, "PAST_RETENTION"),
        ]
    );
    assert!(preview.events[4].values.is_empty());
    // Rows say what they would take of events that are refused, too.
    assert_eq!(preview.rows[0].taken, 2);

    old.receive_time += TimeDelta::days(1);
    let (_, snapshot) = draft(&raw);
    let login = &snapshot.activities["Login"];
    let raw = [(
        row("count", "count", ""),
        Some(weir_values::ValueType::Integer),
    )];
    let rows = crate::domain::row::read_attributes(&raw).unwrap();
    let rows: Vec<Row> = rows.into_iter().map(|row| row.row).collect();
    let draft = Draft {
        which: Drafted::Activity,
        rows: &rows,
        snapshot: &snapshot,
        saved: &saved,
        places: None,
    };
    let preview = preview_of(&draft, &tracks[2..3]);
    assert_eq!(login.properties.rows.len(), 2);
    assert_eq!((preview.rows[0].taken, preview.rows.len()), (1, 1));
    assert_eq!(
        preview.events[0].values[0],
        ("count".to_owned(), "1".to_owned())
    );
}

fn preview_of(draft: &Draft<'_>, samples: &[Sample]) -> Preview {
    preview(draft, samples)
}

#[test]
fn an_answer_is_bounded_whatever_was_received() {
    let long = "x".repeat(400);
    let raw = format!(r#"{{"traits":{{"a":"{long}"}}}}"#);
    let many = vec![sample(EventKind::Identify, "", &raw); 20_000];
    let saved = default_snapshot();
    let preview = previewed(&[row("a", "str::first", "")], &saved, &many);
    let size: usize = preview
        .events
        .iter()
        .flat_map(|event| &event.values)
        .map(|(target, value)| target.len() + value.len())
        .sum();
    assert!(size < MAX_VALUES, "{size}");
    assert!(preview.events.last().unwrap().is_cut);
    assert_eq!(preview.rows[0].taken, 20_000);
}
