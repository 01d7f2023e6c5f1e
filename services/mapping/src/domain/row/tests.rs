//! What is refused of a row when it is saved, and where (semantics 2.2, 2.4a, 2.5).

use proptest::prelude::*;

use super::*;

/// A row of one path and at most one format.
fn row<'a>(path: &'a str, target: &'a str, format: &'a str) -> RawRow<'a> {
    RawRow {
        paths: vec![path],
        target,
        options: RawOptions {
            formats: match format {
                "" => vec![],
                format => vec![format],
            },
            ..RawOptions::default()
        },
    }
}

fn custom() -> HashMap<String, ValueType> {
    HashMap::from([
        ("bol:cm:active".to_owned(), ValueType::Boolean),
        ("sst:cm:skus".to_owned(), ValueType::MultiSelect),
        ("obj:cm:skus".to_owned(), ValueType::Object),
        ("tme:cm:alarm".to_owned(), ValueType::Time),
        ("int:cm:score".to_owned(), ValueType::Decimal),
    ])
}

fn read(rows: &[RawRow<'_>]) -> Result<Vec<FieldRow>, Vec<Invalid>> {
    read_contact_mapping(rows, &custom())
}

/// The parts that are refused.
fn wrong(rows: &[RawRow<'_>]) -> Vec<String> {
    let wrong = read(rows).err().unwrap_or_default();
    wrong.into_iter().map(|invalid| invalid.field).collect()
}

#[test]
fn the_entry_that_is_wrong_is_named() {
    let good = || row("email", "str::email", "");
    for (rows, field) in [
        (
            vec![good(), row("x", "str::nope", "")],
            "mappings[1].field_id",
        ),
        (vec![good(), good()], "mappings[1].field_id"),
        (
            vec![row("a..b", "str::email", "")],
            "mappings[0].trait_path",
        ),
        (
            vec![row("birthday", "dtz::b", "")],
            "mappings[0].date_format",
        ),
        (
            vec![row("birthday", "dtz::b", "YY")],
            "mappings[0].date_format",
        ),
        (
            vec![row("email", "str::email", "ISO 8601")],
            "mappings[0].date_format",
        ),
        (
            vec![RawRow {
                paths: vec![],
                ..good()
            }],
            "mappings[0].trait_path",
        ),
    ] {
        assert_eq!(wrong(&rows), [field], "{rows:?}");
    }
    let rows = [
        good(),
        row("birthday", "dtz::b", "DD-MM-YYYY"),
        row("active", "bol:cm:active", ""),
    ];
    assert!(read(&rows).is_ok());
}

/// A person who fills a form sees all of it at once.
#[test]
fn all_that_is_wrong_is_said_at_once_by_row() {
    let several = RawRow {
        paths: vec!["email", "contact..email", "email", "emails[]"],
        target: "str::email",
        options: RawOptions {
            round: true,
            phone_country: "AU",
            ..RawOptions::default()
        },
    };
    let dates = RawRow {
        options: RawOptions {
            formats: vec!["ISO 8601", "YY", "DD-MM-YYYY", "DD-MM"],
            ..RawOptions::default()
        },
        ..row("$", "dtz::b", "")
    };
    let unknown = RawRow {
        paths: vec!["a", ".."],
        ..row("", "str::nope", "")
    };
    let phone = RawRow {
        options: RawOptions {
            phone_country: "Atlantis",
            words: true,
            truncate: true,
            ..RawOptions::default()
        },
        ..row("phone", "phn::phone", "")
    };
    let rows = [several, dates, unknown, row("last", "str::last", ""), phone];
    assert_eq!(
        wrong(&rows),
        [
            "mappings[0].fallback_paths[0]",
            "mappings[0].fallback_paths[1]",
            "mappings[0].fallback_paths[2]",
            "mappings[0].options.phone_country",
            "mappings[0].options.round",
            "mappings[1].trait_path",
            "mappings[1].fallback_formats[0]",
            "mappings[1].fallback_formats[2]",
            "mappings[2].field_id",
            "mappings[2].fallback_paths[0]",
            "mappings[4].options.phone_country",
            "mappings[4].options.words",
            "mappings[4].options.truncate",
        ]
    );
}

#[test]
fn a_row_has_so_many_paths_and_no_more() {
    let names: Vec<String> = (0..12).map(|number| format!("email{number}")).collect();
    let paths: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |count: usize| RawRow {
        paths: paths[..count].to_vec(),
        ..row("", "str::email", "")
    };
    let good = read(&[of(10)]).unwrap();
    let kept: Vec<&str> = good[0].row.paths.iter().map(Path::as_str).collect();
    assert_eq!(kept, paths[..10]);
    assert_eq!(wrong(&[of(12)]), ["mappings[0].fallback_paths[9]"]);
}

/// Semantics 2.2, 2.5: refused when it is saved, with what to write instead.
#[test]
fn paths_and_formats_that_cannot_be_meant_are_refused_and_said_why() {
    for (path, target, format) in [
        (r#"address["zip code"]"#, "str::postal", ""),
        ("products[0].sku", "str::first", ""),
        ("products[].sku", "sst:cm:skus", ""),
        ("products[].sku", "obj:cm:skus", ""),
        ("alarm", "tme:cm:alarm", ""),
        ("alarm", "tme:cm:alarm", "h:mm A"),
        ("born", "dtz::b", "D MMM YYYY"),
    ] {
        let rows = [row(path, target, format)];
        assert!(read(&rows).is_ok(), "{path} {target} {format}");
    }
    for (path, target, format, field, why) in [
        ("$.traits.x", "str::first", "", "trait_path", "$ is no key"),
        (
            "first name",
            "str::first",
            "",
            "trait_path",
            r#"["first name"]"#,
        ),
        (
            "products[].sku",
            "str::first",
            "",
            "trait_path",
            "write [0]",
        ),
        (
            "alarm",
            "tme:cm:alarm",
            "DD-MM-YYYY",
            "date_format",
            "no token",
        ),
        (
            "born",
            "dtz::b",
            "DD.MM.YYYY HH:mm X",
            "date_format",
            "\"X\" is no token",
        ),
        ("born", "dtz::b", "YYYY-MM-DDTHH:mm", "date_format", "[T]"),
        ("born", "dtz::b", "", "date_format", "ISO 8601"),
    ] {
        let error = &read(&[row(path, target, format)]).unwrap_err()[0];
        assert_eq!(error.field, format!("mappings[0].{field}"), "{path}");
        assert!(
            error.expected.contains(why),
            "{path} {format}: {}",
            error.expected
        );
    }
}

#[test]
fn attributes_are_named_once_and_take_the_same_options() {
    let typed = |row: RawRow<'static>, value_type| (row, Some(value_type));
    let count = |path, target| typed(row(path, target, ""), ValueType::Integer);
    assert!(read_attributes(&[count("count", "count"), count("count", "n")]).is_ok());
    let named = |rows: &[(RawRow<'_>, Option<ValueType>)]| -> Vec<String> {
        let wrong = read_attributes(rows).err().unwrap_or_default();
        wrong.into_iter().map(|invalid| invalid.field).collect()
    };
    assert_eq!(
        named(&[count("a", "count"), count("b", " count ")]),
        ["attributes[1].attribute"]
    );
    let total = RawRow {
        paths: vec!["total", "cart.total"],
        options: RawOptions {
            round: true,
            blank: true.into(),
            ..RawOptions::default()
        },
        ..row("", "total", "")
    };
    let read = read_attributes(&[typed(total.clone(), ValueType::Currency)]).unwrap();
    assert!(read[0].row.options.round && read[0].row.options.blank_clears);
    assert_eq!(read[0].row.paths.len(), 2);
    assert_eq!(
        named(&[typed(total, ValueType::Text), (row("a.", " ", ""), None),]),
        [
            "attributes[0].options.round",
            "attributes[1].attribute",
            "attributes[1].type",
            "attributes[1].property_path",
        ]
    );
    let many: Vec<_> = (0..201).map(|_| count("a", "b")).collect();
    assert_eq!(named(&many), ["attributes"]);
}

proptest! {
    /// Whatever a form holds: it is read, or each part that is refused is one of the request.
    #[test]
    fn any_row_is_read_or_refused(
        paths in prop::collection::vec("[a-c.\\[\\]\"0]{0,6}", 0..4),
        target in prop::sample::select(vec![
            "str::email", "dtz::b", "phn::phone", "sst:cm:skus", "tme:cm:alarm", "int:cm:score", "nope",
        ]),
        formats in prop::collection::vec(
            prop_oneof![
                "[YMDHms :-]{0,10}",
                Just("ISO 8601".to_owned()),
                Just("HH:mm".to_owned()),
            ],
            0..3,
        ),
        phone_country in "(AU|au|[A-Z]{2})?",
        (round, words, truncate, blank_clears) in any::<(bool, bool, bool, bool)>(),
    ) {
        let raw = RawRow {
            paths: paths.iter().map(String::as_str).collect(),
            target,
            options: RawOptions {
                formats: formats.iter().map(String::as_str).collect(),
                phone_country: &phone_country,
                round,
                words,
                truncate,
                blank: blank_clears.into(),
            },
        };
        match read(&[raw]) {
            Ok(rows) => {
                prop_assert_eq!(rows[0].row.paths.len(), paths.len());
                prop_assert!(rows[0].row.options.fit(rows[0].row.value_type));
            }
            Err(wrong) => {
                prop_assert!(!wrong.is_empty());
                for invalid in wrong {
                    prop_assert!(invalid.field.starts_with("mappings[0]."), "{}", invalid);
                    prop_assert!(!invalid.expected.is_empty());
                }
            }
        }
    }
}
