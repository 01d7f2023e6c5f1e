//! Contacts as a file: CSV, or a JSON object each line (semantics 3.12).

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use weir_ids::ContactId;
use weir_json::{unescaped, write_text};
use weir_values::FieldId;

use super::members::Members;

/// As many as there are built-in and custom fields, and what stands beside them.
pub const MAX_COLUMNS: usize = 300;

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
}

/// One column of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Contact,
    /// The one that was linked last.
    User,
    Users,
    Anonymous,
    Anonymouses,
    CreateTime,
    UpdateTime,
    Field(FieldId),
}

/// Those that are no fields.
pub const BESIDE_FIELDS: [(&str, Column); 7] = [
    ("contact_id", Column::Contact),
    ("user_id", Column::User),
    ("user_ids", Column::Users),
    ("anonymous_id", Column::Anonymous),
    ("anonymous_ids", Column::Anonymouses),
    ("create_time", Column::CreateTime),
    ("update_time", Column::UpdateTime),
];

/// A text that names no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the id of a field, or one of contact_id, user_id, user_ids, anonymous_id, anonymous_ids, create_time, update_time"
)]
pub struct NoColumn;

impl FromStr for Column {
    type Err = NoColumn;

    fn from_str(text: &str) -> Result<Self, NoColumn> {
        let beside = BESIDE_FIELDS.into_iter().find(|(name, _)| *name == text);
        match beside {
            Some((_, column)) => Ok(column),
            None => text.parse().map(Self::Field).map_err(|_| NoColumn),
        }
    }
}

impl Column {
    /// As the header has it.
    pub fn name(&self) -> &str {
        match self {
            Self::Field(field) => field.as_str(),
            beside => {
                let known = BESIDE_FIELDS.iter().find(|(_, column)| column == beside);
                known.map_or("", |(name, _)| name)
            }
        }
    }

    fn is_of_ids(&self) -> bool {
        matches!(
            self,
            Self::User | Self::Users | Self::Anonymous | Self::Anonymouses
        )
    }
}

/// A contact as it is written.
#[derive(Debug, Clone)]
pub struct Exported<'a> {
    pub id: ContactId,
    /// Its values, a JSON object.
    pub fields: &'a str,
    pub create_time: DateTime<Utc>,
    pub update_time: DateTime<Utc>,
    /// The one that was linked last first.
    pub user_ids: Vec<&'a str>,
    /// As well.
    pub anonymous_ids: Vec<&'a str>,
}

/// Writes contacts, page by page.
#[derive(Debug, Clone)]
pub struct Writer {
    format: Format,
    columns: Vec<Column>,
}

impl Writer {
    pub fn new(format: Format, columns: Vec<Column>) -> Self {
        Self { format, columns }
    }

    /// Whether a contact's ids are asked for.
    pub fn needs_ids(&self) -> bool {
        self.columns.iter().any(Column::is_of_ids)
    }

    /// Whether a contact's values are asked for.
    pub fn needs_fields(&self) -> bool {
        self.columns
            .iter()
            .any(|column| matches!(column, Column::Field(_)))
    }

    /// What stands in front of all contacts.
    pub fn header(&self) -> Vec<u8> {
        match self.format {
            Format::Csv => csv_of(|csv| csv.write_record(self.columns.iter().map(Column::name))),
            Format::JsonLines => Vec::new(),
        }
    }

    /// Contacts, one after another; `broken` is told of one whose values can't be read, which is
    /// written without them.
    pub fn page<'a>(
        &self,
        contacts: impl Iterator<Item = Exported<'a>>,
        mut broken: impl FnMut(ContactId),
    ) -> Vec<u8> {
        let mut members = Members::default();
        let mut fields: Vec<(&str, &str)> = Vec::new();
        let mut read = |contact: &Exported<'a>, fields: &mut Vec<(&'a str, &'a str)>| {
            fields.clear();
            match members.of(contact.fields) {
                Ok(read) => fields.extend(read),
                Err(_) => broken(contact.id),
            }
        };
        match self.format {
            Format::Csv => csv_of(|csv| {
                for contact in contacts {
                    read(&contact, &mut fields);
                    self.row(&contact, &fields, csv)?;
                }
                Ok(())
            }),
            Format::JsonLines => {
                let mut lines = String::new();
                for contact in contacts {
                    read(&contact, &mut fields);
                    self.line(&contact, &fields, &mut lines);
                }
                lines.into_bytes()
            }
        }
    }

    fn row(
        &self,
        contact: &Exported<'_>,
        fields: &[(&str, &str)],
        csv: &mut csv::Writer<Vec<u8>>,
    ) -> csv::Result<()> {
        let mut json = String::new();
        for column in &self.columns {
            match column {
                Column::Field(field) => {
                    let value = value_of(fields, field).unwrap_or_default();
                    match unescaped(value) {
                        Some(text) => csv.write_field(text.as_bytes())?,
                        None => csv.write_field(value)?,
                    }
                }
                Column::User => csv.write_field(contact.user_ids.first().unwrap_or(&""))?,
                Column::Anonymous => {
                    csv.write_field(contact.anonymous_ids.first().unwrap_or(&""))?;
                }
                other => {
                    json.clear();
                    beside_json(other, contact, &mut json);
                    match unescaped(&json) {
                        Some(text) => csv.write_field(text.as_bytes())?,
                        None => csv.write_field(&json)?,
                    }
                }
            }
        }
        csv.write_record(None::<&[u8]>)
    }

    fn line(&self, contact: &Exported<'_>, fields: &[(&str, &str)], out: &mut String) {
        out.push('{');
        let mut is_first = true;
        for column in &self.columns {
            let start = out.len();
            out.push_str(if is_first { "\"" } else { ",\"" });
            out.push_str(column.name());
            out.push_str("\":");
            let before = out.len();
            match column {
                Column::Field(field) => out.push_str(value_of(fields, field).unwrap_or_default()),
                other => beside_json(other, contact, out),
            }
            if out.len() == before {
                out.truncate(start);
            } else {
                is_first = false;
            }
        }
        out.push_str("}\n");
    }
}

/// Canonical JSON of a field's value; the fields are in order.
fn value_of<'a>(fields: &[(&str, &'a str)], field: &FieldId) -> Option<&'a str> {
    let found = fields.binary_search_by(|(name, _)| (*name).cmp(field.as_str()));
    found.ok().map(|index| fields[index].1)
}

/// Nothing, where there is nothing.
fn beside_json(column: &Column, contact: &Exported<'_>, out: &mut String) {
    let list = |ids: &[&str], out: &mut String| {
        for (index, id) in ids.iter().enumerate() {
            out.push(if index == 0 { '[' } else { ',' });
            write_text(id, out);
        }
        if !ids.is_empty() {
            out.push(']');
        }
    };
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    match column {
        Column::Contact => write_text(&contact.id.to_string(), out),
        Column::User => {
            if let Some(id) = contact.user_ids.first() {
                write_text(id, out);
            }
        }
        Column::Users => list(&contact.user_ids, out),
        Column::Anonymous => {
            if let Some(id) = contact.anonymous_ids.first() {
                write_text(id, out);
            }
        }
        Column::Anonymouses => list(&contact.anonymous_ids, out),
        Column::CreateTime => write_text(&time(contact.create_time), out),
        Column::UpdateTime => write_text(&time(contact.update_time), out),
        Column::Field(_) => {}
    }
}

fn csv_of(write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // All rows have the same columns, and there is nobody who could fail.
    write(&mut writer).expect("memory takes what is written");
    writer.into_inner().expect("memory takes what is written")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn written(format: Format, columns: &[&str], fields: &[&str]) -> String {
        let columns = columns.iter().map(|name| name.parse().unwrap()).collect();
        let writer = Writer::new(format, columns);
        let contacts = fields.iter().zip(1..).map(|(fields, n)| Exported {
            id: ContactId(Uuid::from_u128(n)),
            fields,
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::from_timestamp_micros(1_500_000).unwrap(),
            user_ids: vec!["u\"1", "u,2"],
            anonymous_ids: Vec::new(),
        });
        let page = writer.page(contacts, |id| assert_eq!(id.0.as_u128(), 2));
        String::from_utf8([writer.header(), page].concat()).unwrap()
    }

    const FIELDS: [&str; 2] = [
        r#"{"bol:cm:on":true,"int:cm:n":"12.5","sst:cm:l":["a","b"],"str::first":"La\"na,\n é"}"#,
        "broken",
    ];

    #[test]
    fn csv_has_a_header_and_quotes_what_it_must() {
        let columns = [
            "user_id",
            "str::first",
            "bol:cm:on",
            "int:cm:n",
            "sst:cm:l",
            "anonymous_id",
        ];
        assert_eq!(
            written(Format::Csv, &columns, &FIELDS),
            "user_id,str::first,bol:cm:on,int:cm:n,sst:cm:l,anonymous_id\n\
             \"u\"\"1\",\"La\"\"na,\n é\",true,12.5,\"[\"\"a\"\",\"\"b\"\"]\",\n\
             \"u\"\"1\",,,,,\n"
        );
        let columns = ["contact_id", "user_ids", "create_time", "update_time"];
        assert_eq!(
            written(Format::Csv, &columns, &FIELDS[..1]),
            "contact_id,user_ids,create_time,update_time\n\
             00000000-0000-0000-0000-000000000001,\"[\"\"u\\\"\"1\"\",\"\"u,2\"\"]\",\
             1970-01-01T00:00:00Z,1970-01-01T00:00:01.500Z\n"
        );
    }

    #[test]
    fn each_line_is_an_object_of_what_is_there() {
        let columns = [
            "anonymous_ids",
            "str::first",
            "user_id",
            "int:cm:n",
            "str::last",
        ];
        assert_eq!(
            written(Format::JsonLines, &columns, &FIELDS),
            "{\"str::first\":\"La\\\"na,\\n é\",\"user_id\":\"u\\\"1\",\"int:cm:n\":\"12.5\"}\n\
             {\"user_id\":\"u\\\"1\"}\n"
        );
        assert_eq!(
            written(Format::JsonLines, &["str::last"], &FIELDS),
            "{}\n{}\n"
        );
    }

    #[test]
    fn what_is_no_column_is_refused() {
        for bad in ["", "email", "contact", "str::", "user_id "] {
            assert_eq!(bad.parse::<Column>(), Err(NoColumn), "{bad}");
        }
        for (name, column) in BESIDE_FIELDS {
            assert_eq!((name.parse(), column.name()), (Ok(column.clone()), name));
        }
    }
}
