//! Accounts: a plan, and how contacts are told apart.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use weir_ids::AccountId;
use weir_values::{BlockedValues, FieldId, ValueType};

use super::convert::is_email;
use super::field;
use super::invalid::{Faults, Invalid, MAX_NAME, none_of};
use super::webhook::Webhook;

/// Far above any plan, far below an overflow of `contacts × activities × factor`.
const MAX_CONTACTS: i64 = 1_000_000_000;
const MAX_SLOTS: i64 = 10_000;
const MAX_FACTOR: i64 = 1_000;
/// Semantics 3.2.
const MAX_UNIQUE_IDENTIFIERS: usize = 2;
/// What the account pays for (semantics 0, 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub included_contacts: i64,
    pub additional_contacts: i64,
    pub activity_slots: i64,
    pub profile_factor: i64,
    pub activity_factor: i64,
}

/// Of a new account, where nothing else is said (semantics 6.1).
impl Default for Plan {
    fn default() -> Self {
        Self {
            included_contacts: 0,
            additional_contacts: 0,
            activity_slots: 0,
            profile_factor: 10,
            activity_factor: 5,
        }
    }
}

impl Plan {
    fn check(&self) -> Result<(), Vec<Invalid>> {
        let bounds = [
            ("included_contacts", self.included_contacts, MAX_CONTACTS),
            (
                "additional_contacts",
                self.additional_contacts,
                MAX_CONTACTS,
            ),
            ("activity_slots", self.activity_slots, MAX_SLOTS),
            ("profile_factor", self.profile_factor, MAX_FACTOR),
            ("activity_factor", self.activity_factor, MAX_FACTOR),
        ];
        let beyond = bounds
            .iter()
            .filter(|(_, value, max)| !(0..=*max).contains(value));
        let faults = beyond.map(|(field, _, max)| {
            Invalid::new(format!("plan.{field}"), format!("must be from 0 to {max}"))
        });
        none_of(faults.collect())
    }
}

/// Semantics 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStrategy {
    Any,
    NextIfEmpty,
}

/// What may be said about an account; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSettings {
    pub name: String,
    pub plan: Plan,
    pub notification_address: String,
    pub webhook: Option<Webhook>,
    pub unique_identifiers: Vec<FieldId>,
    pub key_strategy: KeyStrategy,
    /// Values that mean nobody, beside the defaults (semantics 3.1).
    pub blocked_values: BlockedValues,
    /// Semantics 3.1a.
    pub keep_user_ids_apart: bool,
}

impl AccountSettings {
    /// Of a new account, before anything is said about it.
    pub fn new(name: String) -> Self {
        Self {
            name,
            plan: Plan::default(),
            notification_address: String::new(),
            webhook: None,
            unique_identifiers: vec!["str::email".parse().expect("a built-in id is an id")],
            key_strategy: KeyStrategy::Any,
            blocked_values: BlockedValues::default(),
            keep_user_ids_apart: false,
        }
    }

    /// Whether contacts are told apart in the same way.
    pub fn identifies_like(&self, other: &Self) -> bool {
        self.unique_identifiers == other.unique_identifiers
            && self.key_strategy == other.key_strategy
    }
}

/// What a request says of an account. What it does not say stays as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// An account that is there, and has that name: none is made.
    pub account_id: Option<AccountId>,
    pub name: String,
    pub plan: PlanChange,
    pub notification_address: Option<String>,
    pub webhook_url: Option<String>,
    pub webhook_secret: Option<String>,
    pub unique_identifiers: Option<Vec<String>>,
    pub key_strategy: Option<KeyStrategy>,
    pub blocked_values: Option<BlockedValues>,
    pub keep_user_ids_apart: Option<bool>,
    /// The version of the account's configuration that the caller saw; whatever stands, where it
    /// is absent.
    pub expected_version: Option<i64>,
}

/// What a request says of a plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanChange {
    pub included_contacts: Option<i64>,
    pub additional_contacts: Option<i64>,
    pub activity_slots: Option<i64>,
    pub profile_factor: Option<i64>,
    pub activity_factor: Option<i64>,
}

impl AccountChange {
    /// Whether it says how contacts are told apart.
    pub fn is_about_identifiers(&self) -> bool {
        self.unique_identifiers.is_some() || self.key_strategy.is_some()
    }

    /// The settings that come of it, given the account's custom fields.
    ///
    /// # Errors
    /// Names everything that is wrong.
    pub fn applied_to(
        &self,
        before: &AccountSettings,
        custom: &HashMap<String, ValueType>,
    ) -> Result<AccountSettings, Vec<Invalid>> {
        let mut faults = Faults::default();
        let mut settings = before.clone();
        settings.plan = self.plan.applied_to(before.plan);
        faults.take(settings.plan.check());
        if let Some(address) = &self.notification_address {
            let read = faults.take(read_address(address));
            settings.notification_address = read.unwrap_or_default();
        }
        let webhook = Webhook::changed(
            before.webhook.as_ref(),
            self.webhook_url.as_deref(),
            self.webhook_secret.as_deref(),
        );
        settings.webhook = faults.take(webhook).flatten();
        if let Some(ids) = &self.unique_identifiers {
            let read = faults.take(read_unique_identifiers(ids, custom));
            settings.unique_identifiers = read.unwrap_or_default();
        }
        if let Some(blocked) = &self.blocked_values {
            faults.take(check_kinds(blocked, custom));
            settings.blocked_values = blocked.clone();
        }
        settings.key_strategy = self.key_strategy.unwrap_or(before.key_strategy);
        settings.keep_user_ids_apart = self
            .keep_user_ids_apart
            .unwrap_or(before.keep_user_ids_apart);
        faults.told().map(|()| settings)
    }
}

impl PlanChange {
    fn applied_to(self, before: Plan) -> Plan {
        Plan {
            included_contacts: self.included_contacts.unwrap_or(before.included_contacts),
            additional_contacts: self
                .additional_contacts
                .unwrap_or(before.additional_contacts),
            activity_slots: self.activity_slots.unwrap_or(before.activity_slots),
            profile_factor: self.profile_factor.unwrap_or(before.profile_factor),
            activity_factor: self.activity_factor.unwrap_or(before.activity_factor),
        }
    }
}

/// What tells contacts apart, as contact-upsert keeps it (semantics 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifiers {
    pub unique_identifiers: Vec<FieldId>,
    pub key_strategy: KeyStrategy,
    /// Those that contacts are matched by as well, until all are reindexed.
    pub next_unique_identifiers: Vec<FieldId>,
    /// Grows with each change; 0 where there was none since the account was made.
    pub version: i64,
}

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub account_id: AccountId,
    pub settings: AccountSettings,
    pub create_time: DateTime<Utc>,
    /// Distinct mapped activities.
    pub mapped_activities: i64,
    /// As in [`Identifiers`].
    pub next_unique_identifiers: Vec<FieldId>,
    /// Of all that is set up in it.
    pub settings_version: i64,
}

fn read_address(address: &str) -> Result<String, Invalid> {
    let address = address.trim();
    if !address.is_empty() && !is_email(address) {
        return Err(Invalid::new(
            "notification_address",
            "must be an e-mail address, or empty",
        ));
    }
    Ok(address.to_owned())
}

/// Blocked values are of ids, or of fields that may tell contacts apart (semantics 3.1).
fn check_kinds(
    blocked: &BlockedValues,
    custom: &HashMap<String, ValueType>,
) -> Result<(), Vec<Invalid>> {
    let is_wrong = |kind: &str| {
        let value_type = field::type_of(kind, custom);
        !value_type.is_some_and(ValueType::may_be_unique_identifier)
    };
    let entries = blocked.own().iter().enumerate();
    let wrong = entries.filter(|(_, entry)| !entry.is_of_ids() && is_wrong(&entry.kind));
    let faults = wrong.map(|(index, _)| {
        Invalid::new(
            format!("blocked_values.blocked[{index}].kind"),
            "must be user_id, anonymous_id, a text, an email or a phone of this account, or empty",
        )
    });
    none_of(faults.collect())
}

/// Fields of the account that may tell its contacts apart, each once (semantics 3.2).
fn read_unique_identifiers(
    ids: &[String],
    custom: &HashMap<String, ValueType>,
) -> Result<Vec<FieldId>, Invalid> {
    let wrong = |why: String| Invalid::new("unique_identifiers", why);
    if ids.len() > MAX_UNIQUE_IDENTIFIERS {
        return Err(wrong(format!("at most {MAX_UNIQUE_IDENTIFIERS} fields")));
    }
    let mut read: Vec<FieldId> = Vec::with_capacity(ids.len());
    for text in ids {
        let shown: String = text.chars().take(MAX_NAME).collect();
        let unknown = || wrong(format!("{shown} is no field of this account"));
        let value_type = field::type_of(text, custom).ok_or_else(unknown)?;
        let id: FieldId = text.parse().map_err(|_| unknown())?;
        if !value_type.may_be_unique_identifier() {
            let kind = value_type.name();
            return Err(wrong(format!(
                "{shown} is of type {kind}: a unique identifier is a text, an email or a phone"
            )));
        }
        if read.contains(&id) {
            return Err(wrong(format!("{shown} is there twice")));
        }
        read.push(id);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> AccountSettings {
        AccountSettings::new("Demo".to_owned())
    }

    fn identified_by(ids: &[&str]) -> Result<AccountSettings, Vec<Invalid>> {
        let change = AccountChange {
            unique_identifiers: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
            ..AccountChange::default()
        };
        let custom = HashMap::from([
            ("str:cm:login".to_owned(), ValueType::Text),
            ("str:cm:colour".to_owned(), ValueType::SingleSelect),
            ("bol:cm:active".to_owned(), ValueType::Boolean),
        ]);
        change.applied_to(&demo(), &custom)
    }

    #[test]
    fn email_tells_contacts_apart_unless_something_else_is_said() {
        assert_eq!(demo().unique_identifiers[0].as_str(), "str::email");
        assert!(identified_by(&[]).unwrap().unique_identifiers.is_empty());
        assert!(identified_by(&["phn::phone", "str:cm:login"]).is_ok());
    }

    #[test]
    fn fields_that_tell_nobody_apart_are_refused_by_name() {
        for ids in [
            vec!["str:cm:nope"],
            vec!["dtz::b"],
            vec!["geo::city"],
            vec!["str::unknown"],
            vec!["email"],
            vec!["bol:cm:active"],
            vec!["str:cm:colour"],
            vec!["phn::phone", "phn:cm:other"],
            vec!["str::email", "str::email"],
        ] {
            let [error] = &identified_by(&ids).unwrap_err()[..] else {
                panic!("{ids:?}")
            };
            assert_eq!(error.field, "unique_identifiers");
            let last = ids.last().unwrap();
            assert!(error.expected.starts_with(last), "{}", error.expected);
        }
        assert!(identified_by(&["str::email", "phn::phone", "str::ei"]).is_err());
    }

    #[test]
    fn what_is_not_said_stays() {
        let full = AccountChange {
            account_id: None,
            name: "Demo".to_owned(),
            plan: PlanChange {
                included_contacts: Some(5_000),
                additional_contacts: Some(1_000),
                activity_slots: Some(5),
                profile_factor: Some(11),
                activity_factor: Some(6),
            },
            notification_address: Some(" owner@example.org ".to_owned()),
            webhook_url: Some("https://example.org/news".to_owned()),
            webhook_secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            unique_identifiers: Some(vec!["phn::phone".to_owned()]),
            key_strategy: Some(KeyStrategy::NextIfEmpty),
            blocked_values: Some(blocked("str::email", "noemail@*")),
            keep_user_ids_apart: Some(true),
            expected_version: None,
        };
        let custom = HashMap::new();
        let settings = full.applied_to(&demo(), &custom).unwrap();
        let nothing = AccountChange::default();
        assert_eq!(nothing.applied_to(&settings, &custom).unwrap(), settings);
        let slots = AccountChange {
            plan: PlanChange {
                activity_slots: Some(6),
                ..PlanChange::default()
            },
            notification_address: Some(String::new()),
            ..AccountChange::default()
        };
        let mut expected = settings.clone();
        expected.plan.activity_slots = 6;
        expected.notification_address = String::new();
        assert_eq!(slots.applied_to(&settings, &custom).unwrap(), expected);
    }

    fn blocked(kind: &str, pattern: &str) -> BlockedValues {
        let entry = weir_values::BlockedValue {
            kind: kind.to_owned(),
            pattern: pattern.to_owned(),
        };
        BlockedValues::new(vec![entry], vec![]).unwrap()
    }

    #[test]
    fn values_are_blocked_for_ids_and_for_fields_that_may_tell_contacts_apart() {
        let custom = HashMap::from([("str:cm:login".to_owned(), ValueType::Text)]);
        let change = |kind| AccountChange {
            blocked_values: Some(blocked(kind, "x")),
            ..AccountChange::default()
        };
        for kind in ["", "user_id", "anonymous_id", "phn::phone", "str:cm:login"] {
            assert!(change(kind).applied_to(&demo(), &custom).is_ok(), "{kind}");
        }
        for kind in ["email", "geo::city", "str:cm:other", "dtz::b"] {
            let refused = change(kind).applied_to(&demo(), &custom).unwrap_err();
            assert_eq!(refused[0].field, "blocked_values.blocked[0].kind", "{kind}");
        }
    }

    #[test]
    fn plans_and_addresses_are_checked() {
        let wrong = |change: AccountChange| {
            let refused = change.applied_to(&demo(), &HashMap::new());
            refused.unwrap_err().remove(0).field
        };
        let plan = |plan| AccountChange {
            plan,
            ..AccountChange::default()
        };
        let contacts = PlanChange {
            included_contacts: Some(-1),
            ..PlanChange::default()
        };
        assert_eq!(wrong(plan(contacts)), "plan.included_contacts");
        let slots = PlanChange {
            activity_slots: Some(MAX_SLOTS + 1),
            ..PlanChange::default()
        };
        assert_eq!(wrong(plan(slots)), "plan.activity_slots");
        let address = AccountChange {
            notification_address: Some("lana".to_owned()),
            ..AccountChange::default()
        };
        assert_eq!(wrong(address.clone()), "notification_address");
        let everything = AccountChange {
            plan: PlanChange {
                profile_factor: Some(-1),
                ..slots
            },
            webhook_url: Some("ftp://example.org".to_owned()),
            unique_identifiers: Some(vec!["dtz::b".to_owned()]),
            blocked_values: Some(blocked("geo::city", "x")),
            ..address
        };
        let refused = everything.applied_to(&demo(), &HashMap::new());
        let fields: Vec<String> = refused
            .unwrap_err()
            .into_iter()
            .map(|one| one.field)
            .collect();
        let expected = [
            "plan.activity_slots",
            "plan.profile_factor",
            "notification_address",
            "webhook_url",
            "unique_identifiers",
            "blocked_values.blocked[0].kind",
        ];
        assert_eq!(fields, expected);
    }
}
