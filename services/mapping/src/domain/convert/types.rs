//! What each type takes, what it is kept as, and what is said of a value that it does not take
//! (semantics 2.3, 2.4). A new type has its arms and its examples here.

use weir_json::{Kind, Raw};
use weir_reasons::Reason;
use weir_values::format::{DateFormat, Format, Unread, read_time};
use weir_values::{Decimal, Value, ValueType, number};

use super::lists::{LeftOut, MAX_CHOICES, write_choice, write_choices};
use super::texts::{
    MAX_EMAIL, MAX_LINK, MAX_LONG_TEXT, MAX_TEXT, write_email, write_geo, write_key_text,
    write_link, write_phone, write_text,
};
use super::{Converter, Failure, MAX_OBJECT, Taken, string, token};
use crate::domain::path::Element;

impl Converter {
    /// Appends the canonical form of what is neither null nor blank.
    pub(super) fn write<'a>(
        &self,
        raw: Raw<'a>,
        out: &mut String,
        left_out: &mut LeftOut<'a>,
    ) -> Result<Taken, Failure> {
        match self.value_type {
            ValueType::Text if self.tells_apart() => write_key_text(raw, MAX_TEXT, out),
            ValueType::Text | ValueType::SingleSelect => write_text(raw, MAX_TEXT, out),
            ValueType::LongText => write_text(raw, MAX_LONG_TEXT, out),
            ValueType::Geo => write_geo(raw, out),
            ValueType::Email => write_email(raw, out),
            ValueType::Phone => write_phone(raw, out),
            ValueType::Link => write_link(raw, out),
            ValueType::Integer => write(Value::Integer(numeric(raw, 0)?), out),
            ValueType::Decimal | ValueType::Currency => {
                let thousandths = numeric(raw, 3)?;
                write(Value::Decimal(Decimal { thousandths }), out)
            }
            ValueType::Boolean => write(Value::Boolean(boolean(raw)?), out),
            ValueType::Date => write(Value::Date(self.dated(raw, DateFormat::read_date)?), out),
            ValueType::TimeAndDate => {
                let instant = self.dated(raw, DateFormat::read_instant)?;
                write(Value::TimeAndDate(instant), out)
            }
            ValueType::Time => self.write_time(raw, out),
            ValueType::MultiSelect if weir_json::kind(raw)? == Kind::Array => {
                let mut choices = Vec::new();
                weir_json::array(raw, |choice| {
                    choices.push(Element {
                        raw: choice,
                        index: choices.len(),
                    });
                    Ok(())
                })?;
                return write_choices(&choices, out, left_out);
            }
            ValueType::MultiSelect => write_choice(raw, out),
            ValueType::Object => write_object(raw, out),
        }?;
        Ok(Taken::Value)
    }

    /// What the type takes: the reason code of what is something else, and the words.
    pub(super) fn expectation(&self) -> (Reason, &'static str) {
        match self.value_type {
            ValueType::Text | ValueType::LongText | ValueType::SingleSelect => {
                (Reason::TextInvalid, "a text")
            }
            ValueType::Geo => (Reason::PlaceInvalid, "the name of a place"),
            ValueType::Email => (Reason::EmailInvalid, "an e-mail address"),
            ValueType::Phone => (
                Reason::PhoneInvalid,
                "a phone number with its country code, such as +61 2 9876 5432",
            ),
            ValueType::Link => (Reason::LinkInvalid, "an absolute http or https URL"),
            ValueType::Integer => (Reason::IntegerInvalid, "a whole number of at most 64 bits"),
            ValueType::Decimal | ValueType::Currency => (
                Reason::DecimalInvalid,
                "a number with at most three decimals",
            ),
            ValueType::Boolean => (Reason::BooleanInvalid, "true or false"),
            ValueType::Date => (Reason::DateFormatMismatch, "a date"),
            ValueType::TimeAndDate => (Reason::DateFormatMismatch, "a time and date"),
            ValueType::Time if self.format.is_some() => (Reason::TimeFormatMismatch, "a time"),
            ValueType::Time => (
                Reason::TimeFormatMismatch,
                "a time written as HH:mm or HH:mm:ss",
            ),
            ValueType::MultiSelect => (Reason::ListInvalid, "a text, or a list of texts"),
            ValueType::Object => (Reason::ObjectInvalid, "an object or an array"),
        }
    }

    /// What is said of a value that is too long.
    pub(super) fn limit(&self) -> String {
        match self.value_type {
            ValueType::LongText => format!("longer than {MAX_LONG_TEXT} characters"),
            ValueType::Email => format!("longer than {MAX_EMAIL} characters"),
            ValueType::Link => format!("longer than {MAX_LINK} characters"),
            ValueType::Object => format!("larger than {MAX_OBJECT} bytes"),
            ValueType::MultiSelect => {
                format!("more than {MAX_CHOICES} choices, or one longer than {MAX_TEXT} characters")
            }
            _ => format!("longer than {MAX_TEXT} characters"),
        }
    }

    fn dated<T>(
        &self,
        raw: Raw<'_>,
        read: impl Fn(&DateFormat, &str) -> Result<T, Unread>,
    ) -> Result<T, Failure> {
        let Some(Format::Date(format)) = &self.format else {
            return Err(Failure::Mismatch);
        };
        let text = match weir_json::kind(raw)? {
            Kind::String => string(raw)?,
            Kind::Number if format.takes_numbers() => token(raw)?,
            _ => return Err(Failure::Mismatch),
        };
        read(format, &text).map_err(|unread| match unread {
            Unread::Mismatch => Failure::Mismatch,
            Unread::OutOfRange => Failure::OutOfRange,
        })
    }

    fn write_time(&self, raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
        let text = string(raw)?;
        let time = match &self.format {
            Some(Format::Time(format)) => format.read(&text),
            _ => read_time(&text),
        };
        write(Value::Time(time.ok_or(Failure::Mismatch)?), out)
    }
}

fn write(value: Value, out: &mut String) -> Result<(), Failure> {
    value.write_canonical(out);
    Ok(())
}

/// A number, or a string that is written as one, in units of `10^-scale`.
fn numeric(raw: Raw<'_>, scale: u32) -> Result<i64, Failure> {
    if let Some(number) = number::scaled_short(raw, scale) {
        return Ok(number);
    }
    let number = match weir_json::kind(raw)? {
        // Only numbers have gone through floats (semantics 2.4).
        Kind::Number => number::scaled_near(&token(raw)?, scale),
        Kind::String => number::scaled(string(raw)?.trim(), scale),
        _ => None,
    };
    number.ok_or(Failure::Mismatch)
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

/// An object or an array, as it was sent but for the white space between its tokens.
fn write_object(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if !matches!(weir_json::kind(raw)?, Kind::Object | Kind::Array) {
        return Err(Failure::Mismatch);
    }
    let start = out.len();
    weir_json::compact(raw, MAX_OBJECT, out)?;
    if out.len() - start > MAX_OBJECT {
        return Err(Failure::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValueType::*;

    /// For each type what is taken, what it is kept as, and what is no such value.
    const EXAMPLES: [(ValueType, &str, &str, &str); ValueType::NAMES.len()] = [
        (Text, r#""Lana""#, r#""Lana""#, "{}"),
        (LongText, "3.50", r#""3.50""#, "[]"),
        (Email, r#""Lana@x.io""#, r#""Lana@x.io""#, r#""lana""#),
        (
            Phone,
            r#""+61 2 9876 5432""#,
            r#""+61298765432""#,
            r#""98""#,
        ),
        (
            Link,
            r#""https://x.io/a""#,
            r#""https://x.io/a""#,
            r#""/a""#,
        ),
        (Integer, r#""3""#, "3", "3.5"),
        (Decimal, "12.50", r#""12.5""#, "1.2345"),
        (Currency, "39.989999999999995", r#""39.99""#, r#""$ 5""#),
        (Boolean, r#""True""#, "true", "1"),
        (
            Date,
            r#""28-07-1980""#,
            r#""1980-07-28""#,
            r#""07-28-1980""#,
        ),
        (
            TimeAndDate,
            r#""28-07-1980""#,
            r#""1980-07-28T00:00:00Z""#,
            "0",
        ),
        (Time, r#""23:59""#, r#""23:59:00""#, r#""24:00""#),
        (SingleSelect, r#""red""#, r#""red""#, "[]"),
        (MultiSelect, r#""red""#, r#"["red"]"#, "{}"),
        (Object, r#"{ "a": [1] }"#, r#"{"a":[1]}"#, "1"),
        (Geo, r#"" Perth ""#, r#""Perth""#, "[]"),
    ];

    #[test]
    fn every_type_has_an_example_that_it_takes_and_one_that_it_does_not() {
        for (name, value_type) in ValueType::NAMES {
            let mut of_type = EXAMPLES.iter().filter(|example| example.0 == value_type);
            let (_, taken, kept, refused) = of_type.next().expect(name);
            let format = value_type.needs_format().then_some("DD-MM-YYYY");
            let format = Format::of(value_type, format.unwrap_or_default()).unwrap();
            let converter = Converter::new(value_type, format).unwrap();
            let (mut out, mut left_out) = (String::new(), LeftOut::default());
            let result = converter.convert(taken.as_bytes(), &mut out, &mut left_out);
            assert_eq!((result, &*out), (Ok(Taken::Value), *kept), "{name}");
            let read = Value::of_type(value_type, kept).map(|value| value.to_canonical());
            assert_eq!(read.as_deref(), Ok(*kept), "{name}");
            let result = converter.convert(refused.as_bytes(), &mut out, &mut left_out);
            assert_eq!(result, Err(Failure::Mismatch), "{name}");
        }
    }
}
