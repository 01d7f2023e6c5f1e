//! Members as a file: CSV, or a JSON object each line (semantics 5.6).

use chrono::{DateTime, SecondsFormat, Utc};
use weir_ids::{AudienceId, ContactId};

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
}

/// A member as it is written.
#[derive(Debug, Clone)]
pub struct Exported<'a> {
    pub audience: AudienceId,
    pub name: &'a str,
    pub contact: ContactId,
    pub join_time: Option<DateTime<Utc>>,
    pub update_time: DateTime<Utc>,
    pub message_id: &'a str,
}

const COLUMNS: [&str; 6] = [
    "audience_id",
    "audience",
    "contact_id",
    "join_time",
    "update_time",
    "message_id",
];

impl Format {
    /// What stands in front of all members.
    pub fn header(self) -> Vec<u8> {
        match self {
            Self::Csv => csv_of(|csv| csv.write_record(COLUMNS)),
            Self::JsonLines => Vec::new(),
        }
    }

    /// Members, one after another.
    pub fn page<'a>(self, members: impl Iterator<Item = Exported<'a>>) -> Vec<u8> {
        match self {
            Self::Csv => csv_of(|csv| {
                for member in members {
                    csv.write_record(cells(&member))?;
                }
                Ok(())
            }),
            Self::JsonLines => {
                let mut lines = String::new();
                for member in members {
                    line(&member, &mut lines);
                }
                lines.into_bytes()
            }
        }
    }
}

fn cells(member: &Exported<'_>) -> [String; 6] {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    [
        member.audience.to_string(),
        member.name.to_owned(),
        member.contact.to_string(),
        member.join_time.map(time).unwrap_or_default(),
        time(member.update_time),
        member.message_id.to_owned(),
    ]
}

/// What is not there is left out.
fn line(member: &Exported<'_>, out: &mut String) {
    out.push('{');
    let mut is_first = true;
    for (column, cell) in COLUMNS.into_iter().zip(cells(member)) {
        if cell.is_empty() {
            continue;
        }
        out.push_str(if is_first { "\"" } else { ",\"" });
        is_first = false;
        out.push_str(column);
        out.push_str("\":");
        weir_json::write_text(&cell, out);
    }
    out.push_str("}\n");
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

    #[test]
    fn members_are_rows_or_objects_each_with_its_audience() {
        let member = Exported {
            audience: AudienceId(Uuid::from_u128(1)),
            name: "Big \"spenders\", EU",
            contact: ContactId(Uuid::from_u128(2)),
            join_time: None,
            update_time: DateTime::from_timestamp_micros(1_500_000).unwrap(),
            message_id: "m\n1",
        };
        let written = |format: Format| {
            let page = format.page([member.clone()].into_iter());
            String::from_utf8([format.header(), page].concat()).unwrap()
        };
        assert_eq!(
            written(Format::Csv),
            "audience_id,audience,contact_id,join_time,update_time,message_id\n\
             00000000-0000-0000-0000-000000000001,\"Big \"\"spenders\"\", EU\",\
             00000000-0000-0000-0000-000000000002,,1970-01-01T00:00:01.500Z,\"m\n1\"\n"
        );
        assert_eq!(
            written(Format::JsonLines),
            "{\"audience_id\":\"00000000-0000-0000-0000-000000000001\",\
             \"audience\":\"Big \\\"spenders\\\", EU\",\
             \"contact_id\":\"00000000-0000-0000-0000-000000000002\",\
             \"update_time\":\"1970-01-01T00:00:01.500Z\",\"message_id\":\"m\\n1\"}\n"
        );
    }
}
