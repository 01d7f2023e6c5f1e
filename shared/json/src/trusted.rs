//! Walks over bytes that are taken for JSON: they find where values begin and end, by quotes
//! and brackets alone.

use crate::text::{escaped_at, text};

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
#[inline]
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
        let key_end = behind_string(raw, at)?;
        let value_start = expect(raw, behind_space(raw, key_end), b':')?;
        let value_end = behind_value(raw, value_start)?;
        visit(&raw[at..key_end], &raw[value_start..value_end])?;
        at = behind_space(raw, value_end);
        match raw.get(at) {
            Some(b',') => at = behind_space(raw, at + 1),
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
        let end = behind_value(raw, at)?;
        visit(&raw[at..end])?;
        at = behind_space(raw, end);
        match raw.get(at) {
            Some(b',') => at = behind_space(raw, at + 1),
            Some(b']') => return Ok(()),
            _ => return Err(NotJson),
        }
    }
}

/// Appends `raw` without the whitespace between its tokens, when everything in it is
/// storable: texts are Unicode without NUL (semantics 2.4b). Numbers stay as they are written, whatever they
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
                let end = behind_string(raw, at)?;
                if text(&raw[at..end])?.contains('\0') {
                    return Err(NotJson);
                }
                end
            }
            _ => behind_scalar(raw, at),
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

/// Whether it is `[]` or `{}`.
pub fn is_empty(raw: Raw<'_>) -> bool {
    is_empty_list(raw) || expect(raw, 0, b'{').is_ok_and(|at| raw.get(at) == Some(&b'}'))
}

fn expect(raw: Raw<'_>, at: usize, byte: u8) -> Result<usize, NotJson> {
    if raw.get(at) == Some(&byte) {
        Ok(behind_space(raw, at + 1))
    } else {
        Err(NotJson)
    }
}

/// The first byte from `at` that is not white space.
#[inline]
pub fn behind_space(raw: Raw<'_>, mut at: usize) -> usize {
    while matches!(raw.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the value that begins at `at`.
///
/// # Errors
/// Where none begins there, or its quotes and brackets don't match.
#[inline]
pub fn behind_value(raw: Raw<'_>, at: usize) -> Result<usize, NotJson> {
    match raw.get(at) {
        Some(b'"') => behind_string(raw, at),
        Some(b'{' | b'[') => behind_brackets(raw, at),
        Some(b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => Ok(behind_scalar(raw, at)),
        _ => Err(NotJson),
    }
}

/// Behind the string that begins at `at`.
///
/// # Errors
/// Where it has no end.
#[inline]
pub fn behind_string(raw: Raw<'_>, at: usize) -> Result<usize, NotJson> {
    let mut at = at + 1;
    loop {
        at = escaped_at(raw, at);
        match raw.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            // A bare control character: the string's own trouble.
            Some(_) => at += 1,
            None => return Err(NotJson),
        }
    }
}

/// Behind the bracket that closes the one at `at`. Levels are bits, not calls: depth costs
/// nothing, and up to 64 levels no memory either.
fn behind_brackets(raw: Raw<'_>, mut at: usize) -> Result<usize, NotJson> {
    let (mut depth, mut objects, mut outer) = (0_usize, 0_u64, Vec::new());
    loop {
        let byte = *raw.get(at).ok_or(NotJson)?;
        match byte {
            b'"' => {
                at = behind_string(raw, at)?;
                continue;
            }
            b'{' | b'[' => {
                if depth > 0 && depth.is_multiple_of(64) {
                    outer.push(objects);
                }
                depth += 1;
                objects = objects << 1 | u64::from(byte == b'{');
            }
            b'}' | b']' => {
                if (objects & 1 == 1) != (byte == b'}') {
                    return Err(NotJson);
                }
                depth -= 1;
                objects >>= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
                if depth.is_multiple_of(64) {
                    objects = outer.pop().unwrap_or_default();
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn behind_scalar(raw: Raw<'_>, at: usize) -> usize {
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
}
