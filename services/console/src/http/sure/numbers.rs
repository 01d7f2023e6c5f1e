//! What an act would come to, counted before it is done.

use futures_util::future::join_all;

use super::Question;
use crate::domain::model::{Counted, Difference};
use crate::domain::{Form, words};
use crate::http::visit::Visit;

/// A field that is mapped, or that tells contacts apart, can't go: what stands in its way is said
/// here and not after the press.
pub async fn field(visit: &Visit, form: &Form) -> Question {
    let (account, id) = (visit.account(), form.get("field"));
    let (fields, owner, sources, counted) = tokio::join!(
        visit.calls.fields(account),
        visit.calls.account(account),
        visit.calls.sources(account),
        visit.calls.count_values(account, id)
    );
    let rows = sources.unwrap_or_default().into_iter().map(async |source| {
        let mapping = visit.calls.contact_mapping(account, &source.id).await;
        let (rows, _) = mapping.unwrap_or_default();
        let fills = rows.iter().any(|row| row.target == id);
        fills.then_some((format!("sources/{}/map", source.id), source.name))
    });
    let users: Vec<_> = join_all(rows).await.into_iter().flatten().collect();
    let tells_apart = owner.is_ok_and(|owner| owner.unique_identifiers.iter().any(|one| one == id));
    let mut fields = fields.unwrap_or_default().into_iter();
    let field = fields.find(|one| one.id == id);
    let values = counted.map_or_else(|_| String::new(), |counted| with_values(&counted));
    let says = match (users.len(), tells_apart) {
        (0, false) => format!(
            "No mapping can fill it any more. Values that contacts have of it stay, and are there \
             again where the same field is made anew. {values}"
        ),
        (0, true) => "It can't be taken away now: it tells contacts apart. Take it out of the \
                      unique identifiers first, on the map page of a source."
            .to_owned(),
        (many, _) => {
            let (fill, their) = match many {
                1 => ("fills", "its mapping"),
                _ => ("fill", "their mappings"),
            };
            let too = match tells_apart {
                true => ", and it tells contacts apart",
                false => "",
            };
            let many = words::count(i64::try_from(many).unwrap_or(i64::MAX), "source");
            format!(
                "It can't be taken away now: {many} {fill} it{too}. Take it out of {their} first."
            )
        }
    };
    Question {
        asks: "Take the field",
        name: field.map(|field| field.name).unwrap_or_default(),
        unnamed: "that you chose",
        rest: " away?",
        says,
        is_possible: users.is_empty() && !tells_apart,
        in_the_way: users,
        does: "Take the field away",
    }
}

/// How many contacts have a value.
fn with_values(counted: &Counted) -> String {
    let has = |many: i64| match many {
        1 => "1 contact has a value of it".to_owned(),
        many => format!("{} have a value of it", words::count(many, "contact")),
    };
    match (counted.contacts, counted.complete) {
        (0, true) => "No contact has a value of it.".to_owned(),
        (many, true) => format!("{}.", has(many)),
        (many, false) => {
            let seen = words::count(counted.seen, "contact");
            let found = match many {
                0 => "none of them has a value of it".to_owned(),
                many => format!("at least {}", has(many)),
            };
            format!("The oldest {seen} were looked at, and there may be more: {found}.")
        }
    }
}

/// What bringing a version back does to what stands now.
pub async fn restored(visit: &Visit, form: &Form) -> String {
    let of = (visit.account(), visit.source());
    let version = form.number("restore").unwrap_or_default();
    let compared = visit.calls.compare(of, form.get("name"), version, 0).await;
    compared.map_or_else(
        |_| String::new(),
        |(rows, retention)| {
            let retention = retention.as_ref();
            format!(" {}", brought_back(&rows, retention))
        },
    )
}

/// Each difference as it leads from the version of before to what stands now.
fn brought_back(rows: &[Difference], retention: Option<&Difference>) -> String {
    let count = |is: fn(&Difference) -> bool| {
        let many = rows.iter().filter(|row| is(row)).count();
        i64::try_from(many).unwrap_or(i64::MAX)
    };
    let added = count(|row| row.after.is_empty());
    let gone = count(|row| row.before.is_empty());
    let changed = count(|row| !row.after.is_empty() && !row.before.is_empty());
    let row = |many| words::count(many, "row");
    let mut parts = Vec::new();
    parts.extend((added > 0).then(|| format!("adds {}", row(added))));
    parts.extend((changed > 0).then(|| format!("changes {}", row(changed))));
    parts.extend((gone > 0).then(|| format!("takes {} away", row(gone))));
    parts.extend(retention.map(|days| match (&*days.before, &*days.after) {
        ("", _) => "stops taking the activity".to_owned(),
        (before, "") => format!("takes the activity again, and keeps it for {before}"),
        (before, after) => format!("keeps what comes for {before} in the place of {after}"),
    }));
    match &parts[..] {
        [] => "Nothing differs from what stands now but the order of the rows, if that.".to_owned(),
        [one] => format!("Against what stands now it {one}."),
        [parts @ .., last] => {
            format!(
                "Against what stands now it {} and {last}.",
                parts.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(before: &str, after: &str) -> Difference {
        Difference {
            target: "str::first".to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    #[test]
    fn a_version_that_comes_back_is_told_in_rows() {
        let rows = [
            difference("name", ""),
            difference("first", ""),
            difference("", "last"),
            difference("a", "b"),
        ];
        for (rows, retention, says) in [
            (
                &rows[..],
                None,
                "Against what stands now it adds 2 rows, changes 1 row and takes 1 row away.",
            ),
            (&rows[..1], None, "Against what stands now it adds 1 row."),
            (
                &rows[2..3],
                Some(difference("30 days", "90 days")),
                "Against what stands now it takes 1 row away and keeps what comes for 30 days in \
                 the place of 90 days.",
            ),
            (
                &[],
                Some(difference("30 days", "")),
                "Against what stands now it takes the activity again, and keeps it for 30 days.",
            ),
            (
                &[],
                None,
                "Nothing differs from what stands now but the order of the rows, if that.",
            ),
        ] {
            assert_eq!(brought_back(rows, retention.as_ref()), says);
        }
    }

    #[test]
    fn contacts_with_a_value_are_told_with_how_far_they_were_looked_at() {
        for (contacts, seen, complete, says) in [
            (0, 7, true, "No contact has a value of it."),
            (1, 7, true, "1 contact has a value of it."),
            (1_204, 7_000, true, "1,204 contacts have a value of it."),
            (
                41,
                120_000,
                false,
                "The oldest 120,000 contacts were looked at, and there may be more: at least 41 \
                 contacts have a value of it.",
            ),
            (
                0,
                120_000,
                false,
                "The oldest 120,000 contacts were looked at, and there may be more: none of them \
                 has a value of it.",
            ),
        ] {
            let counted = Counted {
                contacts,
                seen,
                complete,
            };
            assert_eq!(with_values(&counted), says);
        }
    }
}
