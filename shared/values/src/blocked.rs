//! Which values mean nobody to an account: the defaults, less what it took off, and a list of
//! its own (semantics 3.1).
//!
//! One rule, because who reads ids, who converts unique identifiers and who compares contacts
//! must agree.

use crate::nobody::{Default as Why, default_for, has_invisible_inside, trimmed_invisible};

/// Entries that an account may have of its own: all are looked at for each value.
pub const MAX_BLOCKED: usize = 200;
/// Characters of an entry: ids are no longer.
pub const MAX_BLOCKED_LENGTH: usize = 255;
/// Defaults that an account may take off: there are fewer words.
pub const MAX_TAKEN_OFF: usize = 100;

/// The kind of user ids, as people write it.
const USER_ID: &str = "user_id";
const ANONYMOUS_ID: &str = "anonymous_id";
/// How people name the defaults that are no words.
const ZEROS: &str = "zeros_and_dashes";
const TEMPLATES: &str = "templates";

/// A value, exact or with `*`, that means nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedValue {
    /// `user_id`, `anonymous_id` or the id of a field; empty: of every kind.
    pub kind: String,
    /// `*` stands for any characters, or none. In any ASCII case.
    pub pattern: String,
}

/// What an account says beside the defaults; checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedValues {
    own: Vec<BlockedValue>,
    taken_off: Vec<String>,
}

/// What is wrong with an entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidBlocked {
    /// `blocked[3].pattern`, `allowed_defaults[0]`.
    pub field: String,
    pub why: String,
}

impl InvalidBlocked {
    fn new(field: String, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { field, why }
    }
}

impl BlockedValues {
    /// Checks an account's lists. Each entry counts once.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(
        own: Vec<BlockedValue>,
        taken_off: Vec<String>,
    ) -> Result<Self, Vec<InvalidBlocked>> {
        let mut faults = Vec::new();
        for (list, length, most) in [
            ("blocked", own.len(), MAX_BLOCKED),
            ("allowed_defaults", taken_off.len(), MAX_TAKEN_OFF),
        ] {
            if length > most {
                let why = format!("at most {most} entries");
                faults.push(InvalidBlocked::new(list.to_owned(), why));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut values = Self::default();
        for (index, entry) in own.into_iter().enumerate() {
            let entry = BlockedValue {
                kind: entry.kind.trim().to_owned(),
                pattern: trimmed_invisible(&entry.pattern).to_owned(),
            };
            if let Some(why) = fault_of(&entry.pattern) {
                faults.push(InvalidBlocked::new(
                    format!("blocked[{index}].pattern"),
                    why,
                ));
            } else if !values.own.contains(&entry) {
                values.own.push(entry);
            }
        }
        for (index, text) in taken_off.into_iter().enumerate() {
            let text = trimmed_invisible(&text).to_ascii_lowercase();
            let is_default = [ZEROS, TEMPLATES].contains(&&*text) || default_for(&text).is_some();
            if !is_default || text.chars().count() > MAX_BLOCKED_LENGTH {
                let why = format!(
                    "is no default: give a value that is blocked by default, {ZEROS} or {TEMPLATES}"
                );
                let field = format!("allowed_defaults[{index}]");
                faults.push(InvalidBlocked::new(field, why));
            } else if !values.taken_off.contains(&text) {
                values.taken_off.push(text);
            }
        }
        if faults.is_empty() {
            Ok(values)
        } else {
            Err(faults)
        }
    }

    /// The account's own, in its order.
    pub fn own(&self) -> &[BlockedValue] {
        &self.own
    }

    /// Defaults that do not hold for the account, in its order.
    pub fn taken_off(&self) -> &[String] {
        &self.taken_off
    }

    /// Of user ids.
    pub fn of_user_ids(&self) -> BlockedRule {
        self.of(USER_ID)
    }

    /// Of anonymous ids.
    pub fn of_anonymous_ids(&self) -> BlockedRule {
        self.of(ANONYMOUS_ID)
    }

    /// Of the values of a field that tells contacts apart.
    pub fn of_field(&self, field: &str) -> BlockedRule {
        self.of(field)
    }

    fn of(&self, kind: &str) -> BlockedRule {
        let own = self.own.iter();
        let own = own.filter(|entry| entry.kind.is_empty() || entry.kind == kind);
        let lower = |entry: &BlockedValue| entry.pattern.to_ascii_lowercase().into_boxed_str();
        let (patterns, mut exact): (Vec<_>, Vec<_>) =
            own.map(lower).partition(|pattern| pattern.contains('*'));
        exact.sort_unstable();
        BlockedRule {
            taken_off: self
                .taken_off
                .iter()
                .map(|text| text.as_str().into())
                .collect(),
            exact,
            patterns,
        }
    }
}

impl BlockedValue {
    /// Whether its kind is one of ids, or every one.
    pub fn is_of_ids(&self) -> bool {
        self.kind.is_empty() || self.kind == USER_ID || self.kind == ANONYMOUS_ID
    }
}

fn fault_of(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("must not be blank".to_owned());
    }
    if pattern.bytes().all(|byte| byte == b'*') {
        return Some("would block everything".to_owned());
    }
    if pattern.chars().count() > MAX_BLOCKED_LENGTH {
        return Some(format!("at most {MAX_BLOCKED_LENGTH} characters"));
    }
    let is_unusable = pattern.contains('\0') || has_invisible_inside(pattern);
    is_unusable.then(|| "holds an invisible character, which no value may have".to_owned())
}

/// Which values of one kind mean nobody to an account; without lists of its own the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedRule {
    /// In small letters, as all here.
    taken_off: Box<[Box<str>]>,
    /// Sorted.
    exact: Vec<Box<str>>,
    patterns: Vec<Box<str>>,
}

impl BlockedRule {
    /// Whether the account has said nothing.
    pub fn is_default(&self) -> bool {
        self.taken_off.is_empty() && self.has_no_own()
    }

    /// Whether the account's own list has nothing of this kind.
    pub fn has_no_own(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Whether a value means nobody. A blank text does not mean anything.
    pub fn blocks(&self, text: &str) -> bool {
        let text = trimmed_invisible(text);
        match default_for(text) {
            Some(why) if !self.is_taken_off(text, why) => return true,
            _ if self.has_no_own() || text.is_empty() => return false,
            _ => {}
        }
        let exact = self
            .exact
            .binary_search_by(|entry| in_small_letters(entry, text));
        exact.is_ok() || self.patterns.iter().any(|pattern| matches(pattern, text))
    }

    fn is_taken_off(&self, text: &str, why: Why) -> bool {
        let class = match why {
            Why::Word => None,
            Why::Zeros => Some(ZEROS),
            Why::Template => Some(TEMPLATES),
        };
        self.taken_off
            .iter()
            .any(|off| text.eq_ignore_ascii_case(off) || class == Some(&**off))
    }
}

/// How an entry stands to a text in small letters.
fn in_small_letters(entry: &str, text: &str) -> std::cmp::Ordering {
    let text = text.bytes().map(|byte| byte.to_ascii_lowercase());
    entry.bytes().cmp(text)
}

/// Whether a text is as a pattern in small letters says, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // The last star, and how much of the text it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, seen));
            at += 1;
        } else if pattern.get(at) == Some(&text[seen].to_ascii_lowercase()) {
            at += 1;
            seen += 1;
        } else if let Some((behind, taken)) = star {
            star = Some((behind, taken + 1));
            at = behind + 1;
            seen = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(kind: &str, pattern: &str) -> BlockedValue {
        BlockedValue {
            kind: kind.to_owned(),
            pattern: pattern.to_owned(),
        }
    }

    fn owning(entries: &[(&str, &str)]) -> BlockedValues {
        let own = entries.iter().map(|(kind, pattern)| entry(kind, pattern));
        BlockedValues::new(own.collect(), vec![]).unwrap()
    }

    fn allowing(defaults: &[&str]) -> BlockedRule {
        let off = defaults.iter().map(|text| (*text).to_owned()).collect();
        BlockedValues::new(vec![], off).unwrap().of_user_ids()
    }

    /// Semantics 3.1, letter by letter.
    const DEFAULTS: [&str; 16] = [
        "null",
        "nil",
        "none",
        "nan",
        "undefined",
        "unknown",
        "anonymous",
        "guest",
        "true",
        "false",
        "n/a",
        "na",
        "-1",
        "(null)",
        "(none)",
        "[object object]",
    ];
    const ZEROS_AND_DASHES: [&str; 5] = [
        "0",
        "000",
        "-",
        "---",
        "00000000-0000-0000-0000-000000000000",
    ];
    const UNFILLED: [&str; 6] = [
        "{{user.id}}",
        "{{ a }} {{ b }}",
        "{%id%}",
        "${USER}",
        "{{}}",
        "{{{x}}}",
    ];

    #[test]
    fn the_defaults_hold_for_every_account_and_each_can_be_taken_off_alone() {
        let all = || DEFAULTS.iter().chain(&ZEROS_AND_DASHES).chain(&UNFILLED);
        let plain = BlockedRule::default();
        for text in all() {
            for written in [
                text.to_string(),
                text.to_uppercase(),
                format!(" {text}\u{200b}"),
            ] {
                assert!(plain.blocks(&written), "{written:?}");
            }
            let rule = allowing(&[&text.to_uppercase()]);
            for other in all() {
                assert_eq!(rule.blocks(other), text != other, "{text} {other}");
            }
        }
        for text in ["lana", "-2", "1", "nullx", "{{a}}x", "", " "] {
            assert!(!plain.blocks(text), "{text:?}");
        }
    }

    #[test]
    fn zeros_and_templates_can_be_taken_off_as_a_whole() {
        for (name, off, on) in [
            ("zeros_and_dashes", &ZEROS_AND_DASHES[..], &UNFILLED[..]),
            ("Templates", &UNFILLED, &ZEROS_AND_DASHES),
        ] {
            let rule = allowing(&[name]);
            assert!(off.iter().all(|text| !rule.blocks(text)), "{name}");
            assert!(
                on.iter().chain(&DEFAULTS).all(|text| rule.blocks(text)),
                "{name}"
            );
        }
    }

    #[test]
    fn an_own_value_is_blocked_for_its_kind_in_any_case_and_a_star_stands_for_anything() {
        let values = owning(&[
            ("str::email", "noemail@*"),
            ("user_id", "test-*-x"),
            ("", "Nobody"),
            ("anonymous_id", "*0000"),
        ]);
        let email = values.of_field("str::email");
        for text in ["noemail@x.org", " NoEmail@", "nobody", "NOBODY"] {
            assert!(email.blocks(text), "{text}");
        }
        for text in ["xnoemail@x.org", "nobody2", "test--x", "a0000"] {
            assert!(!email.blocks(text), "{text}");
        }
        let user = values.of_user_ids();
        for (text, blocked) in [("test--x", true), ("TEST-a-b-X", true), ("test-x", false)] {
            assert_eq!(user.blocks(text), blocked, "{text}");
        }
        assert!(
            values.of_anonymous_ids().blocks("0000") && values.of_anonymous_ids().blocks("a0000")
        );
        assert!(!values.of_field("phn::phone").blocks("noemail@x.org"));
    }

    #[test]
    fn a_value_of_ones_own_is_blocked_whatever_default_was_taken_off() {
        let own = vec![entry("", "guest")];
        let values = BlockedValues::new(own, vec!["guest".to_owned(), "0".to_owned()]).unwrap();
        let rule = values.of_user_ids();
        assert!(rule.blocks("Guest") && !rule.blocks("0") && rule.blocks("00"));
    }

    #[test]
    fn all_that_is_wrong_with_a_list_is_said_at_once() {
        let long = "x".repeat(MAX_BLOCKED_LENGTH + 1);
        let own = ["", " ", "*", "***", &long, "a\u{200b}b", "a\0b", "ok*"];
        let own = own.iter().map(|pattern| entry("", pattern)).collect();
        let off = ["guest", "somebody", "", "zeros"];
        let faults = BlockedValues::new(own, off.map(str::to_owned).to_vec()).unwrap_err();
        let fields: Vec<&str> = faults.iter().map(|fault| &*fault.field).collect();
        let mut expected: Vec<String> = (0..7).map(|at| format!("blocked[{at}].pattern")).collect();
        expected.extend((1..4).map(|at| format!("allowed_defaults[{at}]")));
        assert_eq!(fields, expected);

        let many = (0..=MAX_BLOCKED)
            .map(|at| entry("", &at.to_string()))
            .collect();
        assert_eq!(
            BlockedValues::new(many, vec![]).unwrap_err()[0].field,
            "blocked"
        );
        let twice = vec![entry("", "a"), entry("", " a ")];
        assert_eq!(BlockedValues::new(twice, vec![]).unwrap().own().len(), 1);
    }

    proptest! {
        #[test]
        fn a_star_stands_for_what_the_plain_way_says(
            pattern in "[ab*]{0,8}",
            text in "[abAB]{0,8}",
        ) {
            /// By its definition.
            fn plainly(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) if plainly(rest, text) => true,
                    (Some((b'*', _)), Some((_, behind))) => plainly(pattern, behind),
                    (Some((one, rest)), Some((other, behind))) => {
                        one.eq_ignore_ascii_case(other) && plainly(rest, behind)
                    }
                    _ => false,
                }
            }
            prop_assert_eq!(
                matches(&pattern, &text),
                plainly(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
