//! What other services are told of a batch: links and joins.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::changes::Changes;

/// What one batch did to identifiers and contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link<'a>>,
    /// The one that went, the one that stayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<(Uuid, Uuid)>,
}

/// An identifier and its contact. Kept as a list, not an object: there are a thousand a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link<'a>(
    /// Kind.
    #[serde(borrow)]
    pub Cow<'a, str>,
    /// Value.
    #[serde(borrow)]
    pub Cow<'a, str>,
    /// Contact.
    pub Uuid,
    /// Version.
    pub i64,
    /// When it was linked, in microseconds.
    pub i64,
);

impl<'a> Message<'a> {
    /// None when there is nothing to tell.
    pub fn of(changes: &'a Changes<'_>, now_micros: i64) -> Option<Self> {
        let links: Vec<_> = changes
            .announced_links()
            .map(|row| {
                Link(
                    Cow::Borrowed(row.key.kind),
                    Cow::Borrowed(&row.key.value),
                    row.contact.0,
                    row.version,
                    row.linked_micros.unwrap_or(now_micros),
                )
            })
            .collect();
        let joins: Vec<_> = changes
            .joins
            .iter()
            .map(|join| (join.joined.0, join.survivor.0))
            .collect();
        (!links.is_empty() || !joins.is_empty()).then_some(Self { links, joins })
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always JSON")
    }
}
