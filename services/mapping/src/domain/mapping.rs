//! Mappings as they are configured and stored: pairs of a path and where its value goes
//! (semantics 2.2, 4.2-4.4).

use std::collections::{HashMap, HashSet};

use weir_ids::ActivityId;
use weir_values::format::Format;
use weir_values::path::Path;
use weir_values::{FieldId, ValueType};

use super::field;
use super::invalid::Invalid;

/// Semantics 4.4.
pub const RETENTIONS: [u32; 5] = [30, 90, 180, 365, 730];
/// Nothing is refused as too old that nobody decided about.
pub const DEFAULT_RETENTION: u32 = 730;
/// As many as there can be custom fields.
const MAX_ATTRIBUTES: usize = 200;
const MAX_ATTRIBUTE_NAME: usize = 150;
const MAX_EVENT_NAME: usize = 255;
/// A message names so many activities (a person who unmaps some asks again), with so many
/// characters each: it travels in a header.
const MAX_NAMED: usize = 10;
const MAX_NAMED_CHARS: usize = 60;

/// A pair as it comes from outside.
#[derive(Debug, Clone, Copy)]
pub struct RawPair<'a> {
    pub path: &'a str,
    /// A field id, or an attribute's name.
    pub target: &'a str,
    /// Empty: none.
    pub date_format: &'a str,
}

/// A pair of a contact mapping as it comes from outside, or as it was once saved; not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenPair {
    pub path: String,
    pub field_id: String,
    pub date_format: String,
}

/// One pair of a contact mapping; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPair {
    pub path: Path,
    pub field: FieldId,
    pub value_type: ValueType,
    pub date_format: Option<Format>,
}

/// One pair of an activity mapping; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePair {
    pub path: Path,
    pub attribute: String,
    pub value_type: ValueType,
    pub date_format: Option<Format>,
}

/// Reads a contact mapping, given the account's custom fields. At most one pair per field,
/// so there are never more pairs than fields.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub fn read_contact_mapping(
    pairs: &[RawPair<'_>],
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldPair>, Invalid> {
    let mut seen = HashSet::new();
    let mut read = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let at = |field: &str| format!("mappings[{index}].{field}");
        let unknown = || {
            Invalid::new(
                at("field_id"),
                format!("{} is no field of this account", pair.target),
            )
        };
        let value_type = field::type_of(pair.target, custom).ok_or_else(unknown)?;
        if !seen.insert(pair.target) {
            return Err(Invalid::new(
                at("field_id"),
                format!("{} is mapped twice", pair.target),
            ));
        }
        read.push(FieldPair {
            path: read_path(pair.path, value_type, || at("trait_path"))?,
            field: pair.target.parse().map_err(|_| unknown())?,
            value_type,
            date_format: read_format(pair.date_format, value_type, || at("date_format"))?,
        });
    }
    Ok(read)
}

/// Reads the attributes of an activity.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub fn read_attributes(pairs: &[(RawPair<'_>, ValueType)]) -> Result<Vec<AttributePair>, Invalid> {
    if pairs.len() > MAX_ATTRIBUTES {
        return Err(Invalid::new(
            "attributes",
            format!("at most {MAX_ATTRIBUTES}"),
        ));
    }
    let mut seen = HashSet::new();
    let mut read = Vec::with_capacity(pairs.len());
    for (index, (pair, value_type)) in pairs.iter().enumerate() {
        let at = |field: &str| format!("attributes[{index}].{field}");
        let name = pair.target.trim();
        if name.is_empty() || name.chars().count() > MAX_ATTRIBUTE_NAME || name.contains('\0') {
            return Err(Invalid::new(
                at("attribute"),
                format!("must have 1 to {MAX_ATTRIBUTE_NAME} characters"),
            ));
        }
        if !seen.insert(name) {
            return Err(Invalid::new(
                at("attribute"),
                format!("{name} is mapped twice"),
            ));
        }
        read.push(AttributePair {
            path: read_path(pair.path, *value_type, || at("property_path"))?,
            attribute: name.to_owned(),
            value_type: *value_type,
            date_format: read_format(pair.date_format, *value_type, || at("date_format"))?,
        });
    }
    Ok(read)
}

/// The name of an activity: that of the track, trimmed.
///
/// # Errors
/// When nothing is left, or too much.
pub fn read_event_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if !is_event_name(name) {
        return Err(Invalid::new(
            "event_name",
            format!("must have 1 to {MAX_EVENT_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}

/// Whether an activity may have this name.
pub fn is_event_name(name: &str) -> bool {
    let fits = name.len() <= MAX_EVENT_NAME || name.chars().count() <= MAX_EVENT_NAME;
    fits && !name.is_empty() && !name.contains('\0')
}

/// # Errors
/// When it is none of the five.
pub fn read_retention(days: u32) -> Result<u32, Invalid> {
    if RETENTIONS.contains(&days) {
        return Ok(days);
    }
    Err(Invalid::new(
        "retention_days",
        "must be 30, 90, 180, 365 or 730",
    ))
}

/// Why a plan can't have so few slots, where it can't: which activities are in the way
/// (semantics 4.2, 6.7).
pub fn too_few_slots(slots: i64, mapped: &[String]) -> Option<String> {
    let free = usize::try_from(slots).unwrap_or(0);
    let surplus = mapped
        .len()
        .checked_sub(free)
        .filter(|surplus| *surplus > 0)?;
    let mut names: Vec<String> = mapped
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("\"{}\"", cut(name, MAX_NAMED_CHARS)))
        .collect();
    if mapped.len() > MAX_NAMED {
        names.push(format!("and {} more", mapped.len() - MAX_NAMED));
    }
    Some(format!(
        "{slots} activity slots are fewer than the {} activities that are mapped; \
         at least {surplus} of these must be unmapped first: {}",
        mapped.len(),
        names.join(", ")
    ))
}

fn cut(name: &str, limit: usize) -> String {
    match name.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

/// Why one more activity can't be mapped (semantics 4.2).
pub fn no_free_slot(slots: i64, used: i64) -> String {
    format!(
        "{used} of the plan's {slots} activity slots are used: each further activity needs one \
         Activities + add-on, or a mapped one must be unmapped"
    )
}

fn read_path(
    text: &str,
    value_type: ValueType,
    at: impl FnOnce() -> String,
) -> Result<Path, Invalid> {
    let path = match text.parse::<Path>() {
        Ok(path) => path,
        Err(error) => return Err(Invalid::new(at(), error.to_string())),
    };
    if path.is_list() && !matches!(value_type, ValueType::MultiSelect | ValueType::Object) {
        return Err(Invalid::new(
            at(),
            "[] gives many values, for a multi select or an object: write [0] for the first one",
        ));
    }
    Ok(path)
}

fn read_format(
    text: &str,
    value_type: ValueType,
    at: impl FnOnce() -> String,
) -> Result<Option<Format>, Invalid> {
    Format::of(value_type, text).map_err(|error| Invalid::new(at(), error.to_string()))
}

/// A named event of an account, and how this source's properties become its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityMapping {
    pub activity: Activity,
    pub attributes: Vec<AttributePair>,
}

/// A named event of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub activity_id: ActivityId,
    pub event_name: String,
    pub retention_days: u32,
    /// Those it had before: a copy of a repeated event may lie where they led.
    pub earlier_retention_days: Vec<u32>,
}

impl Activity {
    /// Changes the retention, and remembers the one before.
    pub fn retain(&mut self, days: u32) {
        if self.retention_days != days {
            self.earlier_retention_days
                .retain(|earlier| *earlier != days);
            self.earlier_retention_days.push(self.retention_days);
            self.retention_days = days;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str, &str)]) -> Result<Vec<FieldPair>, Invalid> {
        let custom = HashMap::from([("bol:cm:active".to_owned(), ValueType::Boolean)]);
        let raw: Vec<RawPair<'_>> = pairs
            .iter()
            .map(|(path, target, date_format)| RawPair {
                path,
                target,
                date_format,
            })
            .collect();
        read_contact_mapping(&raw, &custom)
    }

    #[test]
    fn the_entry_that_is_wrong_is_named() {
        let wrong = |pairs: &[(&str, &str, &str)]| read(pairs).unwrap_err().field;
        let good = ("email", "str::email", "");
        assert_eq!(
            wrong(&[good, ("x", "str::nope", "")]),
            "mappings[1].field_id"
        );
        assert_eq!(wrong(&[good, good]), "mappings[1].field_id");
        assert_eq!(
            wrong(&[("a..b", "str::email", "")]),
            "mappings[0].trait_path"
        );
        assert_eq!(
            wrong(&[("birthday", "dtz::b", "")]),
            "mappings[0].date_format"
        );
        assert_eq!(
            wrong(&[("birthday", "dtz::b", "YY")]),
            "mappings[0].date_format"
        );
        assert_eq!(
            wrong(&[("email", "str::email", "ISO 8601")]),
            "mappings[0].date_format"
        );
        assert!(
            read(&[
                good,
                ("birthday", "dtz::b", "DD-MM-YYYY"),
                ("active", "bol:cm:active", "")
            ])
            .is_ok()
        );
    }

    /// Semantics 2.2, 2.5: refused when it is saved, with what to write instead.
    #[test]
    fn paths_and_formats_that_cannot_be_meant_are_refused_and_said_why() {
        let custom = HashMap::from([
            ("sst:cm:skus".to_owned(), ValueType::MultiSelect),
            ("obj:cm:skus".to_owned(), ValueType::Object),
            ("tme:cm:alarm".to_owned(), ValueType::Time),
        ]);
        let read = |path, target, date_format| {
            let pair = RawPair {
                path,
                target,
                date_format,
            };
            read_contact_mapping(&[pair], &custom)
        };
        for (path, target, format) in [
            (r#"address["zip code"]"#, "str::postal", ""),
            ("products[0].sku", "str::first", ""),
            ("products[].sku", "sst:cm:skus", ""),
            ("products[].sku", "obj:cm:skus", ""),
            ("alarm", "tme:cm:alarm", ""),
            ("alarm", "tme:cm:alarm", "h:mm A"),
            ("born", "dtz::b", "D MMM YYYY"),
        ] {
            assert!(
                read(path, target, format).is_ok(),
                "{path} {target} {format}"
            );
        }
        for (path, target, format, field, why) in [
            ("$.traits.x", "str::first", "", "trait_path", "$ is no key"),
            (
                "first name",
                "str::first",
                "",
                "trait_path",
                r#"["first name"]"#,
            ),
            (
                "products[].sku",
                "str::first",
                "",
                "trait_path",
                "write [0]",
            ),
            (
                "alarm",
                "tme:cm:alarm",
                "DD-MM-YYYY",
                "date_format",
                "no token",
            ),
            (
                "born",
                "dtz::b",
                "DD.MM.YYYY HH:mm X",
                "date_format",
                "\"X\" is no token",
            ),
            ("born", "dtz::b", "YYYY-MM-DDTHH:mm", "date_format", "[T]"),
            ("born", "dtz::b", "", "date_format", "ISO 8601"),
        ] {
            let error = read(path, target, format).unwrap_err();
            assert_eq!(error.field, format!("mappings[0].{field}"), "{path}");
            assert!(
                error.expected.contains(why),
                "{path} {format}: {}",
                error.expected
            );
        }
    }

    #[test]
    fn attributes_are_named_once() {
        let pair = |path, target| {
            (
                RawPair {
                    path,
                    target,
                    date_format: "",
                },
                ValueType::Integer,
            )
        };
        assert!(read_attributes(&[pair("count", "count"), pair("count", "n")]).is_ok());
        let error = read_attributes(&[pair("a", "count"), pair("b", " count ")]).unwrap_err();
        assert_eq!(error.field, "attributes[1].attribute");
    }

    #[test]
    fn a_plan_can_not_fall_below_what_is_mapped() {
        let names = |count: usize| (1..=count).map(|n| format!("Name {n}")).collect::<Vec<_>>();
        assert_eq!(too_few_slots(2, &names(2)), None);
        let message = too_few_slots(1, &names(3)).unwrap();
        assert!(message.contains("at least 2"), "{message}");
        assert!(
            message.ends_with("\"Name 1\", \"Name 2\", \"Name 3\""),
            "{message}"
        );
        let message = too_few_slots(0, &names(13)).unwrap();
        assert!(message.ends_with("\"Name 10\", and 3 more"), "{message}");
        let long = [String::from("é").repeat(255)];
        assert!(too_few_slots(0, &long).unwrap().len() < 300);
    }

    #[test]
    fn a_change_of_retention_remembers_what_was() {
        let mut activity = Activity {
            activity_id: ActivityId::new(),
            event_name: "a".to_owned(),
            retention_days: 90,
            earlier_retention_days: vec![],
        };
        for (days, earlier) in [
            (90, vec![]),
            (30, vec![90]),
            (90, vec![30]),
            (365, vec![30, 90]),
        ] {
            activity.retain(days);
            assert_eq!(
                (activity.retention_days, &activity.earlier_retention_days),
                (days, &earlier)
            );
        }
        assert_eq!(read_retention(DEFAULT_RETENTION), Ok(730));
        assert!(read_retention(31).is_err() && read_retention(0).is_err());
    }
}
