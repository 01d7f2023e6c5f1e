//! A contact's row, read; how it is written stands with the contact.

use std::borrow::Cow;

use serde::Deserialize;
use weir_json::unescaped;

use super::{InvalidContact, Register, Stamp};
use crate::domain::members::Members;

/// Reads a contact's row: its registers, by field id.
///
/// # Errors
/// Where it is not what we write.
pub fn read_registers<'a>(
    fields: &'a str,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    registers_of(fields, registers, &mut Members::default())
}

/// As [`read_registers`], of one row of many.
pub(super) fn registers_of<'a>(
    fields: &'a str,
    registers: &'a str,
    members: &mut Members<'a>,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    let values = members.of(fields).map_err(|_| InvalidContact)?;
    match only_stamp(registers) {
        Some(stamp) => Ok(all_by(&stamp, values)),
        None => by_groups(values.collect(), registers),
    }
}

/// The stamp of all values, where there is but one and it is plain: so it is with most contacts.
fn only_stamp(registers: &str) -> Option<Stamp<'_>> {
    let stamp = registers.strip_prefix("[[")?.strip_suffix("]]")?;
    let (micros, message_id) = stamp.split_once(',')?;
    // What else `parse` takes is no JSON: `+1`, `007`.
    let begins = |digits: &str| digits.starts_with(|digit| matches!(digit, '1'..='9'));
    let is_plain = begins(micros.strip_prefix('-').unwrap_or(micros));
    Some(Stamp {
        micros: micros.parse().ok().filter(|_| is_plain)?,
        message_id: unescaped(message_id)?,
    })
}

/// Registers of values that one event wrote.
fn all_by<'a>(
    stamp: &Stamp<'a>,
    values: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Register<'a>> {
    let register = |(field, value)| Register {
        field,
        stamp: stamp.clone(),
        value: Some(value),
    };
    values.map(register).collect()
}

/// A stamp and the fields that carry it. Without names it is of every value that no other
/// group names.
#[derive(Deserialize)]
struct Group<'a>(
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow, default)] Option<Vec<&'a str>>,
);

impl<'a> Group<'a> {
    fn stamp(&self) -> Stamp<'a> {
        Stamp {
            micros: self.0,
            message_id: self.1.clone(),
        }
    }
}

fn by_groups<'a>(
    values: Vec<(&'a str, &'a str)>,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    let groups: Vec<Group<'a>> = serde_json::from_str(registers).map_err(|_| InvalidContact)?;
    let rest = groups.iter().find(|group| group.2.is_none());
    if let (Some(rest), [_]) = (rest, groups.as_slice()) {
        return Ok(all_by(&rest.stamp(), values.into_iter()));
    }
    let mut stamps: Vec<Option<&Group<'a>>> = vec![rest; values.len()];
    let mut read = Vec::with_capacity(values.len());
    for group in &groups {
        for field in group.2.iter().flatten().copied() {
            match values.binary_search_by(|(name, _)| (*name).cmp(field)) {
                Ok(index) => stamps[index] = Some(group),
                Err(_) => read.push(Register {
                    field,
                    stamp: group.stamp(),
                    value: None,
                }),
            }
        }
    }
    for ((field, value), group) in values.into_iter().zip(stamps) {
        read.push(Register {
            field,
            stamp: group.ok_or(InvalidContact)?.stamp(),
            value: Some(value),
        });
    }
    read.sort_unstable_by_key(|register| register.field);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registers() -> impl Strategy<Value = String> {
        let micros = prop_oneof![
            4 => any::<i64>().prop_map(|micros| micros.to_string()),
            1 => prop::sample::select(vec!["-0", "007", "1.0", "1e3", "-", "9223372036854775808"])
                .prop_map(str::to_owned),
        ];
        let message_id = "[a-c\"\\\\é\u{1f}]{0,6}";
        let message_id = message_id.prop_map(|id| serde_json::to_string(&id).unwrap());
        let rest = prop::sample::select(vec!["]]", "]] ", ",null]]", ",[]]]", "]", ",[\"a\"]]]"]);
        (micros, message_id, rest).prop_map(|(micros, id, rest)| format!("[[{micros},{id}{rest}"))
    }

    proptest! {
        #[test]
        fn the_short_way_comes_to_the_same_as_the_long_one(registers in registers()) {
            let read = read_registers(r#"{"a":1,"b":"x"}"#, &registers);
            let long = by_groups(vec![("a", "1"), ("b", "\"x\"")], &registers);
            prop_assert_eq!(read, long);
        }
    }
}
