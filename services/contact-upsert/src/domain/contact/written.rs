//! A contact's row, as it is written; how it is read stands in `row`.

use weir_values::Value;

use super::{Contact, Register, Source, Stamp};

impl<'a> Contact<'a> {
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

    /// What orders its values: for each stamp the fields that carry it. Most often one event
    /// wrote most of them, so the stamp of the most values names none: it is that of every
    /// value that the others do not name.
    pub fn registers_json(&self) -> String {
        let mut groups: Vec<Group<'_, 'a>> = Vec::new();
        for register in &self.registers {
            // There are few stamps.
            let known = groups.iter_mut().rev().find(|g| g.is_of(register));
            let group = match known {
                Some(group) => group,
                None => {
                    groups.push(Group::new(register));
                    groups.last_mut().expect("it was just put there")
                }
            };
            match register.value {
                Some(_) => group.values += 1,
                None => group.cleared += 1,
            }
        }
        let most = groups.iter().map(|group| group.values).max();
        let rest = groups
            .iter()
            .position(|g| Some(g.values) == most && g.values > 0);
        let mut json = String::with_capacity(96 + 72 * groups.len());
        json.push('[');
        if !self.beside.is_empty() {
            self.beside.write(&mut json);
            json.push('[');
        }
        let mut is_first = true;
        for (index, group) in groups.iter().enumerate() {
            let is_rest = rest == Some(index);
            if is_rest {
                group.begin(&mut json, &mut is_first);
                group.end(&mut json, true);
            }
            if !is_rest || group.cleared > 0 {
                group.begin(&mut json, &mut is_first);
                json.push_str(",[");
                let named = self.registers.iter().filter(|register| {
                    group.is_of(register) && !(is_rest && register.value.is_some())
                });
                for (index, register) in named.enumerate() {
                    json.push_str(if index > 0 { ",\"" } else { "\"" });
                    json.push_str(register.field);
                    json.push('"');
                }
                json.push(']');
                group.end(&mut json, false);
            }
        }
        json.push(']');
        if !self.beside.is_empty() {
            json.push(']');
        }
        json
    }
}

/// A stamp and a source, and how many registers carry them.
struct Group<'b, 'a> {
    stamp: &'b Stamp<'a>,
    source: Source,
    values: usize,
    cleared: usize,
}

impl<'b, 'a> Group<'b, 'a> {
    fn new(register: &'b Register<'a>) -> Self {
        Self {
            stamp: &register.stamp,
            source: register.source,
            values: 0,
            cleared: 0,
        }
    }

    fn is_of(&self, register: &Register<'a>) -> bool {
        *self.stamp == register.stamp && self.source == register.source
    }

    /// Its time and message, with what divides it from the one before.
    fn begin(&self, json: &mut String, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            json.push(',');
        }
        json.push('[');
        Value::Integer(self.stamp.micros).write_canonical(json);
        json.push(',');
        weir_json::write_text(&self.stamp.message_id, json);
    }

    /// Its source, behind the names or in place of them.
    fn end(&self, json: &mut String, is_rest: bool) {
        if self.source != Source::default() {
            json.push_str(if is_rest { ",null," } else { "," });
            Value::Integer(self.source.0.into()).write_canonical(json);
        }
        json.push(']');
    }
}

#[cfg(test)]
mod tests {
    use weir_ids::ContactId;

    use super::super::{StoredContact, read_row};
    use super::*;
    use crate::domain::members::Members;

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
            source: Source::default(),
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
        assert_eq!(registers, r#"[[-5,"m0",["dtz::b"]],[7,"m\"1"]]"#);
        let row = StoredContact {
            id: contact.id,
            has_user_id: false,
            fields: &fields,
            registers: &registers,
            redirected: false,
        };
        let read = Contact::read(&row, &mut Members::default()).unwrap();
        assert_eq!(read.registers, contact.registers);
        assert!(!read.changed && read.stored);
    }

    #[test]
    fn a_row_says_where_its_values_came_from_and_what_they_replaced() {
        let mut contact = Contact::new(ContactId::new());
        let (first, second) = (Stamp::new(5, "m5"), Stamp::new(6, "m6"));
        contact.write(Err(0), "str::first", Some("\"A\""), (&first, Source(1)));
        contact.write(Err(1), "str::last", Some("\"X\""), (&first, Source(1)));
        let registers = contact.registers_json();
        assert_eq!(registers, r#"[[5,"m5",null,1]]"#);
        contact.write(Ok(0), "str::first", Some("\"B\""), (&second, Source(2)));
        contact.write(Ok(1), "str::last", None, (&second, Source(2)));
        let (fields, registers) = (contact.fields_json(), contact.registers_json());
        let expected = r#"[{"was":{"str::first":"A","str::last":"X"}},[[6,"m6",null,2],[6,"m6",["str::last"],2]]]"#;
        assert_eq!(registers, expected);
        let row = StoredContact {
            id: contact.id,
            has_user_id: false,
            fields: &fields,
            registers: &registers,
            redirected: false,
        };
        let read = Contact::read(&row, &mut Members::default()).unwrap();
        assert_eq!(read.registers, contact.registers);
        assert_eq!(read.beside, contact.beside);
        assert_eq!(read_row(&fields, &registers).unwrap().1, contact.beside);
    }
}
