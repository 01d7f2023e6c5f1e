//! Accounts: a plan, and how contacts are told apart.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use weir_ids::AccountId;
use weir_values::{BUILT_IN_FIELDS, FieldId, Prefix, ValueType};

use super::convert::is_email;

/// Far above any plan, far below an overflow of `contacts × activities × factor`.
const MAX_CONTACTS: i64 = 1_000_000_000;
const MAX_SLOTS: i64 = 10_000;
const MAX_FACTOR: i64 = 1_000;
/// Semantics 3.2.
const MAX_UNIQUE_IDENTIFIERS: usize = 2;
/// Of names that people give to things.
pub const MAX_NAME: usize = 150;

/// A value that was refused: the field of the request, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {expected}")]
pub struct Invalid {
    pub field: String,
    pub expected: String,
}

impl Invalid {
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
        }
    }
}

/// What the account pays for (semantics 0, 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub included_contacts: i64,
    pub additional_contacts: i64,
    pub activity_slots: i64,
    pub profile_factor: i64,
    pub activity_factor: i64,
}

impl Plan {
    pub const PROFILE_FACTOR: i64 = 10;
    pub const ACTIVITY_FACTOR: i64 = 5;

    fn check(&self) -> Result<(), Invalid> {
        let bounded = |field: &str, value: i64, max: i64| {
            if (0..=max).contains(&value) {
                return Ok(());
            }
            Err(Invalid::new(
                format!("plan.{field}"),
                format!("must be from 0 to {max}"),
            ))
        };
        bounded("included_contacts", self.included_contacts, MAX_CONTACTS)?;
        bounded(
            "additional_contacts",
            self.additional_contacts,
            MAX_CONTACTS,
        )?;
        bounded("activity_slots", self.activity_slots, MAX_SLOTS)?;
        bounded("profile_factor", self.profile_factor, MAX_FACTOR)?;
        bounded("activity_factor", self.activity_factor, MAX_FACTOR)
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
    pub unique_identifiers: Vec<FieldId>,
    pub key_strategy: KeyStrategy,
}

impl AccountSettings {
    /// # Errors
    /// Names the field that is wrong.
    pub fn new(
        name: &str,
        plan: Plan,
        notification_address: &str,
        unique_identifiers: Option<&[String]>,
        key_strategy: KeyStrategy,
    ) -> Result<Self, Invalid> {
        plan.check()?;
        let notification_address = notification_address.trim();
        if !notification_address.is_empty() && !is_email(notification_address) {
            return Err(Invalid::new(
                "notification_address",
                "must be an e-mail address, or empty",
            ));
        }
        Ok(Self {
            name: read_name(name)?,
            plan,
            notification_address: notification_address.to_owned(),
            unique_identifiers: match unique_identifiers {
                None => vec!["str::email".parse().expect("a built-in id is an id")],
                Some(ids) => read_unique_identifiers(ids)?,
            },
            key_strategy,
        })
    }

    /// Whether contacts would be told apart in another way (fixed once events came in).
    pub fn identifies_like(&self, other: &Self) -> bool {
        self.unique_identifiers == other.unique_identifiers
            && self.key_strategy == other.key_strategy
    }

    /// The types of the account's custom fields must agree with their use as unique
    /// identifiers. A field that does not exist yet may be named before it is made.
    ///
    /// # Errors
    /// Names the field that can't be one.
    pub fn check_types(&self, custom: &HashMap<String, ValueType>) -> Result<(), Invalid> {
        for id in &self.unique_identifiers {
            if let Some(value_type) = custom.get(id.as_str())
                && !value_type.may_be_unique_identifier()
            {
                return Err(unsuitable(id.as_str()));
            }
        }
        Ok(())
    }
}

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub account_id: AccountId,
    pub settings: AccountSettings,
    pub received_events: bool,
    pub create_time: DateTime<Utc>,
    /// Distinct mapped activities.
    pub mapped_activities: i64,
}

/// Trims a name and checks its length.
///
/// # Errors
/// When nothing is left, or too much.
pub fn read_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains('\0') {
        return Err(Invalid::new(
            "name",
            format!("must have 1 to {MAX_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}

fn read_unique_identifiers(ids: &[String]) -> Result<Vec<FieldId>, Invalid> {
    if ids.len() > MAX_UNIQUE_IDENTIFIERS {
        return Err(Invalid::new(
            "unique_identifiers",
            format!("at most {MAX_UNIQUE_IDENTIFIERS} fields"),
        ));
    }
    let mut read: Vec<FieldId> = Vec::with_capacity(ids.len());
    for text in ids {
        let id: FieldId = text.parse().map_err(|_| unsuitable(text))?;
        let suitable = match BUILT_IN_FIELDS.iter().find(|field| field.id == text) {
            Some(field) => field.value_type.may_be_unique_identifier(),
            None => text.contains(":cm:") && matches!(id.prefix(), Prefix::Str | Prefix::Phn),
        };
        if !suitable || read.contains(&id) {
            return Err(unsuitable(text));
        }
        read.push(id);
    }
    Ok(read)
}

fn unsuitable(id: &str) -> Invalid {
    Invalid::new(
        "unique_identifiers",
        format!("{id} is not a text, e-mail or phone field, or is there twice"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        included_contacts: 5_000,
        additional_contacts: 0,
        activity_slots: 5,
        profile_factor: 10,
        activity_factor: 5,
    };

    fn settings(identifiers: Option<&[&str]>) -> Result<AccountSettings, Invalid> {
        let ids: Option<Vec<String>> =
            identifiers.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        AccountSettings::new(" Demo ", PLAN, "", ids.as_deref(), KeyStrategy::Any)
    }

    #[test]
    fn email_tells_contacts_apart_unless_something_else_is_said() {
        let default = settings(None).unwrap();
        assert_eq!(default.name, "Demo");
        assert_eq!(default.unique_identifiers[0].as_str(), "str::email");
        assert!(settings(Some(&[])).unwrap().unique_identifiers.is_empty());
        assert!(settings(Some(&["phn::phone", "str:cm:login"])).is_ok());
    }

    #[test]
    fn fields_that_tell_nobody_apart_are_refused() {
        for ids in [
            vec!["dtz::b"],
            vec!["geo::city"],
            vec!["str::unknown"],
            vec!["email"],
            vec!["bol:cm:active"],
            vec!["str::email", "str::email"],
            vec!["str::email", "phn::phone", "str::ei"],
        ] {
            assert!(settings(Some(&ids)).is_err(), "{ids:?}");
        }
    }

    #[test]
    fn plans_and_addresses_are_checked() {
        let plan = Plan {
            included_contacts: -1,
            ..PLAN
        };
        let error = AccountSettings::new("a", plan, "", None, KeyStrategy::Any).unwrap_err();
        assert_eq!(error.field, "plan.included_contacts");
        let error = AccountSettings::new("a", PLAN, "lana", None, KeyStrategy::Any).unwrap_err();
        assert_eq!(error.field, "notification_address");
        assert!(AccountSettings::new(" ", PLAN, "", None, KeyStrategy::Any).is_err());
    }
}
