//! A contact's row, read; how it is written stands with the contact.

use std::borrow::Cow;

use serde::Deserialize;
use weir_json::unescaped;

use super::{Beside, InvalidContact, Register, Source, Stamp};
use crate::domain::members::Members;

/// Reads a contact's row: its registers, by field id.
///
/// # Errors
/// Where it is not what we write.
pub fn read_registers<'a>(
    fields: &'a str,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    read_row(fields, registers).map(|(registers, _)| registers)
}

/// As well, with what the row keeps beside.
///
/// # Errors
/// As well.
pub fn read_row<'a>(
    fields: &'a str,
    registers: &'a str,
) -> Result<(Vec<Register<'a>>, Beside<'a>), InvalidContact> {
    let (beside, registers) = Beside::take(registers)?;
    let registers = registers_of(fields, registers, &mut Members::default())?;
    Ok((registers, beside))
}

/// As [`read_registers`], of one row of many.
pub(super) fn registers_of<'a>(
    fields: &'a str,
    registers: &'a str,
    members: &mut Members<'a>,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    let values = members.of(fields).map_err(|_| InvalidContact)?;
    match only_stamp(registers) {
        Some((stamp, source)) => Ok(all_by(&stamp, source, values)),
        None => by_groups(values.collect(), registers),
    }
}

/// The stamp of all values, where there is but one and it is plain: so it is with most contacts.
fn only_stamp(registers: &str) -> Option<(Stamp<'_>, Source)> {
    let stamp = registers.strip_prefix("[[")?.strip_suffix("]]")?;
    let (micros, message_id) = stamp.split_once(',')?;
    // What else `parse` takes is no JSON: `+1`, `007`.
    let begins = |digits: &str| digits.starts_with(|digit| matches!(digit, '1'..='9'));
    let is_plain = begins(micros.strip_prefix('-').unwrap_or(micros));
    let (message_id, source) = match message_id.ends_with('"') {
        true => (message_id, 0),
        false => {
            let (message_id, source) = message_id.rsplit_once(",null,")?;
            (message_id, source.parse().ok().filter(|_| begins(source))?)
        }
    };
    let stamp = Stamp {
        micros: micros.parse().ok().filter(|_| is_plain)?,
        message_id: unescaped(message_id)?,
    };
    Some((stamp, Source(source)))
}

/// Registers of values that one event wrote.
fn all_by<'a>(
    stamp: &Stamp<'a>,
    source: Source,
    values: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Register<'a>> {
    let register = |(field, value)| Register {
        field,
        stamp: stamp.clone(),
        value: Some(value),
        source,
    };
    values.map(register).collect()
}

/// A stamp, the fields that carry it, and the number of the source. Without names it is of every
/// value that no other group names.
#[derive(Deserialize)]
struct Group<'a>(
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow, default)] Option<Vec<&'a str>>,
    #[serde(default)] u16,
);

impl<'a> Group<'a> {
    fn stamp(&self) -> Stamp<'a> {
        Stamp {
            micros: self.0,
            message_id: self.1.clone(),
        }
    }

    fn source(&self) -> Source {
        Source(self.3)
    }
}

fn by_groups<'a>(
    values: Vec<(&'a str, &'a str)>,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    let groups: Vec<Group<'a>> = serde_json::from_str(registers).map_err(|_| InvalidContact)?;
    let rest = groups.iter().find(|group| group.2.is_none());
    if let (Some(rest), [_]) = (rest, groups.as_slice()) {
        return Ok(all_by(&rest.stamp(), rest.source(), values.into_iter()));
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
                    source: group.source(),
                }),
            }
        }
    }
    for ((field, value), group) in values.into_iter().zip(stamps) {
        let group = group.ok_or(InvalidContact)?;
        read.push(Register {
            field,
            stamp: group.stamp(),
            value: Some(value),
            source: group.source(),
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
        let rest = prop::sample::select(vec![
            "]]",
            "]] ",
            ",null]]",
            ",[]]]",
            "]",
            ",[\"a\"]]]",
            ",null,7]]",
            ",null,07]]",
            ",null,70000]]",
            ",null,-1]]",
            ",[\"a\"],7]]",
            ",7]]",
        ]);
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
