//! What a form or an address says: names with values, in their order.

/// Pairs of a form or of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Of pairs.
    pub fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of this name, without white space at its ends; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// As [`Self::get`], as it was written.
    pub fn raw(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// Whether it was said at all: of a box, whether it is ticked.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All values of this name, without blank ones.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(key, _)| key == name);
        let found = found.map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty()).collect()
    }

    /// What stands behind this prefix in names, in order, each once.
    pub fn behind(&self, prefix: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for rest in self
            .0
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(prefix))
        {
            if !found.contains(&rest) {
                found.push(rest);
            }
        }
        found
    }

    /// All pairs.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// A number; none where it is none.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).replace([',', ' '], "").parse().ok()
    }

    /// Values that stand apart by commas or lines.
    pub fn list(&self, name: &str) -> Vec<String> {
        let parts = self.raw(name).split(['\n', ',']).map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Form::of(vec![
            pair("on:str::first", "1"),
            pair("name", " Segment "),
            pair("code", "A"),
            pair("code", ""),
            pair("code", "B"),
            pair("on:str::last", "1"),
            pair("paths", "a, b\n c"),
            pair("count", "5,000"),
        ]);
        assert_eq!(form.get("name"), "Segment");
        assert_eq!(form.raw("name"), " Segment ");
        assert_eq!(form.all("code"), ["A", "B"]);
        assert_eq!(form.behind("on:"), ["str::first", "str::last"]);
        assert_eq!(form.list("paths"), ["a", "b", "c"]);
        assert_eq!(form.number("count"), Some(5_000));
        assert_eq!(form.number::<i64>("name"), None);
        assert!(!form.has("nothing"));
    }
}
