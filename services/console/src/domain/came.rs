//! What came in at a path, as it was sent.

use serde_json::Value;
use weir_values::path::{Path, Step};

use super::words;

/// So many are shown, of so many characters at most.
const MAX_EXAMPLES: usize = 3;
pub const MAX_LETTERS: usize = 40;

/// The traits of events.
#[derive(Debug, Default)]
pub struct Came(Vec<Value>);

impl Came {
    /// Of events, whole; what is no event has no traits.
    pub fn of<'a>(events: impl Iterator<Item = &'a str>) -> Self {
        let events = events.filter_map(|raw| serde_json::from_str::<Value>(raw).ok());
        let traits = events.filter_map(|mut event| {
            let own = event.get_mut("traits").map(Value::take);
            own.filter(Value::is_object).or_else(|| {
                let context = event.get_mut("context")?;
                context.get_mut("traits").map(Value::take)
            })
        });
        Self(traits.collect())
    }

    /// Values that differ, of the newest events.
    pub fn examples(&self, path: &str) -> Vec<String> {
        let Ok(path) = path.parse::<Path>() else {
            return Vec::new();
        };
        let mut found: Vec<String> = Vec::new();
        let reached = self.0.iter().flat_map(|traits| reach(traits, path.steps()));
        for value in reached {
            let said = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let said = words::cut(&said, MAX_LETTERS);
            if !said.trim().is_empty() && !found.contains(&said) {
                found.push(said);
            }
            if found.len() == MAX_EXAMPLES {
                break;
            }
        }
        found
    }
}

fn reach<'a>(value: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let mut at = vec![value];
    for step in steps {
        at = match step {
            Step::Key(key) => at.into_iter().filter_map(|one| one.get(&**key)).collect(),
            Step::Element(index) => at.into_iter().filter_map(|one| one.get(*index)).collect(),
            Step::All => {
                let lists = at.into_iter().filter_map(Value::as_array);
                lists.flatten().collect()
            }
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    // Semantics 2.2.
    #[test]
    fn what_came_is_shown_as_it_was_sent() {
        let came = Came::of(
            [
                r#"{"traits": {"birthday": "28-07-1980", "address": {"zip code": 6021}}}"#,
                r#"{"traits": {"birthday": "28-07-1980", "products": [{"sku": "a"}, {"sku": "b"}]}}"#,
                r#"{"context": {"traits": {"birthday": "29-07-1980"}}}"#,
                r#"{"traits": {"birthday": null}}"#,
                "no event",
            ]
            .into_iter(),
        );
        assert_eq!(came.examples("birthday"), ["28-07-1980", "29-07-1980"]);
        assert_eq!(came.examples("address[\"zip code\"]"), ["6021"]);
        assert_eq!(came.examples("products[].sku"), ["a", "b"]);
        assert_eq!(came.examples("products[1].sku"), ["b"]);
        assert!(came.examples("$..").is_empty());
    }
}
