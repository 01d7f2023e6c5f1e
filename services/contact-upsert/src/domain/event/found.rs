//! The keys of a batch's events, put in order.

use std::borrow::Cow;

use super::{Key, Settings};
use crate::domain::key::{ANONYMOUS_ID, USER_ID};

/// What an event has a key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyOf {
    User,
    Anonymous,
    /// A unique identifier: its rank among those, and its index among the event's fields.
    Field {
        rank: usize,
        field: usize,
    },
}

/// Keys as they are found, each with the index of its event.
pub(super) struct Found<'a> {
    keys: Vec<(Key<'a>, usize, KeyOf)>,
    /// Lead and index of each.
    order: Vec<(u128, usize)>,
    user_rank: u8,
    anonymous_rank: u8,
    field_ranks: Vec<u8>,
}

impl<'a> Found<'a> {
    /// Room for those of so many events.
    pub fn with_capacity(settings: &Settings, events: usize) -> Self {
        let fields = || settings.unique_identifiers.iter().map(String::as_str);
        let rank = |kind: &str| {
            let kinds = [USER_ID, ANONYMOUS_ID].into_iter().chain(fields());
            // There are four at most.
            u8::try_from(kinds.filter(|other| *other < kind).count()).unwrap_or(u8::MAX)
        };
        Self {
            keys: Vec::with_capacity(events * 3),
            order: Vec::with_capacity(events * 3),
            user_rank: rank(USER_ID),
            anonymous_rank: rank(ANONYMOUS_ID),
            field_ranks: fields().map(rank).collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn add(&mut self, key: Key<'a>, event: usize, whose: KeyOf) {
        let rank = match whose {
            KeyOf::User => self.user_rank,
            KeyOf::Anonymous => self.anonymous_rank,
            KeyOf::Field { rank, .. } => self.field_ranks[rank],
        };
        self.order.push((lead(rank, &key.value), self.keys.len()));
        self.keys.push((key, event, whose));
    }

    /// Hands them out in order, each with whether it may be the same as the one before.
    pub fn in_order(mut self, mut take: impl FnMut(Key<'a>, bool, usize, KeyOf)) {
        let keys = &self.keys;
        self.order.sort_unstable_by(|one, other| {
            let leads = one.0.cmp(&other.0);
            leads.then_with(|| keys[one.1].0.cmp(&keys[other.1].0))
        });
        let mut before = None;
        for (lead, index) in self.order {
            let (key, event, whose) = &mut self.keys[index];
            let taken = Key {
                kind: key.kind,
                value: std::mem::replace(&mut key.value, Cow::Borrowed("")),
            };
            take(taken, before == Some(lead), *event, *whose);
            before = Some(lead);
        }
    }
}

/// The rank of a key's kind and the first bytes of its value, as one number: where those
/// differ, keys are in the order of them.
fn lead(rank: u8, value: &str) -> u128 {
    if rank == u8::MAX {
        // There were more kinds than ranks: these are told apart by their texts alone.
        return u128::MAX;
    }
    let bytes = value.as_bytes().first_chunk::<16>().copied();
    let bytes = bytes.unwrap_or_else(|| {
        let mut bytes = [0; 16];
        bytes[..value.len()].copy_from_slice(value.as_bytes());
        bytes
    });
    u128::from(rank) << 120 | u128::from_be_bytes(bytes) >> 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{KeyStrategy, MergeStrategy};

    proptest! {
        #[test]
        fn keys_come_in_their_order(
            values in prop::collection::vec((0..4_usize, "[a\u{0}é]{0,3}|common-to-many-[ab]{0,4}"), 0..40),
        ) {
            let settings = Settings {
                unique_identifiers: vec!["str::email".into(), "phn::phone".into()],
                caseless_identifiers: Vec::new(),
                key_strategy: KeyStrategy::Any,
                merge_strategy: MergeStrategy::Overwrite,
                existing_only: false,
                keep_user_ids_apart: false,
                transition: None,
            };
            let mut found = Found::with_capacity(&settings, values.len());
            let mut keys = Vec::new();
            for (kind, value) in &values {
                let (kind, whose) = match *kind {
                    0 => (USER_ID, KeyOf::User),
                    1 => (ANONYMOUS_ID, KeyOf::Anonymous),
                    more => {
                        let whose = KeyOf::Field { rank: more - 2, field: 0 };
                        (settings.unique_identifiers[more - 2].as_str(), whose)
                    }
                };
                let key = Key { kind, value: value.into() };
                found.add(key.clone(), keys.len(), whose);
                keys.push(key);
            }
            let mut ordered = Vec::new();
            found.in_order(|key, again, event, _| {
                assert_eq!(key, keys[event]);
                assert!(again || ordered.last() != Some(&key));
                ordered.push(key);
            });
            keys.sort_unstable();
            prop_assert_eq!(ordered, keys);
        }
    }
}
