//! Page tokens: the key of the last item, in hex, so that nobody builds on what is in it.

use tonic::Status;
use uuid::Uuid;

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
    let hex = |text: String| text.bytes().map(|byte| format!("{byte:02x}")).collect();
    next.map_or_else(String::new, hex)
}

/// # Errors
/// INVALID_ARGUMENT when it is none of ours.
pub fn read_text(token: &str) -> Result<Option<String>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    if !token.len().is_multiple_of(2) || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad_token());
    }
    let bytes = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&token[at..at + 2], 16))
        .collect::<Result<Vec<u8>, _>>()
        .map_err(|_| bad_token())?;
    String::from_utf8(bytes).map(Some).map_err(|_| bad_token())
}

/// What of a list that is short and changes stands behind the item `after`. Where that one
/// is gone meanwhile (rotated out), everything behind it is gone too.
pub fn rest<T>(items: Vec<T>, after: &Option<String>, key: impl Fn(&T) -> String) -> Vec<T> {
    match after {
        None => items,
        Some(after) => items
            .into_iter()
            .skip_while(|item| key(item) != *after)
            .skip(1)
            .collect(),
    }
}

fn bad_token() -> Status {
    weir_rpc::invalid("page_token", "must be one that was answered before")
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
        for token in ["x", "0", "zz", "ff", "+1"] {
            assert!(read_text(token).is_err(), "{token}");
        }
        assert!(read_id("x").is_err());
        let id = Uuid::from_u128(7);
        assert_eq!(read_id(&of_id(Some(id))).unwrap(), Some(id));
    }

    #[test]
    fn a_page_goes_on_behind_the_last_item() {
        let items = vec![3, 2, 1];
        let after = |text: &str| Some(text.to_owned());
        let key = |item: &i32| item.to_string();
        assert_eq!(rest(items.clone(), &None, key), [3, 2, 1]);
        assert_eq!(rest(items.clone(), &after("3"), key), [2, 1]);
        assert!(rest(items, &after("9"), key).is_empty());
    }
}
