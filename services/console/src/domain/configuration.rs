//! An account as a file that `./weir apply` takes, without keys.

use std::fmt::Write;

use super::model::{Account, ActivityMapping, Audience, Field, Kind, Origin, Row, Source};

/// A source and what it maps.
pub struct Described {
    pub source: Source,
    pub rows: Vec<Row>,
    pub activities: Vec<ActivityMapping>,
}

/// Texts are written as JSON strings, which YAML takes whatever is in them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    let all: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", all.join(", "))
}

/// The whole file.
pub fn of(
    account: &Account,
    fields: &[Field],
    sources: &[Described],
    audiences: &[Audience],
) -> String {
    let mut out =
        String::from("# yaml-language-server: $schema=docs/weir.schema.json\naccounts:\n");
    head(&mut out, account);
    let custom: Vec<_> = fields.iter().filter(|field| field.custom).collect();
    if !custom.is_empty() {
        out.push_str("    fields:\n");
        for field in custom {
            let (name, of) = (quoted(&field.name), field.of.name());
            let _ = writeln!(out, "      - {{name: {name}, type: {of}}}");
        }
    }
    if !sources.is_empty() {
        out.push_str("    sources:\n");
        for described in sources {
            source(&mut out, described);
        }
    }
    let ours: Vec<_> = audiences
        .iter()
        .filter(|one| one.origin == Origin::Actions)
        .collect();
    if !ours.is_empty() {
        out.push_str("    audiences:\n");
        for audience in ours {
            let _ = writeln!(out, "      - name: {}", quoted(&audience.name));
        }
    }
    out
}

fn head(out: &mut String, account: &Account) {
    let _ = writeln!(out, "  - name: {}", quoted(&account.name));
    let address = &account.notification_address;
    if !address.is_empty() {
        let _ = writeln!(out, "    notification_address: {}", quoted(address));
    }
    let _ = writeln!(
        out,
        "    plan: {{included_contacts: {}, additional_contacts: {}, activity_slots: {}, profile_factor: {}, activity_factor: {}}}",
        account.included_contacts,
        account.additional_contacts,
        account.activity_slots,
        account.profile_factor,
        account.activity_factor
    );
    let unique = list(&account.unique_identifiers);
    let _ = writeln!(out, "    unique_identifiers: {unique}");
    let _ = writeln!(out, "    key_strategy: {}", account.strategy.code());
    let _ = writeln!(
        out,
        "    keep_user_ids_apart: {}",
        account.keep_user_ids_apart
    );
    if !account.blocked.is_empty() {
        out.push_str("    blocked_values:\n");
        for blocked in &account.blocked {
            let kind = match blocked.kind.is_empty() {
                true => String::new(),
                false => format!(", kind: {}", quoted(&blocked.kind)),
            };
            let _ = writeln!(out, "      - {{value: {}{kind}}}", quoted(&blocked.pattern));
        }
    }
    if !account.allowed_defaults.is_empty() {
        let _ = writeln!(
            out,
            "    allowed_defaults: {}",
            list(&account.allowed_defaults)
        );
    }
}

fn source(out: &mut String, described: &Described) {
    let source = &described.source;
    let _ = writeln!(out, "      - name: {}", quoted(&source.name));
    let _ = writeln!(out, "        kind: {}", source.kind.code());
    let _ = writeln!(out, "        merge_strategy: {}", source.merging.code());
    let _ = writeln!(out, "        existing_only: {}", source.existing_only);
    if source.kind == Kind::Classic && !source.allowed_origins.is_empty() {
        let _ = writeln!(
            out,
            "        allowed_origins: {}",
            list(&source.allowed_origins)
        );
    }
    if !described.rows.is_empty() {
        out.push_str("        contact_mapping:\n");
        for row in &described.rows {
            let (path, field) = (quoted(&row.path), quoted(&row.target));
            let options = options(row);
            let _ = writeln!(
                out,
                "          - {{trait: {path}, field: {field}{options}}}"
            );
        }
    }
    if !described.activities.is_empty() {
        out.push_str("        activities:\n");
    }
    for activity in &described.activities {
        let _ = writeln!(out, "          - event: {}", quoted(&activity.event_name));
        let _ = writeln!(
            out,
            "            retention_days: {}",
            activity.retention_days
        );
        if !activity.attributes.is_empty() {
            out.push_str("            attributes:\n");
        }
        for row in &activity.attributes {
            let of = row.of.map_or("text", |of| of.name());
            let (path, name) = (quoted(&row.path), quoted(&row.target));
            let options = options(row);
            let _ = writeln!(
                out,
                "              - {{property: {path}, attribute: {name}, type: {of}{options}}}"
            );
        }
    }
}

fn options(row: &Row) -> String {
    let mut out = String::new();
    if !row.format.is_empty() {
        let _ = write!(out, ", date_format: {}", quoted(&row.format));
    }
    if !row.more_paths.is_empty() {
        let _ = write!(out, ", fallback_paths: {}", list(&row.more_paths));
    }
    if !row.more_formats.is_empty() {
        let _ = write!(out, ", fallback_formats: {}", list(&row.more_formats));
    }
    if !row.phone_country.is_empty() {
        let _ = write!(out, ", phone_country: {}", quoted(&row.phone_country));
    }
    for (said, option) in [
        (row.round, ", round: true"),
        (row.words, ", words: true"),
        (row.truncate, ", truncate: true"),
        (row.blank_clears, ", blank: clear"),
    ] {
        if said {
            out.push_str(option);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_written_as_its_file() {
        let account = Account {
            name: "a \"name\": with #signs".to_owned(),
            unique_identifiers: vec!["str::email".to_owned()],
            ..Account::default()
        };
        let described = Described {
            source: Source {
                name: "Segment".to_owned(),
                ..Source::default()
            },
            rows: vec![Row {
                format: "DD-MM-YYYY".to_owned(),
                blank_clears: true,
                ..Row::new("birthday", "dtz::b")
            }],
            activities: Vec::new(),
        };
        let text = of(&account, &[], &[described], &[]);
        assert!(
            text.contains(r#"- name: "a \"name\": with #signs""#),
            "{text}"
        );
        let row =
            r#"- {trait: "birthday", field: "dtz::b", date_format: "DD-MM-YYYY", blank: clear}"#;
        assert!(text.contains(row), "{text}");
        assert!(!text.contains("audiences"), "{text}");
    }
}
