//! What each save of a mapping left behind, and what differs between two of them
//! (semantics 7.4).

use chrono::{DateTime, Utc};

use super::row::{AttributeRow, GivenRow};

/// So many versions of each mapping are kept.
pub const MAX_VERSIONS: i64 = 100;

/// A version of one mapping of a source.
#[derive(Debug, Clone)]
pub struct Version {
    /// Of the source: all its mappings count together.
    pub version: i64,
    pub save_time: DateTime<Utc>,
    pub content: Content,
    /// Which one it brought back; 0: none.
    pub restored_version: i64,
}

/// What a version held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Of a contact; unchecked, since a field of it may be gone by now. None: it was taken away.
    Contact(Vec<GivenRow>),
    /// Of an activity; absent where it was unmapped.
    Activity(Option<ActivityContent>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityContent {
    pub retention_days: u32,
    pub attributes: Vec<AttributeRow>,
}

/// What a save says besides the mapping.
#[derive(Debug, Clone, Copy, Default)]
pub struct Save {
    /// The version that the caller saw last; whatever stands, where it is absent.
    pub expected_version: Option<i64>,
    /// Which version is brought back; 0: none.
    pub restored_version: i64,
}

impl Save {
    /// Whether the caller has seen what stands.
    pub fn has_seen(self, version: i64) -> bool {
        self.expected_version.is_none_or(|seen| seen == version)
    }
}

/// Rows that differ, each with what it was and what it is; and whether those that are in both
/// stand in another order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<T> {
    pub rows: Vec<(Option<T>, Option<T>)>,
    pub reordered: bool,
}

/// Compares two lists of rows, each known by its target: at most one row has it.
pub fn difference<T: Clone + PartialEq>(
    before: &[T],
    after: &[T],
    target: impl Fn(&T) -> String,
) -> Difference<T> {
    let find = |rows: &[T], of: &T| -> Option<T> {
        let found = rows.iter().find(|row| target(row) == target(of));
        found.cloned()
    };
    let mut rows: Vec<(Option<T>, Option<T>)> = Vec::new();
    for row in before {
        let now = find(after, row);
        if now.as_ref() != Some(row) {
            rows.push((Some(row.clone()), now));
        }
    }
    let new = after.iter().filter(|row| find(before, row).is_none());
    rows.extend(new.map(|row| (None, Some(row.clone()))));
    let common = |of: &[T], other: &[T]| -> Vec<String> {
        let both = of.iter().filter(|row| find(other, row).is_some());
        both.map(&target).collect()
    };
    Difference {
        rows,
        reordered: common(before, after) != common(after, before),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (String, u8);

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let row = ("[a-e]", 0_u8..3);
        prop::collection::vec(row, 0..6).prop_map(|mut rows| {
            let mut seen = std::collections::HashSet::new();
            rows.retain(|(target, _)| seen.insert(target.clone()));
            rows
        })
    }

    proptest! {
        /// Semantics 7.4: with what differs, the one becomes the other.
        #[test]
        fn a_difference_leads_from_one_version_to_the_other(before in rows(), after in rows()) {
            let found = difference(&before, &after, |row| row.0.clone());
            let mut led: Vec<Row> = before.clone();
            for (was, is) in &found.rows {
                prop_assert_ne!(was, is);
                if let Some(was) = was {
                    led.retain(|row| row != was);
                }
                led.extend(is.clone());
            }
            let sorted = |mut rows: Vec<Row>| {
                rows.sort();
                rows
            };
            prop_assert_eq!(sorted(led), sorted(after.clone()));
            let is_same = before == after;
            prop_assert_eq!(is_same, found.rows.is_empty() && !found.reordered);
        }
    }

    #[test]
    fn a_save_that_has_not_seen_what_stands_is_known() {
        let save = |expected_version| Save {
            expected_version,
            restored_version: 0,
        };
        assert!(save(None).has_seen(7));
        assert!(save(Some(7)).has_seen(7));
        assert!(!save(Some(6)).has_seen(7));
    }
}
