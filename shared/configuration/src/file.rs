//! Files of configuration: read (`schema`), checked as a whole (`check`) into a `model` that
//! can't be wrong. Nothing is planned of a file with a fault.

pub mod check;
pub mod model;
pub mod schema;
mod words;

/// Reads and checks a file.
///
/// # Errors
/// All that is wrong with it: lines with its name and their places.
pub fn read(name: &str, text: &str) -> Result<model::Configuration, String> {
    if says_nothing(text) {
        return Err(format!(
            "{name}: there is nothing in it; a file of configuration begins with `accounts:` (see \
             weir.yaml)"
        ));
    }
    let file = schema::parse(text).map_err(|fault| fault.render(name))?;
    check::check(&file).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| fault.render(name)).collect();
        lines.join("\n")
    })
}

/// Blank lines, and comments.
fn says_nothing(text: &str) -> bool {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// The JSON schema of such files, for editors.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(schema::File);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `WEIR_WRITE=1 cargo test -p weir-configuration schema` writes it anew.
    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/weir.schema.json");
        if std::env::var_os("WEIR_WRITE").is_some() {
            std::fs::write(&path, json_schema()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            committed,
            json_schema(),
            "`WEIR_WRITE=1 cargo test -p weir-configuration schema` writes it anew"
        );
    }

    #[test]
    fn an_empty_file_is_told_what_is_missing() {
        for text in ["", "\n \n", "# later\n", "---\n# later"] {
            let said = read("weir.yaml", text).unwrap_err();
            assert!(
                said.starts_with("weir.yaml: there is nothing in it"),
                "{said}"
            );
        }
        let other = read("weir.yaml", "accounts:").unwrap_err();
        assert!(!other.contains("nothing in it"), "{other}");
    }

    #[test]
    fn the_schema_asks_for_what_a_file_must_have_and_names_every_word() {
        let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
        let of = |name: &str| &schema["$defs"][name];
        assert_eq!(schema["required"], serde_json::json!(["accounts"]));
        assert_eq!(of("Account")["required"], serde_json::json!(["name"]));
        assert_eq!(
            of("Source")["required"],
            serde_json::json!(["name", "kind"])
        );
        assert_eq!(of("Account")["additionalProperties"], false);
        let types = of("Field")["properties"]["type"]["enum"]
            .as_array()
            .unwrap();
        assert_eq!(types.len(), weir_values::ValueType::NAMES.len());
    }
}
