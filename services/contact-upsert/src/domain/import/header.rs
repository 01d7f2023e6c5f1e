//! What the cells of a row are.

use std::borrow::Cow;
use std::collections::HashSet;

use weir_json::{unescaped, write_text};
use weir_values::path::{Path, Step};
use weir_values::{FieldId, Prefix};

use super::{Row, write_value};
use crate::domain::export::BESIDE_FIELDS;

/// More columns than any account has fields.
const MAX_COLUMNS: usize = 1_000;

/// In a file of rows that were refused before: what they were refused for.
const OF_REFUSED: &str = "refused_";

/// What a row says of who it is about, and when.
const IDS_AND_TIME: [&str; 5] = [
    "user_id",
    "userId",
    "anonymous_id",
    "anonymousId",
    "timestamp",
];

/// What columns are named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Trait paths, of a source's mapping.
    Paths,
    /// Ids of fields.
    Fields,
}

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) user: Option<usize>,
    pub(super) anonymous: Option<usize>,
    pub(super) time: Option<usize>,
    width: usize,
    /// The object that cells are written into.
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// `"address":`, ready to be appended.
    key: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Cell { at: usize, may_be_json: bool },
    Object(Vec<Member>),
}

impl Header {
    /// Reads the names of columns.
    ///
    /// # Errors
    /// All columns that are none, each with what is wrong.
    pub fn read(columns: &[String], by: By) -> Result<Self, Vec<(usize, String)>> {
        let mut header = Self {
            user: None,
            anonymous: None,
            time: None,
            width: columns.len(),
            members: Vec::new(),
        };
        let mut faults = Vec::new();
        if columns.len() > MAX_COLUMNS {
            faults.push((MAX_COLUMNS, format!("there are at most {MAX_COLUMNS}")));
            return Err(faults);
        }
        let mut seen = HashSet::new();
        for (at, name) in columns.iter().enumerate() {
            let name = name.trim();
            let taken = header.take(name, at, by);
            let taken = match seen.insert(name) {
                true => taken,
                false => Err(format!("{name} is there twice")),
            };
            if let Err(fault) = taken {
                faults.push((at, fault));
            }
        }
        if faults.is_empty() {
            Ok(header)
        } else {
            Err(faults)
        }
    }

    /// How many cells a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The ids of the fields among the columns.
    pub fn fields(columns: &[String]) -> Vec<String> {
        let columns = columns.iter().map(|name| name.trim());
        let fields = columns.filter(|name| name.parse::<FieldId>().is_ok());
        fields.map(str::to_owned).collect()
    }

    /// The ids of fields among the members of JSON rows: what else they have is nobody's column.
    pub fn fields_of_rows(rows: &[Row]) -> HashSet<String> {
        let mut fields = HashSet::new();
        for row in rows {
            let Row::Json(json) = row else { continue };
            let mut add = |key: &str, _: &str| {
                let name = key.trim_matches('"');
                if name.parse::<FieldId>().is_ok() && !fields.contains(name) {
                    fields.insert(name.to_owned());
                }
            };
            // Of what is no object the rest is not read; the row itself will be refused.
            let _ = weir_json::members(json, |key, span| {
                let value = &json[span];
                match key {
                    "\"traits\"" => {
                        let _ = weir_json::members(value, |key, span| add(key, &value[span]));
                    }
                    _ => add(key, value),
                }
            });
        }
        fields
    }

    /// Whether cells have this field.
    pub fn has(&self, field: &str) -> bool {
        self.members
            .iter()
            .any(|member| member.key == key_of(field))
    }

    /// Members of a JSON row that lead to no field, with their values; `unknown` are ids that are
    /// no fields of the account.
    pub fn strangers<'j>(json: &'j str, unknown: &HashSet<String>) -> Vec<(Cow<'j, str>, &'j str)> {
        let leads = |name: &str| name.parse::<FieldId>().is_ok() && !unknown.contains(name);
        let (mut beside, mut traits) = (Vec::new(), None);
        // Of what is no object the rest is not read; the row itself was refused.
        let _ = weir_json::members(json, |key, span| match key {
            "\"traits\"" => traits = Some(&json[span]),
            _ => beside.extend(unescaped(key).map(|name| (name, &json[span]))),
        });
        // Where there are traits, nothing else leads to a field.
        beside.retain(|(name, _)| {
            let is_column = IDS_AND_TIME.contains(&&**name) || is_skipped(name);
            !is_column && (traits.is_some() || !leads(name))
        });
        let mut strangers = beside;
        if let Some(traits) = traits {
            let _ = weir_json::members(traits, |key, span| {
                let name = unescaped(key).filter(|name| !leads(name));
                strangers.extend(name.map(|name| (name, &traits[span])));
            });
        }
        strangers
    }

    fn take(&mut self, name: &str, at: usize, by: By) -> Result<(), String> {
        let once = |slot: &mut Option<usize>| match slot.replace(at) {
            None => Ok(()),
            Some(_) => Err(format!("{name} is there twice, by both of its names")),
        };
        match name {
            "user_id" | "userId" => return once(&mut self.user),
            "anonymous_id" | "anonymousId" => return once(&mut self.anonymous),
            "timestamp" => return once(&mut self.time),
            _ => {}
        }
        if is_skipped(name) {
            return Ok(());
        }
        match by {
            By::Fields => {
                let field: FieldId = name.parse().map_err(|_| {
                    "must be the id of a field such as str::email, user_id, anonymous_id or timestamp"
                        .to_owned()
                })?;
                let may_be_json = matches!(field.prefix(), Prefix::Sst | Prefix::Obj);
                put(&mut self.members, &[name], at, may_be_json)
            }
            By::Paths => {
                let path: Path = name.parse().map_err(|error| format!("{error}"))?;
                let keys = path.steps().iter().map(|step| match step {
                    Step::Key(key) => Ok(&**key),
                    Step::Element(_) | Step::All => {
                        Err("a column is one value: its path has no [ ]".to_owned())
                    }
                });
                let keys: Vec<&str> = keys.collect::<Result<_, _>>()?;
                put(&mut self.members, &keys, at, false)
            }
        }
    }

    /// Appends the object of a row's cells.
    pub(super) fn write(&self, cells: &[String], json: &mut String) {
        json.push('{');
        write_members(&self.members, cells, json);
        json.push('}');
    }
}

/// What an export has besides, and a file of refused rows.
fn is_skipped(name: &str) -> bool {
    name.starts_with(OF_REFUSED) || BESIDE_FIELDS.iter().any(|(beside, _)| *beside == name)
}

/// As a member is written.
fn key_of(name: &str) -> String {
    let mut key = String::new();
    write_text(name, &mut key);
    key.push(':');
    key
}

fn put(
    members: &mut Vec<Member>,
    keys: &[&str],
    at: usize,
    may_be_json: bool,
) -> Result<(), String> {
    let [first, rest @ ..] = keys else {
        return Ok(());
    };
    let key = key_of(first);
    let known = members.iter_mut().find(|member| member.key == key);
    match (known.map(|member| &mut member.what), rest) {
        (None, []) => {
            let what = What::Cell { at, may_be_json };
            members.push(Member { key, what });
            Ok(())
        }
        (None, rest) => {
            let mut inner = Vec::new();
            put(&mut inner, rest, at, may_be_json)?;
            let what = What::Object(inner);
            members.push(Member { key, what });
            Ok(())
        }
        (Some(What::Object(inner)), [_, ..]) => put(inner, rest, at, may_be_json),
        (Some(_), _) => Err(format!(
            "{first} is a value in one column, and an object in another"
        )),
    }
}

/// Whether anything was written.
fn write_members(members: &[Member], cells: &[String], json: &mut String) -> bool {
    let mut is_first = true;
    for member in members {
        let before = json.len();
        if !is_first {
            json.push(',');
        }
        json.push_str(&member.key);
        let is_there = match &member.what {
            What::Cell { at, may_be_json } => {
                let cell = cells[*at].as_str();
                write_value(cell, *may_be_json, json);
                !cell.is_empty()
            }
            What::Object(inner) => {
                json.push('{');
                let is_there = write_members(inner, cells, json);
                json.push('}');
                is_there
            }
        };
        if is_there {
            is_first = false;
        } else {
            json.truncate(before);
        }
    }
    !is_first
}
