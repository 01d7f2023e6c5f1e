//! Parts of the record, put together.

use uuid::Uuid;

/// What one service has: newest first, and where it goes on, if it does.
pub struct Part<T> {
    pub items: Vec<(Uuid, T)>,
    pub next: Option<Uuid>,
}

impl<T> Part<T> {
    /// Of the rows that a query for one more than `size` found; without those that can't be read.
    pub fn of_rows(mut rows: Vec<(Uuid, Option<T>)>, size: usize) -> Self {
        let has_more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| has_more).map(|(id, _)| *id);
        let items = rows.into_iter();
        let items = items.filter_map(|(id, item)| Some((id, item?)));
        Self {
            items: items.collect(),
            next,
        }
    }
}

/// Newest first, as far as all parts go. Of those behind it one knows only with another call,
/// which goes on before the id that is answered.
pub fn merged<T>(parts: Vec<Part<T>>) -> Part<T> {
    let known_from = parts.iter().filter_map(|part| part.next).max();
    let mut items: Vec<(Uuid, T)> = parts.into_iter().flat_map(|part| part.items).collect();
    items.retain(|(id, _)| known_from.is_none_or(|from| *id >= from));
    items.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    Part {
        items,
        next: known_from,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a service with these answers for the page before `before`.
    fn page(ids: &[u128], before: u128, size: usize) -> Part<()> {
        let mut ids: Vec<u128> = ids.iter().copied().filter(|id| *id < before).collect();
        ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        let more = ids.len() > size;
        ids.truncate(size);
        let next = ids.last().filter(|_| more).copied();
        Part {
            items: ids.iter().map(|id| (Uuid::from_u128(*id), ())).collect(),
            next: next.map(Uuid::from_u128),
        }
    }

    proptest! {
        #[test]
        fn page_by_page_everything_comes_once_and_in_order(
            services in prop::collection::vec(prop::collection::hash_set(1_u128..500, 0..40), 1..4),
            size in 1_usize..10,
        ) {
            // An id is one service's.
            let of = |number: usize, ids: &std::collections::HashSet<u128>| -> Vec<u128> {
                ids.iter().map(|id| id * 4 + number as u128).collect()
            };
            let services: Vec<Vec<u128>> = services.iter().enumerate().map(|(n, ids)| of(n, ids)).collect();
            let mut all: Vec<u128> = services.iter().flatten().copied().collect();
            all.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
            let (mut before, mut seen) = (u128::MAX, Vec::new());
            for _ in 0..=all.len() {
                let parts = services.iter().map(|ids| page(ids, before, size)).collect();
                let mut found = merged(parts);
                if found.items.len() > size {
                    found.items.truncate(size);
                    found.next = found.items.last().map(|(id, ())| *id);
                }
                seen.extend(found.items.iter().map(|(id, ())| id.as_u128()));
                let Some(next) = found.next else { break };
                before = next.as_u128();
            }
            prop_assert_eq!(seen, all);
        }
    }
}
