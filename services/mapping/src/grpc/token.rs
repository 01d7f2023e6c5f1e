//! Page tokens: the key of the last item, in hex, so that nobody builds on what is in it.

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use tonic::Status;
use uuid::Uuid;

use crate::store::Listed;

/// Empty on the last page.
pub fn of_id(next: Option<Uuid>) -> String {
    next.map_or_else(String::new, |id| id.simple().to_string())
}

/// # Errors
/// INVALID_ARGUMENT when it is none of ours.
pub fn read_id(token: &str) -> Result<Option<Uuid>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(token).map(Some).map_err(|_| bad_token())
}

/// Empty on the last page.
pub fn of_text(next: Option<String>) -> String {
    next.map_or_else(String::new, |text| HEXLOWER.encode(text.as_bytes()))
}

/// # Errors
/// INVALID_ARGUMENT when it is none of ours.
pub fn read_text(token: &str) -> Result<Option<String>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = HEXLOWER.decode(token.as_bytes()).map_err(|_| bad_token())?;
    // PostgreSQL takes no NUL, and no key of ours has one.
    let text = String::from_utf8(bytes).ok();
    let text = text.filter(|text| !text.contains('\0'));
    text.map(Some).ok_or_else(bad_token)
}

/// What of a short list stands behind the key `after`, which need not be in it any more; sorted
/// by `key`.
pub fn rest<T>(items: Vec<T>, after: &str, key: impl Fn(&T) -> String) -> Vec<Listed<String, T>> {
    let listed = |item| Listed {
        key: key(&item),
        item: Some(item),
    };
    let listed = items.into_iter().map(listed);
    let mut rest: Vec<_> = listed.filter(|item| item.key.as_str() > after).collect();
    rest.sort_by(|one, other| one.key.cmp(&other.key));
    rest
}

/// A time as the beginning of a key that sorts newer ones first.
pub fn newest_first(time: DateTime<Utc>) -> String {
    let later = i64::MAX.abs_diff(time.timestamp_micros());
    format!("{later:020}")
}

fn bad_token() -> Status {
    weir_rpc::unknown_page()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_and_others_are_refused() {
        for text in ["a", "Sign-in é", "str::first"] {
            let token = of_text(Some(text.to_owned()));
            assert_eq!(read_text(&token).unwrap().as_deref(), Some(text));
        }
        assert_eq!(of_text(None), "");
        assert_eq!(read_text("").unwrap(), None);
        for token in ["x", "0", "zz", "ff", "+1", "00"] {
            assert!(read_text(token).is_err(), "{token}");
        }
        assert!(read_id("x").is_err());
        let id = Uuid::from_u128(7);
        assert_eq!(read_id(&of_id(Some(id))).unwrap(), Some(id));
    }

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
            listed.into_iter().filter_map(|item| item.item).collect()
        };
        assert_eq!(behind(""), [1, 3, 5]);
        assert_eq!(behind("1"), [3, 5]);
        // Whether that one is still there or not.
        assert_eq!(behind("2"), [3, 5]);
        assert!(behind("9").is_empty());
    }
}
