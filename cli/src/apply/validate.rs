//! What can be known to be wrong before anything is applied, each with its place.

use std::collections::HashSet;
use std::fmt;

use serde_saphyr::Spanned;
use weir_values::{BUILT_IN_FIELDS, FieldId, ValueType};

use super::manifest::{Account, Activity, Field, FieldMapping, Manifest, Plan, Source};

/// Semantics 4.4.
const RETENTIONS: [u32; 5] = [30, 90, 180, 365, 730];
/// Semantics 2.3.
const MAX_CUSTOM_FIELDS: usize = 200;
const MAX_UNIQUE_IDENTIFIERS: usize = 2;
/// Semantics 5.1.
const MAX_AUDIENCE_NAME: usize = 150;
const MAX_NAME: usize = 150;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: u64,
    pub column: u64,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Reads and checks a file's text; answers everything that is wrong, in the file's order.
///
/// # Errors
/// All problems; never an empty list.
pub fn read(text: &str) -> Result<Manifest, Vec<Problem>> {
    let manifest: Manifest = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location();
        vec![Problem {
            line: place.as_ref().map_or(1, serde_saphyr::Location::line),
            column: place.as_ref().map_or(1, serde_saphyr::Location::column),
            message: first_line(&error),
        }]
    })?;
    let mut check = Check::default();
    for account in &manifest.accounts {
        check.account(account);
    }
    check.unique(
        "account",
        manifest.accounts.iter().map(|account| &account.name),
    );
    if check.problems.is_empty() {
        return Ok(manifest);
    }
    check
        .problems
        .sort_by_key(|problem| (problem.line, problem.column));
    Err(check.problems)
}

/// The error's own words, without the excerpt of the file that it may draw.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    match line
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, message)) => message.to_owned(),
        None => line.to_owned(),
    }
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn wrong<T>(&mut self, place: &Spanned<T>, message: impl Into<String>) {
        self.problems.push(Problem {
            line: place.referenced.line(),
            column: place.referenced.column(),
            message: message.into(),
        });
    }

    fn account(&mut self, account: &Account) {
        self.name("an account's name", &account.name);
        self.plan(&account.plan);
        if let Some(address) = &account.notification_address
            && !address.value.contains('@')
        {
            self.wrong(address, "notification_address: expected an e-mail address");
        }
        if let Some(strategy) = &account.key_strategy {
            self.one_of("key_strategy", strategy, &["any", "next_if_empty"]);
        }
        let known = self.fields(&account.fields);
        self.unique_identifiers(account, &known);
        for source in &account.sources {
            self.source(source, &known);
        }
        self.unique("source", account.sources.iter().map(|source| &source.name));
        let actions = account
            .sources
            .iter()
            .filter(|s| s.kind.value == "segment_actions");
        for second in actions.skip(1) {
            self.wrong(
                &second.kind,
                "an account has at most one segment_actions source; put this one into another account",
            );
        }
        for audience in &account.audiences {
            if audience.value.trim().chars().count() > MAX_AUDIENCE_NAME {
                self.wrong(
                    audience,
                    format!("an audience's name has at most {MAX_AUDIENCE_NAME} characters"),
                );
            }
            self.not_blank("an audience's name", audience);
        }
        self.unique("audience", account.audiences.iter());
        self.slots(account);
    }

    fn plan(&mut self, plan: &Plan) {
        let optional = [
            ("additional_contacts", &plan.additional_contacts),
            ("profile_factor", &plan.profile_factor),
            ("activity_factor", &plan.activity_factor),
        ];
        let given = optional
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        let required = [
            ("included_contacts", &plan.included_contacts),
            ("activity_slots", &plan.activity_slots),
        ];
        for (name, value) in required.into_iter().chain(given) {
            if value.value < 0 {
                self.wrong(value, format!("{name}: must not be negative"));
            }
        }
    }

    /// Checks custom fields; answers all fields of the account with their types.
    fn fields(&mut self, fields: &[Field]) -> Vec<(String, ValueType)> {
        let mut known: Vec<(String, ValueType)> = BUILT_IN_FIELDS
            .iter()
            .map(|field| (field.id.to_owned(), field.value_type))
            .collect();
        if let Some(first_too_many) = fields.get(MAX_CUSTOM_FIELDS) {
            self.wrong(
                &first_too_many.name,
                format!("an account has at most {MAX_CUSTOM_FIELDS} custom fields"),
            );
        }
        for field in fields {
            let Some(value_type) = self.value_type(&field.value_type) else {
                continue;
            };
            match FieldId::custom(value_type, &field.name.value) {
                None => self.wrong(&field.name, "a field's name needs a letter or digit"),
                Some(id) if known.iter().any(|(other, _)| other == id.as_str()) => {
                    self.wrong(&field.name, format!("there is a field {id} already"));
                }
                Some(id) => known.push((id.to_string(), value_type)),
            }
        }
        known
    }

    fn unique_identifiers(&mut self, account: &Account, known: &[(String, ValueType)]) {
        let ids = account.unique_identifiers.as_deref().unwrap_or_default();
        if let Some(third) = ids.get(MAX_UNIQUE_IDENTIFIERS) {
            self.wrong(third, "an account has at most two unique identifiers");
        }
        self.unique("unique identifier", ids.iter());
        for id in ids {
            match self.known_field(id, known) {
                Some(value_type) if !value_type.may_be_unique_identifier() => {
                    self.wrong(id, "a unique identifier is a text, email or phone field")
                }
                _ => {}
            }
        }
    }

    fn source(&mut self, source: &Source, known: &[(String, ValueType)]) {
        self.name("a source's name", &source.name);
        self.one_of(
            "kind",
            &source.kind,
            &["segment_actions", "segment_classic"],
        );
        if let Some(strategy) = &source.merge_strategy {
            self.one_of(
                "merge_strategy",
                strategy,
                &["overwrite", "append", "ignore"],
            );
            if strategy.value == "ignore" && source.existing_only {
                self.wrong(
                    strategy,
                    "existing_only goes with overwrite and append only",
                );
            }
        }
        if let Some(key) = &source.key {
            let length = key.value.chars().count();
            if !(7..=128).contains(&length) || key.value.contains(char::is_whitespace) {
                self.wrong(key, "key: expected 7 to 128 characters without spaces");
            }
        }
        for mapping in &source.contact_mapping {
            self.field_mapping(mapping, known);
        }
        self.unique(
            "mapping of field",
            source.contact_mapping.iter().map(|m| &m.field),
        );
        for activity in &source.activities {
            self.activity(activity);
        }
        self.unique("activity", source.activities.iter().map(|a| &a.event));
    }

    fn field_mapping(&mut self, mapping: &FieldMapping, known: &[(String, ValueType)]) {
        self.not_blank("trait", &mapping.trait_path);
        if let Some(value_type) = self.known_field(&mapping.field, known) {
            self.date_format(&mapping.field, value_type, mapping.date_format.as_ref());
        }
    }

    fn activity(&mut self, activity: &Activity) {
        self.not_blank("event", &activity.event);
        if let Some(days) = &activity.retention_days
            && !RETENTIONS.contains(&days.value)
        {
            self.wrong(days, "retention_days: expected 30, 90, 180, 365 or 730");
        }
        for attribute in &activity.attributes {
            self.not_blank("property", &attribute.property);
            if let Some(value_type) = self.value_type(&attribute.value_type) {
                self.date_format(
                    &attribute.value_type,
                    value_type,
                    attribute.date_format.as_ref(),
                );
            }
        }
        let names = activity.attributes.iter();
        self.unique(
            "attribute",
            names.map(|a| a.attribute.as_ref().unwrap_or(&a.property)),
        );
    }

    fn date_format<T>(
        &mut self,
        place: &Spanned<T>,
        value_type: ValueType,
        format: Option<&Spanned<String>>,
    ) {
        match (value_type.has_date_format(), format) {
            (true, None) => self.wrong(
                place,
                "a date needs a date_format, e.g. ISO 8601, YYYY-MM-DD, DD-MM-YYYY, Unix seconds",
            ),
            (false, Some(format)) => self.wrong(
                format,
                format!(
                    "date_format goes with dates only; this is {}",
                    value_type.name()
                ),
            ),
            _ => {}
        }
    }

    /// The file must not ask for more activities than its plan has slots.
    fn slots(&mut self, account: &Account) {
        let names: HashSet<&str> = account
            .sources
            .iter()
            .flat_map(|source| &source.activities)
            .map(|activity| activity.event.value.trim())
            .collect();
        let slots = &account.plan.activity_slots;
        if i64::try_from(names.len()).unwrap_or(i64::MAX) > slots.value && slots.value >= 0 {
            self.wrong(
                slots,
                format!(
                    "activity_slots: {} activities are mapped below; raise it or remove some",
                    names.len()
                ),
            );
        }
    }

    fn known_field(
        &mut self,
        id: &Spanned<String>,
        known: &[(String, ValueType)],
    ) -> Option<ValueType> {
        let found = known.iter().find(|(other, _)| *other == id.value);
        if found.is_none() {
            self.wrong(
                id,
                format!("no field {}; name a built-in such as str::email, or one under `fields` by its id such as bol:cm:active", id.value),
            );
        }
        found.map(|(_, value_type)| *value_type)
    }

    fn value_type(&mut self, name: &Spanned<String>) -> Option<ValueType> {
        let found = ValueType::named(&name.value);
        if found.is_none() {
            let known: Vec<&str> = ValueType::NAMES.iter().map(|(name, _)| *name).collect();
            self.wrong(
                name,
                format!(
                    "no type {}; expected one of {}",
                    name.value,
                    known.join(", ")
                ),
            );
        }
        found
    }

    fn one_of(&mut self, key: &str, value: &Spanned<String>, allowed: &[&str]) {
        if !allowed.contains(&value.value.as_str()) {
            self.wrong(
                value,
                format!("{key}: expected one of {}", allowed.join(", ")),
            );
        }
    }

    fn name(&mut self, what: &str, name: &Spanned<String>) {
        self.not_blank(what, name);
        if name.value.chars().count() > MAX_NAME {
            self.wrong(name, format!("{what} has at most {MAX_NAME} characters"));
        }
    }

    fn not_blank(&mut self, what: &str, text: &Spanned<String>) {
        if text.value.trim().is_empty() {
            self.wrong(text, format!("{what} must not be blank"));
        }
    }

    fn unique<'a>(&mut self, what: &str, names: impl Iterator<Item = &'a Spanned<String>>) {
        let mut seen: HashSet<&str> = HashSet::new();
        for name in names {
            if !seen.insert(name.value.trim()) {
                self.wrong(name, format!("a second {what} {:?}", name.value.trim()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = include_str!("../../../weir.yaml");

    #[test]
    fn the_demo_is_good() {
        assert!(read(GOOD).is_ok(), "{:?}", read(GOOD).err());
    }

    fn check(before: &str, after: &str, expected: &str) {
        let text = GOOD.replacen(before, after, 1);
        assert_ne!(text, GOOD, "the demo holds {before}");
        let line = text
            .lines()
            .position(|line| line.contains(after.trim()))
            .unwrap()
            + 1;
        let problems = read(&text).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|p| p.line == line as u64 && p.message.contains(expected)),
            "line {line}: {expected}: {problems:?}"
        );
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        check("kind: segment_actions", "kind: segment", "segment_actions");
        check(
            "field: str::email",
            "field: str::mail",
            "no field str::mail",
        );
        check("type: boolean", "type: bool", "no type bool");
        check("retention_days: 730", "retention_days: 7", "30, 90");
        check("activity_slots:", "activity_slotz:", "activity_slotz");
        check("date_format: DD-MM-YYYY", "date_formal: DD", "date_formal");
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let problems = read("accounts:\n  - name: [unclosed\n").unwrap_err();
        assert!(problems[0].line >= 2, "{problems:?}");
        assert_eq!(read("{}").unwrap_err().len(), 1);
        assert_eq!(read("").unwrap_err().len(), 1);
    }

    proptest! {
        #[test]
        fn comments_in_front_move_the_line_by_as_many(lines in 0_u64..50) {
            let text = format!(
                "{}{}",
                "# a comment\n".repeat(usize::try_from(lines).unwrap()),
                GOOD.replacen("type: boolean", "type: bool", 1)
            );
            let problems = read(&text).unwrap_err();
            let plain = read(&GOOD.replacen("type: boolean", "type: bool", 1)).unwrap_err();
            prop_assert_eq!(problems[0].line, plain[0].line + lines);
        }
    }
}
