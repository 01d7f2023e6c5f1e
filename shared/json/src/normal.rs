//! The same words for the same thing, whoever writes it.

use std::borrow::Cow;
use std::ops::Range;

use crate::text::escaped_at;
use crate::{Kind, NotJson, Raw, array, kind, object, text, write_text};

/// Numbers that take so many bytes are written with all of their digits; others with an exponent,
/// so that `1e99999999` stays as short as it is.
const LONGEST: usize = 32;
/// Digits of an exponent that is reckoned with: a larger one stays as it is.
const MAX_EXPONENT: usize = 30;

/// Appends `raw` as everybody else may write it who says the same: without white space, texts with
/// no escapes but those that they must have, members in the order of their keys, of those of one
/// key the last one alone (semantics 1.2), and numbers without what adds nothing to them (`1.0` and
/// `10e-1` are `1`). What has another type says something else, as does a member that is null.
///
/// # Errors
/// Where it is no JSON.
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
            Said::of(raw)?.write(out);
            Ok(())
        }
        Kind::Number => {
            number(as_text(raw)?.trim_ascii(), out);
            Ok(())
        }
        Kind::Boolean | Kind::Null => {
            out.push_str(as_text(raw)?.trim_ascii());
            Ok(())
        }
    }
}

fn members(raw: Raw<'_>, out: &mut String) -> Result<(), NotJson> {
    let mut members: Vec<(Said<'_>, Raw<'_>)> = Vec::new();
    object(raw, |key, value| {
        members.push((Said::of(key)?, value));
        Ok(())
    })?;
    // Those of the same key stay in their order.
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    out.push('{');
    let mut comma = "";
    for (at, (key, value)) in members.iter().enumerate() {
        if members.get(at + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        out.push_str(comma);
        comma = ",";
        key.write(out);
        out.push(':');
        normal(value, out)?;
    }
    out.push('}');
    Ok(())
}

fn as_text(raw: Raw<'_>) -> Result<&str, NotJson> {
    std::str::from_utf8(raw).map_err(|_| NotJson)
}

/// A string as it is said.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Said<'a> {
    Text(Cow<'a, str>),
    /// What is no text for half of a surrogate pair, as JSON.
    Halves(String),
}

impl<'a> Said<'a> {
    fn of(raw: Raw<'a>) -> Result<Self, NotJson> {
        match text(raw) {
            Ok(text) => Ok(Self::Text(text)),
            Err(_) => halves(as_text(raw)?).map(Self::Halves),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => write_text(text, out),
            Self::Halves(json) => out.push_str(json),
        }
    }
}

/// A string in which halves of surrogate pairs alone, and what must be, are escaped.
fn halves(quoted: &str) -> Result<String, NotJson> {
    let inside = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let (mut rest, mut out) = (inside.ok_or(NotJson)?, "\"".to_owned());
    while !rest.is_empty() {
        let at = escaped_at(rest.as_bytes(), 0);
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(unit) = unit(rest) {
            let pair = rest.get(..12).filter(|pair| unit_of_pair(unit, pair));
            let escape = pair.unwrap_or(&rest[..6]);
            rest = &rest[escape.len()..];
            match text(format!("\"{escape}\"").as_bytes()) {
                Ok(text) => push_inside(&text, &mut out),
                Err(_) => out.push_str(&escape.to_ascii_lowercase()),
            }
        } else if !rest.is_empty() {
            let escape = rest.get(..2).ok_or(NotJson)?;
            rest = &rest[2..];
            push_inside(&text(format!("\"{escape}\"").as_bytes())?, &mut out);
        }
    }
    out.push('"');
    Ok(out)
}

/// The unit of UTF-16 that begins a text as `\u` has it.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

fn unit_of_pair(first: u16, pair: &str) -> bool {
    let second = pair.get(6..).and_then(unit);
    (0xd800..0xdc00).contains(&first) && second.is_some_and(|it| (0xdc00..0xe000).contains(&it))
}

fn push_inside(text: &str, out: &mut String) {
    let mut quoted = String::new();
    write_text(text, &mut quoted);
    out.push_str(&quoted[1..quoted.len() - 1]);
}

/// Appends a number. Most of them are short, and have no exponent.
fn number(number: &str, out: &mut String) {
    if number.len() > LONGEST || number.contains(['e', 'E']) {
        match Decimal::of(number) {
            Some(decimal) => decimal.write(out),
            None => out.push_str(number),
        }
        return;
    }
    let short = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    out.push_str(match short {
        "-0" => "0",
        short => short,
    });
}

/// A number that is not nothing: its digits, without zeros in front and behind, and by which power
/// of ten the last of them counts.
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i128,
}

impl Decimal {
    /// None where it is none, or its exponent is beyond all.
    fn of(number: &str) -> Option<Self> {
        let (is_negative, unsigned) = match number.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, number),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)),
            None => (unsigned, Some(0)),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = [whole, decimals].concat();
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let places = digits.trim_end_matches('0').len();
        let zeros = digits.len() - places;
        digits.truncate(places);
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            // Nothing, by whatever it is multiplied.
            let (is_negative, exponent) = (false, 0);
            return Some(Self {
                is_negative,
                digits,
                exponent,
            });
        }
        let moved = i128::try_from(zeros).ok()? - i128::try_from(decimals.len()).ok()?;
        Some(Self {
            is_negative,
            digits,
            exponent: exponent? + moved,
        })
    }

    fn write(&self, out: &mut String) {
        if self.digits.is_empty() {
            out.push('0');
            return;
        }
        if self.is_negative {
            out.push('-');
        }
        match self.plain() {
            Some(Plain::Whole(zeros)) => {
                out.push_str(&self.digits);
                out.extend(zeros.map(|_| '0'));
            }
            Some(Plain::Point(at)) => {
                let (whole, decimals) = self.digits.split_at(at);
                out.extend([whole, ".", decimals]);
            }
            Some(Plain::Below(zeros)) => {
                out.push_str("0.");
                out.extend(zeros.map(|_| '0'));
                out.push_str(&self.digits);
            }
            None => {
                out.push_str(&self.digits);
                out.push('e');
                out.push_str(&self.exponent.to_string());
            }
        }
    }

    /// How it is written with all of its digits, where that is not too long.
    fn plain(&self) -> Option<Plain> {
        let digits = self.digits.len();
        let is_short = |length: usize| length + usize::from(self.is_negative) <= LONGEST;
        let zeros = usize::try_from(self.exponent.unsigned_abs()).ok()?;
        if self.exponent >= 0 {
            let length = digits.saturating_add(zeros).min(LONGEST + 1);
            return is_short(length).then_some(Plain::Whole(0..zeros));
        }
        if zeros < digits {
            return is_short(digits + 1).then_some(Plain::Point(digits - zeros));
        }
        let length = zeros.min(LONGEST) + 2;
        is_short(length).then_some(Plain::Below(0..zeros - digits))
    }
}

enum Plain {
    /// With so many zeros behind its digits.
    Whole(Range<usize>),
    /// With a point within them.
    Point(usize),
    /// With so many zeros between the point and them.
    Below(Range<usize>),
}

fn exponent_of(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    match digits {
        "" => Some(0),
        digits if digits.len() > MAX_EXPONENT => None,
        digits => digits.parse().ok().map(|exponent: i128| sign * exponent),
    }
}

#[cfg(test)]
mod tests;
