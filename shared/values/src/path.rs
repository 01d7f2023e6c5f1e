//! Paths into traits and properties, as a mapping is written (semantics 2.2): keys joined by
//! dots (`address.city`), `["any key"]` for a key with dots or spaces, `[0]` for one element
//! of an array and `[]` for all of them (`products[].sku`).

use std::fmt;
use std::str::FromStr;

/// Longer or deeper paths are refused when a mapping is saved: traits are not that deep.
const MAX_LENGTH: usize = 200;
const MAX_STEPS: usize = 12;
/// No array of an event has more elements.
const MAX_INDEX: usize = 9_999;

/// A checked path: a key first, at most twelve steps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    text: Box<str>,
    steps: Box<[Step]>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into an object.
    Key(Box<str>),
    /// Into an array, counted from 0.
    Element(usize),
    /// Into every element of an array.
    All,
}

/// A text that is no path: what is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(String);

impl Path {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// From the outermost object inwards.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it leads to many values: there is a `[]` in it.
    pub fn is_list(&self) -> bool {
        self.steps.contains(&Step::All)
    }
}

/// A path that goes on into a key, as it is written: `address.city`, `address["zip code"]`. Of an
/// empty text the key alone.
pub fn below(path: &str, key: &str) -> String {
    let is_plain =
        !matches!(key, "" | "$" | "@") && !key.starts_with('/') && key.chars().all(is_plain);
    match (path.is_empty(), is_plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{}]", quoted(key)),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let wrong = |what: String| Err(InvalidPath(what));
        if text.chars().count() > MAX_LENGTH {
            return wrong(format!("a path has at most {MAX_LENGTH} characters"));
        }
        if crate::is_blank(text) {
            return wrong("a path such as email or address.city is expected".to_owned());
        }
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (step, behind) = if rest.starts_with('[') {
                read_bracket(rest)?
            } else {
                read_key(rest)?
            };
            if steps.is_empty() && !matches!(step, Step::Key(_)) {
                return wrong(
                    "a path begins with a key, such as products in products[0].sku".to_owned(),
                );
            }
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return wrong(format!("a path has at most {MAX_STEPS} keys and brackets"));
            }
            rest = match behind.chars().next() {
                None => break,
                Some('[') => behind,
                Some('.') => {
                    let next = &behind[1..];
                    let is_key = !next.starts_with('[') || next.starts_with("[\"");
                    if !is_key {
                        return wrong("brackets of an array follow without a dot: products[0], products[].sku".to_owned());
                    }
                    next
                }
                Some(_) => {
                    return wrong(
                        "after a bracket comes a dot, another bracket, or nothing".to_owned(),
                    );
                }
            };
        }
        Ok(Self {
            text: text.into(),
            steps: steps.into(),
        })
    }
}

/// A key as it stands, up to the next dot or bracket.
fn read_key(rest: &str) -> Result<(Step, &str), InvalidPath> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (key, behind) = rest.split_at(end);
    if key.is_empty() {
        return Err(InvalidPath(
            "a key is missing: keys stand between single dots, such as address.city".to_owned(),
        ));
    }
    if key == "$" || key == "@" {
        return Err(InvalidPath(format!(
            "{key} is no key: a path begins within the traits or properties, such as email or address.city"
        )));
    }
    if key.starts_with('/') || !key.chars().all(is_plain) {
        return Err(InvalidPath(format!(
            "{key:?} is no plain key: write it as [{}], or products[].sku for all elements of an array",
            quoted(key)
        )));
    }
    Ok((Step::Key(key.into()), behind))
}

/// What names are made of; everything else stands in brackets and quotes.
fn is_plain(c: char) -> bool {
    match c {
        '_' | '-' | '$' | '@' | '#' | ':' | '/' | '&' | '+' | '%' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => !c.is_whitespace() && !c.is_control() && !crate::is_invisible(c),
    }
}

fn quoted(key: &str) -> String {
    let mut quoted = String::new();
    weir_json::write_text(key, &mut quoted);
    quoted
}

/// `["any key"]`, `[0]` or `[]`.
fn read_bracket(rest: &str) -> Result<(Step, &str), InvalidPath> {
    let wrong = || {
        InvalidPath(
            "brackets hold a key in double quotes, the number of an element, or nothing: [\"zip code\"], [0], []"
                .to_owned(),
        )
    };
    let inner = &rest[1..];
    if inner.starts_with('"') {
        let end = weir_json::behind_string(inner.as_bytes(), 0).map_err(|_| wrong())?;
        let (quoted, behind) = inner.split_at(end);
        let key = weir_json::unescaped(quoted).ok_or_else(wrong)?;
        if key.is_empty() || key.contains('\0') {
            return Err(InvalidPath(
                "a key must not be empty, or hold NUL".to_owned(),
            ));
        }
        let behind = behind.strip_prefix(']').ok_or_else(wrong)?;
        return Ok((Step::Key(key.into()), behind));
    }
    let (number, behind) = inner.split_once(']').ok_or_else(wrong)?;
    if number.is_empty() {
        return Ok((Step::All, behind));
    }
    let plain = number.bytes().all(|byte| byte.is_ascii_digit())
        && (number == "0" || !number.starts_with('0'));
    let index = number.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    if index > MAX_INDEX {
        return Err(InvalidPath(format!(
            "elements are counted from 0 to {MAX_INDEX}"
        )));
    }
    Ok((Step::Element(index), behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Step {
        Step::Key(text.into())
    }

    fn check(text: &str, expected: &[Step]) {
        let path: Path = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(path.steps(), expected, "{text}");
        assert_eq!(path.as_str(), text);
    }

    #[test]
    fn keys_are_joined_by_dots_or_stand_in_brackets() {
        check("email", &[key("email")]);
        check("address.city", &[key("address"), key("city")]);
        check("utm_source", &[key("utm_source")]);
        check("$email.first-name", &[key("$email"), key("first-name")]);
        check("prénom.姓", &[key("prénom"), key("姓")]);
        check(r#"["zip code"]"#, &[key("zip code")]);
        check(
            r#"address["a.b"].c"#,
            &[key("address"), key("a.b"), key("c")],
        );
        check(r#"address.["a.b"]"#, &[key("address"), key("a.b")]);
        check(r#"["a\"]\u00e9"]"#, &[key("a\"]é")]);
    }

    #[test]
    fn brackets_reach_into_arrays() {
        check("a[0]", &[key("a"), Step::Element(0)]);
        check("products[].sku", &[key("products"), Step::All, key("sku")]);
        check(
            "a[12][].b[]",
            &[key("a"), Step::Element(12), Step::All, key("b"), Step::All],
        );
        check(r#"a[]["b c"]"#, &[key("a"), Step::All, key("b c")]);
        let is_list = |text: &str| text.parse::<Path>().unwrap().is_list();
        assert!(is_list("products[].sku") && !is_list("products[0].sku"));
    }

    #[test]
    fn everything_else_is_refused_and_said_why() {
        let long = "a".repeat(201);
        let deep = "a.".repeat(12) + "a";
        for (text, why) in [
            ("", "such as email"),
            (" ", "such as email"),
            (".", "a key is missing"),
            ("..", "a key is missing"),
            ("a..b", "a key is missing"),
            ("a.", "a key is missing"),
            (".a", "a key is missing"),
            ("$.traits.x", "$ is no key"),
            ("$", "$ is no key"),
            ("@.a", "@ is no key"),
            ("first name", r#"write it as ["first name"]"#),
            (" email", r#"write it as [" email"]"#),
            ("a. b", r#"write it as [" b"]"#),
            ("a.*", r#"write it as ["*"]"#),
            ("a[*].b", "brackets hold"),
            ("a['b']", "brackets hold"),
            ("a[-1]", "brackets hold"),
            ("a[01]", "brackets hold"),
            ("a[1", "brackets hold"),
            ("a[\"b]", "brackets hold"),
            ("a[\"b\"", "brackets hold"),
            (r#"a["\ud800"]"#, "brackets hold"),
            ("a[99999999999999999999]", "brackets hold"),
            ("a[10000]", "counted from 0"),
            (r#"a[""]"#, "must not be empty"),
            (r#"a["\u0000"]"#, "must not be empty"),
            ("[0].a", "begins with a key"),
            ("[]", "begins with a key"),
            ("a.[0]", "without a dot"),
            ("a[0]b", "after a bracket"),
            ("a]", "no plain key"),
            ("/email", "no plain key"),
            ("{{email}}", "no plain key"),
            ("a\u{200b}", "no plain key"),
            ("a\u{0}", "no plain key"),
            (&long, "200 characters"),
            (&deep, "12 keys"),
        ] {
            let error = text.parse::<Path>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_key_can_be_written(name in "\\PC{1,20}") {
            let path: Path = format!("[{}]", quoted(&name)).parse().unwrap();
            prop_assert_eq!(path.steps(), &[Step::Key(name.into())]);
        }

        #[test]
        fn a_path_can_be_written_below_another(
            above in "([a-z]{1,3}(\\.[a-z]{1,3}|\\[\\])?)?", key in "([a-z$@/.#]|\\PC){1,6}",
        ) {
            let path: Path = below(&above, &key).parse().unwrap();
            prop_assert_eq!(path.steps().last(), Some(&Step::Key(key.into())));
            let steps = above.parse::<Path>().map_or(0, |above| above.steps().len());
            prop_assert_eq!(path.steps().len(), steps + 1);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a\\[\\]\".0-9\\\\ $é*']{0,12}") {
            if let Ok(path) = text.parse::<Path>() {
                prop_assert!(matches!(path.steps()[0], Step::Key(_)));
            }
        }
    }
}
