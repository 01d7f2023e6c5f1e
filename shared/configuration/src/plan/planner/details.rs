//! What of a thing differs, in words.

use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1::{BlockedValues, KeyStrategy};

use super::Detail;
use crate::file::check::{KEY_STRATEGIES, MERGE_STRATEGIES, SOURCE_KINDS, from_proto};

/// Plan and notification address; of a new account also what tells its contacts apart.
pub fn account(
    standing: &mapping::Account,
    put: &mapping::PutAccountRequest,
    is_new: bool,
) -> Vec<Detail> {
    let mut found = Vec::new();
    let (before, after) = (
        standing.plan.unwrap_or_default(),
        put.plan.unwrap_or_default(),
    );
    for (what, before, after) in [
        (
            "included_contacts",
            before.included_contacts,
            after.included_contacts,
        ),
        (
            "additional_contacts",
            before.additional_contacts,
            after.additional_contacts,
        ),
        (
            "activity_slots",
            before.activity_slots,
            after.activity_slots,
        ),
        (
            "profile_factor",
            before.profile_factor,
            after.profile_factor,
        ),
        (
            "activity_factor",
            before.activity_factor,
            after.activity_factor,
        ),
    ] {
        if after.is_some() && before != after {
            found.push(detail(what, optional(before), optional(after)));
        }
    }
    let address = put.notification_address.as_ref();
    if let Some(address) = address.filter(|address| **address != standing.notification_address) {
        let before = standing.notification_address.clone();
        found.push(detail("notification_address", before, address.clone()));
    }
    let url = put.webhook_url.as_ref();
    if let Some(url) = url.filter(|url| **url != standing.webhook_url) {
        found.push(detail(
            "webhook_url",
            standing.webhook_url.clone(),
            url.clone(),
        ));
    }
    if let Some(apart) = put.keep_user_ids_apart
        && apart != standing.keep_user_ids_apart
    {
        found.push(detail(
            "keep_user_ids_apart",
            standing.keep_user_ids_apart.to_string(),
            apart.to_string(),
        ));
    }
    found.extend(blocked_values(standing, put));
    if is_new {
        found.extend(identifiers(standing, put));
    }
    found
}

/// What means nobody: both lists are replaced together.
pub fn blocked_values(
    standing: &mapping::Account,
    put: &mapping::PutAccountRequest,
) -> Vec<Detail> {
    let Some(after) = &put.blocked_values else {
        return Vec::new();
    };
    let before = standing.blocked_values.clone().unwrap_or_default();
    let entries = |values: &BlockedValues| {
        let entries = values.blocked.iter().map(|entry| match &*entry.kind {
            "" => entry.pattern.clone(),
            kind => format!("{} ({kind})", entry.pattern),
        });
        entries.collect::<Vec<_>>().join(", ")
    };
    let defaults = |values: &BlockedValues| values.allowed_defaults.join(", ");
    [
        ("blocked_values", entries(&before), entries(after)),
        ("allowed_defaults", defaults(&before), defaults(after)),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(what, before, after)| detail(what, before, after))
    .collect()
}

/// What tells contacts apart.
pub fn identifiers(standing: &mapping::Account, put: &mapping::PutAccountRequest) -> Vec<Detail> {
    let mut found = Vec::new();
    if let Some(ids) = &put.unique_identifiers
        && ids.field_ids != standing.unique_identifiers
    {
        let before = standing.unique_identifiers.join(", ");
        found.push(detail(
            "unique_identifiers",
            before,
            ids.field_ids.join(", "),
        ));
    }
    let strategy = put.key_strategy();
    if strategy != KeyStrategy::Unspecified && strategy != standing.key_strategy() {
        let before = word(standing.key_strategy(), &KEY_STRATEGIES);
        found.push(detail(
            "key_strategy",
            before,
            word(strategy, &KEY_STRATEGIES),
        ));
    }
    found
}

/// Of a source: its kind where it is new, its merge settings.
pub fn source(standing: &mapping::Source, put: &mapping::PutSourceRequest) -> Vec<Detail> {
    let mut found = Vec::new();
    if standing.source_id.is_empty() {
        found.push(detail(
            "kind",
            String::new(),
            word(put.kind(), &SOURCE_KINDS),
        ));
    }
    let strategy = put.merge_strategy();
    let is_said = put.merge_strategy != 0;
    if is_said && strategy != standing.merge_strategy() {
        let before = word(standing.merge_strategy(), &MERGE_STRATEGIES);
        found.push(detail(
            "merge_strategy",
            before,
            word(strategy, &MERGE_STRATEGIES),
        ));
    }
    let only = put.existing_only;
    if let Some(only) = only.filter(|only| *only != standing.existing_only) {
        let before = standing.existing_only.to_string();
        found.push(detail("existing_only", before, only.to_string()));
    }
    let origins = put.allowed_origins.as_ref().map(|given| &given.origins);
    if let Some(origins) = origins.filter(|origins| **origins != standing.allowed_origins) {
        let before = standing.allowed_origins.join(", ");
        found.push(detail("allowed_origins", before, origins.join(", ")));
    }
    found
}

/// Rows of a contact mapping, each known by its field.
pub fn field_rows(
    before: &[mapping::FieldMapping],
    after: &[mapping::FieldMapping],
) -> Vec<Detail> {
    let show = |row: &mapping::FieldMapping| {
        let paths = std::iter::once(&row.trait_path).chain(&row.fallback_paths);
        let formats = std::iter::once(&row.date_format).chain(&row.fallback_formats);
        shown(paths, formats, row.options.as_ref())
    };
    rows(before, after, |row| &row.field_id, show)
}

/// Attributes of an activity, each known by its name.
pub fn attribute_rows(
    before: &[mapping::AttributeMapping],
    after: &[mapping::AttributeMapping],
) -> Vec<Detail> {
    let show = |row: &mapping::AttributeMapping| {
        let paths = std::iter::once(&row.property_path).chain(&row.fallback_paths);
        let formats = std::iter::once(&row.date_format).chain(&row.fallback_formats);
        let shown = shown(paths, formats, row.options.as_ref());
        format!("{shown} as {}", from_proto(row.r#type()))
    };
    rows(before, after, |row| &row.attribute, show)
}

/// `born, birthday (DD-MM-YYYY; blank: clear)`
fn shown<'a>(
    paths: impl Iterator<Item = &'a String>,
    formats: impl Iterator<Item = &'a String>,
    options: Option<&mapping::RowOptions>,
) -> String {
    let paths: Vec<&str> = paths.map(String::as_str).collect();
    let mut more: Vec<String> = formats
        .filter(|format| !format.is_empty())
        .cloned()
        .collect();
    if let Some(options) = options {
        let flags = [
            (options.round, "round"),
            (options.words, "words"),
            (options.truncate, "truncate"),
            (options.blank() == mapping::BlankRule::Clear, "blank: clear"),
        ];
        if !options.phone_country.is_empty() {
            more.push(format!("phone_country: {}", options.phone_country));
        }
        let on = flags.iter().filter(|(is_on, _)| *is_on);
        more.extend(on.map(|(_, name)| (*name).to_owned()));
    }
    let paths = paths.join(", ");
    if more.is_empty() {
        paths
    } else {
        format!("{paths} ({})", more.join("; "))
    }
}

/// 0 is not there.
pub fn number(number: i64) -> String {
    if number == 0 {
        String::new()
    } else {
        number.to_string()
    }
}

fn rows<T: PartialEq>(
    before: &[T],
    after: &[T],
    target: impl Fn(&T) -> &str,
    show: impl Fn(&T) -> String,
) -> Vec<Detail> {
    let find = |rows: &[T], name: &str| -> Option<usize> {
        rows.iter().position(|row| target(row) == name)
    };
    let mut found = Vec::new();
    for row in before {
        let now = find(after, target(row)).map(|at| &after[at]);
        if now != Some(row) {
            let after = now.map_or_else(String::new, &show);
            found.push(detail(target(row), show(row), after));
        }
    }
    for row in after {
        if find(before, target(row)).is_none() {
            found.push(detail(target(row), String::new(), show(row)));
        }
    }
    if found.is_empty() && before != after {
        let order = |rows: &[T]| -> String {
            let names: Vec<&str> = rows.iter().map(&target).collect();
            names.join(", ")
        };
        found.push(detail("order", order(before), order(after)));
    }
    found
}

fn detail(what: &str, before: String, after: String) -> Detail {
    Detail {
        what: what.to_owned(),
        before,
        after,
    }
}

fn optional(number: Option<i64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn word<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> String {
    let known = words.iter().find(|(_, known)| *known == value);
    known.map_or_else(String::new, |(word, _)| (*word).to_owned())
}
