//! One raw JSON value to the canonical form of a type (semantics 2.3, 2.4): strict, total,
//! and lossless or not at all.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use weir_values::{Decimal, Value, ValueType};

use super::date::{self, DateFormat};
use super::json::{self, Kind, NotJson, Raw};
use super::number;

/// Semantics 2.3.
const MAX_TEXT: usize = 500;
const MAX_LONG_TEXT: usize = 4_000;
/// RFC 5321 with its erratum.
const MAX_EMAIL: usize = 254;
/// What browsers and mail programs still open.
const MAX_LINK: usize = 2_000;
/// More choices than that are no selection.
const MAX_CHOICES: usize = 200;
/// Semantics 2.3, in bytes.
const MAX_OBJECT: usize = 15_000;

/// Converts values to one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converter {
    value_type: ValueType,
    /// There for dates, and for nothing else.
    date_format: Option<DateFormat>,
}

/// Why a value was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is not of the type.
    Mismatch,
    /// It is of the type, but too long.
    TooLong,
    /// It holds NUL, or what is not Unicode text.
    NotStorable,
}

impl From<NotJson> for Failure {
    fn from(_: NotJson) -> Self {
        Self::NotStorable
    }
}

impl Converter {
    /// `date_format` must be there for dates, and for nothing else.
    pub fn new(value_type: ValueType, date_format: Option<DateFormat>) -> Option<Self> {
        (value_type.has_date_format() == date_format.is_some()).then_some(Self {
            value_type,
            date_format,
        })
    }

    /// A converter for a type without a format.
    pub const fn plain(value_type: ValueType) -> Self {
        Self {
            value_type,
            date_format: None,
        }
    }

    /// Appends the canonical form of `raw`, which is not `null`. On failure `out` may hold
    /// a part of it: the caller cuts it off.
    ///
    /// # Errors
    /// Why the value is to be ignored.
    pub fn convert(&self, raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
        match self.value_type {
            ValueType::Text | ValueType::SingleSelect => write_text(raw, MAX_TEXT, out),
            ValueType::LongText => write_text(raw, MAX_LONG_TEXT, out),
            ValueType::Geo => write(Value::Text(place(raw)?), out),
            ValueType::Email => write(Value::Text(email(raw)?), out),
            ValueType::Phone => write(Value::Text(phone(raw)?), out),
            ValueType::Link => write(Value::Text(link(raw)?), out),
            ValueType::Integer => write(Value::Integer(numeric(raw, 0)?), out),
            ValueType::Decimal | ValueType::Currency => {
                let thousandths = numeric(raw, 3)?;
                write(Value::Decimal(Decimal { thousandths }), out)
            }
            ValueType::Boolean => write(Value::Boolean(boolean(raw)?), out),
            // A date that is written with a time is the UTC day of that instant.
            ValueType::Date => write(Value::Date(self.instant(raw)?.date_naive()), out),
            ValueType::TimeAndDate => write(Value::TimeAndDate(self.instant(raw)?), out),
            ValueType::Time => {
                let text = string(raw)?;
                let time = date::read_time(&text).ok_or(Failure::Mismatch)?;
                write(Value::Time(time), out)
            }
            ValueType::MultiSelect => write_choices(raw, out),
            ValueType::Object => write_object(raw, out),
        }
    }

    /// What a person should do about a failure.
    pub fn reason(&self, failure: Failure) -> String {
        match (failure, self.value_type) {
            (Failure::NotStorable, _) => {
                "holds what cannot be stored: NUL, text that is not Unicode, or a number out of range".to_owned()
            }
            (Failure::TooLong, ValueType::LongText) => format!("longer than {MAX_LONG_TEXT} characters"),
            (Failure::TooLong, ValueType::Email) => format!("longer than {MAX_EMAIL} characters"),
            (Failure::TooLong, ValueType::Link) => format!("longer than {MAX_LINK} characters"),
            (Failure::TooLong, ValueType::Object) => format!("larger than {MAX_OBJECT} bytes"),
            (Failure::TooLong, ValueType::MultiSelect) => {
                format!("more than {MAX_CHOICES} choices, or one longer than {MAX_TEXT} characters")
            }
            (Failure::TooLong, _) => format!("longer than {MAX_TEXT} characters"),
            (Failure::Mismatch, _) => self.expectation(),
        }
    }

    fn expectation(&self) -> String {
        let written = |what: &str| match &self.date_format {
            Some(format) => format!("expected {what} written as {format}"),
            None => format!("expected {what}"),
        };
        match self.value_type {
            ValueType::Text | ValueType::LongText | ValueType::SingleSelect => {
                "expected a text".to_owned()
            }
            ValueType::Geo => "expected the name of a place".to_owned(),
            ValueType::Email => "expected an e-mail address".to_owned(),
            ValueType::Phone => {
                "expected a phone number with its country code, such as +61 2 9876 5432".to_owned()
            }
            ValueType::Link => "expected an absolute http or https URL".to_owned(),
            ValueType::Integer => "expected a whole number of at most 64 bits".to_owned(),
            ValueType::Decimal | ValueType::Currency => {
                "expected a number with at most three decimals".to_owned()
            }
            ValueType::Boolean => "expected true or false".to_owned(),
            ValueType::Date => written("a date"),
            ValueType::TimeAndDate => written("a time and date"),
            ValueType::Time => "expected a time written as HH:mm or HH:mm:ss".to_owned(),
            ValueType::MultiSelect => "expected a list of texts".to_owned(),
            ValueType::Object => "expected an object".to_owned(),
        }
    }

    fn instant(&self, raw: Raw<'_>) -> Result<DateTime<Utc>, Failure> {
        let format = self.date_format.as_ref().ok_or(Failure::Mismatch)?;
        let text = match json::kind(raw)? {
            Kind::String => json::text(raw)?,
            Kind::Number if format.takes_numbers() => token(raw)?,
            _ => return Err(Failure::Mismatch),
        };
        format.read(&text).ok_or(Failure::Mismatch)
    }
}

fn write(value: Value, out: &mut String) -> Result<(), Failure> {
    value.write_canonical(out);
    Ok(())
}

/// A string without NUL, and nothing else.
fn string(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    if json::kind(raw)? != Kind::String {
        return Err(Failure::Mismatch);
    }
    let text = json::text(raw)?;
    if text.contains('\0') {
        return Err(Failure::NotStorable);
    }
    Ok(text)
}

/// A number or a boolean as it is written.
fn token(raw: Raw<'_>) -> Result<Cow<'_, str>, Failure> {
    if json::kind(raw)? == Kind::Number && !json::is_finite(raw) {
        return Err(Failure::NotStorable);
    }
    let text = std::str::from_utf8(raw).map_err(|_| Failure::NotStorable)?;
    Ok(Cow::Borrowed(text))
}

/// A string, or a number or boolean as it is written: that loses nothing.
fn text_of(raw: Raw<'_>, limit: usize) -> Result<Cow<'_, str>, Failure> {
    let text = match json::kind(raw)? {
        Kind::String => string(raw)?,
        Kind::Number | Kind::Boolean => token(raw)?,
        _ => return Err(Failure::Mismatch),
    };
    bounded(text, limit)
}

fn bounded(text: Cow<'_, str>, limit: usize) -> Result<Cow<'_, str>, Failure> {
    // Bytes are never fewer than characters: most texts need no counting.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Failure::TooLong);
    }
    Ok(text)
}

fn write_text(raw: Raw<'_>, limit: usize, out: &mut String) -> Result<(), Failure> {
    match text_of(raw, limit)? {
        // Without escapes the quoted bytes are the canonical form already.
        Cow::Borrowed(text) if !text.bytes().any(|byte| byte < b' ' || byte == b'"') => {
            out.push('"');
            out.push_str(text);
            out.push('"');
            Ok(())
        }
        text => write(Value::Text(text.into_owned()), out),
    }
}

fn place(raw: Raw<'_>) -> Result<String, Failure> {
    let text = text_of(raw, MAX_TEXT)?;
    let name = text.trim();
    if name.is_empty() {
        return Err(Failure::Mismatch);
    }
    Ok(name.to_owned())
}

fn email(raw: Raw<'_>) -> Result<String, Failure> {
    let text = string(raw)?;
    let address = text.trim();
    if address.len() > MAX_EMAIL {
        return Err(Failure::TooLong);
    }
    if !is_email(address) {
        return Err(Failure::Mismatch);
    }
    Ok(address.to_owned())
}

/// A plain address at a domain with a dot: no display name, no `[127.0.0.1]`.
pub fn is_email(address: &str) -> bool {
    let options = email_address::Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    address.len() <= MAX_EMAIL && EmailAddress::parse_with_options(address, options).is_ok()
}

fn phone(raw: Raw<'_>) -> Result<String, Failure> {
    let text = string(raw)?;
    let text = text.trim();
    // Without a country code it could be anybody's.
    if !text.starts_with('+') || text.len() > MAX_TEXT {
        return Err(Failure::Mismatch);
    }
    let number = PHONE_NUMBER_UTIL
        .parse(text, None)
        .map_err(|_| Failure::Mismatch)?;
    // E.164 has no place for an extension, and dropping it would lose it.
    if !number.extension().is_empty() || !number.is_valid() {
        return Err(Failure::Mismatch);
    }
    Ok(number.format_as(PhoneNumberFormat::E164).into_owned())
}

fn link(raw: Raw<'_>) -> Result<String, Failure> {
    let text = string(raw)?;
    let text = bounded(Cow::Borrowed(text.trim()), MAX_LINK)?;
    // `url` would repair these silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::Mismatch);
    }
    let url = url::Url::parse(&text).map_err(|_| Failure::Mismatch)?;
    if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
        return Err(Failure::Mismatch);
    }
    Ok(text.into_owned())
}

/// A number, or a string that is written as one, in units of `10^-scale`.
fn numeric(raw: Raw<'_>, scale: i32) -> Result<i64, Failure> {
    let text = match json::kind(raw)? {
        Kind::Number => token(raw)?,
        Kind::String => string(raw)?,
        _ => return Err(Failure::Mismatch),
    };
    number::scaled(text.trim(), scale).ok_or(Failure::Mismatch)
}

fn boolean(raw: Raw<'_>) -> Result<bool, Failure> {
    match raw {
        b"true" => return Ok(true),
        b"false" => return Ok(false),
        _ => {}
    }
    let text = string(raw)?;
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Failure::Mismatch)
    }
}

/// A list of texts; a single text is a list of one.
fn write_choices(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if json::kind(raw)? != Kind::Array {
        out.push('[');
        write_text(raw, MAX_TEXT, out)?;
        out.push(']');
        return Ok(());
    }
    let mut count = 0;
    let mut failed = None;
    out.push('[');
    json::array(raw, |choice| {
        if failed.is_none() {
            if count > 0 {
                out.push(',');
            }
            count += 1;
            failed = write_text(choice, MAX_TEXT, out).err();
        }
        Ok(())
    })?;
    out.push(']');
    match failed {
        Some(failure) => Err(failure),
        None if count > MAX_CHOICES => Err(Failure::TooLong),
        None => Ok(()),
    }
}

fn write_object(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if json::kind(raw)? != Kind::Object {
        return Err(Failure::Mismatch);
    }
    let start = out.len();
    json::compact(raw, out)?;
    if out.len() - start > MAX_OBJECT {
        return Err(Failure::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converter(value_type: ValueType) -> Converter {
        let format = value_type
            .has_date_format()
            .then(|| "DD-MM-YYYY".parse().unwrap());
        Converter::new(value_type, format).unwrap()
    }

    fn convert(value_type: ValueType, raw: &str) -> Result<String, Failure> {
        let mut out = String::new();
        converter(value_type).convert(raw.as_bytes(), &mut out)?;
        Ok(out)
    }

    fn good(value_type: ValueType, raw: &str, expected: &str) {
        assert_eq!(convert(value_type, raw).as_deref(), Ok(expected), "{raw}");
        assert!(Value::of_type(value_type, expected).is_ok(), "{expected}");
    }

    fn bad(value_type: ValueType, raws: &[&str]) {
        for raw in raws {
            assert_eq!(
                convert(value_type, raw),
                Err(Failure::Mismatch),
                "{value_type:?} {raw}"
            );
        }
    }

    #[test]
    fn texts_take_what_loses_nothing() {
        good(ValueType::Text, r#""Lana""#, r#""Lana""#);
        good(ValueType::Text, r#""a\u00e9\"\\\/""#, r#""aé\"\\/""#);
        good(ValueType::Text, "3.50", r#""3.50""#);
        good(ValueType::Text, "true", r#""true""#);
        good(ValueType::Text, r#""""#, r#""""#);
        bad(ValueType::Text, &["{}", "[]"]);
        for raw in [r#""a\u0000""#, r#""\udc00""#, "1e999"] {
            assert_eq!(convert(ValueType::Text, raw), Err(Failure::NotStorable));
        }
    }

    #[test]
    fn long_texts_are_ignored_whole_and_counted_in_characters() {
        let quoted = |length| format!("\"{}\"", "é".repeat(length));
        assert!(convert(ValueType::Text, &quoted(500)).is_ok());
        assert_eq!(
            convert(ValueType::Text, &quoted(501)),
            Err(Failure::TooLong)
        );
        assert!(convert(ValueType::LongText, &quoted(4_000)).is_ok());
        assert_eq!(
            convert(ValueType::LongText, &quoted(4_001)),
            Err(Failure::TooLong)
        );
    }

    #[test]
    fn numbers_are_exact_or_ignored() {
        good(ValueType::Integer, r#""3""#, "3");
        good(ValueType::Integer, "3.0", "3");
        bad(
            ValueType::Integer,
            &["3.5", r#""three""#, "true", "9223372036854775808", r#""""#],
        );
        good(ValueType::Decimal, "12.5", r#""12.5""#);
        good(ValueType::Currency, r#""-0.005""#, r#""-0.005""#);
        good(ValueType::Decimal, "1.5e2", r#""150""#);
        bad(ValueType::Decimal, &["1.2345", "1e300", "[1]"]);
        assert_eq!(
            convert(ValueType::Integer, "1e999"),
            Err(Failure::NotStorable)
        );
    }

    #[test]
    fn booleans_are_true_or_false() {
        good(ValueType::Boolean, "true", "true");
        good(ValueType::Boolean, r#""False""#, "false");
        bad(ValueType::Boolean, &["1", "0", r#""yes""#, "{}"]);
    }

    #[test]
    fn dates_are_read_in_their_format_only() {
        good(ValueType::Date, r#""28-07-1980""#, r#""1980-07-28""#);
        good(
            ValueType::TimeAndDate,
            r#""28-07-1980""#,
            r#""1980-07-28T00:00:00Z""#,
        );
        bad(
            ValueType::Date,
            &[r#""1980-07-28""#, "333590400", "true", r#""31-02-1980""#],
        );
        good(ValueType::Time, r#""23:59""#, r#""23:59:00""#);
        bad(ValueType::Time, &[r#""11:59 pm""#, "2359"]);
        let unix = Converter::new(ValueType::Date, Some(DateFormat::UnixSeconds)).unwrap();
        for raw in ["333590400", r#""333590400""#] {
            let mut out = String::new();
            unix.convert(raw.as_bytes(), &mut out).unwrap();
            assert_eq!(out, r#""1980-07-28""#);
        }
    }

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

    #[test]
    fn lists_and_objects_keep_their_order() {
        good(
            ValueType::MultiSelect,
            r#"[ "b", "a", 1 ]"#,
            r#"["b","a","1"]"#,
        );
        good(ValueType::MultiSelect, r#""a""#, r#"["a"]"#);
        good(ValueType::MultiSelect, "[]", "[]");
        bad(ValueType::MultiSelect, &["[null]", "[[]]", "{}"]);
        good(
            ValueType::Object,
            r#"{ "b": 1, "a": [ 2 ] }"#,
            r#"{"b":1,"a":[2]}"#,
        );
        bad(ValueType::Object, &["[]", r#""{}""#]);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(15_000));
        assert_eq!(convert(ValueType::Object, &large), Err(Failure::TooLong));
        assert_eq!(convert(ValueType::Geo, r#""  ""#), Err(Failure::Mismatch));
        good(ValueType::Geo, r#"" Utrecht ""#, r#""Utrecht""#);
    }

    proptest! {
        #[test]
        fn what_is_written_is_canonical_and_converts_to_itself(text in any::<String>(), number in any::<i64>(), fraction in 0_u16..1_000) {
            let raws = [serde_json::to_string(&text).unwrap(), number.to_string(), format!("{number}.{fraction:03}"), format!("[{number}]"), format!("{{\"a\":{number}}}")];
            for raw in raws {
                for (_, value_type) in ValueType::NAMES {
                    let Ok(canonical) = convert(value_type, &raw) else { continue };
                    let value = Value::of_type(value_type, &canonical).unwrap();
                    prop_assert_eq!(value.to_canonical(), canonical.clone());
                    if !value_type.has_date_format() {
                        prop_assert_eq!(convert(value_type, &canonical), Ok(canonical));
                    }
                }
            }
        }

        #[test]
        fn any_bytes_convert_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..40), quoted in any::<bool>()) {
            let raw = if quoted { [b"\"", bytes.as_slice(), b"\""].concat() } else { bytes };
            for (_, value_type) in ValueType::NAMES {
                let mut out = String::new();
                let _ = converter(value_type).convert(&raw, &mut out);
            }
        }
    }
}
