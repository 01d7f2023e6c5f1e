//! Suggestions for what is not mapped (semantics 7.7): paths of the samples, what they held, and
//! the field that each would fit by name and by values. The same samples always give the same;
//! nobody else is asked.

mod names;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use weir_json::{Kind, Raw};
use weir_values::path::{Path, below};
use weir_values::{ValueType, is_blank};

use super::convert::{Converter, LeftOut, Taken};
use super::field::Field;
use super::log::excerpt;
use super::row::Row;
use names::fits_by_name;
use shapes::{Shape, shape_of};

/// An answer's; nobody reads more.
pub const MAX_SUGGESTIONS: usize = 500;
/// Paths that are looked at: a sample has at most 64 KiB.
const MAX_PATHS: usize = 2_000;
/// Deeper objects are one value.
const MAX_DEPTH: usize = 4;
/// Of one path; what they show, more would show again.
const MOST_SEEN: usize = 100;
const MAX_EXAMPLES: usize = 3;
/// One of so many values may be one that a field does not take: the everyday case is a few that are
/// wrong, and a field of which most are wrong is another one.
const LEAST_OF: usize = 4;

/// The kinds of JSON, as they are counted.
pub const KINDS: [&str; 5] = ["string", "number", "boolean", "object", "array"];

/// A path that nothing is mapped from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    pub path: String,
    /// Events that had a value there.
    pub seen: u32,
    /// Kinds and how many of each, most often first.
    pub kinds: Vec<(&'static str, u32)>,
    pub examples: Vec<String>,
    pub shape: Shape,
    /// The field that it fits, and whether another path fills that.
    pub field: Option<(String, bool)>,
    /// Values that this field would not take.
    pub misfits: usize,
}

/// What is mapped, and what could be.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// Rows that are saved, each with its target.
    pub rows: &'k [(&'k Row, &'k str)],
    /// None for the attributes of activities, which have no fields.
    pub fields: &'k [Field],
}

/// What could be mapped of objects (traits or properties), one an event. Those paths first that
/// were there most often.
pub fn suggest<'a>(objects: impl Iterator<Item = Raw<'a>>, known: &Known<'_>) -> Vec<Suggestion> {
    let mapped: BTreeSet<&str> = known
        .rows
        .iter()
        .flat_map(|(row, _)| &row.paths)
        .map(Path::as_str)
        .collect();
    let mut seen = Seen::default();
    for object in objects {
        seen.event(object);
    }
    let paths = seen.paths.into_iter();
    let unmapped = paths.filter(|(path, _)| !mapped.contains(path.as_str()));
    let mut suggestions: Vec<Suggestion> = unmapped
        .filter(|(path, _)| path.parse::<Path>().is_ok())
        .map(|(path, values)| values.suggestion(path, known))
        .collect();
    // Within a count they are in the order of their letters already.
    suggestions.sort_by_key(|suggestion| std::cmp::Reverse(suggestion.seen));
    suggestions.truncate(MAX_SUGGESTIONS);
    suggestions
}

/// What was found, by path.
#[derive(Default)]
struct Seen<'a> {
    paths: BTreeMap<String, Values<'a>>,
    events: u32,
}

/// The values of one path.
#[derive(Default)]
struct Values<'a> {
    events: u32,
    last_event: u32,
    kinds: [u32; KINDS.len()],
    values: Vec<Raw<'a>>,
}

impl<'a> Seen<'a> {
    fn event(&mut self, object: Raw<'a>) {
        self.events += 1;
        if weir_json::kind(object) == Ok(Kind::Object) {
            self.object(object, "", 0);
        }
    }

    fn object(&mut self, object: Raw<'a>, path: &str, depth: usize) {
        // What is no JSON after all ends the walk.
        let _ = weir_json::object(object, |key, value| {
            if let Ok(key) = weir_json::text(key) {
                self.value(value, &below(path, &key), depth + 1);
            }
            Ok(())
        });
    }

    fn value(&mut self, value: Raw<'a>, path: &str, depth: usize) {
        match weir_json::kind(value) {
            Ok(Kind::Object) if depth < MAX_DEPTH => self.object(value, path, depth),
            Ok(Kind::Array) if depth < MAX_DEPTH && self.objects(value, path, depth) => {}
            Ok(kind) => self.note(value, kind, path),
            Err(_) => {}
        }
    }

    /// Whether the elements of a list are objects, which were looked at then.
    fn objects(&mut self, list: Raw<'a>, path: &str, depth: usize) -> bool {
        let mut objects = Vec::new();
        let mut others = 0;
        let _ = weir_json::array(list, |element| {
            match weir_json::kind(element)? {
                Kind::Object => objects.push(element),
                _ => others += 1,
            }
            Ok(())
        });
        let path = format!("{path}[]");
        if objects.is_empty() || others > 0 {
            return false;
        }
        for object in objects.into_iter().take(MOST_SEEN) {
            self.object(object, &path, depth);
        }
        true
    }

    fn note(&mut self, value: Raw<'a>, kind: Kind, path: &str) {
        let is_nothing = match kind {
            Kind::Null => true,
            Kind::String => weir_json::text(value).is_ok_and(|text| is_blank(&text)),
            _ => false,
        };
        if is_nothing || (self.paths.len() == MAX_PATHS && !self.paths.contains_key(path)) {
            return;
        }
        let event = self.events;
        let values = self.paths.entry(path.to_owned()).or_default();
        if values.last_event != event {
            values.last_event = event;
            values.events += 1;
        }
        let index = match kind {
            Kind::String | Kind::Null => 0,
            Kind::Number => 1,
            Kind::Boolean => 2,
            Kind::Object => 3,
            Kind::Array => 4,
        };
        values.kinds[index] += 1;
        if values.values.len() < MOST_SEEN {
            values.values.push(value);
        }
    }
}

impl Values<'_> {
    fn suggestion(&self, path: String, known: &Known<'_>) -> Suggestion {
        let mut examples: Vec<String> = Vec::new();
        for value in &self.values {
            let example = excerpt(value);
            if examples.len() < MAX_EXAMPLES && !examples.contains(&example) {
                examples.push(example);
            }
        }
        let mut kinds: Vec<(&str, u32)> = KINDS.into_iter().zip(self.kinds).collect();
        kinds.retain(|(_, count)| *count > 0);
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let path_read: Path = path.parse().expect("those that are none were left out");
        let shape = shape_of(&path_read, &self.values);
        let found = self.field(&path_read, &shape, known);
        let (misfits, field) = found.map_or((0, None), |(misfits, field)| (misfits, Some(field)));
        Suggestion {
            path,
            seen: self.events,
            kinds,
            examples,
            shape,
            field,
            misfits,
        }
    }

    /// By name and by values: of those fields which take enough of them the first that takes most.
    /// With how many it does not take.
    fn field(
        &self,
        path: &Path,
        shape: &Shape,
        known: &Known<'_>,
    ) -> Option<(usize, (String, bool))> {
        let fields = known.fields.iter();
        let named = fields.filter(|field| {
            fits_by_name(path, field) && (!path.is_list() || field.value_type.takes_lists())
        });
        let fitting = named.filter_map(|field| {
            let misfits = self.misfits(field.value_type, shape)?;
            (misfits * LEAST_OF <= self.values.len()).then_some((misfits, field))
        });
        let (misfits, field) = fitting.min_by_key(|(misfits, _)| *misfits)?;
        let is_mapped = known
            .rows
            .iter()
            .any(|(_, target)| *target == field.id.as_str());
        Some((misfits, (field.id.to_string(), is_mapped)))
    }

    /// How many values a type does not take; none where it can't be said. Where a format is needed
    /// there is none but those that read all values.
    fn misfits(&self, value_type: ValueType, shape: &Shape) -> Option<usize> {
        let formats = match value_type.needs_format() || value_type == ValueType::Time {
            true => shape.formats.iter().map(String::as_str).collect(),
            false => vec![],
        };
        let converter = shapes::converter(value_type, formats)?;
        let values = self.values.iter();
        Some(values.filter(|value| !takes(&converter, value)).count())
    }
}

/// Whether a value is taken whole.
fn takes(converter: &Converter, value: Raw<'_>) -> bool {
    let mut left_out = LeftOut::default();
    let taken = converter.convert(value, &mut String::new(), &mut left_out);
    taken == Ok(Taken::Value) && left_out.is_empty()
}

#[cfg(test)]
mod tests;
