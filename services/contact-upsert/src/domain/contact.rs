//! A contact while a batch is folded: its fields as last-writer-wins registers (semantics 3.7).

use std::borrow::Cow;

use weir_ids::ContactId;

use super::members::Members;
use super::same::{order, same};

mod beside;
mod row;
mod written;

pub use beside::Beside;
pub use row::{read_registers, read_row};

/// When an event happened, and which: the order of writers.
#[derive(Debug, Clone, Eq, PartialOrd, Ord)]
pub struct Stamp<'a> {
    pub micros: i64,
    pub message_id: Cow<'a, str>,
}

impl PartialEq for Stamp<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Most often either tells: the time of another event, or the text of this very one.
        self.micros == other.micros
            && (std::ptr::eq(&*self.message_id, &*other.message_id)
                || self.message_id == other.message_id)
    }
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

/// The last word on a field. Ordered by stamp, then value as it is said; a cleared field is a value
/// too, and the least of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<'a> {
    pub field: &'a str,
    pub stamp: Stamp<'a>,
    /// Canonical JSON; none = cleared.
    pub value: Option<&'a str>,
    /// Where it came from.
    pub source: Source,
}

/// The number that a source has in its account; 0 = not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Source(pub u16);

impl<'a> Register<'a> {
    /// Whether it is at least as new as `value` at `stamp`: then that changes nothing.
    pub fn covers(&self, stamp: &Stamp<'_>, value: Option<&str>) -> bool {
        self.stamp
            .cmp(stamp)
            .then_with(|| order(self.value, value))
            .is_ge()
    }

    /// What this other contact's word on a field makes of `ours`; none = it stays.
    pub fn onto(&self, ours: Option<&Self>, precedence: Precedence) -> Option<Self> {
        let Some(ours) = ours else {
            return Some(self.clone());
        };
        let takes = match precedence {
            Precedence::Newer => !ours.covers(&self.stamp, self.value),
            // A cleared field is empty.
            Precedence::Own => {
                ours.value.is_none() && (self.value.is_some() || ours.stamp < self.stamp)
            }
        };
        takes.then(|| {
            let mut taken = self.clone();
            taken.advance(&ours.stamp);
            taken
        })
    }

    /// Under `append`, a value may come in after a newer clearing: the register never goes
    /// back, so that the clearing is still known as done.
    fn advance(&mut self, stamp: &Stamp<'a>) {
        if self.stamp < *stamp {
            self.stamp.clone_from(stamp);
        }
    }
}

/// Whose word on a field counts when two contacts become one (semantics 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// The newer one.
    Newer,
    /// That of the event's contact: only what is empty there is filled.
    Own,
}

/// A contact's row.
#[derive(Debug, Clone, Copy)]
pub struct StoredContact<'a> {
    pub id: ContactId,
    pub has_user_id: bool,
    pub fields: &'a str,
    pub registers: &'a str,
    /// It was merged into another.
    pub redirected: bool,
}

/// A row that we did not write like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored form of a contact can't be read")]
pub struct InvalidContact;

/// Where a field's register is, or else where it would come, as a binary search has it.
pub(super) type Found = Result<usize, usize>;

/// A contact in memory.
#[derive(Debug, Clone)]
pub(super) struct Contact<'a> {
    pub id: ContactId,
    pub has_user_id: bool,
    /// By field id.
    pub registers: Vec<Register<'a>>,
    pub beside: Beside<'a>,
    /// The index of the contact that it was merged into.
    pub merged_into: Option<usize>,
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
            beside: Beside::default(),
            merged_into: None,
            stored: false,
            changed: true,
            moved: false,
        }
    }

    /// From its row; `members` have read the rows before.
    pub fn read(
        row: &StoredContact<'a>,
        members: &mut Members<'a>,
    ) -> Result<Self, InvalidContact> {
        let (beside, registers) = Beside::take(row.registers)?;
        Ok(Self {
            registers: row::registers_of(row.fields, registers, members)?,
            beside,
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

    /// Where the registers of fields are, which are in order: one walk over both lists.
    pub fn find_all<'b>(
        &'b self,
        fields: impl Iterator<Item = &'b str>,
    ) -> impl Iterator<Item = Found> {
        let mut at = 0;
        fields.map(move |field| {
            while let Some(register) = self.registers.get(at) {
                if same(register.field.as_bytes(), field.as_bytes()) {
                    return Ok(at);
                }
                if register.field > field {
                    break;
                }
                at += 1;
            }
            Err(at)
        })
    }

    /// As [`Self::register`], of a field that is likely to be at this index.
    pub fn register_near(&self, field: &str, likely: usize) -> Option<&Register<'a>> {
        let there = self.registers.get(likely);
        let there = there.filter(|register| same(register.field.as_bytes(), field.as_bytes()));
        there.or_else(|| self.register(field))
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

    /// Takes a newer word that says the same as the one at this index.
    pub fn confirm(&mut self, at: usize, stamp: &Stamp<'a>, source: Source) {
        self.registers[at].advance(stamp);
        self.registers[at].source = source;
        self.moved = true;
    }

    /// Writes a register where it was found, or is missing; the caller has decided that it is
    /// newer. Answers the value before.
    pub fn write(
        &mut self,
        found: Found,
        field: &'a str,
        value: Option<&'a str>,
        (stamp, source): (&Stamp<'a>, Source),
    ) -> Option<&'a str> {
        self.moved = true;
        let before = match found {
            Ok(at) => {
                let register = &mut self.registers[at];
                register.advance(stamp);
                register.source = source;
                let before = std::mem::replace(&mut register.value, value);
                if before != value {
                    self.beside.replaced(register.field, before);
                }
                before
            }
            Err(at) => {
                let stamp = stamp.clone();
                let register = Register {
                    field,
                    stamp,
                    value,
                    source,
                };
                self.registers.insert(at, register);
                None
            }
        };
        self.changed |= before != value;
        before
    }

    /// Takes over what `other` knows.
    pub fn absorb(&mut self, other: &Self, precedence: Precedence) {
        for theirs in &other.registers {
            let ours = self.register(theirs.field);
            let Some(taken) = theirs.onto(ours, precedence) else {
                continue;
            };
            match ours.map(|ours| ours.value) {
                None => self.beside.comes_with(theirs.field, &other.beside),
                Some(before) if before != taken.value => {
                    self.beside.replaced(theirs.field, before);
                }
                Some(_) => {}
            }
            self.set(taken);
        }
        self.beside.join_bars(&other.beside);
        self.has_user_id |= other.has_user_id;
        self.changed = true;
    }
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
            source: Source::default(),
        }
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
