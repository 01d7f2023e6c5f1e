//! Activities as a file: CSV, or a JSON object each line (semantics 4.14).

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use weir_json::{unescaped, write_text};

use super::listing::Contacted;

/// As many attributes as anybody maps, and what stands beside them.
pub const MAX_COLUMNS: usize = 300;

/// What stands in front of an attribute's name.
const ATTRIBUTE: &str = "attributes.";

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
}

/// One column of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Record,
    Activity,
    Event,
    Contact,
    EventTime,
    ReceiveTime,
    Message,
    ExpireDay,
    /// All of them.
    Attributes,
    /// The one of this name.
    Attribute(String),
}

/// Those that are no attributes.
const BESIDE_ATTRIBUTES: [(&str, Column); 9] = [
    ("activity_record_id", Column::Record),
    ("activity_id", Column::Activity),
    ("event_name", Column::Event),
    ("contact_id", Column::Contact),
    ("event_time", Column::EventTime),
    ("receive_time", Column::ReceiveTime),
    ("message_id", Column::Message),
    ("expire_day", Column::ExpireDay),
    ("attributes", Column::Attributes),
];

/// A text that names no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be attributes.NAME, or one of activity_record_id, activity_id, event_name, contact_id, event_time, receive_time, message_id, expire_day, attributes"
)]
pub struct NoColumn;

impl FromStr for Column {
    type Err = NoColumn;

    fn from_str(text: &str) -> Result<Self, NoColumn> {
        let attribute = text.strip_prefix(ATTRIBUTE).filter(|name| !name.is_empty());
        if let Some(name) = attribute {
            return Ok(Self::Attribute(name.to_owned()));
        }
        let beside = BESIDE_ATTRIBUTES.into_iter();
        let mut beside = beside.filter(|(name, _)| *name == text);
        beside.next().map(|(_, column)| column).ok_or(NoColumn)
    }
}

impl Column {
    /// As the header has it.
    fn name(&self) -> String {
        if let Self::Attribute(name) = self {
            return format!("{ATTRIBUTE}{name}");
        }
        let known = BESIDE_ATTRIBUTES.iter().find(|(_, column)| column == self);
        known.map_or("", |(name, _)| name).to_owned()
    }
}

/// Writes activities, page by page.
#[derive(Debug, Clone)]
pub struct Writer {
    format: Format,
    /// Each with its name.
    columns: Vec<(Column, String)>,
}

impl Writer {
    pub fn new(format: Format, columns: Vec<Column>) -> Self {
        let columns = columns.into_iter();
        let columns = columns.map(|column| {
            let name = column.name();
            (column, name)
        });
        Self {
            format,
            columns: columns.collect(),
        }
    }

    /// Whether an activity's attributes are asked for.
    pub fn needs_attributes(&self) -> bool {
        self.columns
            .iter()
            .any(|(column, _)| matches!(column, Column::Attributes | Column::Attribute(_)))
    }

    /// What stands in front of all activities.
    pub fn header(&self) -> Vec<u8> {
        match self.format {
            Format::Csv => {
                csv_of(|csv| csv.write_record(self.columns.iter().map(|(_, name)| name)))
            }
            Format::JsonLines => Vec::new(),
        }
    }

    /// Activities, one after another.
    pub fn page(&self, activities: &[Contacted]) -> Vec<u8> {
        match self.format {
            Format::Csv => csv_of(|csv| {
                let mut json = String::new();
                for one in activities {
                    let attributes = Attributes::of(one);
                    for (column, _) in &self.columns {
                        json.clear();
                        write(column, one, &attributes, &mut json);
                        match unescaped(&json) {
                            Some(text) => csv.write_field(text.as_bytes())?,
                            None => csv.write_field(&json)?,
                        }
                    }
                    csv.write_record(None::<&[u8]>)?;
                }
                Ok(())
            }),
            Format::JsonLines => {
                let mut lines = String::new();
                for one in activities {
                    self.line(one, &mut lines);
                }
                lines.into_bytes()
            }
        }
    }

    fn line(&self, one: &Contacted, out: &mut String) {
        let attributes = Attributes::of(one);
        out.push('{');
        let mut is_first = true;
        for (column, name) in &self.columns {
            let start = out.len();
            if !is_first {
                out.push(',');
            }
            write_text(name, out);
            out.push(':');
            let before = out.len();
            write(column, one, &attributes, out);
            if out.len() == before {
                out.truncate(start);
            } else {
                is_first = false;
            }
        }
        out.push_str("}\n");
    }
}

/// An activity's, by name; the last of a name counts. None where they are no object.
struct Attributes<'a>(Vec<(String, &'a str)>);

impl<'a> Attributes<'a> {
    fn of(one: &'a Contacted) -> Self {
        let json = one.activity.attributes.as_str();
        let mut read = Vec::new();
        let done = weir_json::members(json, |key, span| {
            if let Some(name) = unescaped(key) {
                read.push((name.into_owned(), json[span].trim()));
            }
        });
        if done.is_err() {
            read.clear();
        }
        Self(read)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

/// As JSON; nothing, where there is nothing.
fn write(column: &Column, one: &Contacted, attributes: &Attributes<'_>, out: &mut String) {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let activity = &one.activity;
    match column {
        Column::Record => write_text(&activity.key.0.simple().to_string(), out),
        Column::Activity => write_text(&activity.activity_id.to_string(), out),
        Column::Event => write_text(&activity.event_name, out),
        Column::Contact => write_text(&one.contact_id.to_string(), out),
        Column::EventTime => write_text(&time(activity.event_time), out),
        Column::ReceiveTime => write_text(&time(activity.receive_time), out),
        Column::Message if activity.message_id.is_empty() => {}
        Column::Message => write_text(&activity.message_id, out),
        Column::ExpireDay => write_text(&activity.expire_day.to_string(), out),
        Column::Attributes => out.push_str(&activity.attributes),
        Column::Attribute(name) => out.push_str(attributes.get(name).unwrap_or_default()),
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
    use weir_ids::{ActivityId, ContactId, TimedKey};

    use super::*;
    use crate::domain::Activity;

    fn activity(attributes: &str, message_id: &str) -> Contacted {
        Contacted {
            contact_id: ContactId(Uuid::from_u128(2)),
            activity: Activity {
                key: TimedKey(Uuid::from_u128(3)),
                activity_id: ActivityId(Uuid::from_u128(4)),
                event_name: "Bought \"it\", twice".to_owned(),
                event_time: DateTime::from_timestamp_micros(1_500_000).unwrap(),
                receive_time: DateTime::UNIX_EPOCH,
                message_id: message_id.to_owned(),
                attributes: attributes.to_owned(),
                expire_day: "2027-01-02".parse().unwrap(),
            },
        }
    }

    fn written(format: Format, columns: &[&str], activities: &[Contacted]) -> String {
        let columns = columns.iter().map(|name| name.parse().unwrap()).collect();
        let writer = Writer::new(format, columns);
        String::from_utf8([writer.header(), writer.page(activities)].concat()).unwrap()
    }

    const ATTRIBUTES: &str = r#"{"plan":"pro","n":3,"cart":{"a": [1,{"b":null}]},"caf\u00e9":"x"}"#;

    /// Semantics 4.14.
    #[test]
    fn csv_has_a_header_and_objects_as_they_were_sent() {
        let columns = [
            "event_name",
            "event_time",
            "attributes.cart",
            "attributes.n",
            "message_id",
        ];
        assert_eq!(
            written(
                Format::Csv,
                &columns,
                &[activity(ATTRIBUTES, ""), activity("broken", "m")]
            ),
            "event_name,event_time,attributes.cart,attributes.n,message_id\n\
             \"Bought \"\"it\"\", twice\",1970-01-01T00:00:01.500Z,\"{\"\"a\"\": [1,{\"\"b\"\":null}]}\",3,\n\
             \"Bought \"\"it\"\", twice\",1970-01-01T00:00:01.500Z,,,m\n"
        );
    }

    #[test]
    fn each_line_is_an_object_of_what_is_there() {
        let columns = [
            "attributes",
            "attributes.no",
            "attributes.café",
            "expire_day",
        ];
        assert_eq!(
            written(Format::JsonLines, &columns, &[activity(ATTRIBUTES, "")]),
            format!(
                "{{\"attributes\":{ATTRIBUTES},\"attributes.café\":\"x\",\"expire_day\":\"2027-01-02\"}}\n"
            )
        );
        assert_eq!(
            written(Format::JsonLines, &["message_id"], &[activity("{}", "")]),
            "{}\n"
        );
    }

    #[test]
    fn what_is_no_column_is_refused() {
        for bad in ["", "email", "attributes.", "event_name "] {
            assert_eq!(bad.parse::<Column>(), Err(NoColumn), "{bad}");
        }
        for (name, column) in BESIDE_ATTRIBUTES {
            assert_eq!(
                (name.parse(), column.name()),
                (Ok(column.clone()), name.to_owned())
            );
        }
    }
}
