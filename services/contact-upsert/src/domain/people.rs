//! A person who is to be deleted: what he was known by, and the receipt of it (semantics 3.9).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_ids::ContactId;

use super::contact::read_row;
use super::event::Settings;
use super::key::is_unique_key;

/// The receipt of a deletion. It names no identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// As the caller named it.
    pub id: Uuid,
    /// None where only an identifier was deleted.
    pub contact: Option<ContactId>,
    pub request_time: DateTime<Utc>,
    pub done_time: Option<DateTime<Utc>>,
    pub counts: Vec<Counted>,
}

/// So many rows of something went in a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted(
    /// The service.
    pub String,
    /// What.
    pub String,
    /// How many.
    pub i64,
);

/// What other services have to be told of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    pub contacts: Vec<Uuid>,
    /// Kind and value.
    pub identifiers: BTreeSet<(String, String)>,
}

impl Deletion {
    /// Takes what a service deleted: `in_all` where it counts everything that it did for this
    /// deletion, else on top of what it did before.
    pub fn count(&mut self, service: &str, what: &str, count: i64, in_all: bool) {
        let known = self
            .counts
            .iter_mut()
            .find(|known| known.0 == service && known.1 == what);
        match known {
            Some(known) if in_all => known.2 = known.2.max(count),
            Some(known) => known.2 += count,
            None => self
                .counts
                .push(Counted(service.into(), what.into(), count)),
        }
    }
}

/// What a person was known by: the identifiers that lead to him, and the values of unique
/// identifiers that he has, had, or lost in a merge, as his rows say.
pub fn known_by(
    identifiers: &BTreeSet<(String, String)>,
    rows: &[(String, String)],
    settings: &Settings,
) -> BTreeSet<(String, String)> {
    let kinds = identifiers.iter().map(|(kind, _)| kind.as_str());
    let mut fields: BTreeSet<&str> = kinds.filter(|kind| is_unique_key(kind)).collect();
    fields.extend(settings.unique_identifiers.iter().map(String::as_str));
    let mut known = identifiers.clone();
    for (values, registers) in rows {
        let Ok((registers, beside)) = read_row(values, registers) else {
            continue;
        };
        let values = registers
            .iter()
            .map(|register| (register.field, register.value));
        for (field, value) in values.chain(beside.was.iter().copied()) {
            if let Some(json) = value.filter(|_| fields.contains(field))
                && let Some(key) = settings.key(field, json)
            {
                known.insert((key.kind.to_owned(), key.value.into_owned()));
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_known_by_what_he_has_had_and_lost() {
        let identifiers = BTreeSet::from([("u".to_owned(), "u1".to_owned())]);
        let rows = [
            (
                r#"{"str::email":"New@x.org","str::first":"A"}"#.to_owned(),
                r#"[{"was":{"str::email":"old@x.org","str::first":"B"}},[[1,"m"]]]"#.to_owned(),
            ),
            ("{}".to_owned(), "broken".to_owned()),
            (
                r#"{"str::email":"lost@x.org"}"#.to_owned(),
                r#"[[1,"m"]]"#.to_owned(),
            ),
        ];
        let settings = Settings::by_hand(vec!["str::email".into()], Vec::new());
        let known = known_by(&identifiers, &rows, &settings);
        let known: Vec<(&str, &str)> = known
            .iter()
            .map(|(kind, value)| (kind.as_str(), value.as_str()))
            .collect();
        let email = |value| ("str::email", value);
        let expected = [
            email("lost@x.org"),
            email("new@x.org"),
            email("old@x.org"),
            ("u", "u1"),
        ];
        assert_eq!(known, expected);
    }

    #[test]
    fn counts_that_are_told_again_are_not_added() {
        let mut deletion = Deletion {
            id: Uuid::nil(),
            contact: None,
            request_time: DateTime::UNIX_EPOCH,
            done_time: None,
            counts: Vec::new(),
        };
        for (count, in_all) in [(3, true), (5, true), (5, true), (0, true)] {
            deletion.count("activity", "activities", count, in_all);
        }
        for count in [2, 0, 1] {
            deletion.count("mapping", "samples", count, false);
        }
        let counts: Vec<i64> = deletion.counts.iter().map(|counted| counted.2).collect();
        assert_eq!(counts, [5, 3]);
    }
}
