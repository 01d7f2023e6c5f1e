//! The record of changes in words: it is written by programs, of methods, fields and JSON.

use std::collections::HashMap;

use serde_json::Value;
use weir_values::BUILT_IN_FIELDS;

use super::model::{Field, Kind, Merging};
use super::trouble;

/// `PutContactMapping`: what was done, as people say it.
pub fn act(method: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for letter in method.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    let Some((verb, of)) = words.split_first() else {
        return String::new();
    };
    let done = match &**verb {
        "put" | "change" => "Changed",
        "create" => "Made",
        "delete" => "Deleted",
        "rename" => "Renamed",
        "pause" => "Paused",
        "resume" => "Let go on",
        "revoke" => "Revoked",
        "rotate" => "Rotated",
        "restore" => "Brought back",
        "copy" => "Copied",
        "resolve" => "Saw to",
        "send" => "Sent",
        "start" => "Started",
        "stop" => "Stopped",
        "merge" => "Merged",
        "split" => "Split",
        "import" => "Imported",
        _ => return method.to_owned(),
    };
    let of = of.join(" ");
    match &*of {
        "account" => format!("{done} the account's settings"),
        "reindex" => {
            "Changed what tells contacts apart, over the contacts that are there".to_owned()
        }
        of if of.ends_with('s') && !of.ends_with("ss") => format!("{done} {of}"),
        of => format!("{done} the {of}"),
    }
}

/// What a field of the record is called.
pub fn called(name: &str, fields: &[Field]) -> String {
    if let Some(attribute) = name.strip_prefix("attributes.") {
        return format!("Attribute {attribute}");
    }
    let known = match name {
        "blocked_values" => "Values that mean nobody",
        "allowed_defaults" => "Defaults that mean somebody here",
        "allowed_origins" => "Origins that browsers may send from",
        "keep_user_ids_apart" => "Two user ids are always two people",
        "hint" => "Key",
        "pause_time" => "Paused since",
        "revoke_time" => "Revoked",
        "resolve_time" => "Seen to",
        "mapping_copied_from" => "Copied from the source",
        "event_count" => "Events",
        "survivor_contact_id" => "Contact that stays",
        "merged_contact_id" => "Contact that went into it",
        name if name.contains("::") => return field(name, fields),
        name => return trouble::called(name),
    };
    known.to_owned()
}

/// A value of the record: texts without quotes, lists and rows with commas, and what has a name by
/// that instead of its id.
pub fn said(json: &str, fields: &[Field], names: &HashMap<String, String>) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => of_value(&value, fields, names),
        Err(_) => json.to_owned(),
    }
}

fn of_value(value: &Value, fields: &[Field], names: &HashMap<String, String>) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => match names.get(text) {
            Some(name) => name.clone(),
            None => of_text(text, fields),
        },
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(|one| of_value(one, fields, names)).collect();
            all.join(", ")
        }
        Value::Object(members) => {
            let is_said = |value: &Value| match value {
                Value::Null | Value::Bool(false) => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(all) => !all.is_empty(),
                _ => true,
            };
            let said = members.iter().filter(|(_, value)| is_said(value));
            let said: Vec<_> = said
                .map(|(name, value)| {
                    let name = name.replace('_', " ");
                    format!("{name} {}", of_value(value, fields, names))
                })
                .collect();
            said.join(", ")
        }
    }
}

fn of_text(text: &str, fields: &[Field]) -> String {
    if let Some(merging) = Merging::of_code(text) {
        return merging.name().to_owned();
    }
    if let Some(kind) = Kind::of_code(text) {
        return kind.name().to_owned();
    }
    match text {
        "" => "none".to_owned(),
        "next_if_empty" => "the second only where the first is empty".to_owned(),
        text if text.contains("::") => field(text, fields),
        text => text.to_owned(),
    }
}

/// A field by its name; one that is gone by its id.
pub fn field(id: &str, fields: &[Field]) -> String {
    let own = fields.iter().find(|field| field.id == id);
    let built_in = BUILT_IN_FIELDS.iter().find(|field| field.id == id);
    match (own, built_in) {
        (Some(field), _) => field.name.clone(),
        (_, Some(field)) => field.name.to_owned(),
        _ => id.to_owned(),
    }
}

/// What a deletion took, of a receipt.
pub fn gone(what: &str) -> String {
    let said = match what {
        "contacts" => "Contacts",
        "identifiers" => "Identifiers",
        "merges" => "Notes of merges",
        "kept_removes" => "Removals from audiences that waited for the person",
        "activities" => "Activities",
        "attached_counts" => "Counts of activities by day",
        "occurrences" => "Marks of events that were stored already",
        "backlog" => "Activities that waited for the person",
        "memberships" => "Memberships of audiences",
        "kept_memberships" => "Memberships that are kept for undoing merges",
        "samples" => "Samples",
        "log_entries" => "Lines of logs",
        "kept_events" => "Kept events",
        other => return trouble::called(other),
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_values::ValueType;

    // Semantics 9.5.
    #[test]
    fn what_was_done_is_said_in_words() {
        for (method, words) in [
            ("PutAccount", "Changed the account's settings"),
            ("PutContactMapping", "Changed the contact mapping"),
            ("RotateKey", "Rotated the key"),
            ("MergeContacts", "Merged contacts"),
            ("ResumeReplay", "Let go on the replay"),
            ("Frobnicate", "Frobnicate"),
            ("", ""),
        ] {
            assert_eq!(act(method), words);
        }
    }

    #[test]
    fn values_are_told_without_quotes_and_fields_by_their_names() {
        let fields = [Field {
            id: "int::size".to_owned(),
            name: "Shoe size".to_owned(),
            of: ValueType::Integer,
            custom: true,
        }];
        for (json, words) in [
            ("\"append\"", "Fill what is empty"),
            ("[\"str::email\",\"int::size\"]", "Email, Shoe size"),
            ("true", "yes"),
            ("null", "none"),
            ("[]", "none"),
            (
                r#"[{"kind":"user_id","pattern":"0000"}]"#,
                "kind user_id, pattern 0000",
            ),
            (r#"{"trait_path":"mail","words":false}"#, "trait path mail"),
            ("no json", "no json"),
            (r#"["a1","a2"]"#, "Shop, a2"),
        ] {
            let names = HashMap::from([("a1".to_owned(), "Shop".to_owned())]);
            assert_eq!(said(json, &fields, &names), words);
        }
        assert_eq!(called("int::size", &fields), "Shoe size");
        assert_eq!(called("plan.activity_slots", &fields), "Activity slots");
        assert_eq!(called("attributes.Total", &fields), "Attribute Total");
        assert_eq!(
            gone("kept_removes"),
            "Removals from audiences that waited for the person"
        );
    }
}
