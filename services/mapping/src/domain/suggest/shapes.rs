//! What values have in common: the narrowest type that takes all of them, and how their dates are
//! written.

use weir_json::{Kind, Raw};
use weir_values::ValueType;
use weir_values::options::{Options, RawOptions};
use weir_values::path::{Path, Step};

use super::takes;
use crate::domain::convert::{Converter, LeftOut, Taken};

/// What all values of a path are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub value_type: ValueType,
    /// Of dates and times, those that read all values; several where they read them differently.
    pub formats: Vec<String>,
}

/// Narrower ones first; texts are none of the ones before.
const WITHOUT_FORMAT: [ValueType; 8] = [
    ValueType::Boolean,
    ValueType::Integer,
    ValueType::Decimal,
    ValueType::Email,
    ValueType::Link,
    ValueType::Phone,
    ValueType::Text,
    ValueType::LongText,
];
const DATES: [&str; 10] = [
    "ISO 8601",
    "DD-MM-YYYY",
    "MM-DD-YYYY",
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "DD.MM.YYYY",
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    "D/M/YYYY",
    "M/D/YYYY",
];
const INSTANTS: [&str; 16] = [
    "ISO 8601",
    "YYYY-MM-DD HH:mm:ss",
    "YYYY-MM-DD HH:mm",
    "RFC 2822",
    "DD-MM-YYYY HH:mm",
    "DD-MM-YYYY HH:mm:ss",
    "MM-DD-YYYY HH:mm",
    "MM-DD-YYYY HH:mm:ss",
    "DD/MM/YYYY HH:mm",
    "DD/MM/YYYY HH:mm:ss",
    "MM/DD/YYYY HH:mm",
    "MM/DD/YYYY HH:mm:ss",
    "DD.MM.YYYY HH:mm",
    "DD.MM.YYYY HH:mm:ss",
    "YYYY/MM/DD HH:mm",
    "YYYY/MM/DD HH:mm:ss",
];
/// The first is what is read without a format.
const TIMES: [&str; 3] = ["", "h:mm A", "hh:mm A"];
/// How names end that hold a moment: a number alone could be anything.
const MOMENTS: [&str; 7] = ["at", "date", "time", "on", "timestamp", "birthday", "since"];
/// From 2001 to 2286, in seconds: of these all have ten digits.
const SECONDS: std::ops::RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;

/// The narrowest type that takes all values, of which there is at least one.
pub fn shape_of(path: &Path, values: &[Raw<'_>]) -> Shape {
    let plain = |value_type| Shape {
        value_type,
        formats: Vec::new(),
    };
    let kinds: Vec<Option<Kind>> = values.iter().map(|raw| weir_json::kind(raw).ok()).collect();
    let all = |kind| kinds.iter().all(|known| *known == Some(kind));
    let has = |kind| kinds.contains(&Some(kind));
    let all_taken = |value_type| {
        converter(value_type, vec![])
            .is_some_and(|converter| values.iter().all(|value| takes(&converter, value)))
    };
    if path.is_list() || has(Kind::Array) || has(Kind::Object) {
        let choices = all_taken(ValueType::MultiSelect);
        return plain(if choices {
            ValueType::MultiSelect
        } else {
            ValueType::Object
        });
    }
    if all(Kind::String)
        && let Some(shape) = dated(values)
    {
        return shape;
    }
    let types = WITHOUT_FORMAT.into_iter();
    let narrowest = types.into_iter().find(|value_type| all_taken(*value_type));
    let value_type = narrowest.unwrap_or(ValueType::LongText);
    if value_type == ValueType::Integer
        && is_moment(path)
        && let Some(format) = unix(values)
    {
        return Shape {
            value_type: ValueType::TimeAndDate,
            formats: vec![format.to_owned()],
        };
    }
    plain(value_type)
}

/// A converter with formats; none where these do not go with the type.
pub fn converter(value_type: ValueType, formats: Vec<&str>) -> Option<Converter> {
    let raw = RawOptions {
        formats,
        ..RawOptions::default()
    };
    Converter::new(value_type, Options::read(value_type, &raw).ok()?)
}

/// Texts that are all dates, moments or times.
fn dated(values: &[Raw<'_>]) -> Option<Shape> {
    let candidates: [(ValueType, &[&str]); 3] = [
        (ValueType::Date, &DATES),
        (ValueType::TimeAndDate, &INSTANTS),
        (ValueType::Time, &TIMES),
    ];
    let with_time = values.iter().any(|value| value.contains(&b':'));
    candidates.into_iter().find_map(|(value_type, formats)| {
        // A date that has a time is more than a date.
        if with_time == (value_type == ValueType::Date) {
            return None;
        }
        let formats = reading_all(value_type, formats, values);
        (!formats.is_empty()).then(|| Shape {
            value_type,
            formats: formats
                .into_iter()
                .filter(|format| !format.is_empty())
                .collect(),
        })
    })
}

/// The formats that read all values; of those that read them alike the first.
fn reading_all(value_type: ValueType, formats: &[&str], values: &[Raw<'_>]) -> Vec<String> {
    let mut known: Vec<(String, Vec<String>)> = Vec::new();
    for format in formats {
        let given = if format.is_empty() {
            vec![]
        } else {
            vec![*format]
        };
        let Some(converter) = converter(value_type, given) else {
            continue;
        };
        let read: Option<Vec<String>> = values.iter().map(|raw| read(&converter, raw)).collect();
        if let Some(read) = read
            && known.iter().all(|(_, other)| *other != read)
        {
            known.push(((*format).to_owned(), read));
        }
    }
    known.into_iter().map(|(format, _)| format).collect()
}

fn read(converter: &Converter, raw: Raw<'_>) -> Option<String> {
    let mut out = String::new();
    let taken = converter.convert(raw, &mut out, &mut LeftOut::default());
    (taken == Ok(Taken::Value)).then_some(out)
}

/// Whether a name ends like that of a moment.
fn is_moment(path: &Path) -> bool {
    let Some(Step::Key(key)) = path.steps().last() else {
        return false;
    };
    let key = key.to_ascii_lowercase();
    MOMENTS.iter().any(|ending| key.ends_with(ending))
}

/// Whole numbers that are all of one range in which only times are.
fn unix(values: &[Raw<'_>]) -> Option<&'static str> {
    let all_in = |unit: i64| {
        values.iter().all(|raw| {
            let number = std::str::from_utf8(raw)
                .unwrap_or_default()
                .trim_matches('"');
            let number: Option<i64> = number.parse().ok();
            number.is_some_and(|number| SECONDS.contains(&(number / unit)))
        })
    };
    if all_in(1) {
        Some("Unix seconds")
    } else if all_in(1_000) {
        Some("Unix milliseconds")
    } else {
        None
    }
}
