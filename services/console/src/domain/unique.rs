//! What tells contacts apart, as a page says it that others may have overtaken.

use super::model::Difference;

/// What a save means for the unique identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// They stay as they are.
    Same,
    /// Others are to stand, and those that the page began with stand still.
    Changed,
    /// Somebody else changed them since the page was shown, to others than these.
    Overtaken,
}

/// Of what the page began with (nothing where it did not know them), what stands, and what is
/// wanted. They are the whole account's: no version of a source's mapping tells that they changed.
pub fn wanted(shown: Option<&[String]>, stands: &[String], wants: &[String]) -> Wanted {
    match shown {
        None => Wanted::Same,
        Some(_) if wants == stands => Wanted::Same,
        Some(shown) if shown == stands => Wanted::Changed,
        Some(_) => Wanted::Overtaken,
    }
}

/// As a row among others that differ; none where nothing does.
pub fn difference(
    stands: &[String],
    wants: &[String],
    name: impl Fn(&str) -> String,
) -> Option<Difference> {
    let named = |ids: &[String]| {
        let names: Vec<_> = ids.iter().map(|id| name(id)).collect();
        names.join(", ")
    };
    (stands != wants).then(|| Difference {
        target: "Unique identifiers".to_owned(),
        before: named(stands),
        after: named(wants),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(all: &[&str]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    // Semantics 3.2, 7.4.
    #[test]
    fn identifiers_that_somebody_else_changed_are_not_changed_back() {
        let (email, phone, own) = (
            ids(&["str::email"]),
            ids(&["phn::phone"]),
            ids(&["str::ei"]),
        );
        for (shown, stands, wants, is) in [
            (Some(&email), &email, &email, Wanted::Same),
            (Some(&email), &email, &phone, Wanted::Changed),
            (Some(&email), &email, &ids(&[]), Wanted::Changed),
            // Two people want the same.
            (Some(&email), &phone, &phone, Wanted::Same),
            (Some(&email), &own, &phone, Wanted::Overtaken),
            (Some(&email), &own, &email, Wanted::Overtaken),
            (None, &own, &ids(&[]), Wanted::Same),
        ] {
            let shown = shown.map(Vec::as_slice);
            assert_eq!(
                wanted(shown, stands, wants),
                is,
                "{shown:?} {stands:?} {wants:?}"
            );
        }
    }

    #[test]
    fn what_differs_is_said_by_names() {
        let both = ids(&["str::email", "phn::phone"]);
        let name = |id: &str| id[5..].to_owned();
        assert_eq!(difference(&both, &both, name), None);
        let found = difference(&ids(&[]), &both, name).unwrap();
        assert_eq!((&*found.before, &*found.after), ("", "email, phone"));
    }
}
