//! Pages of lists, bounded by count and by bytes.
//!
//! **Invariant:** a page is smaller than what a gRPC client as it comes takes (4 MiB), and a
//! row that can't be read costs its page nothing but itself.

use prost::Message;

use crate::store::Listed;

/// Of the encoded items of one page.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// One page, and the key of its last item where more follow.
pub struct Page<M, K> {
    pub items: Vec<M>,
    pub next: Option<K>,
}

impl<M: Message, K> Page<M, K> {
    /// Makes a page of at most `size` of what a query for `size + 1` rows found. It has at
    /// least one item, however large; no item of ours is larger than a page may be.
    pub fn of<T>(found: Vec<Listed<K, T>>, size: usize, message: impl Fn(T) -> M) -> Self {
        let mut page = Self {
            items: Vec::new(),
            next: None,
        };
        let mut bytes = 0;
        let mut last = None;
        for (number, Listed { key, item }) in found.into_iter().enumerate() {
            let item = item.map(&message);
            bytes += item.as_ref().map_or(0, Message::encoded_len);
            if number == size || (bytes > MAX_BYTES && !page.items.is_empty()) {
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

    fn found(items: &[Option<usize>]) -> Vec<Listed<usize, usize>> {
        let listed = |(key, item): (usize, &Option<usize>)| Listed { key, item: *item };
        items.iter().enumerate().map(listed).collect()
    }

    fn page(items: &[Option<usize>], size: usize) -> (Vec<usize>, Option<usize>) {
        let page = Page::of(found(items), size, |length| "x".repeat(length));
        let lengths = page.items.iter().map(String::len).collect();
        (lengths, page.next)
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
        let half = MAX_BYTES / 2;
        let items = [Some(half), Some(half - 100), Some(half)];
        assert_eq!(page(&items, 10), (vec![half, half - 100], Some(1)));
        let items = [Some(MAX_BYTES + 1), Some(1)];
        assert_eq!(page(&items, 10), (vec![MAX_BYTES + 1], Some(0)));
    }

    #[test]
    fn an_unreadable_row_is_left_out_and_the_pages_go_on_behind_it() {
        assert_eq!(page(&[Some(1), None, Some(3)], 2), (vec![1], Some(1)));
        assert_eq!(page(&[None, None, Some(3)], 2), (vec![], Some(1)));
        assert_eq!(page(&[Some(1), None], 2), (vec![1], None));
    }
}
