//! Files of configuration: read (`schema`), checked as a whole (`check`) into a `model` that
//! can't be wrong. Nothing is planned of a file with a fault.

pub mod check;
pub mod model;
pub mod schema;
mod words;

use std::path::Path;

use anyhow::Context;

use crate::failure::Failure;

/// Reads and checks the file of that name.
pub fn load(path: &Path) -> Result<model::Configuration, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Input(format!("can't read {name}: {error}")))?;
    read(&name, &text)
}

/// Reads and checks a file.
pub fn read(name: &str, text: &str) -> Result<model::Configuration, Failure> {
    let file = schema::parse(text).map_err(|fault| Failure::Input(fault.render(name)))?;
    check::check(&file).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| fault.render(name)).collect();
        Failure::Input(lines.join("\n"))
    })
}

/// The file of the checkout, or, where there is none, of that which this program was built in. It
/// is not a part of the program: an image need not be built anew where it changes.
pub fn demo() -> anyhow::Result<(String, String)> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weir.yaml");
    let here = crate::folder::root().join("weir.yaml");
    let path = if here.exists() { here } else { built_in };
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    Ok((path.display().to_string(), text))
}

/// The JSON schema of such files, for editors.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(schema::File);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `WEIR_WRITE=1 cargo test -p weir-cli schema` writes it anew.
    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/weir.schema.json");
        if std::env::var_os("WEIR_WRITE").is_some() {
            std::fs::write(&path, json_schema()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            committed,
            json_schema(),
            "`WEIR_WRITE=1 cargo test -p weir-cli schema` writes it anew"
        );
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
