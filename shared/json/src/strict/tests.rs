use super::*;

fn check(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut found = Vec::new();
    members(text, |key, span| {
        found.push((key.to_owned(), text[span].to_owned()));
    })?;
    Ok(found)
}

fn fault(text: &str) -> &'static str {
    check(text).unwrap_err().what
}

#[test]
fn members_are_handed_out_as_spans() {
    let found = check(" {\"a\" : [1,{}] ,\n\"b\\n\":\"x\\\"}\"} ").unwrap();
    let expected = [("\"a\"", "[1,{}]"), ("\"b\\n\"", "\"x\\\"}\"")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn every_fault_is_named() {
    assert_eq!(
        fault("{\"a\":\"\u{1}\"}"),
        "a control character inside a string"
    );
    assert_eq!(fault(r#"{"a":"\q"}"#), "an unknown escape inside a string");
    assert_eq!(
        fault(r#"{"a":"\u12x4"}"#),
        "a \\u escape without four hex digits"
    );
    assert_eq!(fault(r#"{"a":012}"#), "a number with a leading zero");
    assert_eq!(fault(r#"{"a":1.}"#), "expected a digit");
    assert_eq!(fault(r#"{"a":}"#), "expected a value");
    assert_eq!(fault(r#"{"a":1,}"#), "expected a key in quotes");
    assert_eq!(fault(r#"{"a" 1}"#), "expected a colon");
    assert_eq!(
        fault(r#"{"a":[1}}"#),
        "expected a comma or a closing bracket"
    );
    assert_eq!(fault("{} {}"), "something follows the value");
    assert_eq!(fault("[1]"), "must be a JSON object");
    assert_eq!(fault("1 2"), "something follows the value");
}

#[test]
fn a_hundred_and_twenty_eight_levels_are_the_most() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
    };
    assert!(check(&nested(128)).is_ok());
    for levels in [129, 5_000, 500_000] {
        let fault = check(&nested(levels)).unwrap_err();
        assert_eq!(fault.reason, Reason::TooDeep, "{levels}");
    }
}

#[test]
fn numbers_of_any_size_and_halves_of_characters_are_no_fault_of_the_event() {
    let long = "9".repeat(2_000);
    for value in [
        "18446744073709551616",
        "-0",
        "1E-999",
        "1e308",
        "0.1e+2",
        "1e999",
        "-1e99999999999999999999",
        "0e-99999",
        "1e-16384",
        &long,
        &format!("0.{long}"),
        r#""\ud800""#,
        r#""\ud800A""#,
        r#""\udc00\ud800""#,
        r#""\u0000""#,
        r#"{"a\udc00":1}"#,
    ] {
        assert!(check(&format!("{{\"a\":{value}}}")).is_ok(), "{value}");
    }
}
