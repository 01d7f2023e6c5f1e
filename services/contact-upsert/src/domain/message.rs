//! What other services are told of a batch: links, merges, and removes that had been kept.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::changes::{Changes, LinkRow, Remove};
use super::guard::Crowd;

/// What one batch did to identifiers and contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<Merged>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alert<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<Split<'a>>,
}

/// A contact took over more than it should (semantics 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert<'a> {
    pub contact: Uuid,
    /// How many it took over that day.
    pub count: i64,
    pub micros: i64,
    /// Kind and value of what brought most of them.
    #[serde(borrow)]
    pub found_by: Option<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A merge was undone (semantics 3.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split<'a> {
    /// The contact that is there again.
    pub contact: Uuid,
    /// The one that it had been merged into.
    pub survivor: Uuid,
    /// As in [`Merged`].
    pub version: i64,
    /// When they were merged, in microseconds: what came later stays with the survivor.
    pub merged_micros: i64,
    /// Contacts that had been merged into the one that is there again, also by way of others.
    pub family: Vec<Uuid>,
    /// Its identifiers, which it has again.
    #[serde(borrow)]
    pub links: Vec<Link<'a>>,
}

/// Two contacts became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged(
    /// The one that went.
    pub Uuid,
    /// The one that stayed.
    pub Uuid,
    /// Grows with every merge and split of the one that went.
    pub i64,
);

/// A remove that was kept until its person became known (semantics 4.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal<'a>(
    /// Contact.
    pub Uuid,
    /// Audience.
    pub Uuid,
    /// The update's own time, in microseconds.
    pub i64,
    /// Message id.
    #[serde(borrow)]
    pub Cow<'a, str>,
);

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

impl<'a> Link<'a> {
    /// As a batch has written it.
    pub fn of(row: &'a LinkRow<'_>, now_micros: i64) -> Self {
        Self(
            Cow::Borrowed(row.key.kind),
            Cow::Borrowed(&row.key.value),
            row.contact.0,
            row.version,
            row.linked_micros.unwrap_or(now_micros),
        )
    }
}

impl<'a> Message<'a> {
    /// None when there is nothing to tell.
    pub fn of(changes: &'a Changes<'_>, crowds: &'a [Crowd], now_micros: i64) -> Option<Self> {
        let links: Vec<_> = changes
            .announced_links()
            .map(|row| Link::of(row, now_micros))
            .collect();
        let merges: Vec<_> = changes
            .merges
            .iter()
            .map(|merge| Merged(merge.merged.0, merge.survivor.0, merge.version))
            .collect();
        let removals = removals_of(&changes.removes);
        let alerts = crowds.iter().map(|crowd| Alert {
            contact: crowd.contact.0,
            count: crowd.count,
            micros: now_micros,
            found_by: crowd
                .found_by
                .as_ref()
                .map(|(kind, value)| (Cow::Borrowed(&**kind), Cow::Borrowed(&**value))),
        });
        let alerts: Vec<_> = alerts.collect();
        let says = !links.is_empty() || !merges.is_empty() || !removals.is_empty();
        let says = says || !alerts.is_empty();
        says.then_some(Self {
            links,
            merges,
            removals,
            alerts,
            splits: Vec::new(),
        })
    }

    /// Of a split alone, in which these identifiers moved.
    pub fn of_split(split: Split<'a>) -> Self {
        Self {
            links: Vec::new(),
            merges: Vec::new(),
            removals: Vec::new(),
            alerts: Vec::new(),
            splits: vec![split],
        }
    }

    /// Of removes alone; none when there are none.
    pub fn of_removes(removes: &'a [Remove<'_>]) -> Option<Self> {
        (!removes.is_empty()).then(|| Self {
            links: Vec::new(),
            merges: Vec::new(),
            removals: removals_of(removes),
            alerts: Vec::new(),
            splits: Vec::new(),
        })
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always JSON")
    }
}

fn removals_of<'a>(removes: &'a [Remove<'_>]) -> Vec<Removal<'a>> {
    let removes = removes.iter();
    let removals = removes.map(|remove| {
        Removal(
            remove.contact.0,
            remove.audience.0,
            remove.stamp.micros,
            Cow::Borrowed(&*remove.stamp.message_id),
        )
    });
    removals.collect()
}

#[cfg(test)]
mod tests {
    use weir_ids::{AudienceId, ContactId};

    use super::*;
    use crate::domain::Stamp;

    #[test]
    fn a_message_from_before_removes_were_kept_is_read_as_well() {
        let read: Message<'_> = serde_json::from_str(r#"{"links":[],"merges":[]}"#).unwrap();
        assert_eq!(read.removals, []);
    }

    #[test]
    fn removes_survive_their_row() {
        let removes = [Remove {
            contact: ContactId::new(),
            audience: AudienceId::new(),
            stamp: Stamp::new(-5, "m\"1"),
        }];
        let message = Message::of_removes(&removes).unwrap();
        let json = message.to_json();
        assert_eq!(serde_json::from_str::<Message<'_>>(&json).unwrap(), message);
        assert_eq!(Message::of_removes(&[]), None);
    }
}
