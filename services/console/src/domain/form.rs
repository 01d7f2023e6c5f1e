//! What a form or an address says: names with values, in their order.

use std::ops::RangeInclusive;

use super::{Fault, words};

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

    /// A whole number that somebody wrote into a field that they know by this name. What is none is
    /// never taken for another: nothing would be changed then, and the page would say that it was.
    ///
    /// # Errors
    /// It is none, or beyond what the field takes.
    pub fn whole(
        &self,
        name: &str,
        called: &str,
        range: RangeInclusive<i64>,
    ) -> Result<i64, Fault> {
        let number = grouped(self.get(name)).and_then(|digits| digits.parse().ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (words::number(*range.start()), words::number(*range.end()));
                let says = format!(
                    "must be a whole number from {least} to {most}; “{}” is none",
                    words::cut(self.get(name), 30)
                );
                wrong(called, says)
            })
    }

    /// One of the choices that a field has.
    ///
    /// # Errors
    /// It is none of them.
    pub fn choice<T>(
        &self,
        name: &str,
        called: &str,
        of: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        let given = self.get(name);
        of(given).ok_or_else(|| match given {
            "" => wrong(called, "choose one".to_owned()),
            given => {
                let given = words::cut(given, 30);
                wrong(called, format!("“{given}” is none of the choices"))
            }
        })
    }

    /// A number that the console wrote itself, hidden or into an address; none where it is none.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).replace([',', ' '], "").parse().ok()
    }

    /// As its sender means it: what it asks for is of one wish. A page carries a wish, and a browser
    /// that goes back brings the page along with it: whatever is written otherwise then is another
    /// wish, while the same form sent twice is the same one.
    #[must_use]
    pub fn of_one_wish(mut self) -> Self {
        const WISH: &str = "wish";
        // Whether somebody was asked first, and by which session, changes nothing of what they want.
        const ASIDE: [&str; 3] = [WISH, "form_token", "sure"];
        let mut said = form_urlencoded::Serializer::new(format!("{}&", self.get(WISH)));
        let wants = self.0.iter().filter(|(name, _)| !ASIDE.contains(&&**name));
        said.extend_pairs(wants);
        let said = said.finish();
        let given = self.0.iter_mut().filter(|(name, _)| name == WISH);
        for (_, wish) in given.filter(|(_, wish)| !wish.trim().is_empty()) {
            *wish = weir_ids::of_text(&said).to_string();
        }
        self
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

fn wrong(called: &str, says: String) -> Fault {
    Fault {
        field: called.to_owned(),
        says,
    }
}

/// Without what people write between thousands (`1,204`, `1 204`); none where those stand elsewhere:
/// `1,5` is not fifteen.
fn grouped(text: &str) -> Option<String> {
    let mut groups = text.split([',', ' ']);
    let mut digits = groups.next()?.to_owned();
    for group in groups {
        if group.len() != 3 || digits.is_empty() {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Form {
        Form::of(vec![("n".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_number_that_is_none_is_refused_and_never_another() {
        for (written, number) in [("5", 5), ("1,204", 1_204), (" 12 000 ", 12_000), ("0", 0)] {
            assert_eq!(of(written).whole("n", "Slots", 0..=100_000), Ok(number));
        }
        for written in [
            "",
            "abc",
            "1.5",
            "1,5",
            "-1",
            "100001",
            "99999999999999999999",
            "1e3",
            "0x10",
            ",5",
        ] {
            let fault = of(written).whole("n", "Slots", 0..=100_000).unwrap_err();
            let says = fault.sentence();
            assert!(
                says.starts_with("Slots: must be a whole number from 0 to 100,000"),
                "{written}: {says}"
            );
        }
        assert!(Form::default().whole("n", "Slots", 0..=1).is_err());
    }

    #[test]
    fn a_choice_that_is_none_is_refused() {
        let choose = |form: Form| form.choice("n", "Role", |one| (one == "read").then_some(1));
        assert_eq!(choose(of("read")), Ok(1));
        for (given, says) in [
            (of("root"), "Role: “root” is none of the choices."),
            (of(""), "Role: choose one."),
            (Form::default(), "Role: choose one."),
        ] {
            assert_eq!(choose(given).unwrap_err().sentence(), says);
        }
    }

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

    #[test]
    fn the_same_form_twice_is_one_wish_and_another_name_is_another() {
        let wish = |says: &str| {
            let pairs = form_urlencoded::parse(says.as_bytes()).into_owned();
            let form = Form::of(pairs.collect()).of_one_wish();
            form.get("wish").to_owned()
        };
        let first = wish("form_token=a&wish=w&name=VIPs");
        assert_eq!(first, wish("form_token=b&wish=w&name=VIPs&sure=1"));
        for other in [
            "wish=w&name=Buyers",
            "wish=v&name=VIPs",
            "wish=w&name=VIPs&name=VIPs",
            "wish=w&nam=e%3DVIPs",
        ] {
            assert_ne!(first, wish(other), "{other}");
        }
        assert_eq!(wish("name=VIPs"), "", "what has none gets none");
        assert_eq!(wish("wish=&name=VIPs"), "");
    }
}
