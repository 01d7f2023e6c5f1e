//! Values, and their canonical JSON.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use weir_json::write_text;

use crate::{FieldId, Form, Prefix, ValueType, digits};

/// A value of a field or attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, e-mail, phone, link, single select, geo.
    Text(String),
    Integer(i64),
    Decimal(Decimal),
    Boolean(bool),
    Date(NaiveDate),
    TimeAndDate(DateTime<Utc>),
    Time(NaiveTime),
    MultiSelect(Vec<String>),
    /// The JSON text of an object or an array.
    Object(String),
}

/// An exact number with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal {
    /// The number times a thousand.
    pub thousandths: i64,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        digits::thousandths(self.thousandths, &mut text);
        f.write_str(&text)
    }
}

impl Decimal {
    /// Reads what [`Display`](fmt::Display) writes.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{whole}{fraction:0<3}");
        let thousandths = digits.parse().ok()?;
        let decimal = Self { thousandths };
        (decimal.to_string() == text).then_some(decimal)
    }
}

/// A JSON text that is not the canonical form of a value of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the canonical form of a value")]
pub struct NotCanonical;

impl Value {
    /// Appends the canonical form.
    pub fn write_canonical(&self, json: &mut String) {
        match self {
            Self::Text(text) => write_text(text, json),
            Self::Integer(integer) => digits::integer(*integer, json),
            Self::Decimal(decimal) => {
                quoted(json, |json| digits::thousandths(decimal.thousandths, json));
            }
            Self::Boolean(boolean) => json.push_str(if *boolean { "true" } else { "false" }),
            Self::Date(date) => quoted(json, |json| digits::date(*date, json)),
            Self::TimeAndDate(instant) => quoted(json, |json| digits::instant(*instant, json)),
            Self::Time(time) => quoted(json, |json| digits::time(*time, json)),
            Self::MultiSelect(texts) => {
                json.push('[');
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    write_text(text, json);
                }
                json.push(']');
            }
            Self::Object(object) => json.push_str(object),
        }
    }

    /// The canonical form.
    pub fn to_canonical(&self) -> String {
        let mut json = String::new();
        self.write_canonical(&mut json);
        json
    }

    /// Reads the canonical form of a field's value: the field's prefix and the JSON's shape
    /// together tell the type. The inverse of [`Value::to_canonical`].
    ///
    /// # Errors
    /// Where `json` is not what the field could hold.
    pub fn from_canonical(field: &FieldId, json: &str) -> Result<Self, NotCanonical> {
        let text = || serde_json::from_str::<String>(json).map_err(|_| NotCanonical);
        let form = match field.prefix() {
            Prefix::Str | Prefix::Txt | Prefix::Phn | Prefix::Geo => Form::Text,
            Prefix::Int if json.starts_with('"') => Form::Decimal,
            Prefix::Int => Form::Integer,
            Prefix::Bol => Form::Boolean,
            Prefix::Dtz if text()?.len() == "1980-07-28".len() => Form::Date,
            Prefix::Dtz => Form::Instant,
            Prefix::Tme => Form::Time,
            Prefix::Obj => Form::Object,
            Prefix::Sst => Form::Texts,
        };
        Self::of_form(form, json)
    }

    /// Reads the canonical form of a value of that type.
    ///
    /// # Errors
    /// Where `json` is not the type's canonical form.
    pub fn of_type(value_type: ValueType, json: &str) -> Result<Self, NotCanonical> {
        Self::of_form(value_type.form(), json)
    }

    fn of_form(form: Form, json: &str) -> Result<Self, NotCanonical> {
        let text = || serde_json::from_str::<String>(json).map_err(|_| NotCanonical);
        Ok(match form {
            Form::Text => Self::Text(text()?),
            Form::Integer => Self::Integer(json.parse().map_err(|_| NotCanonical)?),
            Form::Decimal => Self::Decimal(Decimal::parse(&text()?).ok_or(NotCanonical)?),
            Form::Boolean => Self::Boolean(json.parse().map_err(|_| NotCanonical)?),
            Form::Date => Self::Date(
                NaiveDate::parse_from_str(&text()?, "%Y-%m-%d").map_err(|_| NotCanonical)?,
            ),
            Form::Instant => Self::TimeAndDate(
                DateTime::parse_from_rfc3339(&text()?)
                    .map_err(|_| NotCanonical)?
                    .to_utc(),
            ),
            Form::Time => Self::Time(
                NaiveTime::parse_from_str(&text()?, "%H:%M:%S").map_err(|_| NotCanonical)?,
            ),
            Form::Texts => Self::MultiSelect(serde_json::from_str(json).map_err(|_| NotCanonical)?),
            Form::Object if json.starts_with(['{', '[']) => Self::Object(json.to_owned()),
            Form::Object => return Err(NotCanonical),
        })
    }
}

/// Writes what needs no escapes, between quotes.
fn quoted(json: &mut String, write: impl FnOnce(&mut String)) {
    json.push('"');
    write(json);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(field: &str, value: Value, json: &str) {
        let field: FieldId = field.parse().unwrap();
        assert_eq!(value.to_canonical(), json);
        assert_eq!(Value::from_canonical(&field, json), Ok(value));
    }

    #[test]
    fn every_kind_of_value_has_one_text() {
        check(
            "str::first",
            Value::Text("Lana \"L\"".into()),
            r#""Lana \"L\"""#,
        );
        check(
            "int:cm:count",
            Value::Integer(i64::MIN),
            "-9223372036854775808",
        );
        let decimal = |thousandths| Value::Decimal(Decimal { thousandths });
        check("int:cm:price", decimal(12_500), "\"12.5\"");
        check("int:cm:price", decimal(-5), "\"-0.005\"");
        check("int:cm:price", decimal(3_000), "\"3\"");
        check("bol:cm:active", Value::Boolean(true), "true");
        let date = NaiveDate::from_ymd_opt(1980, 7, 28).unwrap();
        check("dtz::b", Value::Date(date), "\"1980-07-28\"");
        let instant = date.and_hms_micro_opt(6, 9, 0, 120_000).unwrap().and_utc();
        check(
            "dtz:cm:seen",
            Value::TimeAndDate(instant),
            "\"1980-07-28T06:09:00.120Z\"",
        );
        check(
            "tme:cm:alarm",
            Value::Time(NaiveTime::from_hms_opt(23, 59, 1).unwrap()),
            "\"23:59:01\"",
        );
        check(
            "sst:cm:colours",
            Value::MultiSelect(vec!["red".into(), "blue".into()]),
            r#"["red","blue"]"#,
        );
        check(
            "obj:cm:extra",
            Value::Object(r#"{"a":1}"#.into()),
            r#"{"a":1}"#,
        );
    }

    #[test]
    fn texts_of_another_form_are_refused() {
        let price: FieldId = "int:cm:price".parse().unwrap();
        for json in [
            "\"1.50\"",
            "\"1.2345\"",
            "\"-0\"",
            "\"x\"",
            "\"\"",
            "1.5",
            "\"1.\"",
        ] {
            assert_eq!(
                Value::from_canonical(&price, json),
                Err(NotCanonical),
                "{json}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_decimal_survives(thousandths in any::<i64>()) {
            let value = Value::Decimal(Decimal { thousandths });
            let field: FieldId = "int:cm:price".parse().unwrap();
            prop_assert_eq!(Value::from_canonical(&field, &value.to_canonical()), Ok(value));
        }

        #[test]
        fn any_text_survives(text in any::<String>()) {
            let value = Value::Text(text);
            let field: FieldId = "str::first".parse().unwrap();
            prop_assert_eq!(Value::from_canonical(&field, &value.to_canonical()), Ok(value));
        }
    }
}
