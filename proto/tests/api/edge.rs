//! What the edge says of itself, as a part of the page.

use std::fmt::Write;

use serde_json::Value;

use crate::page::anchor;
use crate::table::cell;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
const TITLE: &str = "The edge";
/// A list of more values is not shown: it has a page of its own.
const SHOWN: usize = 8;

/// How an operation wants to be shown a key.
#[derive(Clone, Copy)]
enum Key {
    None,
    Bearer,
    /// As SDKs show it.
    Write,
}

impl Key {
    fn of(operation: &Value) -> Self {
        let asked = operation["security"].as_array().into_iter().flatten();
        let schemes: Vec<&String> = asked
            .filter_map(Value::as_object)
            .flat_map(|scheme| scheme.keys())
            .collect();
        match schemes.as_slice() {
            [] => Self::None,
            [one] if *one == "writeKey" => Self::Write,
            _ => Self::Bearer,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::None => "Asks for no key.",
            Self::Bearer => "Needs an API key: `Authorization: Bearer KEY`.",
            Self::Write => {
                "Needs a write key: the user of `Authorization: Basic …` with an empty password, \
                 or `writeKey` in the body; `Authorization: Bearer KEY` is taken as well."
            }
        }
    }

    /// Of curl.
    fn option(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bearer => "-H \"authorization: Bearer $KEY\"",
            Self::Write => "-u \"$KEY:\"",
        }
    }
}

/// `GET /v1/me`, and what the document says of it.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut all: Vec<(String, &Value)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| {
                (format!("{} {path}", method.to_uppercase()), operation)
            })
        })
        .collect();
    // In the order of its tags, whatever the order of the file.
    let tags = document["tags"].as_array().unwrap();
    let rank = |operation: &Value| {
        tags.iter()
            .position(|tag| tag["name"] == operation["tags"][0])
    };
    all.sort_by_key(|(title, operation)| (rank(operation), title.clone()));
    all
}

fn read() -> Value {
    let text = std::fs::read_to_string(PATH).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn contents(page: &mut String) {
    let document = read();
    writeln!(
        page,
        "- [{TITLE}](#{}): where events come in.",
        anchor(TITLE)
    )
    .unwrap();
    let links: Vec<String> = operations(&document)
        .iter()
        .map(|(title, _)| format!("[{title}](#{})", anchor(title)))
        .collect();
    writeln!(page, "  {}", links.join(" · ")).unwrap();
}

pub fn write(page: &mut String) {
    let document = read();
    writeln!(page, "\n## {TITLE}\n").unwrap();
    writeln!(page, "{}", text(&document["info"]["description"])).unwrap();
    for (title, operation) in operations(&document) {
        write_operation(&document, &title, operation, page);
    }
    writeln!(page, "\n## Shapes of the edge").unwrap();
    for (name, schema) in sorted(&document["components"]["schemas"]) {
        writeln!(page, "\n### {}\n", heading(name)).unwrap();
        write_schema(schema, page);
    }
}

fn write_operation(document: &Value, title: &str, operation: &Value, page: &mut String) {
    writeln!(page, "\n### {title}\n").unwrap();
    let about = [&operation["summary"], &operation["description"]].map(text);
    let about = format!("{}. {}", about[0], about[1]);
    writeln!(page, "{}", about.trim_end()).unwrap();
    let key = Key::of(operation);
    writeln!(page, "\n{}", key.words()).unwrap();
    if let Some(body) = operation.get("requestBody") {
        let content = &body["content"]["application/json"];
        let kind = kind(&content["schema"]);
        writeln!(page, "\n**Body** {kind}. {}", text(&body["description"])).unwrap();
        write_example(title, key, content, page);
    }
    page.push_str("\n| answer | | body |\n|---|---|---|\n");
    for (status, response) in sorted(&operation["responses"]) {
        let response = followed(document, response);
        let body = response["content"]
            .as_object()
            .map_or_else(String::new, |content| {
                let schemas = content.values().map(|media| kind(&media["schema"]));
                schemas.collect::<Vec<_>>().join(", ")
            });
        let headers = sorted(&response["headers"]);
        let headers: Vec<String> = headers
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        let headers = if headers.is_empty() {
            String::new()
        } else {
            format!(" Headers: {}.", headers.join(", "))
        };
        let about = cell(text(&response["description"]));
        writeln!(page, "| {status} | {about}{headers} | {body} |").unwrap();
    }
}

/// The first of its examples, sent.
fn write_example(title: &str, key: Key, content: &Value, page: &mut String) {
    let examples = sorted(&content["examples"]);
    let named = examples.iter().find(|(name, _)| !name.contains("atch"));
    let example = named.map_or(&content["example"], |(_, example)| &example["value"]);
    let (method, path) = title.split_once(' ').unwrap();
    writeln!(
        page,
        "\n```sh\n\
         curl -X {method} {} -H 'content-type: application/json' \\\n  \
         -d '{example}' \\\n  http://127.0.0.1:8080{path}\n\
         ```",
        key.option()
    )
    .unwrap();
}

fn write_schema(schema: &Value, page: &mut String) {
    let about = text(&schema["description"]);
    if !about.is_empty() {
        writeln!(page, "{about}\n").unwrap();
    }
    let properties = sorted(&schema["properties"]);
    if properties.is_empty() {
        writeln!(page, "Type: {}.", kind(schema)).unwrap();
        return;
    }
    page.push_str("| member | type | |\n|---|---|---|\n");
    for (name, property) in properties {
        let required = schema["required"].as_array();
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
        let must = if is_required { ", required" } else { "" };
        let about = cell(text(&property["description"]));
        writeln!(page, "| `{name}` | {}{must} | {about} |", kind(property)).unwrap();
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", anchor(&heading(name)));
    }
    for (word, of) in [(" or ", "oneOf"), (" or ", "anyOf"), (" with ", "allOf")] {
        if let Some(parts) = schema[of].as_array() {
            let parts: Vec<String> = parts.iter().map(kind).collect();
            return parts.join(word);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        if values.len() > SHOWN {
            return "a [reason code](reasons.md)".to_owned();
        }
        let values: Vec<String> = values
            .iter()
            .map(|value| match value.as_str() {
                Some(word) => format!("`{word}`"),
                None => format!("`{value}`"),
            })
            .collect();
        return values.join(", ");
    }
    let properties = sorted(&schema["properties"]);
    if !properties.is_empty() {
        let members = properties.iter();
        let members: Vec<String> = members
            // That of a refusal stands beside it.
            .filter(|(_, property)| property["type"] != "integer")
            .map(|(name, property)| format!("`{name}`: {}", kind(property)))
            .collect();
        return members.join(", ");
    }
    match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        kind if kind == "array" => format!("list of {}", self::kind(&schema["items"])),
        kind => text(kind).to_owned(),
    }
}

fn heading(name: &str) -> String {
    format!("edge.{name}")
}

fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The members of an object, by name: files differ in their order, the page does not.
fn sorted(value: &Value) -> Vec<(&String, &Value)> {
    let object = value.as_object();
    let mut members: Vec<(&String, &Value)> = object.into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
