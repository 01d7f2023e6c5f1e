//! Addresses, and what means nobody.

use super::*;

#[test]
fn addresses_are_checked_and_kept_as_given() {
    good(
        ValueType::Email,
        r#"" Lana.Romeijn@Example.org ""#,
        r#""Lana.Romeijn@Example.org""#,
    );
    bad(
        ValueType::Email,
        &[
            r#""lana""#,
            r#""Lana <l@example.org>""#,
            r#""l@localhost""#,
            r#""l@[127.0.0.1]""#,
            "3",
            r#""a@b@c.org""#,
        ],
    );
    good(
        ValueType::Link,
        r#""https://example.org/a?b=c""#,
        r#""https://example.org/a?b=c""#,
    );
    bad(
        ValueType::Link,
        &[
            r#""/a""#,
            r#""ftp://example.org""#,
            r#""https://""#,
            r#""https:example.org""#,
            r#""https://a b""#,
        ],
    );
    good(
        ValueType::Phone,
        r#""+61 (0)2 9876 5432""#,
        r#""+61298765432""#,
    );
    bad(
        ValueType::Phone,
        &[
            r#""0298765432""#,
            "61298765432",
            r#""+1""#,
            r#""+61 2 9876 5432 ext. 3""#,
            r#""+999 123""#,
        ],
    );
}

/// Semantics 2.4b.
#[test]
fn what_nobody_sees_is_cut_off_at_the_ends_of_addresses() {
    for hidden in [
        "\u{feff}",
        "\u{200b}",
        "\u{ad}",
        "\u{202a}",
        "\u{202e}",
        "\u{a0}",
        "\\ufeff\\n ",
    ] {
        let both = |text: &str| format!("\"{hidden}{text}{hidden}\"");
        good(
            ValueType::Email,
            &both("inv@example.org"),
            r#""inv@example.org""#,
        );
        good(ValueType::Phone, &both("+61298765432"), r#""+61298765432""#);
        good(
            ValueType::Link,
            &both("https://a.example/"),
            r#""https://a.example/""#,
        );
        let key = converter(ValueType::Text).blocking(Some(BlockedRule::default()));
        let raw = both("M 1");
        assert_eq!(
            run(&key, raw.as_bytes()),
            Ok(Some(r#""M 1""#.to_owned())),
            "{raw}"
        );
    }
    fails(
        ValueType::Email,
        Failure::Invisible,
        &[
            "\"in\u{200b}v@example.org\"",
            r#""inv\u00ad@example.org""#,
            r#""inv@exam\u2060ple.org""#,
        ],
    );
    let raw = "\"M\u{200b}1\"";
    let key = converter(ValueType::Text).blocking(Some(BlockedRule::default()));
    assert_eq!(run(&key, raw.as_bytes()), Err(Failure::Invisible));
    good(ValueType::Text, raw, raw);
}

/// Semantics 3.1.
#[test]
fn what_means_nobody_tells_no_contacts_apart() {
    for value_type in [ValueType::Text, ValueType::Email, ValueType::Phone] {
        let key = converter(value_type).blocking(Some(BlockedRule::default()));
        for raw in [
            r#""null""#,
            r#"" Undefined ""#,
            r#""N/A""#,
            "0",
            "-1",
            "true",
            r#""00000000-0000-0000-0000-000000000000""#,
            r#""{{ email }}""#,
            r#""${phone}""#,
            r#""\ufeffnone""#,
        ] {
            assert_eq!(
                run(&key, raw.as_bytes()),
                Err(Failure::Blocked),
                "{value_type:?} {raw}"
            );
            assert_eq!(key.code(Failure::Blocked).code(), "VALUE_BLOCKED");
        }
    }
    good(ValueType::Text, r#""null""#, r#""null""#);
    bad(ValueType::Email, &[r#""null""#]);
}

/// Semantics 3.1.
#[test]
fn what_the_account_blocks_tells_no_contacts_apart_as_sent_and_as_kept() {
    let entry = |kind: &str, pattern: &str| BlockedValue {
        kind: kind.to_owned(),
        pattern: pattern.to_owned(),
    };
    let own = vec![
        entry("str::email", "noemail@*"),
        entry("phn::phone", "+6140000*"),
        entry("", "+61 411 111 111"),
    ];
    let blocked = BlockedValues::new(own, vec!["guest".to_owned()]).unwrap();
    for (value_type, field, raw, is_blocked) in [
        (
            ValueType::Email,
            "str::email",
            r#""NoEmail@shop.org""#,
            true,
        ),
        (
            ValueType::Email,
            "str::email",
            r#""noemail.x@shop.org""#,
            false,
        ),
        (
            ValueType::Email,
            "str:cm:work",
            r#""noemail@shop.org""#,
            false,
        ),
        (ValueType::Phone, "phn::phone", r#""+61 400 001 111""#, true),
        (ValueType::Phone, "phn::phone", r#""+61 411 111 111""#, true),
        (ValueType::Phone, "phn::phone", r#""+61411111111""#, false),
        (ValueType::Text, "str::ei", r#""Guest""#, false),
        (ValueType::Text, "str::ei", "0", true),
    ] {
        let key = converter(value_type).blocking(Some(blocked.of_field(field)));
        let is_refused = run(&key, raw.as_bytes()) == Err(Failure::Blocked);
        assert_eq!(is_refused, is_blocked, "{field} {raw}");
        assert!(run(&converter(value_type), raw.as_bytes()).is_ok(), "{raw}");
    }
}
