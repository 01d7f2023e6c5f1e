//! What each type takes, what it is kept as, and what is said of a value that it does not take
//! (semantics 2.3, 2.4). A new type has its arms and its examples here.

use weir_json::{Kind, Raw};
use weir_reasons::Reason;
use weir_values::format::{DateFormat, Format, Unread, read_time};
use weir_values::{Decimal, Value, ValueType, is_blank, number};

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
            // Whoever is told apart by it would be somebody else with a part of it.
            ValueType::Text if self.tells_apart => write_key_text(raw, MAX_TEXT, out),
            ValueType::Text if self.options.truncate => {
                return self.write_cut(raw, MAX_TEXT, out);
            }
            ValueType::LongText if self.options.truncate => {
                return self.write_cut(raw, MAX_LONG_TEXT, out);
            }
            ValueType::Text | ValueType::SingleSelect => write_text(raw, MAX_TEXT, out),
            ValueType::LongText => write_text(raw, MAX_LONG_TEXT, out),
            ValueType::Geo => write_geo(raw, out),
            ValueType::Email => write_email(raw, out),
            ValueType::Phone => write_phone(raw, self.options.phone_country, out),
            ValueType::Link => write_link(raw, out),
            ValueType::Integer => write(Value::Integer(numeric(raw, 0)?), out),
            ValueType::Decimal | ValueType::Currency => {
                let thousandths = match self.options.round {
                    true => rounded(raw, 3)?,
                    false => numeric(raw, 3)?,
                };
                write(Value::Decimal(Decimal { thousandths }), out)
            }
            ValueType::Boolean if self.options.words => write(Value::Boolean(word(raw)?), out),
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
            ValueType::Phone if self.options.phone_country.is_some() => {
                (Reason::PhoneInvalid, "a phone number")
            }
            ValueType::Phone => (
                Reason::PhoneInvalid,
                "a phone number with its country code, such as +61 2 9876 5432",
            ),
            ValueType::Link => (Reason::LinkInvalid, "an absolute http or https URL"),
            ValueType::Integer => (Reason::IntegerInvalid, "a whole number of at most 64 bits"),
            ValueType::Decimal | ValueType::Currency if self.options.round => (
                Reason::DecimalInvalid,
                "a number up to 9,223,372,036,854,775",
            ),
            ValueType::Decimal | ValueType::Currency => (
                Reason::DecimalInvalid,
                "a number with at most three decimals",
            ),
            ValueType::Boolean if self.options.words => (
                Reason::BooleanInvalid,
                "true or false, yes or no, y or n, on or off, 1 or 0",
            ),
            ValueType::Boolean => (Reason::BooleanInvalid, "true or false"),
            ValueType::Date => (Reason::DateFormatMismatch, "a date"),
            ValueType::TimeAndDate => (Reason::DateFormatMismatch, "a time and date"),
            ValueType::Time if !self.options.formats.is_empty() => {
                (Reason::TimeFormatMismatch, "a time")
            }
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

    /// In the first format that reads it.
    fn dated<T>(
        &self,
        raw: Raw<'_>,
        read: impl Fn(&DateFormat, &str) -> Result<T, Unread>,
    ) -> Result<T, Failure> {
        let is_number = match weir_json::kind(raw)? {
            Kind::String => false,
            Kind::Number => true,
            _ => return Err(Failure::Mismatch),
        };
        let text = if is_number { token(raw)? } else { string(raw)? };
        let mut failure = Failure::Mismatch;
        for format in &self.options.formats {
            let Format::Date(format) = format else {
                continue;
            };
            if is_number && !format.takes_numbers() {
                continue;
            }
            match read(format, &text) {
                Ok(value) => return Ok(value),
                Err(Unread::OutOfRange) => failure = Failure::OutOfRange,
                Err(Unread::Mismatch) => {}
            }
        }
        Err(failure)
    }

    fn write_time(&self, raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
        let text = string(raw)?;
        let formats = &self.options.formats;
        let time = match formats.is_empty() {
            true => read_time(&text),
            false => formats.iter().find_map(|format| match format {
                Format::Time(format) => format.read(&text),
                Format::Date(_) => None,
            }),
        };
        write(Value::Time(time.ok_or(Failure::Mismatch)?), out)
    }

    /// A text, cut to its limit; a number or boolean is taken whole or not at all.
    fn write_cut(&self, raw: Raw<'_>, limit: usize, out: &mut String) -> Result<Taken, Failure> {
        match write_text(raw, limit, out) {
            Err(Failure::TooLong) if weir_json::kind(raw)? == Kind::String => {}
            written => return written.map(|()| Taken::Value),
        }
        let text = string(raw)?;
        let end = text.char_indices().nth(limit);
        let head = end.map_or(&*text, |(end, _)| &text[..end]);
        if is_blank(head) {
            return Ok(self.blank());
        }
        weir_json::write_text(head, out);
        Ok(Taken::Value)
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

/// As [`numeric`], half to even where there is more behind the point (semantics 2.4a).
fn rounded(raw: Raw<'_>, scale: u32) -> Result<i64, Failure> {
    if let Some(number) = number::scaled_short(raw, scale) {
        return Ok(number);
    }
    let number = match weir_json::kind(raw)? {
        Kind::Number => number::rounded(&token(raw)?, scale),
        Kind::String => number::rounded(string(raw)?.trim(), scale),
        _ => None,
    };
    number.ok_or(Failure::Mismatch)
}

/// A boolean, or a word or number that people write for one (semantics 2.4a).
fn word(raw: Raw<'_>) -> Result<bool, Failure> {
    if weir_json::kind(raw)? == Kind::Number {
        return match numeric(raw, 0)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Failure::Mismatch),
        };
    }
    const WORDS: [(&str, bool); 8] = [
        ("yes", true),
        ("no", false),
        ("on", true),
        ("off", false),
        ("1", true),
        ("0", false),
        ("y", true),
        ("n", false),
    ];
    boolean(raw).or_else(|failure| {
        let text = string(raw)?;
        let known = WORDS
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word));
        known.map(|(_, meant)| *meant).ok_or(failure)
    })
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
    use weir_values::options::{Options, RawOptions};

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
            let raw = RawOptions {
                formats: match value_type.needs_format() {
                    true => vec!["DD-MM-YYYY"],
                    false => vec![],
                },
                ..RawOptions::default()
            };
            let options = Options::read(value_type, &raw).unwrap();
            let converter = Converter::new(value_type, options).unwrap();
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
