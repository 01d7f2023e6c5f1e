//! Pagination, the same for every list: bounded by count and by bytes, and continued by the key
//! of the last item.
//!
//! **Invariant:** a page is smaller than what a gRPC client as it comes takes (4 MiB), and a row
//! that can't be read costs its page nothing but itself.

use std::fmt::Display;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use prost::Message;
use tonic::Status;

use crate::invalid;

const DEFAULT_SIZE: u16 = 100;
const MAX_SIZE: u16 = 1_000;

/// A page has no more bytes than this, its items encoded: what is around them is little.
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

/// How many rows to ask for: one more than the page, which tells whether more follow.
pub fn page_limit(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}

tokio::task_local! {
    /// A hash of what the call asks for, but for the page.
    pub(crate) static QUESTION: u32;
}

fn question() -> [u8; 4] {
    QUESTION
        .try_with(|question| *question)
        .unwrap_or(0)
        .to_be_bytes()
}

/// Where a page begins: the key of the last item before it; none for the first page.
///
/// # Errors
/// INVALID_ARGUMENT when no list gave out the token, or one that was asked something else.
pub fn page_start<K: FromStr>(token: &str) -> Result<Option<K>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = HEXLOWER_PERMISSIVE.decode(token.as_bytes()).ok();
    let key = bytes
        .as_deref()
        .and_then(|bytes| bytes.strip_prefix(&question()[..]));
    let text = key.and_then(|key| String::from_utf8(key.to_vec()).ok());
    // PostgreSQL takes no NUL, and no key of ours has one.
    let text = text.filter(|text| !text.contains('\0'));
    let key = text.and_then(|text| text.parse().ok());
    key.map(Some).ok_or_else(crate::unknown_page)
}

/// One page of a list, and the key of its last item where more follow.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// In order.
    pub items: Vec<T>,
    /// Where the next page begins (exclusive); none on the last one.
    pub next: Option<K>,
}

impl<T, K: Display> Page<T, K> {
    /// The key in hex, so that nobody builds on what is in it; empty on the last page.
    pub fn next_token(&self) -> String {
        let token = |key: &K| {
            let key = key.to_string();
            HEXLOWER.encode(&[&question()[..], key.as_bytes()].concat())
        };
        self.next.as_ref().map_or_else(String::new, token)
    }
}

impl<T: Message, K> Page<T, K> {
    /// Makes a page of what a query for [`page_limit`] rows found: each by its key, and none
    /// where a row can't be read. It has at least one item, however large, so that whoever reads
    /// on gets past it.
    pub fn of<R>(
        found: impl IntoIterator<Item = (K, Option<R>)>,
        size: usize,
        message: impl Fn(R) -> T,
    ) -> Self {
        let mut page = Self {
            items: Vec::new(),
            next: None,
        };
        let (mut bytes, mut last) = (0_usize, None);
        for (number, (key, row)) in found.into_iter().enumerate() {
            let item = row.map(&message);
            bytes += item.as_ref().map_or(0, Message::encoded_len);
            if number == size || (bytes > MAX_PAGE_BYTES && !page.items.is_empty()) {
                page.next = last;
                break;
            }
            page.items.extend(item);
            last = Some(key);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lengths: &[Option<usize>], size: usize) -> (Vec<usize>, Option<usize>) {
        let found = lengths.iter().copied().enumerate();
        let page = Page::of(found, size, |length| "x".repeat(length));
        (page.items.iter().map(String::len).collect(), page.next)
    }

    #[test]
    fn a_page_ends_at_its_size_and_the_last_one_names_no_next() {
        let three = [Some(3), Some(2), Some(1)];
        assert_eq!(page(&three, 2), (vec![3, 2], Some(1)));
        assert_eq!(page(&three, 3), (vec![3, 2, 1], None));
        assert_eq!(page(&[], 3), (vec![], None));
    }

    #[test]
    fn a_page_ends_before_its_bytes_do_and_has_at_least_one_item() {
        let half = MAX_PAGE_BYTES / 2;
        let items = [Some(half), Some(half - 100), Some(half)];
        assert_eq!(page(&items, 10), (vec![half, half - 100], Some(1)));
        let items = [Some(MAX_PAGE_BYTES + 1), Some(1)];
        assert_eq!(page(&items, 10), (vec![MAX_PAGE_BYTES + 1], Some(0)));
    }

    #[test]
    fn a_row_that_can_not_be_read_costs_the_page_nothing_but_itself() {
        let items = [None, Some(3), None, Some(1)];
        assert_eq!(page(&items, 3), (vec![3], Some(2)));
        assert_eq!(page(&items, 4), (vec![3, 1], None));
        assert_eq!(page(&[None, None], 1), (vec![], Some(0)));
    }

    #[test]
    fn tokens_survive_and_others_are_refused() {
        for text in ["a", "Sign-in é", "str::first"] {
            let page = Page::<(), _> {
                items: vec![],
                next: Some(text.to_owned()),
            };
            let start = page_start::<String>(&page.next_token()).unwrap();
            assert_eq!(start.as_deref(), Some(text));
        }
        assert_eq!(page_start::<String>("").unwrap(), None);
        for token in ["x", "0", "zz", "ff", "+1", "00", "é"] {
            assert!(page_start::<String>(token).is_err(), "{token}");
        }
        assert!(page_start::<u32>("0000000061").is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(page_size(0).unwrap(), 100);
        assert_eq!(page_size(7).unwrap(), 7);
        assert_eq!(page_size(i32::MAX).unwrap(), 1_000);
        assert!(page_size(-1).is_err());
        assert_eq!(page_limit(7), 8);
    }
}
