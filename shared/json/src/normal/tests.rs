use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::generate::{almost_json, json};

fn said(raw: &str) -> Result<String, NotJson> {
    let mut out = String::new();
    normal(raw.as_bytes(), &mut out).map(|()| out)
}

/// Semantics 8.1.
#[test]
fn what_is_written_in_another_way_is_the_same() {
    for (one, other) in [
        (
            r#"{"b":1,"a":{"d":[],"c":2}}"#,
            r#"{ "a": {"c": 2, "d": [ ]}, "b": 1 }"#,
        ),
        (r#"["\u00c9","a\/b"]"#, r#"["É","a/b"]"#),
        ("[1.0,-0.0,1.50,10]", "[1,0,1.5,10]"),
        (r#"{"\u0061":true}"#, r#"{"a":true}"#),
        // As JavaScript, Java and Python write numbers.
        ("[1e0,1E3,1.0E7,-0e5]", "[1,1000,10000000,0]"),
        ("[1e-05,1e-07,-1.50e+1]", "[0.00001,1e-7,-15]"),
        ("[0e999999999999999999999999999999999999]", "[0]"),
        ("[1e-99999999]", "[10e-100000000]"),
        ("[100000000000000000000000000000000000000000]", "[1e41]"),
        ("[1.0000000000000000000000000000000000000000]", "[1]"),
        (r#"{"a":1,"b":0,"\u0061":2}"#, r#"{"a":2,"b":0}"#),
        (
            r#"[{"a":{"b":1,"b":"\ud800"},"a":{"b":3}}]"#,
            r#"[{"a":{"b":3}}]"#,
        ),
        (
            r#"["\ud800\n\uDFFF\u0061\ud83d\ude00"]"#,
            r#"["\uD800\u000a\udffFa😀"]"#,
        ),
        (r#"{"\uD800":1,"\ud800":2}"#, r#"{"\ud800":2}"#),
    ] {
        assert_eq!(said(one), said(other), "{one}");
        assert!(said(one).is_ok(), "{one}");
    }
}

#[test]
fn what_says_something_else_is_not() {
    for (one, other) in [
        ("[1]", r#"["1"]"#),
        ("[10]", "[1]"),
        ("[100]", "[1.00]"),
        (r#"["a b"]"#, r#"["ab"]"#),
        (r#"{"a":null}"#, "{}"),
        ("[1,2]", "[2,1]"),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
        ("[1e400]", "[1e401]"),
        ("[1e400]", "[-1e400]"),
        ("[1e-99999999]", "[0]"),
        (r#"["\ud800"]"#, r#"["\ud801"]"#),
        (r#"["\ud800"]"#, r#"["\\ud800"]"#),
        (r#"{"\ud800":1,"\\ud800":2}"#, r#"{"\\ud800":2}"#),
    ] {
        assert_ne!(said(one), said(other), "{one}");
        assert!(said(one).is_ok() && said(other).is_ok(), "{one}");
    }
}

#[test]
fn no_number_becomes_long() {
    let zeros = "0".repeat(100_000);
    for (number, normal) in [
        ("1e99999999", "1e99999999"),
        ("-1.5e-400", "-15e-401"),
        (&*format!("1{zeros}"), "1e100000"),
        (&*format!("0.{zeros}1"), "1e-100001"),
        // 32 bytes, and one more.
        ("1e31", "10000000000000000000000000000000"),
        ("1e32", "1e32"),
        ("1e-30", "0.000000000000000000000000000001"),
        ("1e-31", "1e-31"),
        ("-1e31", "-1e31"),
        // Beyond all that is reckoned with.
        (
            "1e9999999999999999999999999999999",
            "1e9999999999999999999999999999999",
        ),
    ] {
        assert_eq!(said(number).as_deref(), Ok(normal));
    }
}

/// A number in one of the ways in which it may be written.
fn written(is_negative: bool, digits: &str, exponent: i32, shift: usize, zeros: usize) -> String {
    let sign = if is_negative { "-" } else { "" };
    let all = format!("{digits}{}", "0".repeat(zeros));
    let exponent = exponent - i32::try_from(zeros).unwrap();
    // The point stands so many digits from the end.
    let shift = shift.min(all.len() - 1);
    let (whole, decimals) = all.split_at(all.len() - shift);
    let exponent = exponent + i32::try_from(shift).unwrap();
    let point = if shift > 0 { "." } else { "" };
    match exponent {
        0 => format!("{sign}{whole}{point}{decimals}"),
        _ => format!("{sign}{whole}{point}{decimals}E{exponent:+03}"),
    }
}

/// The values as another reader has them; numbers by what a double makes of them.
fn meaning(raw: Raw<'_>) -> Value {
    let as_text = as_text(raw).unwrap();
    match kind(raw).unwrap() {
        Kind::Object => {
            let mut members = serde_json::Map::new();
            object(raw, |key, value| {
                members.insert(text(key)?.into_owned(), meaning(value));
                Ok(())
            })
            .unwrap();
            members.into()
        }
        Kind::Array => {
            let mut elements = Vec::new();
            array(raw, |element| {
                elements.push(meaning(element));
                Ok(())
            })
            .unwrap();
            elements.into()
        }
        Kind::Number => {
            let number: f64 = as_text.parse().unwrap();
            // There is one nothing.
            Value::from(format!("number {:e}", number + 0.0))
        }
        _ => serde_json::from_str(as_text).unwrap_or_else(|_| as_text.into()),
    }
}

proptest! {
    #[test]
    fn a_number_is_the_same_however_it_is_written(
        is_negative: bool,
        digits in "[1-9][0-9]{0,40}",
        exponent in -60_i32..60,
        (shift, zeros) in (0_usize..45, 0_usize..45),
        (other_shift, other_zeros) in (0_usize..45, 0_usize..45),
    ) {
        let one = written(is_negative, &digits, exponent, shift, zeros);
        let other = written(is_negative, &digits, exponent, other_shift, other_zeros);
        prop_assert_eq!(said(&one), said(&other), "{} {}", one, other);
        // With all of its digits, where it is a whole number.
        if let Ok(zeros) = usize::try_from(exponent) {
            let sign = if is_negative { "-" } else { "" };
            let plain = format!("{sign}{digits}{}", "0".repeat(zeros));
            prop_assert_eq!(said(&one), said(&plain), "{} {}", one, plain);
        }
        let larger = written(is_negative, &digits, exponent + 1, shift, zeros);
        prop_assert_ne!(said(&one), said(&larger));
    }

    #[test]
    fn what_is_normal_stays_as_it_is(json in almost_json()) {
        if let Ok(once) = said(&json) {
            prop_assert_eq!(said(&once), Ok(once), "{}", json);
        }
    }

    #[test]
    fn what_is_normal_has_the_same_values(json in json()) {
        let normal = said(&json).unwrap();
        prop_assert_eq!(meaning(json.trim().as_bytes()), meaning(normal.as_bytes()), "{}", normal);
    }
}
