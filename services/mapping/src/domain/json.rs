//! A scanner over JSON bytes that were checked for syntax before, and that builds nothing:
//! it finds where values begin and end.
//!
//! It is used in place of a parser because one leaf that no mapping asks for (a lone
//! surrogate, bytes that are not UTF-8, `1e999`) must not spoil the leaves that are asked
//! for. Whatever bytes come in, it ends, and never panics.

use std::borrow::Cow;

use weir_values::escaped_at;

/// The bytes of one value, without the whitespace around it.
pub type Raw<'a> = &'a [u8];

/// The scanned bytes are not JSON after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct NotJson;

/// What kind of value it is, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// The kind of `raw`.
pub fn kind(raw: Raw<'_>) -> Result<Kind, NotJson> {
    match raw.first() {
        Some(b'{') => Ok(Kind::Object),
        Some(b'[') => Ok(Kind::Array),
        Some(b'"') => Ok(Kind::String),
        Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
        Some(b't' | b'f') => Ok(Kind::Boolean),
        Some(b'n') => Ok(Kind::Null),
        _ => Err(NotJson),
    }
}

/// Calls `visit` for every key (still quoted) and value of an object, in order.
pub fn object<'a>(
    raw: Raw<'a>,
    mut visit: impl FnMut(Raw<'a>, Raw<'a>) -> Result<(), NotJson>,
) -> Result<(), NotJson> {
    let mut at = expect(raw, 0, b'{')?;
    if raw.get(at) == Some(&b'}') {
        return Ok(());
    }
    loop {
        if raw.get(at) != Some(&b'"') {
            return Err(NotJson);
        }
        let key_end = string_end(raw, at)?;
        let value_start = expect(raw, blank(raw, key_end), b':')?;
        let value_end = value_end(raw, value_start)?;
        visit(&raw[at..key_end], &raw[value_start..value_end])?;
        at = blank(raw, value_end);
        match raw.get(at) {
            Some(b',') => at = blank(raw, at + 1),
            Some(b'}') => return Ok(()),
            _ => return Err(NotJson),
        }
    }
}

/// Calls `visit` for every element of an array, in order.
pub fn array<'a>(
    raw: Raw<'a>,
    mut visit: impl FnMut(Raw<'a>) -> Result<(), NotJson>,
) -> Result<(), NotJson> {
    let mut at = expect(raw, 0, b'[')?;
    if raw.get(at) == Some(&b']') {
        return Ok(());
    }
    loop {
        let end = value_end(raw, at)?;
        visit(&raw[at..end])?;
        at = blank(raw, end);
        match raw.get(at) {
            Some(b',') => at = blank(raw, at + 1),
            Some(b']') => return Ok(()),
            _ => return Err(NotJson),
        }
    }
}

/// The text of a quoted string; borrowed where nothing in it is escaped.
///
/// # Errors
/// Where it is not Unicode text: bytes that are not UTF-8, a lone surrogate.
pub fn text(raw: Raw<'_>) -> Result<Cow<'_, str>, NotJson> {
    if let Some(inner) = plain(raw).and_then(unquoted) {
        return Ok(Cow::Borrowed(inner));
    }
    let inner = raw
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .ok_or(NotJson)?;
    if inner.contains(&b'\\') {
        let decoded: String = serde_json::from_slice(raw).map_err(|_| NotJson)?;
        return Ok(Cow::Owned(decoded));
    }
    std::str::from_utf8(inner)
        .map(Cow::Borrowed)
        .map_err(|_| NotJson)
}

/// A quoted string, quotes and all, in which every character stands for itself: none is
/// escaped, and none is a control character.
pub fn plain(raw: Raw<'_>) -> Option<&str> {
    let last = raw.len().checked_sub(1)?;
    if raw[0] != b'"' || raw[last] != b'"' || escaped_at(raw, 1) != last {
        return None;
    }
    std::str::from_utf8(raw).ok()
}

/// What stands between the quotes of a [`plain`] string.
pub fn unquoted(plain: &str) -> Option<&str> {
    plain.strip_prefix('"')?.strip_suffix('"')
}

/// Appends `raw` without the whitespace between its tokens, when everything in it is
/// storable: texts are Unicode without NUL. Numbers stay as they are written, whatever they
/// are. Ends early, behind the first token that goes beyond `limit` bytes.
pub fn compact(raw: Raw<'_>, limit: usize, out: &mut String) -> Result<(), NotJson> {
    let mut at = 0;
    let longest = out.len() + limit;
    while at < raw.len() && out.len() <= longest {
        let end = match raw[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => at + 1,
            b'"' => {
                let end = string_end(raw, at)?;
                if text(&raw[at..end])?.contains('\0') {
                    return Err(NotJson);
                }
                end
            }
            _ => scalar_end(raw, at),
        };
        out.push_str(std::str::from_utf8(&raw[at..end]).map_err(|_| NotJson)?);
        at = end;
    }
    Ok(())
}

/// Whether it is `[]`.
pub fn is_empty_list(raw: Raw<'_>) -> bool {
    expect(raw, 0, b'[').is_ok_and(|at| raw.get(at) == Some(&b']'))
}

fn expect(raw: Raw<'_>, at: usize, byte: u8) -> Result<usize, NotJson> {
    if raw.get(at) == Some(&byte) {
        Ok(blank(raw, at + 1))
    } else {
        Err(NotJson)
    }
}

/// The first byte from `at` that is not whitespace.
fn blank(raw: Raw<'_>, mut at: usize) -> usize {
    while matches!(raw.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the value that begins at `at`. Brackets are counted, not recursed into: depth costs nothing.
fn value_end(raw: Raw<'_>, at: usize) -> Result<usize, NotJson> {
    match raw.get(at) {
        Some(b'"') => string_end(raw, at),
        Some(b'{' | b'[') => nested_end(raw, at),
        Some(b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => Ok(scalar_end(raw, at)),
        _ => Err(NotJson),
    }
}

fn nested_end(raw: Raw<'_>, mut at: usize) -> Result<usize, NotJson> {
    let mut depth = 0_usize;
    loop {
        match raw.get(at) {
            Some(b'"') => at = string_end(raw, at)?,
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
            Some(_) => at += 1,
            None => return Err(NotJson),
        }
    }
}

/// Behind the string that begins at `at`.
fn string_end(raw: Raw<'_>, at: usize) -> Result<usize, NotJson> {
    let mut at = at + 1;
    loop {
        at = escaped_at(raw, at);
        match raw.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            // A control character, which the edge would not have let pass.
            Some(_) => at += 1,
            None => return Err(NotJson),
        }
    }
}

fn scalar_end(raw: Raw<'_>, at: usize) -> usize {
    let ends = |byte: &u8| {
        matches!(
            byte,
            b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r'
        )
    };
    // One byte at least, so that a scan always moves on.
    raw[at + 1..]
        .iter()
        .position(ends)
        .map_or(raw.len(), |length| at + 1 + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(raw: &str) -> Result<Vec<(String, String)>, NotJson> {
        let mut found = Vec::new();
        let lossy = |raw: Raw<'_>| String::from_utf8_lossy(raw).into_owned();
        object(raw.as_bytes(), |key, value| {
            found.push((lossy(key), lossy(value)));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn members_come_in_order_and_untouched() {
        let found = pairs(r#"{ "a" : [1, {"b":"}"}] , "a":"\"" ,"c":-1e5}"#).unwrap();
        let expected = [
            (r#""a""#, r#"[1, {"b":"}"}]"#),
            (r#""a""#, r#""\"""#),
            (r#""c""#, "-1e5"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
        assert_eq!(pairs("{}"), Ok(vec![]));
    }

    #[test]
    fn texts_that_are_not_unicode_are_refused() {
        assert_eq!(text(br#""\ud800""#), Err(NotJson));
        assert_eq!(text(b"\"\xff\""), Err(NotJson));
        assert_eq!(text(br#""\u00e9\n""#).unwrap(), "é\n");
    }

    #[test]
    fn compacting_refuses_what_cannot_be_stored() {
        let mut out = String::new();
        compact(br#"{ "a" : [ 1 , " b " ] }"#, 100, &mut out).unwrap();
        assert_eq!(out, r#"{"a":[1," b "]}"#);
        for number in ["1e999", "1e-16384", "0e-99999", "-0.0"] {
            let mut out = String::new();
            compact(format!("[ {number} ]").as_bytes(), 100, &mut out).unwrap();
            assert_eq!(out, format!("[{number}]"));
        }
        for bad in [r#"{"a":"\u0000"}"#, r#"{"\ud800":1}"#] {
            assert_eq!(
                compact(bad.as_bytes(), 100, &mut String::new()),
                Err(NotJson)
            );
        }
        let mut out = "before".to_owned();
        compact(b"[1, 22, 333, 4444]", 5, &mut out).unwrap();
        assert_eq!(out, "before[1,22,");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_with_a_parser(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            if value.is_object() {
                let mut seen = serde_json::Map::new();
                object(pretty.as_bytes(), |key, value| {
                    let value = serde_json::from_slice(value).map_err(|_| NotJson)?;
                    seen.insert(text(key)?.into_owned(), value);
                    Ok(())
                }).unwrap();
                prop_assert_eq!(serde_json::Value::Object(seen), value.clone());
            }
            if !pretty.contains("\\u0000") {
                let mut out = String::new();
                compact(pretty.as_bytes(), usize::MAX / 2, &mut out).unwrap();
                prop_assert_eq!(out, value.to_string());
            }
        }

        #[test]
        fn a_plain_string_is_its_own_text(text in prop_oneof![any::<String>(), "[a-zé\"\\\\\u{0}-\u{20}]{0,20}"], cut in 0_usize..3) {
            let raw = serde_json::to_string(&text).unwrap();
            let is_plain = raw.len() == text.len() + 2;
            prop_assert_eq!(plain(raw.as_bytes()), is_plain.then_some(raw.as_str()));
            if is_plain {
                prop_assert_eq!(unquoted(&raw), Some(text.as_str()));
            }
            let quoted = format!("\"{text}\"");
            if let Some(raw) = plain(&quoted.as_bytes()[cut.min(quoted.len())..]) {
                prop_assert_eq!(serde_json::from_str::<String>(raw).unwrap(), unquoted(raw).unwrap());
            }
        }

        #[test]
        fn any_bytes_end_the_scan(bytes in prop::collection::vec(
            prop_oneof![Just(b'{'), Just(b'"'), Just(b':'), Just(b','), Just(b'['), Just(b']'), Just(b'}'), Just(b'\\'), any::<u8>()], 0..64)
        ) {
            let _ = object(&bytes, |_, _| Ok(()));
            let _ = array(&bytes, |_| Ok(()));
            let _ = compact(&bytes, 32, &mut String::new());
            let _ = text(&bytes);
            let _ = plain(&bytes).map(unquoted);
        }
    }
}
