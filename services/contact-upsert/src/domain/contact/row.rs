//! A contact's row, read; how it is written stands with the contact.

use std::borrow::Cow;

use serde::Deserialize;

use super::{InvalidContact, Register, Stamp};
use crate::domain::event::fields_of;

/// Reads a contact's row: its registers, by field id.
///
/// # Errors
/// Where it is not what we write.
pub fn read_registers<'a>(
    fields: &'a str,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    /// Without names it is of every value that no other group names.
    #[derive(Deserialize)]
    struct Group<'a>(
        i64,
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow, default)] Option<Vec<&'a str>>,
    );

    let values = fields_of(fields).map_err(|_| InvalidContact)?;
    let groups: Vec<Group<'a>> = serde_json::from_str(registers).map_err(|_| InvalidContact)?;
    let stamp = |group: &Group<'a>| Stamp {
        micros: group.0,
        message_id: group.1.clone(),
    };
    let rest = groups.iter().find(|group| group.2.is_none());
    if let (Some(rest), [_]) = (rest, groups.as_slice()) {
        let register = |(field, value)| Register {
            field,
            stamp: stamp(rest),
            value: Some(value),
        };
        return Ok(values.into_iter().map(register).collect());
    }
    let mut stamps: Vec<Option<&Group<'a>>> = vec![rest; values.len()];
    let mut read = Vec::with_capacity(values.len());
    for group in &groups {
        for field in group.2.iter().flatten().copied() {
            match values.binary_search_by(|(name, _)| (*name).cmp(field)) {
                Ok(index) => stamps[index] = Some(group),
                Err(_) => read.push(Register {
                    field,
                    stamp: stamp(group),
                    value: None,
                }),
            }
        }
    }
    for ((field, value), group) in values.into_iter().zip(stamps) {
        read.push(Register {
            field,
            stamp: stamp(group.ok_or(InvalidContact)?),
            value: Some(value),
        });
    }
    read.sort_unstable_by_key(|register| register.field);
    Ok(read)
}
