//! What is found by which beginning (semantics 3.11).

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn texts(fields: &[(&str, &str)]) -> SearchTexts {
    let mut fields: Vec<(&str, String)> = fields
        .iter()
        .map(|(field, text)| (*field, serde_json::to_string(text).unwrap()))
        .collect();
    fields.sort();
    let members = fields
        .iter()
        .map(|(field, json)| format!("\"{field}\":{json}"));
    SearchTexts::of_fields(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

#[test]
fn texts_are_compared_without_case_accents_and_blanks() {
    for (text, folded) in [
        ("Lana", "lana"),
        ("  Lana \t Romeijn\n", "lana romeijn"),
        ("José", "jose"),
        ("Jose\u{301}", "jose"),
        ("ÅNGSTRÖM", "angstrom"),
        ("\u{212a}elvin", "kelvin"),
        ("İpek", "ipek"),
        ("ﬁona", "fiona"),
        ("\u{feff}La\u{200b}na", "lana"),
        ("ΝΊΚΟΣ", "νικοσ"),
        ("Νίκος", "νικοσ"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("STRA\u{1e9e}E", "strasse"),
        ("Yıldız", "yildiz"),
        ("田中", "田中"),
        ("\u{1}", ""),
        (" \u{301}", ""),
    ] {
        assert_eq!(fold(text), folded, "{text:?}");
    }
}

#[test]
fn a_name_is_found_from_either_end() {
    let found = texts(&[(FIRST, "Lana"), (LAST, "Romeijn")]);
    assert_eq!(found.forward.as_deref(), Some("lana romeijn"));
    assert_eq!(found.backward.as_deref(), Some("romeijn lana"));
    assert_eq!(found.name, None);

    let same = texts(&[(FIRST, "Lana"), (LAST, "Romeijn"), (NAME, "lana romeijn")]);
    assert_eq!(same, found);
    let other = texts(&[(FIRST, "Lana"), (NAME, "Lana R.")]);
    assert_eq!(other.forward.as_deref(), Some("lana"));
    assert_eq!((other.backward, other.name), (None, Some("lana r.".into())));

    let whole = texts(&[(NAME, "Lana Maria Romeijn")]);
    assert_eq!(whole.forward.as_deref(), Some("lana maria romeijn"));
    assert_eq!(whole.backward.as_deref(), Some("romeijn lana maria"));
    assert_eq!(
        texts(&[(LAST, "Romeijn")]).forward.as_deref(),
        Some("romeijn")
    );
    assert_eq!(texts(&[(FIRST, " ")]), SearchTexts::default());
}

#[test]
fn addresses_numbers_and_ids_are_folded_and_a_broken_row_has_nothing() {
    let fields = [
        (EMAIL, "Lana@X.org"),
        (PHONE, "+61298765432"),
        (EXTERNAL, "E-1"),
    ];
    let found = texts(&fields);
    assert_eq!(found.email.as_deref(), Some("lana@x.org"));
    assert_eq!(found.phone.as_deref(), Some("+61298765432"));
    assert_eq!(found.external.as_deref(), Some("e-1"));
    assert_eq!(SearchTexts::of_fields("{"), SearchTexts::default());
}

#[test]
fn what_is_found_folded_is_not_looked_for_among_identifiers() {
    let kinds = [
        "a",
        "phn:cm:work",
        "str::email",
        "str::first",
        "str:cm:no",
        "u",
    ];
    let lanes = lanes(kinds.map(str::to_owned).to_vec(), &[]);
    let keys: Vec<Key> = lanes.iter().map(Lane::key).collect();
    let expected = [
        Key::Name,
        Key::Name,
        Key::Name,
        Key::Email,
        Key::Phone,
        Key::External,
        Key::User,
        Key::Unique,
        Key::Unique,
        Key::Anonymous,
    ];
    assert_eq!(keys, expected);
    let some = super::lanes(vec!["u".to_owned()], &[Key::User, Key::Phone]);
    assert_eq!(
        some.iter().map(Lane::key).collect::<Vec<_>>(),
        [Key::Phone, Key::User]
    );
}

#[test]
fn each_lane_has_its_own_beginning() {
    let query = |text: &str| Query::read(text).unwrap();
    let caseless = |field: &str| field == "str:cm:mail";
    let of = |text: &str, lane: &Lane| {
        let query = query(text);
        let beginning = query.in_lane(lane, caseless);
        beginning.map(Cow::into_owned)
    };
    let ids = |key, kind: &str| Lane::Identifiers(key, kind.to_owned());
    assert_eq!(of("LÁNA@", &Lane::Email).as_deref(), Some("lana@"));
    let work = ids(Key::Unique, "str:cm:mail");
    assert_eq!(of("Lana@", &work).as_deref(), Some("lana@"));
    assert_eq!(of(" U-1", &ids(Key::User, "u")).as_deref(), Some("U-1"));
    for number in ["+61 (2) 98", "61298", "61 2 98", "+61-2.98", "0061 298"] {
        assert_eq!(
            of(number, &Lane::Phone).as_deref(),
            Some("+61298"),
            "{number}"
        );
        assert_eq!(
            of(number, &ids(Key::Unique, "phn:cm:work")).as_deref(),
            Some("+61298")
        );
    }
    for none in ["lana", "02 98", "00", "+"] {
        assert_eq!(of(none, &Lane::Phone), None, "{none}");
    }
    for bad in ["", " ", "\u{200b}", "a\0", &"x".repeat(256)] {
        assert!(Query::read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn places_survive_and_others_are_refused() {
    for (lane, value) in [
        (Lane::Forward, "lana romeijn"),
        (Lane::Identifiers(Key::User, "u".into()), "u 1"),
        (Lane::Identifiers(Key::Unique, "str:cm:no".into()), ""),
    ] {
        let search = weir_ids::fresh();
        let place = Place::of(search, &lane, weir_ids::ContactId::new(), value);
        assert!(place.is_in(&lane));
        assert_eq!(place.to_string().parse(), Ok(place));
    }
    let id = weir_ids::fresh();
    for bad in [
        "",
        "forward",
        &format!("{id} forward x y"),
        &format!("x forward {id} y"),
    ] {
        assert!(bad.parse::<Place>().is_err(), "{bad}");
    }
}

#[test]
fn a_search_is_of_its_account_its_query_and_its_keys() {
    let account = weir_ids::AccountId::new();
    let mark = |account, text: &str, keys: &[Key]| Query::read(text).unwrap().mark(account, keys);
    let one = mark(account, "lana", &[Key::Name, Key::Email]);
    let same = [Key::Email, Key::Name, Key::Email];
    assert_eq!(mark(account, " lana", &same), one);
    for other in [
        mark(account, "lan", &same),
        mark(account, "lana", &[Key::Name]),
        mark(account, "lana", &[]),
        mark(weir_ids::AccountId::new(), "lana", &same),
    ] {
        assert_ne!(other, one);
    }
}

/// Of whatever character: neither its case nor folding again makes a difference. Of marks one is a
/// letter in capitals, the iota below others.
#[test]
fn every_character_is_folded_like_its_other_cases() {
    let all = (0..=u32::from(char::MAX)).filter_map(char::from_u32);
    let is_plain = |c: &char| !is_combining_mark(*c) && !c.nfkd().any(|part| part == '\u{345}');
    for c in all.filter(is_plain) {
        let folded = fold(&c.to_string());
        let cases = [c.to_uppercase().to_string(), c.to_lowercase().to_string()];
        for other in cases.iter().chain([&folded]) {
            assert_eq!(fold(other), folded, "{c:?} {other:?}");
        }
    }
}

proptest! {
    /// Whatever is in them: folded twice is folded once, a text begins with its own beginnings,
    /// and the range of a beginning holds what begins so and nothing else.
    #[test]
    fn ranges_hold_what_begins_so(text in "[a-cA-Céßẞ \u{10fffd}]{0,90}", other in "[a-csß é]{0,6}") {
        let (folded, other) = (fold(&text), fold(&other));
        prop_assert_eq!(&fold(&folded), &folded);
        prop_assert!(folded.chars().count() <= MAX_CHARS);
        for (end, _) in folded.char_indices() {
            let beginning = fold(&folded[..end]);
            prop_assert!(folded.starts_with(&beginning));
        }
        let is_in = folded >= other && folded < behind(&other);
        prop_assert_eq!(is_in, folded.starts_with(&other));
    }
}
