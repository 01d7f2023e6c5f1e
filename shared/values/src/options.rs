//! Options of a mapped row (semantics 2.4a): what it takes beyond what is strict.

mod country;

pub use country::{COUNTRIES, Country, UnknownCountry};

use crate::ValueType;
use crate::format::Format;

/// One field whose dates come in more formats than that should be several fields.
pub const MAX_FORMATS: usize = 10;

/// Options as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOptions<'a> {
    /// Of dates and times, in the order in which they are tried.
    pub formats: Vec<&'a str>,
    /// Two letters; empty: none.
    pub phone_country: &'a str,
    pub round: bool,
    pub words: bool,
    pub truncate: bool,
    pub blank: RawBlank,
}

/// What a blank text comes to, as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RawBlank {
    #[default]
    Nothing,
    Null,
    /// Something of a later version.
    Unknown,
}

impl From<bool> for RawBlank {
    fn from(clears: bool) -> Self {
        if clears { Self::Null } else { Self::Nothing }
    }
}

/// The options of a row; each goes with its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// How dates and times are written: the first one that reads a value counts.
    pub formats: Vec<Format>,
    /// Where phone numbers without `+` are from.
    pub phone_country: Option<Country>,
    /// Decimals beyond the third are rounded, half to even, instead of refused.
    pub round: bool,
    /// Booleans may be written as yes and no, on and off, 1 and 0, y and n.
    pub words: bool,
    /// Texts are cut to their limit instead of refused.
    pub truncate: bool,
    /// A blank text is a null instead of nothing.
    pub blank_clears: bool,
}

/// An option that can't be: which, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongOption {
    pub option: OptionName,
    pub expected: String,
}

/// Which option; whoever asked knows how it is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionName {
    /// By its place among the formats.
    Format(usize),
    PhoneCountry,
    Round,
    Words,
    Truncate,
    Blank,
}

impl Options {
    /// The options of a row of that type.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn read(value_type: ValueType, raw: &RawOptions<'_>) -> Result<Self, Vec<WrongOption>> {
        let mut wrong = Vec::new();
        let formats = read_formats(value_type, &raw.formats, &mut wrong);
        let phone_country = read_country(value_type, raw.phone_country, &mut wrong);
        let mut refuse = |given: bool, fits: bool, option, what: &str| {
            if given && !fits {
                let expected = format!("{what}; this is {}", value_type.name());
                wrong.push(WrongOption { option, expected });
            }
        };
        refuse(
            raw.round,
            matches!(value_type, ValueType::Decimal | ValueType::Currency),
            OptionName::Round,
            "only a decimal or a currency is rounded",
        );
        refuse(
            raw.words,
            value_type == ValueType::Boolean,
            OptionName::Words,
            "only a boolean is written in words",
        );
        refuse(
            raw.truncate,
            matches!(value_type, ValueType::Text | ValueType::LongText),
            OptionName::Truncate,
            "only a text or a long text is cut",
        );
        if raw.blank == RawBlank::Unknown {
            let expected = "blank texts come to nothing or to null".to_owned();
            let option = OptionName::Blank;
            wrong.push(WrongOption { option, expected });
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            formats,
            phone_country,
            round: raw.round,
            words: raw.words,
            truncate: raw.truncate,
            blank_clears: raw.blank == RawBlank::Null,
        })
    }

    /// Whether rows of that type may have these options.
    pub fn fit(&self, value_type: ValueType) -> bool {
        let formats = self.formats.iter().all(|format| format.fits(value_type));
        formats && !(self.formats.is_empty() && value_type.needs_format())
    }
}

fn read_formats(
    value_type: ValueType,
    texts: &[&str],
    wrong: &mut Vec<WrongOption>,
) -> Vec<Format> {
    // Without any, what is said of an empty one holds.
    let given = if texts.is_empty() { &[""] } else { texts };
    let mut formats = Vec::new();
    for (index, text) in given.iter().enumerate() {
        let expected = match Format::of(value_type, text) {
            _ if index == MAX_FORMATS => format!("at most {MAX_FORMATS} formats"),
            Ok(None) if given.len() > 1 => "a format is missing".to_owned(),
            Ok(Some(format)) if formats.contains(&format) => format!("{text:?} is there twice"),
            Ok(format) => {
                formats.extend(format);
                continue;
            }
            Err(error) => error.to_string(),
        };
        let option = OptionName::Format(index);
        wrong.push(WrongOption { option, expected });
        if index == MAX_FORMATS {
            break;
        }
    }
    formats
}

fn read_country(
    value_type: ValueType,
    text: &str,
    wrong: &mut Vec<WrongOption>,
) -> Option<Country> {
    if text.is_empty() {
        return None;
    }
    let expected = match text.parse() {
        Ok(_) if value_type != ValueType::Phone => {
            format!("only a phone has a country; this is {}", value_type.name())
        }
        Ok(country) => return Some(country),
        Err(error @ UnknownCountry(_)) => error.to_string(),
    };
    wrong.push(WrongOption {
        option: OptionName::PhoneCountry,
        expected,
    });
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(value_type: ValueType, raw: &RawOptions<'_>) -> Vec<(OptionName, String)> {
        let wrong = Options::read(value_type, raw).err().unwrap_or_default();
        let pair = |wrong: WrongOption| (wrong.option, wrong.expected);
        wrong.into_iter().map(pair).collect()
    }

    /// Options × types (semantics 2.4a): each goes with its own alone.
    #[test]
    fn an_option_goes_with_its_type_and_with_no_other() {
        use ValueType::{Boolean, Currency, Decimal, LongText, Phone, Text};
        let of = |set: fn(&mut RawOptions<'_>)| {
            let mut raw = RawOptions::default();
            set(&mut raw);
            raw
        };
        let cases: [(OptionName, RawOptions<'_>, &[ValueType]); 4] = [
            (
                OptionName::PhoneCountry,
                RawOptions {
                    phone_country: "AU",
                    ..RawOptions::default()
                },
                &[Phone],
            ),
            (
                OptionName::Round,
                of(|raw| raw.round = true),
                &[Decimal, Currency],
            ),
            (OptionName::Words, of(|raw| raw.words = true), &[Boolean]),
            (
                OptionName::Truncate,
                of(|raw| raw.truncate = true),
                &[Text, LongText],
            ),
        ];
        for (name, value_type) in ValueType::NAMES {
            let formats = match value_type.needs_format() {
                true => vec!["ISO 8601"],
                false => vec![],
            };
            for (option, raw, types) in &cases {
                let raw = RawOptions {
                    formats: formats.clone(),
                    ..raw.clone()
                };
                let found = wrong(value_type, &raw);
                let expected = match types.contains(&value_type) {
                    true => vec![],
                    false => vec![*option],
                };
                let options: Vec<_> = found.iter().map(|(option, _)| *option).collect();
                assert_eq!(options, expected, "{name}");
                assert!(found.iter().all(|(_, why)| why.contains(name)), "{found:?}");
            }
            let blank = RawOptions {
                formats: formats.clone(),
                blank: true.into(),
                ..RawOptions::default()
            };
            assert!(
                Options::read(value_type, &blank).unwrap().blank_clears,
                "{name}"
            );
        }
    }

    #[test]
    fn formats_are_tried_in_their_order_and_each_that_is_wrong_is_named() {
        let raw = |formats: &[&'static str]| RawOptions {
            formats: formats.to_vec(),
            ..RawOptions::default()
        };
        let read = |value_type, formats: &[&'static str]| {
            let options = Options::read(value_type, &raw(formats)).unwrap();
            let texts: Vec<String> = options.formats.iter().map(ToString::to_string).collect();
            assert_eq!(texts, formats);
            assert!(options.fit(value_type));
        };
        read(ValueType::Date, &["ISO 8601", "DD-MM-YYYY", "Unix seconds"]);
        read(ValueType::Time, &["HH:mm", "h:mm A"]);
        read(ValueType::Time, &[]);
        read(ValueType::Text, &[]);
        let named = |value_type, formats: &[&'static str]| {
            wrong(value_type, &raw(formats))
                .into_iter()
                .map(|(option, _)| option)
                .collect::<Vec<_>>()
        };
        use OptionName::Format;
        assert_eq!(named(ValueType::Date, &[]), [Format(0)]);
        assert_eq!(
            named(
                ValueType::Date,
                &["YY", "ISO 8601", "", "ISO 8601", "DD/MM"]
            ),
            [Format(0), Format(2), Format(3), Format(4)]
        );
        assert_eq!(named(ValueType::Time, &["HH:mm", ""]), [Format(1)]);
        assert_eq!(named(ValueType::Text, &["ISO 8601"]), [Format(0)]);
        let many: Vec<String> = (0..12).map(|n| format!("YYYY-MM-DD[{n}]")).collect();
        let many = RawOptions {
            formats: many.iter().map(String::as_str).collect(),
            ..RawOptions::default()
        };
        let found = wrong(ValueType::Date, &many);
        assert_eq!(found, [(Format(10), "at most 10 formats".to_owned())]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let raw = RawOptions {
            formats: vec!["ISO 8601"],
            phone_country: "Australia",
            round: true,
            words: true,
            truncate: true,
            blank: RawBlank::Unknown,
        };
        let found = wrong(ValueType::Integer, &raw);
        assert_eq!(found.len(), 6, "{found:?}");
    }
}
