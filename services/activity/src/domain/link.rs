//! Which identifier belongs to whom.

use chrono::{DateTime, Utc};
use weir_ids::ContactId;

use super::batch::Identifier;

/// An identifier was linked to a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What was linked.
    pub identifier: Identifier,
    /// To whom.
    pub contact_id: ContactId,
    /// Grows with every change of the identifier.
    pub version: i64,
    /// Since when; tracks received later are not under the cap (semantics 4.9).
    pub link_time: DateTime<Utc>,
}

/// One link per identifier, sorted by it: the newest version's contact, since the earliest
/// time at which the identifier was anybody's.
pub fn newest_links(mut links: Vec<Link>) -> Vec<Link> {
    links.sort_by(|a, b| {
        (&a.identifier, std::cmp::Reverse(a.version))
            .cmp(&(&b.identifier, std::cmp::Reverse(b.version)))
    });
    links.dedup_by(|later, kept| {
        let same = later.identifier == kept.identifier;
        if same {
            kept.link_time = kept.link_time.min(later.link_time);
        }
        same
    });
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    fn link(value: &str, version: i64, seconds: i64) -> Link {
        Link {
            identifier: Identifier {
                kind: Kind::UserId,
                value: value.into(),
            },
            contact_id: ContactId::from(uuid::Uuid::from_u128(version.unsigned_abs().into())),
            version,
            link_time: DateTime::from_timestamp(seconds, 0).unwrap(),
        }
    }

    #[test]
    fn the_newest_version_wins_and_the_earliest_time_stays() {
        let newest = newest_links(vec![
            link("b", 1, 5),
            link("a", 2, 30),
            link("a", 3, 20),
            link("a", 1, 10),
        ]);
        let kept: Vec<_> = newest
            .iter()
            .map(|link| {
                let seconds = link.link_time.timestamp();
                (&*link.identifier.value, link.version, seconds)
            })
            .collect();
        assert_eq!(kept, [("a", 3, 10), ("b", 1, 5)]);
    }
}
