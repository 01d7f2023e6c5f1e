//! Who is meant by what somebody wrote: whoever has it as an identifier, else of those whom a search
//! found.

use super::model::Found;
use super::words;

/// Who is meant by a whole identifier: the one contact that has it, as whichever it is; none where
/// nobody has.
pub fn exactly(who: &str, mut having: Vec<String>) -> Option<Result<String, String>> {
    having.sort_unstable();
    having.dedup();
    match &having[..] {
        [] => None,
        [one] => Some(Ok(one.clone())),
        several => Some(Err(format!(
            "{} have “{}”, one as its user id and another as something else: ask with the \
             contact's id.",
            words::count(several.len() as i64, "contact"),
            words::cut(who, 60)
        ))),
    }
}

/// What a search found, behind those who have it as a whole identifier; each contact once.
pub fn exact_first(exact: Vec<Found>, found: Vec<Found>) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for one in exact.into_iter().chain(found) {
        if all.iter().all(|known| known.contact.id != one.contact.id) {
            all.push(one);
        }
    }
    all
}

/// Who is meant: whoever has it exactly, or the only one of whom something begins so.
pub fn one_of(who: &str, found: &[Found]) -> Result<String, String> {
    let ids = |exactly: bool| {
        let meant = found
            .iter()
            .filter(|one| !exactly || one.value.to_lowercase() == who.to_lowercase());
        let mut ids: Vec<&str> = meant.map(|one| &*one.contact.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    match (&ids(true)[..], &ids(false)[..]) {
        ([one], _) | ([], [one]) => Ok((*one).to_owned()),
        ([], []) => Err(format!("Nobody is found by “{}”.", words::cut(who, 60))),
        (_, several) => Err(format!(
            "{} are found by “{}”: ask with a whole identifier, or the contact's id.",
            words::count(several.len() as i64, "contact"),
            words::cut(who, 60)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::Contact;

    fn found(id: &str, value: &str) -> Found {
        Found {
            contact: Contact {
                id: id.to_owned(),
                ..Contact::default()
            },
            key: "E-mail",
            value: value.to_owned(),
        }
    }

    #[test]
    fn whole_identifiers_come_first_and_nobody_twice() {
        let exact = vec![found("c", "i5"), found("c", "i5")];
        let all = exact_first(
            exact,
            vec![found("a", "i50"), found("c", "i5"), found("b", "i51")],
        );
        let ids: Vec<_> = all.iter().map(|one| &*one.contact.id).collect();
        assert_eq!(ids, ["c", "a", "b"]);
    }

    #[test]
    fn whoever_has_it_as_an_identifier_is_meant() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        assert_eq!(exactly("u5", ids(&[])), None);
        assert_eq!(exactly("u5", ids(&["a", "a"])), Some(Ok("a".to_owned())));
        let two = exactly("u5", ids(&["b", "a", "b"])).unwrap().unwrap_err();
        assert!(two.starts_with("2 contacts have “u5”"), "{two}");
    }

    #[test]
    fn whoever_has_it_exactly_is_meant_or_else_the_only_one() {
        let found = [
            found("a", "lana@example.org"),
            found("a", "Lana"),
            found("b", "lana@example.org.uk"),
        ];
        assert_eq!(one_of("LANA@example.org", &found), Ok("a".to_owned()));
        assert_eq!(
            one_of("lana@example.org.u", &found[2..]),
            Ok("b".to_owned())
        );
        assert!(one_of("lan", &found).unwrap_err().starts_with("2 contacts"));
        assert!(one_of("x", &[]).unwrap_err().starts_with("Nobody"));
    }
}
