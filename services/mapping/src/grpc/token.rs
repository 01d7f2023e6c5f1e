//! Pages of short lists that are kept whole: their keys, and what stands behind one.

use chrono::{DateTime, Utc};

use crate::domain::Listed;

/// What of a short list stands behind the key `after`, which need not be in it any more; sorted
/// by `key`.
pub fn rest<T>(items: Vec<T>, after: &str, key: impl Fn(&T) -> String) -> Vec<Listed<String, T>> {
    let listed = items.into_iter().map(|item| (key(&item), Some(item)));
    let mut rest: Vec<_> = listed.filter(|(key, _)| key.as_str() > after).collect();
    rest.sort_by(|(one, _), (other, _)| one.cmp(other));
    rest
}

/// A time as the beginning of a key that sorts newer ones first.
pub fn newest_first(time: DateTime<Utc>) -> String {
    let later = i64::MAX.abs_diff(time.timestamp_micros());
    format!("{later:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_times_sort_first() {
        let keys = [i64::MIN / 2, -1, 0, 1, 1_752_214_140_000_000].map(|micros| {
            newest_first(DateTime::from_timestamp_micros(micros).unwrap_or_default())
        });
        let older_last = keys.iter().rev();
        assert!(older_last.is_sorted(), "{keys:?}");
    }

    #[test]
    fn a_page_goes_on_behind_the_last_item() {
        let behind = |after: &str| -> Vec<i32> {
            let listed = rest(vec![3, 5, 1], after, i32::to_string);
            listed.into_iter().filter_map(|(_, item)| item).collect()
        };
        assert_eq!(behind(""), [1, 3, 5]);
        assert_eq!(behind("1"), [3, 5]);
        // Whether that one is still there or not.
        assert_eq!(behind("2"), [3, 5]);
        assert!(behind("9").is_empty());
    }
}
