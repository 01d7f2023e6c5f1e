//! Pagination, the same for every list.

use tonic::Status;

use crate::invalid;

const DEFAULT_SIZE: u16 = 100;
const MAX_SIZE: u16 = 1_000;

/// A page has no more bytes than this, its items encoded: a gRPC client as it comes takes
/// messages of 4 MiB, and they hold a little more than the items.
pub const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// The page's size: 100 when none is given, 1,000 at most.
///
/// # Errors
/// INVALID_ARGUMENT when it is negative.
pub fn page_size(requested: i32) -> Result<usize, Status> {
    match requested {
        0 => Ok(DEFAULT_SIZE.into()),
        1.. => Ok(usize::try_from(requested)
            .unwrap_or(usize::MAX)
            .min(MAX_SIZE.into())),
        _ => Err(invalid("page_size", "must not be negative")),
    }
}

/// One page of a list, and the key of its last item where more follow.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// In order.
    pub items: Vec<T>,
    /// Where the next page begins (exclusive); none on the last one.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// Makes a page of what a query for `size + 1` rows found.
    pub fn of(mut found: Vec<T>, size: usize, key: impl Fn(&T) -> K) -> Self {
        let more = found.len() > size;
        found.truncate(size);
        let next = if more { found.last().map(key) } else { None };
        Self { items: found, next }
    }

    /// As [`of`](Self::of), with at most `max_bytes` of items where each has `size_of`: a
    /// shorter page, and a key. An item that is larger than that comes alone, so that whoever
    /// reads on gets past it.
    pub fn within(
        mut found: Vec<T>,
        size: usize,
        max_bytes: usize,
        size_of: impl Fn(&T) -> usize,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let mut bytes = 0_usize;
        let fitting = found.iter().take_while(|item| {
            bytes = bytes.saturating_add(size_of(item));
            bytes <= max_bytes
        });
        let size = fitting.count().max(1).min(size);
        let more = found.len() > size;
        found.truncate(size);
        let next = if more { found.last().map(key) } else { None };
        Self { items: found, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_names_no_next_one() {
        let page = Page::of(vec![1, 2, 3], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(2)));
        let page = Page::of(vec![1, 2], 2, |n| *n);
        assert_eq!((page.items, page.next), (vec![1, 2], None));
    }

    #[test]
    fn a_page_ends_before_it_is_too_large() {
        let page = |found: &[usize], size| {
            let page = Page::within(found.to_vec(), size, 10, |bytes| *bytes, |bytes| *bytes);
            (page.items, page.next)
        };
        assert_eq!(page(&[4, 6, 1], 2), (vec![4, 6], Some(6)));
        assert_eq!(page(&[4, 7, 1], 2), (vec![4], Some(4)));
        assert_eq!(page(&[4, 6], 2), (vec![4, 6], None));
        assert_eq!(page(&[4, 6], 1), (vec![4], Some(4)));
        assert_eq!(page(&[], 2), (vec![], None));
        // One that is too large by itself is no end of the list.
        assert_eq!(page(&[11, 1], 2), (vec![11], Some(11)));
        assert_eq!(page(&[usize::MAX], 2), (vec![usize::MAX], None));
        assert_eq!(page(&[1, usize::MAX], 2), (vec![1], Some(1)));
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(page_size(0).unwrap(), 100);
        assert_eq!(page_size(7).unwrap(), 7);
        assert_eq!(page_size(i32::MAX).unwrap(), 1_000);
        assert!(page_size(-1).is_err());
    }
}
