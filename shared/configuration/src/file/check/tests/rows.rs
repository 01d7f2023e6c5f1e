//! Rows of mappings.

use super::*;

/// Semantics 2.2, 2.4a: each with its line.
#[test]
fn faults_of_rows_are_found() {
    let rows = |rows: &str| source(&format!("        contact_mapping:\n{rows}"));
    let one = |row: &str| rows(&format!("          - {row}\n"));
    for (row, hint) in [
        (
            "{trait: a, fallback_paths: [b, 'c.'], field: 'str::email'}<<<",
            "a key is missing",
        ),
        (
            "{trait: a, fallback_paths: [a], field: 'str::email'}<<<",
            "already",
        ),
        ("{trait: 'a[]', field: 'str::email'}<<<", "write [0]"),
        (
            "{trait: a, fallback_paths: [b, c, d, e, f, g, h, i, j, k], field: 'str::email'}<<<",
            "at most 9",
        ),
        (
            "{trait: a, field: 'dtz::b', date_format: ISO 8601, fallback_formats: [DD-MM-YY]}<<<",
            "DD-MM-YY",
        ),
        (
            "{trait: a, field: 'dtz::b', fallback_formats: [ISO 8601]}<<<",
            "missing",
        ),
        (
            "{trait: a, field: 'phn::phone', phone_country: Australia}<<<",
            "such as AU",
        ),
        (
            "{trait: a, field: 'phn::phone', phone_country: uk}<<<",
            "write GB",
        ),
        (
            "{trait: a, field: 'str::email', phone_country: AU}<<<",
            "this is email",
        ),
        (
            "{trait: a, field: Visits, round: true}<<<",
            "this is integer",
        ),
        (
            "{trait: a, field: Visits, words: true}<<<",
            "this is integer",
        ),
        (
            "{trait: a, field: 'str::email', truncate: true}<<<",
            "this is email",
        ),
        ("{trait: a, field: Visits, blank: keep}<<<", "none of clear"),
    ] {
        expect_fault(&one(row), hint);
    }
    expect_fault(
        &source(
            "        activities:\n          - {event: A, attributes: [{property: a, type: text, round: true}]}<<<\n",
        ),
        "this is text",
    );
    // All of them at once.
    let text = rows(
        "          - {trait: ..,\n             field: 'str::nothing'}\n          - trait: b\n            field: Visits\n            fallback_paths: [c,\n              '$']\n            round: true\n            words: true\n",
    );
    let lines: Vec<u64> = faults(&text).iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [11, 12, 16, 17, 18]);
}

#[test]
fn a_row_carries_its_options() {
    let text = source(
        "        contact_mapping:\n          - {trait: phone, fallback_paths: [mobile], field: 'phn::phone', phone_country: NO, blank: clear}\n          - {trait: born, field: 'dtz::b', date_format: ISO 8601, fallback_formats: [DD-MM-YYYY]}\n          - {trait: active, field: Active, words: true, round: false}\n        activities:\n          - event: Signed in\n            attributes: [{property: total, fallback_paths: ['cart[0].total'], type: currency, round: true}]\n",
    );
    let configuration = check(&parse(&text).unwrap()).unwrap();
    let source = &configuration.accounts[0].sources[0];
    let (_, put) = source.contact_mapping.as_ref().unwrap();
    let expected = [
        mapping::FieldMapping {
            trait_path: "phone".to_owned(),
            fallback_paths: vec!["mobile".to_owned()],
            field_id: "phn::phone".to_owned(),
            options: Some(mapping::RowOptions {
                phone_country: "NO".to_owned(),
                blank: mapping::BlankRule::Clear.into(),
                ..Default::default()
            }),
            ..Default::default()
        },
        mapping::FieldMapping {
            trait_path: "born".to_owned(),
            field_id: "dtz::b".to_owned(),
            date_format: "ISO 8601".to_owned(),
            fallback_formats: vec!["DD-MM-YYYY".to_owned()],
            ..Default::default()
        },
        mapping::FieldMapping {
            trait_path: "active".to_owned(),
            field_id: "bol:cm:active".to_owned(),
            options: Some(mapping::RowOptions {
                words: true,
                ..Default::default()
            }),
            ..Default::default()
        },
    ];
    assert_eq!(put.mappings, expected);
    let attribute = &source.activities[0].put.attributes[0];
    assert_eq!(attribute.fallback_paths, ["cart[0].total"]);
    assert!(attribute.options.as_ref().unwrap().round);
}
