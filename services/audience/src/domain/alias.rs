//! Contacts that were merged into others, as far as they were told of here.
//!
//! News of merges arrives in any order and more than once. **Invariant:** a survivor is never
//! itself an alias, so following one step is enough.

use std::collections::{BTreeMap, BTreeSet};

use weir_ids::ContactId;

/// Who became whom; a part of an account's aliases, whole for the contacts it is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    survivors: BTreeMap<ContactId, ContactId>,
    changed: BTreeSet<ContactId>,
}

impl Aliases {
    /// Of what is stored.
    pub fn new(stored: impl IntoIterator<Item = (ContactId, ContactId)>) -> Self {
        Self {
            survivors: stored.into_iter().collect(),
            changed: BTreeSet::new(),
        }
    }

    /// Who the contact is today.
    pub fn resolve(&self, contact: ContactId) -> ContactId {
        self.survivors.get(&contact).copied().unwrap_or(contact)
    }

    /// Takes the news that `merged` is now `survivor`.
    ///
    /// Where `merged` is already known as somebody else, both of them are one with `survivor`
    /// (some news is still on its way), and the older id survives, as everywhere (semantics 3.6).
    /// Answers which of the two that were left went, and which stayed; none where they were one.
    pub fn merge(
        &mut self,
        merged: ContactId,
        survivor: ContactId,
    ) -> Option<(ContactId, ContactId)> {
        let (known_as, survivor) = (self.resolve(merged), self.resolve(survivor));
        if known_as == survivor {
            return None;
        }
        let (goes, stays) = if known_as == merged {
            (merged, survivor)
        } else {
            (known_as.max(survivor), known_as.min(survivor))
        };
        for (alias, of) in &mut self.survivors {
            if *of == goes {
                *of = stays;
                self.changed.insert(*alias);
            }
        }
        self.survivors.insert(goes, stays);
        self.changed.insert(goes);
        Some((goes, stays))
    }

    /// What is to be stored: aliases that are new or point to somebody else now.
    pub fn changes(&self) -> impl Iterator<Item = (ContactId, ContactId)> {
        self.changed
            .iter()
            .map(|contact| (*contact, self.resolve(*contact)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_ids::ContactId;

    use super::*;

    fn contact(number: u128) -> ContactId {
        ContactId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn news_that_arrives_backwards_ends_the_same() {
        let mut forwards = Aliases::default();
        forwards.merge(contact(3), contact(2));
        forwards.merge(contact(2), contact(1));
        let mut backwards = Aliases::default();
        backwards.merge(contact(2), contact(1));
        backwards.merge(contact(3), contact(2));
        for of in 1..=3 {
            assert_eq!(forwards.resolve(contact(of)), contact(1));
            assert_eq!(backwards.resolve(contact(of)), contact(1));
        }
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_of_merges_ends_the_same(
            merges in prop::collection::vec((1..12_u128, 0..11_u128), 0..20),
            seed in any::<u64>(),
        ) {
            // The older id survives.
            let merges: Vec<_> = merges
                .into_iter()
                .filter(|(merged, survivor)| survivor < merged)
                .map(|(merged, survivor)| (contact(merged), contact(survivor)))
                .collect();
            let mut shuffled = merges.clone();
            shuffled.sort_by_key(|(merged, survivor)| {
                (merged.0.as_u128() as u64 * 31 + survivor.0.as_u128() as u64).wrapping_mul(seed | 1)
            });
            shuffled.extend(merges.iter().take(4));
            let run = |list: &[(ContactId, ContactId)]| {
                let mut aliases = Aliases::default();
                for (merged, survivor) in list {
                    aliases.merge(*merged, *survivor);
                }
                aliases
            };
            let (one, other) = (run(&merges), run(&shuffled));
            for number in 0..12 {
                let survivor = one.resolve(contact(number));
                prop_assert_eq!(survivor, other.resolve(contact(number)));
                prop_assert_eq!(one.resolve(survivor), survivor);
            }
        }
    }
}
