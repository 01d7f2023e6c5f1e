//! Rows of mappings as they are configured and stored: where a value comes from, where it goes,
//! and what it takes beyond what is strict (semantics 2.2, 2.4a, 4.3).

use std::collections::{HashMap, HashSet};

use weir_values::options::{OptionName, Options, RawBlank, RawOptions};
use weir_values::path::Path;
use weir_values::{FieldId, ValueType};

use super::field;
use super::invalid::{Invalid, name_fault};

/// As many as there can be custom fields.
const MAX_ATTRIBUTES: usize = 200;
/// More places than that have no value in common.
const MAX_PATHS: usize = 10;

/// A row as it comes from outside.
#[derive(Debug, Clone, Default)]
pub struct RawRow<'a> {
    /// In the order in which they are tried.
    pub paths: Vec<&'a str>,
    /// A field id, or an attribute's name.
    pub target: &'a str,
    pub options: RawOptions<'a>,
}

/// A row of a mapping as it comes from outside, owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenRow {
    pub paths: Vec<String>,
    /// A field id, or an attribute's name.
    pub target: String,
    pub formats: Vec<String>,
    pub phone_country: String,
    pub round: bool,
    pub words: bool,
    pub truncate: bool,
    pub blank: RawBlank,
}

impl GivenRow {
    /// To be read.
    pub fn raw(&self) -> RawRow<'_> {
        RawRow {
            paths: self.paths.iter().map(String::as_str).collect(),
            target: &self.target,
            options: RawOptions {
                formats: self.formats.iter().map(String::as_str).collect(),
                phone_country: &self.phone_country,
                round: self.round,
                words: self.words,
                truncate: self.truncate,
                blank: self.blank,
            },
        }
    }
}

/// Where a value comes from, and what it takes; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// At least one; the first that gives a value counts.
    pub paths: Vec<Path>,
    pub value_type: ValueType,
    pub options: Options,
}

/// A row of a contact mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRow {
    pub row: Row,
    pub field: FieldId,
}

/// A row of an activity mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeRow {
    pub row: Row,
    pub attribute: String,
}

/// What the parts of a row are called in the request.
#[derive(Debug, Clone, Copy)]
struct Names {
    list: &'static str,
    path: &'static str,
    target: &'static str,
}

const FIELDS: Names = Names {
    list: "mappings",
    path: "trait_path",
    target: "field_id",
};
const ATTRIBUTES: Names = Names {
    list: "attributes",
    path: "property_path",
    target: "attribute",
};

/// Reads a contact mapping, given the account's custom fields. At most one row a field, so
/// there are never more rows than fields.
///
/// # Errors
/// All that is wrong, by row.
pub fn read_contact_mapping(
    rows: &[RawRow<'_>],
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldRow>, Vec<Invalid>> {
    let mut seen = HashSet::new();
    let mut reading = Reading::new(FIELDS);
    let mut read = Vec::with_capacity(rows.len());
    for (index, raw) in rows.iter().enumerate() {
        reading.index = index;
        let value_type = field::type_of(raw.target, custom);
        let field = raw.target.parse::<FieldId>();
        let (Some(value_type), Ok(field)) = (value_type, field) else {
            reading.refuse_target(format!("{:?} is no field of this account", raw.target));
            // What of the paths is wrong is wrong for every type.
            reading.paths(&raw.paths, None);
            continue;
        };
        if !seen.insert(raw.target) {
            reading.refuse_target(format!("{} is mapped twice", raw.target));
        }
        let row = reading.row(raw, value_type);
        read.extend(row.map(|row| FieldRow { row, field }));
    }
    reading.done(read)
}

/// Reads the attributes of an activity; a type that is none was not known.
///
/// # Errors
/// All that is wrong, by row.
pub fn read_attributes(
    rows: &[(RawRow<'_>, Option<ValueType>)],
) -> Result<Vec<AttributeRow>, Vec<Invalid>> {
    if rows.len() > MAX_ATTRIBUTES {
        let expected = format!("at most {MAX_ATTRIBUTES}");
        return Err(vec![Invalid::new(ATTRIBUTES.list, expected)]);
    }
    let mut seen = HashSet::new();
    let mut reading = Reading::new(ATTRIBUTES);
    let mut read = Vec::with_capacity(rows.len());
    for (index, (raw, value_type)) in rows.iter().enumerate() {
        reading.index = index;
        let name = raw.target.trim();
        if let Some(expected) = name_fault(name) {
            reading.refuse_target(expected);
        } else if !seen.insert(name) {
            reading.refuse_target(format!("{name} is mapped twice"));
        }
        let Some(value_type) = *value_type else {
            reading.refuse("type", "must be one of the value types");
            reading.paths(&raw.paths, None);
            continue;
        };
        let row = reading.row(raw, value_type);
        read.extend(row.map(|row| AttributeRow {
            row,
            attribute: name.to_owned(),
        }));
    }
    reading.done(read)
}

/// Reads rows one after the other, and collects what is wrong with them.
struct Reading {
    names: Names,
    index: usize,
    wrong: Vec<Invalid>,
}

impl Reading {
    fn new(names: Names) -> Self {
        Self {
            names,
            index: 0,
            wrong: Vec::new(),
        }
    }

    fn done<T>(self, read: T) -> Result<T, Vec<Invalid>> {
        match self.wrong.is_empty() {
            true => Ok(read),
            false => Err(self.wrong),
        }
    }

    fn refuse(&mut self, part: &str, expected: impl Into<String>) {
        let field = format!("{}[{}].{part}", self.names.list, self.index);
        self.wrong.push(Invalid::new(field, expected));
    }

    fn refuse_target(&mut self, expected: String) {
        self.refuse(self.names.target, expected);
    }

    /// None where something is wrong with it.
    fn row(&mut self, raw: &RawRow<'_>, value_type: ValueType) -> Option<Row> {
        let wrong = self.wrong.len();
        let paths = self.paths(&raw.paths, Some(value_type));
        let options = Options::read(value_type, &raw.options).map_err(|wrong| {
            for one in wrong {
                self.refuse(&option_name(one.option), one.expected);
            }
        });
        (self.wrong.len() == wrong).then_some(Row {
            paths,
            value_type,
            options: options.ok()?,
        })
    }

    /// Those that are paths; the type is none where it is not known.
    fn paths(&mut self, texts: &[&str], value_type: Option<ValueType>) -> Vec<Path> {
        let mut paths: Vec<Path> = Vec::with_capacity(texts.len());
        // Without any, what is said of an empty one holds.
        let given = if texts.is_empty() { &[""] } else { texts };
        for (index, text) in given.iter().enumerate() {
            let expected = match text.parse::<Path>() {
                _ if index == MAX_PATHS => format!("at most {MAX_PATHS} paths"),
                Ok(path) if paths.contains(&path) => format!("{text} is there twice"),
                Ok(path) if path.is_list() && !value_type.is_none_or(ValueType::takes_lists) => {
                    "[] gives many values, for a multi select or an object: write [0] for the first one"
                        .to_owned()
                }
                Ok(path) => {
                    paths.push(path);
                    continue;
                }
                Err(error) => error.to_string(),
            };
            let part = match index {
                0 => self.names.path.to_owned(),
                _ => format!("fallback_paths[{}]", index - 1),
            };
            self.refuse(&part, expected);
            if index == MAX_PATHS {
                break;
            }
        }
        paths
    }
}

/// In the request.
fn option_name(option: OptionName) -> String {
    match option {
        OptionName::Format(0) => "date_format".to_owned(),
        OptionName::Format(index) => format!("fallback_formats[{}]", index - 1),
        OptionName::PhoneCountry => "options.phone_country".to_owned(),
        OptionName::Round => "options.round".to_owned(),
        OptionName::Words => "options.words".to_owned(),
        OptionName::Truncate => "options.truncate".to_owned(),
        OptionName::Blank => "options.blank".to_owned(),
    }
}

#[cfg(test)]
mod tests;
