//! A contact while a batch is folded: its fields as last-writer-wins registers (semantics 3.7).

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use weir_ids::ContactId;

use super::event::fields_of;

/// When an event happened, and which: the order of writers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp<'a> {
    pub micros: i64,
    pub message_id: Cow<'a, str>,
}

impl<'a> Stamp<'a> {
    /// Of that time and message.
    pub fn new(micros: i64, message_id: &'a str) -> Self {
        Self {
            micros,
            message_id: Cow::Borrowed(message_id),
        }
    }
}

/// The last word on a field. Ordered by stamp, then value; a cleared field is a value too,
/// and the least of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<'a> {
    pub field: &'a str,
    pub stamp: Stamp<'a>,
    /// Canonical JSON; none = cleared.
    pub value: Option<&'a str>,
}

impl<'a> Register<'a> {
    /// Whether it is at least as new as `value` at `stamp`: then that changes nothing.
    pub fn covers(&self, stamp: &Stamp<'_>, value: Option<&str>) -> bool {
        self.stamp
            .cmp(stamp)
            .then_with(|| self.value.cmp(&value))
            .is_ge()
    }
}

/// A contact's row.
#[derive(Debug, Clone, Copy)]
pub struct StoredContact<'a> {
    pub id: ContactId,
    pub has_user_id: bool,
    pub fields: &'a str,
    pub registers: &'a str,
    /// It was joined into another.
    pub redirected: bool,
}

/// A row that we did not write like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored form of a contact can't be read")]
pub struct InvalidContact;

/// A contact in memory.
#[derive(Debug, Clone)]
pub(super) struct Contact<'a> {
    pub id: ContactId,
    pub has_user_id: bool,
    /// By field id.
    pub registers: Vec<Register<'a>>,
    /// The position of the contact that it was joined into.
    pub joined_into: Option<usize>,
    /// It has a row.
    pub stored: bool,
    /// Something else than registers is to be written.
    pub changed: bool,
    /// Registers moved.
    pub moved: bool,
}

impl<'a> Contact<'a> {
    /// One that nobody knew.
    pub fn new(id: ContactId) -> Self {
        Self {
            id,
            has_user_id: false,
            registers: Vec::new(),
            joined_into: None,
            stored: false,
            changed: true,
            moved: false,
        }
    }

    /// From its row.
    pub fn read(row: &StoredContact<'a>) -> Result<Self, InvalidContact> {
        Ok(Self {
            registers: read_registers(row.fields, row.registers)?,
            has_user_id: row.has_user_id,
            stored: true,
            changed: false,
            ..Self::new(row.id)
        })
    }

    /// The last word on a field.
    pub fn register(&self, field: &str) -> Option<&Register<'a>> {
        let found = self.registers.binary_search_by(|r| r.field.cmp(field));
        found.ok().map(|index| &self.registers[index])
    }

    /// The field's current value.
    pub fn value(&self, field: &str) -> Option<&'a str> {
        self.register(field).and_then(|register| register.value)
    }

    /// Writes a register; the caller has decided that it is the newer one.
    pub fn set(&mut self, register: Register<'a>) {
        match self
            .registers
            .binary_search_by(|r| r.field.cmp(register.field))
        {
            Ok(index) => {
                self.changed |= self.registers[index].value != register.value;
                self.registers[index] = register;
            }
            Err(index) => {
                self.changed |= register.value.is_some();
                self.registers.insert(index, register);
            }
        }
        self.moved = true;
    }

    /// Whether it holds no value and no user id: a shell around anonymous ids.
    pub fn is_anonymous_only(&self) -> bool {
        !self.has_user_id && self.registers.iter().all(|r| r.value.is_none())
    }

    /// Takes over what `other` knows: of each field the newer word.
    pub fn absorb(&mut self, other: &Self) {
        for theirs in &other.registers {
            let covered = self
                .register(theirs.field)
                .is_some_and(|ours| ours.covers(&theirs.stamp, theirs.value));
            if !covered {
                self.set(theirs.clone());
            }
        }
        self.has_user_id |= other.has_user_id;
        self.changed = true;
    }

    /// Its current values, as a JSON object.
    pub fn fields_json(&self) -> String {
        let mut json = String::with_capacity(
            2 + self
                .registers
                .iter()
                .map(|r| r.value.map_or(0, |value| r.field.len() + value.len() + 4))
                .sum::<usize>(),
        );
        json.push('{');
        for register in &self.registers {
            if let Some(value) = register.value {
                if json.len() > 1 {
                    json.push(',');
                }
                json.push('"');
                json.push_str(register.field);
                json.push_str("\":");
                json.push_str(value);
            }
        }
        json.push('}');
        json
    }

    /// What orders its values: a stamp that several fields share is written once.
    pub fn registers_json(&self) -> String {
        let mut groups: Vec<(&Stamp<'_>, Vec<&str>)> = Vec::new();
        for register in &self.registers {
            // Neighbours mostly share; there are few stamps in any case.
            match groups.iter_mut().rev().find(|(s, _)| **s == register.stamp) {
                Some((_, fields)) => fields.push(register.field),
                None => groups.push((&register.stamp, vec![register.field])),
            }
        }
        let mut json = String::with_capacity(96 + 16 * self.registers.len());
        json.push('[');
        for (index, (stamp, fields)) in groups.iter().enumerate() {
            let id = serde_json::to_string(&stamp.message_id).expect("a text is always JSON");
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(json, "{comma}[{},{id},[", stamp.micros);
            for (index, field) in fields.iter().enumerate() {
                json.push_str(if index > 0 { ",\"" } else { "\"" });
                json.push_str(field);
                json.push('"');
            }
            json.push_str("]]");
        }
        json.push(']');
        json
    }
}

/// Reads a contact's row: its registers, by field id.
///
/// # Errors
/// Where it is not what we write.
pub fn read_registers<'a>(
    fields: &'a str,
    registers: &'a str,
) -> Result<Vec<Register<'a>>, InvalidContact> {
    #[derive(Deserialize)]
    struct Group<'a>(
        i64,
        #[serde(borrow)] Cow<'a, str>,
        #[serde(borrow)] Vec<&'a str>,
    );

    let values = fields_of(fields).map_err(|_| InvalidContact)?;
    let groups: Vec<Group<'a>> = serde_json::from_str(registers).map_err(|_| InvalidContact)?;
    let mut read = Vec::with_capacity(values.len());
    for Group(micros, message_id, names) in groups {
        for field in names {
            let value = values.binary_search_by(|(name, _)| (*name).cmp(field));
            read.push(Register {
                field,
                stamp: Stamp {
                    micros,
                    message_id: message_id.clone(),
                },
                value: value.ok().map(|index| values[index].1),
            });
        }
    }
    read.sort_unstable_by_key(|register| register.field);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register<'a>(
        field: &'a str,
        micros: i64,
        id: &'a str,
        value: Option<&'a str>,
    ) -> Register<'a> {
        Register {
            field,
            stamp: Stamp::new(micros, id),
            value,
        }
    }

    #[test]
    fn a_contact_survives_its_row() {
        let mut contact = Contact::new(ContactId::new());
        contact.set(register("str::last", 7, "m\"1", Some("\"Ro\\\"meijn\"")));
        contact.set(register("str::first", 7, "m\"1", Some("\"Lana\"")));
        contact.set(register("dtz::b", -5, "m0", None));
        let (fields, registers) = (contact.fields_json(), contact.registers_json());
        assert_eq!(fields, r#"{"str::first":"Lana","str::last":"Ro\"meijn"}"#);
        assert_eq!(
            registers,
            r#"[[-5,"m0",["dtz::b"]],[7,"m\"1",["str::first","str::last"]]]"#
        );
        let read = Contact::read(&StoredContact {
            id: contact.id,
            has_user_id: false,
            fields: &fields,
            registers: &registers,
            redirected: false,
        })
        .unwrap();
        assert_eq!(read.registers, contact.registers);
        assert!(!read.changed && read.stored);
    }

    #[test]
    fn writers_are_ordered_by_time_then_message_then_value() {
        let present = register("str::first", 5, "m5", Some("\"B\""));
        assert!(present.covers(&Stamp::new(4, "m9"), Some("\"Z\"")));
        assert!(present.covers(&Stamp::new(5, "m4"), Some("\"Z\"")));
        assert!(present.covers(&Stamp::new(5, "m5"), Some("\"B\"")));
        assert!(present.covers(&Stamp::new(5, "m5"), None));
        assert!(!present.covers(&Stamp::new(5, "m5"), Some("\"C\"")));
        assert!(!present.covers(&Stamp::new(5, "m6"), None));
    }
}
