//! Columns of a file that a source's mapping reads nothing from.

use weir_proto::mapping::v1::FieldMapping;

/// What a column may be besides a trait's path (`ImportContactsRequest.columns`).
const NO_TRAITS: [&str; 9] = [
    "user_id",
    "anonymous_id",
    "timestamp",
    "contact_id",
    "user_ids",
    "anonymous_ids",
    "create_time",
    "update_time",
    "traits",
];

/// Columns whose values would come to nothing: misspelled, or not mapped yet.
pub fn unread<'a>(columns: &'a [String], rows: &[FieldMapping]) -> Vec<&'a str> {
    let read: Vec<&str> = rows
        .iter()
        .flat_map(|row| std::iter::once(&row.trait_path).chain(&row.fallback_paths))
        .map(String::as_str)
        .collect();
    let columns = columns.iter().map(String::as_str);
    let columns = columns.filter(|column| {
        !column.is_empty() && !NO_TRAITS.contains(column) && !column.starts_with("refused_")
    });
    columns
        .filter(|column| {
            !read
                .iter()
                .any(|path| leads_into(path, column) || leads_into(column, path))
        })
        .collect()
}

/// Whether the one path is the other's, or lies in it.
fn leads_into(inner: &str, outer: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_row_reads_is_named() {
        let row = |path: &str, fallbacks: &[&str]| FieldMapping {
            trait_path: path.to_owned(),
            fallback_paths: fallbacks.iter().map(|path| (*path).to_owned()).collect(),
            ..FieldMapping::default()
        };
        let rows = [
            row("email", &["contact.mail"]),
            row("address", &[]),
            row("tags[0]", &[]),
        ];
        let columns = [
            "user_id",
            "email",
            "emial",
            "contact",
            "address.city",
            "tags",
            "addressee",
            "refused_code",
            "",
        ];
        let columns = columns.map(str::to_owned);
        assert_eq!(unread(&columns, &rows), ["emial", "addressee"]);
    }
}
