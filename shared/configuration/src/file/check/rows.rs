//! Rows of mappings: where values come from, where they go, and what they may look like.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;
use weir_proto::mapping::v1 as mapping;
use weir_values::ValueType;
use weir_values::options::{OptionName, Options, RawBlank, RawOptions};
use weir_values::path::Path;

use super::names::Unique;
use super::values::{self, text, value_type};
use super::{Checker, field};
use crate::file::schema::{self, Fault};

/// As the mapping service has it.
const MAX_FALLBACK_PATHS: usize = 9;

type Written = Spanned<String>;

/// What a row says beside where its value goes.
struct RowWritten<'f> {
    path: &'f Written,
    fallback_paths: &'f [Written],
    /// What has the type: the field, or the type itself.
    typed: &'f Written,
    date_format: Option<&'f Written>,
    fallback_formats: &'f [Written],
    phone_country: Option<&'f Written>,
    round: Option<&'f Spanned<bool>>,
    words: Option<&'f Spanned<bool>>,
    truncate: Option<&'f Spanned<bool>>,
    blank: Option<&'f Written>,
}

/// [`schema::FieldMapping`] and [`schema::Attribute`] say these alike.
macro_rules! row_written {
    ($row:expr, $path:ident, $typed:ident) => {
        RowWritten {
            path: &$row.$path,
            fallback_paths: &$row.fallback_paths,
            typed: &$row.$typed,
            date_format: $row.date_format.as_ref(),
            fallback_formats: &$row.fallback_formats,
            phone_country: $row.phone_country.as_ref(),
            round: $row.round.as_ref(),
            words: $row.words.as_ref(),
            truncate: $row.truncate.as_ref(),
            blank: $row.blank.as_ref(),
        }
    };
}

/// What is the same in the rows of both mappings.
#[derive(Default)]
struct Row {
    path: String,
    fallback_paths: Vec<String>,
    date_format: String,
    fallback_formats: Vec<String>,
    options: Option<mapping::RowOptions>,
}

impl Checker {
    pub(super) fn contact_mapping(
        &mut self,
        rows: &[schema::FieldMapping],
        types: &BTreeMap<String, ValueType>,
    ) -> Vec<mapping::FieldMapping> {
        let mut fields = Unique::default();
        let mut checked = Vec::new();
        for row in rows {
            let written = row_written!(row, trait_path, field);
            let Some((field_id, value_type)) = self.taken(field(&row.field, types)) else {
                self.paths(&written, None);
                continue;
            };
            self.note(fields.add(&row.field, &field_id, "field"));
            let row = self.row(&written, value_type);
            checked.push(mapping::FieldMapping {
                trait_path: row.path,
                field_id,
                date_format: row.date_format,
                fallback_paths: row.fallback_paths,
                fallback_formats: row.fallback_formats,
                options: row.options,
            });
        }
        checked
    }

    pub(super) fn attributes(
        &mut self,
        attributes: &[schema::Attribute],
    ) -> Vec<mapping::AttributeMapping> {
        let mut names = Unique::default();
        let mut checked = Vec::new();
        for attribute in attributes {
            // Named like its property where nothing else is said.
            let named = attribute.attribute.as_ref().unwrap_or(&attribute.property);
            let name = self.take(text(named, "an attribute's name", 150));
            self.note(names.add(named, &name, "attribute"));
            let written = row_written!(attribute, property, value_type);
            let Some(value_type) = self.taken(value_type(&attribute.value_type)) else {
                self.paths(&written, None);
                continue;
            };
            let row = self.row(&written, value_type);
            checked.push(mapping::AttributeMapping {
                property_path: row.path,
                attribute: name,
                r#type: values::to_proto(value_type).into(),
                date_format: row.date_format,
                fallback_paths: row.fallback_paths,
                fallback_formats: row.fallback_formats,
                options: row.options,
            });
        }
        checked
    }

    fn row(&mut self, written: &RowWritten<'_>, value_type: ValueType) -> Row {
        let mut paths = self.paths(written, Some(value_type)).into_iter();
        self.note_options(written, value_type);
        let blank = self.choice(written.blank, &values::BLANK_RULES);
        let is_on = |flag: Option<&Spanned<bool>>| flag.is_some_and(|flag| flag.value);
        let options = mapping::RowOptions {
            phone_country: text_of(written.phone_country).to_owned(),
            round: is_on(written.round),
            words: is_on(written.words),
            truncate: is_on(written.truncate),
            blank: blank.unwrap_or_default().into(),
        };
        let formats = written.fallback_formats.iter();
        Row {
            path: paths.next().unwrap_or_default(),
            fallback_paths: paths.collect(),
            date_format: text_of(written.date_format).to_owned(),
            fallback_formats: formats.map(|format| format.value.clone()).collect(),
            // As the service gives it back: absent where it says nothing.
            options: (options != mapping::RowOptions::default()).then_some(options),
        }
    }

    /// `email`, `address.city`, `products[].sku`
    fn paths(&mut self, written: &RowWritten<'_>, value_type: Option<ValueType>) -> Vec<String> {
        if let Some(surplus) = written.fallback_paths.get(MAX_FALLBACK_PATHS) {
            let message = format!("at most {MAX_FALLBACK_PATHS} fallback_paths");
            self.faults.push(Fault::at(surplus, message));
        }
        let mut seen = Unique::default();
        let mut paths = Vec::new();
        for written in std::iter::once(written.path).chain(written.fallback_paths) {
            let path = match written.value.parse::<Path>() {
                Ok(path) => path,
                Err(error) => {
                    self.faults.push(Fault::at(written, error.to_string()));
                    continue;
                }
            };
            if path.is_list() && !value_type.is_none_or(ValueType::takes_lists) {
                let message = "[] gives many values, for a multi select or an object: write [0] for the first one";
                self.faults.push(Fault::at(written, message));
            }
            self.note(seen.add(written, path.as_str(), "path"));
            paths.push(path.to_string());
        }
        paths
    }

    /// Formats are needed for dates, free for times, wrong elsewhere; the other options go with
    /// their types.
    fn note_options(&mut self, written: &RowWritten<'_>, value_type: ValueType) {
        let mut formats: Vec<&Written> = written.date_format.into_iter().collect();
        if formats.is_empty() && !written.fallback_formats.is_empty() {
            let message = "fallback_formats are tried after a date_format, which is missing";
            let first = &written.fallback_formats[0];
            self.faults.push(Fault::at(first, message));
            return;
        }
        formats.extend(written.fallback_formats);
        let raw = RawOptions {
            formats: formats.iter().map(|format| format.value.as_str()).collect(),
            phone_country: text_of(written.phone_country),
            round: written.round.is_some_and(|flag| flag.value),
            words: written.words.is_some_and(|flag| flag.value),
            truncate: written.truncate.is_some_and(|flag| flag.value),
            blank: RawBlank::Nothing,
        };
        for wrong in Options::read(value_type, &raw).err().unwrap_or_default() {
            let expected = wrong.expected;
            let at_flag = |flag: Option<&Spanned<bool>>, message: String| match flag {
                Some(flag) => Fault::at(flag, message),
                None => Fault::at(written.typed, message),
            };
            self.faults.push(match wrong.option {
                OptionName::Format(index) => {
                    let text = formats.get(index).map_or("", |format| &format.value);
                    let place = formats.get(index).copied().unwrap_or(written.typed);
                    Fault::at(place, format!("date_format {text:?}: {expected}"))
                }
                OptionName::PhoneCountry => {
                    let place = written.phone_country.unwrap_or(written.typed);
                    Fault::at(place, format!("phone_country: {expected}"))
                }
                OptionName::Round => at_flag(written.round, format!("round: {expected}")),
                OptionName::Words => at_flag(written.words, format!("words: {expected}")),
                // Never so: a word that is none was refused before.
                OptionName::Blank => Fault::at(written.typed, format!("blank: {expected}")),
                OptionName::Truncate => at_flag(written.truncate, format!("truncate: {expected}")),
            });
        }
    }
}

fn text_of(written: Option<&Written>) -> &str {
    written.map_or("", |written| &written.value)
}
