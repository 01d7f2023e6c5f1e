//! Which values of a batch were ignored: all of them, for the counts (semantics 7.3a).

use std::collections::HashMap;

use weir_reasons::Reason;

/// Why values were ignored, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredKind {
    pub code: Reason,
    /// The field or attribute; the path where there is none.
    pub subject: String,
}

/// Values of one kind in one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IgnoredValues {
    /// Which event of the batch.
    pub event: usize,
    /// Which of the kinds.
    pub kind: usize,
    pub count: i64,
}

/// All of a batch, in the order of its events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    pub kinds: Vec<IgnoredKind>,
    pub values: Vec<IgnoredValues>,
    known: HashMap<Reason, HashMap<String, usize>>,
    /// How many events have begun.
    events: usize,
}

impl Ignored {
    pub(super) fn begin_event(&mut self) {
        self.events += 1;
    }

    pub(super) fn add(&mut self, code: Reason, subject: &str, count: i64) {
        let event = self.events.saturating_sub(1);
        let subjects = self.known.entry(code).or_default();
        let kind = match subjects.get(subject) {
            Some(kind) => *kind,
            None => {
                let kind = self.kinds.len();
                subjects.insert(subject.to_owned(), kind);
                let subject = subject.to_owned();
                self.kinds.push(IgnoredKind { code, subject });
                kind
            }
        };
        match self.values.last_mut() {
            Some(last) if last.event == event && last.kind == kind => last.count += count,
            _ => self.values.push(IgnoredValues { event, kind, count }),
        }
    }

    /// How many values that is.
    pub fn count(&self) -> i64 {
        self.values.iter().map(|values| values.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_once_and_values_with_their_event() {
        let mut ignored = Ignored::default();
        let (email, date) = (Reason::EmailInvalid, Reason::DateFormatMismatch);
        for adds in [
            &[
                (email, "str::email", 1),
                (date, "dtz::b", 1),
                (email, "str::email", 3),
            ][..],
            &[],
            &[(email, "str:cm:work", 1), (email, "str:cm:work", 2)],
        ] {
            ignored.begin_event();
            for (code, subject, count) in adds {
                ignored.add(*code, subject, *count);
            }
        }
        let kinds: Vec<_> = ignored.kinds.iter().map(|kind| &*kind.subject).collect();
        assert_eq!(kinds, ["str::email", "dtz::b", "str:cm:work"]);
        let values = ignored.values.iter();
        let values: Vec<_> = values.map(|one| (one.event, one.kind, one.count)).collect();
        assert_eq!(values, [(0, 0, 1), (0, 1, 1), (0, 0, 3), (2, 2, 3)]);
        assert_eq!(ignored.count(), 8);
    }
}
