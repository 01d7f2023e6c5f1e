//! From one set of unique identifiers to another, where there are contacts (semantics 3.2).

use super::KeyStrategy;

/// Unique identifiers that count, and those that are to count: until every contact was looked
/// at, contacts match by either (semantics 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub old: KeyRule,
    pub new: KeyRule,
}

impl Transition {
    /// Fields of both, those that counted before in front.
    pub fn fields(&self) -> Vec<String> {
        let mut fields = self.old.fields.clone();
        fields.extend(self.unsettled().map(str::to_owned));
        fields
    }

    /// New ones: not each contact's value has its row yet.
    pub fn unsettled(&self) -> impl Iterator<Item = &str> {
        let new = self.new.fields.iter().map(String::as_str);
        new.filter(|field| !self.old.has(field))
    }

    /// Those that no longer count afterwards.
    pub fn dropped(&self) -> impl Iterator<Item = &str> {
        let old = self.old.fields.iter().map(String::as_str);
        old.filter(|field| !self.new.has(field))
    }
}

/// Unique identifiers in order, and how they find a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    pub fields: Vec<String>,
    pub strategy: KeyStrategy,
}

impl KeyRule {
    /// Whether it names the field.
    pub fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|name| name == field)
    }
}
