//! What is suggested of what was received.

use ValueType::{
    Boolean, Date, Decimal, Email, Integer, Link, LongText, MultiSelect, Object, Phone, Text, Time,
    TimeAndDate,
};
use proptest::prelude::*;
use weir_values::options::RawOptions;

use super::*;
use crate::domain::row::{RawRow, read_contact_mapping};

fn fields() -> Vec<Field> {
    let custom = [
        ("Loyalty points", Integer),
        ("Signed up at", TimeAndDate),
        ("SKUs", MultiSelect),
    ];
    crate::domain::field::all(
        custom
            .map(|(name, value_type)| Field::custom(name, value_type).unwrap())
            .into(),
    )
}

/// Of traits, with nothing mapped but `email` to the e-mail.
fn suggested(objects: &[&str]) -> Vec<Suggestion> {
    let raw = RawRow {
        paths: vec!["email"],
        target: "str::email",
        options: RawOptions::default(),
    };
    let rows = read_contact_mapping(&[raw], &Default::default()).unwrap();
    let rows = [(&rows[0].row, "str::email")];
    let known = Known {
        rows: &rows,
        fields: &fields(),
    };
    suggest(objects.iter().map(|object| object.as_bytes()), &known)
}

/// Of one trait with these values: the type, the formats and the field.
fn one(name: &str, values: &[&str]) -> (ValueType, Vec<String>, String) {
    let objects: Vec<String> = values
        .iter()
        .map(|value| format!("{{{}:{value}}}", serde_json::to_string(name).unwrap()))
        .collect();
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let mut suggestions = suggested(&objects);
    assert_eq!(suggestions.len(), 1, "{name} {values:?}");
    let suggestion = suggestions.remove(0);
    let field = suggestion.field.map(|(id, _)| id).unwrap_or_default();
    (suggestion.shape.value_type, suggestion.shape.formats, field)
}

// Semantics 7.7.
#[test]
fn a_few_wrong_values_are_told_and_hide_no_suggestion() {
    let of = |good: usize, bad: usize| {
        let good = std::iter::repeat_n(r#"{"mail": "lana@example.org"}"#, good);
        let objects: Vec<&str> = good
            .chain(std::iter::repeat_n(r#"{"mail": "no address"}"#, bad))
            .collect();
        let suggestion = suggested(&objects).remove(0);
        let field = suggestion.field.map(|(id, _)| id).unwrap_or_default();
        (field, suggestion.misfits)
    };
    let email = "str::email".to_owned();
    assert_eq!(of(20, 0), (email.clone(), 0));
    assert_eq!(of(16, 4), (email.clone(), 4));
    assert_eq!(of(3, 1), (email, 1));
    assert_eq!(of(2, 1), (String::new(), 0));
    assert_eq!(of(0, 5), (String::new(), 0));
}

/// Name, values, type, formats, field.
type Case = (
    &'static str,
    &'static [&'static str],
    ValueType,
    &'static [&'static str],
    &'static str,
);

/// Values × types, names × fields.
const CASES: &[Case] = &[
    (
        "firstName",
        &[r#""Lana""#, r#""Jo""#],
        Text,
        &[],
        "str::first",
    ),
    ("First name", &[r#""Lana""#], Text, &[], "str::first"),
    ("surname", &[r#""Romeijn""#], Text, &[], "str::last"),
    // The name alone is not enough, and neither are the values.
    ("mail", &[r#""lana""#], Text, &[], ""),
    ("mail", &[r#""a@x.io""#, r#""lana""#], Text, &[], ""),
    ("contactPoint", &[r#""a@x.io""#], Email, &[], ""),
    (
        "mail",
        &[r#""a@x.io""#, "null", r#"" ""#],
        Email,
        &[],
        "str::email",
    ),
    (
        "mobile",
        &[r#""+61 412 345 678""#],
        Phone,
        &[],
        "phn::phone",
    ),
    ("mobile", &[r#""0412 345 678""#], Text, &[], ""),
    ("zip", &[r#""3000""#, "4000"], Integer, &[], "str::postal"),
    (
        "loyalty_points",
        &["3", r#""4""#],
        Integer,
        &[],
        "int:cm:loyalty-points",
    ),
    ("loyalty_points", &["3.5"], Decimal, &[], ""),
    ("vip", &["true", r#""False""#], Boolean, &[], ""),
    ("page", &[r#""https://x.io/a""#], Link, &[], ""),
    (
        "birthday",
        &[r#""28-07-1980""#],
        Date,
        &["DD-MM-YYYY"],
        "dtz::b",
    ),
    ("dob", &[r#""1980-07-28""#], Date, &["ISO 8601"], "dtz::b"),
    ("dob", &[r#""28.07.1980""#], Date, &["DD.MM.YYYY"], "dtz::b"),
    (
        "dob",
        &[r#""8/7/1980""#],
        Date,
        &["D/M/YYYY", "M/D/YYYY"],
        "dtz::b",
    ),
    // One that tells which is enough.
    (
        "dob",
        &[r#""01/02/1980""#],
        Date,
        &["DD/MM/YYYY", "MM/DD/YYYY"],
        "dtz::b",
    ),
    (
        "dob",
        &[r#""01/02/1980""#, r#""28/02/1980""#],
        Date,
        &["DD/MM/YYYY"],
        "dtz::b",
    ),
    (
        "dob",
        &[r#""28/02/1980""#, r#""02/28/1980""#],
        Text,
        &[],
        "",
    ),
    (
        "signedUpAt",
        &[r#""2025-07-10T06:09:00Z""#],
        TimeAndDate,
        &["ISO 8601"],
        "dtz:cm:signed-up-at",
    ),
    (
        "signedUpAt",
        &[r#""2025-07-10 06:09:00.123+00:00""#],
        TimeAndDate,
        &["YYYY-MM-DD HH:mm:ss"],
        "dtz:cm:signed-up-at",
    ),
    (
        "signedUpAt",
        &[r#""Thu, 10 Jul 2025 06:09:00 +0000""#],
        TimeAndDate,
        &["RFC 2822"],
        "dtz:cm:signed-up-at",
    ),
    (
        "signedUpAt",
        &["1752127740"],
        TimeAndDate,
        &["Unix seconds"],
        "dtz:cm:signed-up-at",
    ),
    (
        "signedUpAt",
        &["1752127740123"],
        TimeAndDate,
        &["Unix milliseconds"],
        "dtz:cm:signed-up-at",
    ),
    // A number alone could be anything.
    ("orders", &["1752127740"], Integer, &[], ""),
    ("alarm", &[r#""06:09""#], Time, &[], ""),
    ("alarm", &[r#""6:09 am""#], Time, &["h:mm A"], ""),
    (
        "skus",
        &[r#"["a","b"]"#, r#""c""#],
        MultiSelect,
        &[],
        "sst:cm:skus",
    ),
    ("skus", &[r#"[{},1]"#], Object, &[], ""),
    ("mixed", &["1", r#""one""#], Text, &[], ""),
];

#[test]
fn a_path_has_the_narrowest_type_and_the_field_that_fits_by_name_and_by_values() {
    for (name, values, value_type, formats, field) in CASES {
        let (found, written, fits) = one(name, values);
        assert_eq!(found, *value_type, "{name} {values:?}");
        assert_eq!(written, *formats, "{name} {values:?}");
        assert_eq!(fits, *field, "{name} {values:?}");
    }
    let long = format!("\"{}\"", "x".repeat(501));
    assert_eq!(one("note", &[&long]).0, LongText);
}

#[test]
fn paths_are_found_wherever_they_lead_and_those_first_that_are_there_most_often() {
    let suggestions = suggested(&[
        r#"{"email":"a@x.io","address":{"city":"Perth","zip code":"6000"},"plan":"a"}"#,
        r#"{"email":"b@x.io","products":[{"sku":"a","n":1},{"sku":"b"}],"plan":"b","empty":{}}"#,
        r#"{"plan":"a","company":{"name":"Weir","city":"Perth"},"contact":{"email":"c@x.io"}}"#,
        "[]",
        "7",
    ]);
    let found: Vec<(&str, u32, &str)> = suggestions
        .iter()
        .map(|one| {
            let field = one.field.as_ref().map_or("", |(id, _)| id);
            (one.path.as_str(), one.seen, field)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("plan", 3, ""),
            ("address.city", 1, "geo::city"),
            (r#"address["zip code"]"#, 1, "str::postal"),
            // A company's name is not the person's.
            ("company.city", 1, ""),
            ("company.name", 1, ""),
            ("contact.email", 1, "str::email"),
            ("products[].n", 1, ""),
            ("products[].sku", 1, ""),
        ]
    );
    let plan = &suggestions[0];
    assert_eq!(
        (&plan.kinds[..], &plan.examples[..]),
        (&[("string", 3)][..], &["a".to_owned(), "b".to_owned()][..])
    );
    // Another path fills the e-mail already.
    assert_eq!(suggestions[5].field, Some(("str::email".to_owned(), true)));
    assert_eq!(suggestions[7].kinds, [("string", 2)]);
}

#[test]
fn what_is_looked_at_is_bounded() {
    let members: Vec<String> = (0..3_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let wide = format!("{{{}}}", members.join(","));
    assert_eq!(suggested(&[&wide]).len(), MAX_SUGGESTIONS);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    let suggestions = suggested(&[&deep]);
    assert_eq!(suggestions[0].path, "a.a.a.a");
    assert_eq!(suggestions[0].shape.value_type, Object);
}

proptest! {
    /// Whatever was received: paths that can be saved, with a type that takes what was there.
    #[test]
    fn what_is_suggested_can_be_saved_and_takes_what_was_there(
        members in prop::collection::vec(
            (
                "[a-c]{1,2}|first name|\\$|birthday|\\PC{0,3}",
                prop::sample::select(vec![
                    "1", "1.5", "true", "null", "\"x\"", "\"\"", "\"28-07-1980\"", "[1]", "[{\"a\":1}]",
                    "{\"b\":{\"c\":\"d\"}}", "1e400", "\"\\ud800\"", "[null]", "\"06:09\"", "1752127740",
                ]),
            ),
            0..8,
        ),
    ) {
        let texts: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap()))
            .collect();
        let object = format!("{{{}}}", texts.join(","));
        let suggestions = suggested(&[&object]);
        prop_assert_eq!(&suggestions, &suggested(&[&object]));
        for suggestion in suggestions {
            let path: Path = suggestion.path.parse().unwrap();
            prop_assert!(suggestion.seen == 1 && !suggestion.kinds.is_empty());
            if let Some((id, _)) = suggestion.field {
                let options = RawOptions {
                    formats: suggestion.shape.formats.iter().map(String::as_str).collect(),
                    ..RawOptions::default()
                };
                let fields = fields();
                let field = fields.iter().find(|field| field.id.as_str() == id).unwrap();
                let needs = field.value_type.needs_format();
                let raw = RawRow {
                    paths: vec![path.as_str()],
                    target: &id,
                    options: if needs { options } else { RawOptions::default() },
                };
                let custom = [(id.clone(), field.value_type)].into();
                prop_assert!(read_contact_mapping(&[raw], &custom).is_ok(), "{id}");
            }
        }
    }
}
