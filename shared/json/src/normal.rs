//! The same words for the same thing, whoever writes it.

use std::borrow::Cow;

use crate::{Kind, NotJson, Raw, array, kind, object, text, write_text};

/// Appends `raw` as everybody else may write it who says the same: without white space, texts with
/// no escapes but those that they must have, members in the order of their keys, and numbers without
/// what adds nothing to them (`1.0` is `1`). What has another type says something else, as does a
/// member that is null.
///
/// # Errors
/// Where it is no JSON, or a text holds half a surrogate pair.
pub fn normal(raw: Raw<'_>, out: &mut String) -> Result<(), NotJson> {
    match kind(raw)? {
        Kind::Object => members(raw, out),
        Kind::Array => {
            out.push('[');
            let mut comma = "";
            array(raw, |element| {
                out.push_str(comma);
                comma = ",";
                normal(element, out)
            })?;
            out.push(']');
            Ok(())
        }
        Kind::String => {
            write_text(&text(raw)?, out);
            Ok(())
        }
        Kind::Number => {
            out.push_str(short(as_text(raw)?));
            Ok(())
        }
        Kind::Boolean | Kind::Null => {
            out.push_str(as_text(raw)?.trim_ascii());
            Ok(())
        }
    }
}

/// Those of the same key stay in their order: the last one counts.
fn members(raw: Raw<'_>, out: &mut String) -> Result<(), NotJson> {
    let mut members: Vec<(Cow<'_, str>, Raw<'_>)> = Vec::new();
    object(raw, |key, value| {
        members.push((text(key)?, value));
        Ok(())
    })?;
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push('{');
    let mut comma = "";
    for (key, value) in members {
        out.push_str(comma);
        comma = ",";
        write_text(&key, out);
        out.push(':');
        normal(value, out)?;
    }
    out.push('}');
    Ok(())
}

fn as_text(raw: Raw<'_>) -> Result<&str, NotJson> {
    std::str::from_utf8(raw).map_err(|_| NotJson)
}

/// Without zeros behind the last decimal place, and without the sign of nothing. What has an
/// exponent stays as it is.
fn short(number: &str) -> &str {
    let number = number.trim_ascii();
    if number.contains(['e', 'E']) {
        return number;
    }
    let short = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    match short {
        "-0" => "0",
        short => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(raw: &str) -> Result<String, NotJson> {
        let mut out = String::new();
        normal(raw.as_bytes(), &mut out).map(|()| out)
    }

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
        ] {
            assert_eq!(said(one), said(other), "{one}");
            assert!(said(one).is_ok());
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
        ] {
            assert_ne!(said(one), said(other), "{one}");
        }
        assert!(said(r#"["\ud800"]"#).is_err());
    }
}
