//! Which items of a batch the database does not take, found by trying parts of it: it says that
//! there is one, never which.

use std::future::Future;
use std::ops::Range;

use crate::Fault;

/// Of one batch, so many. Each costs some twenty tries of ever smaller parts; more of them are
/// no accident, and the batch fails as a whole.
pub const MAX_CULPRITS: usize = 16;

/// The indices, in order, of the items that are refused, each by itself. All `items` of them
/// together were refused already. `is_refused` tries a part, and leaves nothing behind.
///
/// # Errors
/// That of a try; [`Fault::internal`] where no item is refused by itself, or more than `most`.
pub async fn culprits<E: Fault, F>(
    items: usize,
    most: usize,
    is_refused: impl Fn(Range<usize>) -> F,
) -> Result<Vec<usize>, E>
where
    F: Future<Output = Result<bool, E>>,
{
    // Each of these parts holds at least one.
    let mut refused: Vec<Range<usize>> = std::iter::once(0..items).collect();
    let mut found = Vec::new();
    while let Some(part) = refused.pop() {
        if part.len() < 2 {
            found.extend(part);
            continue;
        }
        let middle = part.start + part.len() / 2;
        for half in [part.start..middle, middle..part.end] {
            if is_refused(half.clone()).await? {
                refused.push(half);
            }
        }
        if found.len() + refused.len() > most {
            tracing::error!("the database refuses too many items of a batch");
            return Err(E::internal());
        }
    }
    if found.is_empty() {
        tracing::error!("the database refuses a batch, but none of its items");
        return Err(E::internal());
    }
    tracing::error!(
        items = found.len(),
        "the database does not take some items of a batch"
    );
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Internal;

    impl Fault for Internal {
        fn is_conflict(&self) -> bool {
            false
        }
        fn late() -> Self {
            Self
        }
        fn internal() -> Self {
            Self
        }
    }

    /// The culprits that are found among `bad`, and the tries that it took.
    fn search(items: usize, bad: &[usize]) -> (Result<Vec<usize>, Internal>, usize) {
        let tries = Cell::new(0);
        let found = culprits(items, MAX_CULPRITS, |part| {
            tries.set(tries.get() + 1);
            std::future::ready(Ok(bad.iter().any(|one| part.contains(one))))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        (runtime.unwrap().block_on(found), tries.get())
    }

    proptest! {
        #[test]
        fn all_culprits_are_found_and_nobody_else(
            items in 1..1_000_usize,
            bad in prop::collection::btree_set(0..1_000_usize, 1..=MAX_CULPRITS),
        ) {
            let bad: Vec<usize> = bad.into_iter().filter(|one| *one < items).collect();
            prop_assume!(!bad.is_empty());
            let (found, tries) = search(items, &bad);
            prop_assert!(tries <= bad.len() * 20);
            prop_assert_eq!(found, Ok(bad));
        }
    }

    #[test]
    fn a_batch_of_culprits_is_given_up_soon() {
        let bad: Vec<usize> = (0..1_000).collect();
        let (found, tries) = search(1_000, &bad);
        assert_eq!(found, Err(Internal));
        assert!(tries < 100, "{tries}");
    }

    #[test]
    fn a_batch_whose_parts_are_all_taken_has_no_culprit() {
        assert_eq!(search(10, &[]), (Err(Internal), 2));
    }
}
