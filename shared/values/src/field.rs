//! Field ids and value types (semantics 2.3).

use std::fmt;
use std::str::FromStr;

/// The longest id, in bytes.
const MAX_ID: usize = 200;

macro_rules! value_types {
    ($($(#[$doc:meta])* $variant:ident $name:literal $prefix:ident $form:ident,)*) => {
        /// The type of a field or attribute.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ValueType { $($(#[$doc])* $variant),* }

        impl ValueType {
            /// All types, with the names that configuration uses.
            pub const NAMES: [(&'static str, Self); [$($name),*].len()] =
                [$(($name, Self::$variant)),*];

            /// The name that configuration uses, e.g. `time_and_date`. In capitals, behind
            /// `VALUE_TYPE_`, it is the name in the protos.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The prefix of the ids of fields of this type.
            pub fn prefix(self) -> Prefix {
                match self { $(Self::$variant => Prefix::$prefix),* }
            }

            /// What its values look like.
            pub fn form(self) -> Form {
                match self { $(Self::$variant => Form::$form),* }
            }
        }
    };
}

// Everything that a type is to those who do not convert values. The rest of it is how values
// become it: `services/mapping/src/domain/convert/types.rs`.
value_types! {
    /// At most 500 characters.
    Text "text" Str Text,
    /// At most 4,000 characters.
    LongText "long_text" Txt Text,
    Email "email" Str Text,
    /// Stored as E.164.
    Phone "phone" Phn Text,
    /// An absolute http or https URL.
    Link "link" Str Text,
    Integer "integer" Int Integer,
    /// Exact, three decimals.
    Decimal "decimal" Int Decimal,
    /// As decimal.
    Currency "currency" Int Decimal,
    Boolean "boolean" Bol Boolean,
    Date "date" Dtz Date,
    /// An instant, UTC.
    TimeAndDate "time_and_date" Dtz Instant,
    Time "time" Tme Time,
    SingleSelect "single_select" Str Text,
    MultiSelect "multi_select" Sst Texts,
    /// JSON of at most 15,000 bytes.
    Object "object" Obj Object,
    /// One name: a country, region or city.
    Geo "geo" Geo Text,
}

/// The canonical forms of values, as JSON; several types may have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A string, with the escapes that JSON demands and no other.
    Text,
    /// A number, no fraction or exponent.
    Integer,
    /// A string: `"12.5"`, at most three decimals, no trailing zeros, no `-0`.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// `"1980-07-28"`
    Date,
    /// `"2025-07-10T06:09:00Z"`, UTC, fraction only where there is one (micros).
    Instant,
    /// `"23:59:59"`
    Time,
    /// An array of strings, in the order given.
    Texts,
    /// An object or array, compact, as given.
    Object,
}

impl ValueType {
    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value_type)| *value_type)
    }

    /// Whether a mapped row of it needs a format (semantics 2.5).
    pub fn needs_format(self) -> bool {
        matches!(self.form(), Form::Date | Form::Instant)
    }

    /// Whether a path that leads to many values may fill it (semantics 2.2).
    pub fn takes_lists(self) -> bool {
        matches!(self, Self::MultiSelect | Self::Object)
    }

    /// Whether a field of it may tell contacts apart (semantics 3.2).
    pub fn may_be_unique_identifier(self) -> bool {
        matches!(self, Self::Text | Self::Email | Self::Phone)
    }
}

macro_rules! prefixes {
    ($($name:ident $text:literal),*) => {
        /// The kind of value, as it stands in front of a field's id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Prefix { $($name),* }

        impl Prefix {
            /// The three letters.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            fn of(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}
prefixes!(Str "str", Txt "txt", Int "int", Bol "bol", Dtz "dtz", Tme "tme", Phn "phn", Geo "geo", Obj "obj", Sst "sst");

/// `str::email`, or `bol:cm:active` for a custom field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(Box<str>);

/// A text that is not a field id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a field id: expected one such as str::email or bol:cm:active")]
pub struct InvalidFieldId;

/// Why a name gives no id; says what would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFieldId {
    #[error(
        "must have at least one letter or digit, such as a-z or 0-9: the id of the field is made of them"
    )]
    Empty,
    #[error(
        "is too long: the id of the field, which is made of it, has at most {MAX_ID} bytes (one for each of a-z and 0-9, two to four for other letters)"
    )]
    TooLong,
}

impl FieldId {
    /// The id of a custom field: its type's prefix and its name in kebab case.
    ///
    /// # Errors
    /// When nothing of the name is left, or too much.
    pub fn custom(value_type: ValueType, name: &str) -> Result<Self, NoFieldId> {
        // Small letters first: that of one letter (the Turkish capital I) is two characters, and
        // the second is no letter.
        let name = name.to_lowercase();
        let words: Vec<&str> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        if words.is_empty() {
            return Err(NoFieldId::Empty);
        }
        let id = format!("{}:cm:{}", value_type.prefix().as_str(), words.join("-"));
        if id.len() > MAX_ID {
            return Err(NoFieldId::TooLong);
        }
        Ok(Self(id.into()))
    }

    /// What stands in front.
    pub fn prefix(&self) -> Prefix {
        Prefix::of(&self.0[..3]).expect("an id was checked when it was made")
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldId {
    type Err = InvalidFieldId;

    fn from_str(text: &str) -> Result<Self, InvalidFieldId> {
        let (prefix, rest) = text.split_once(':').ok_or(InvalidFieldId)?;
        Prefix::of(prefix).ok_or(InvalidFieldId)?;
        let name = rest
            .strip_prefix(':')
            .or_else(|| rest.strip_prefix("cm:"))
            .ok_or(InvalidFieldId)?;
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || text.len() > MAX_ID || !name.chars().all(plain) {
            return Err(InvalidFieldId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A field that every account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltInField {
    /// `str::email`.
    pub id: &'static str,
    /// `Email`.
    pub name: &'static str,
    pub value_type: ValueType,
}

const fn built_in(id: &'static str, name: &'static str, value_type: ValueType) -> BuiltInField {
    BuiltInField {
        id,
        name,
        value_type,
    }
}

/// The fields that every account has, by name.
pub const BUILT_IN_FIELDS: [BuiltInField; 12] = [
    built_in("dtz::b", "Birthday", ValueType::Date),
    built_in("geo::city", "City", ValueType::Geo),
    built_in("geo::country", "Country", ValueType::Geo),
    built_in("str::email", "Email", ValueType::Email),
    built_in("str::ei", "External ID", ValueType::Text),
    built_in("str::first", "First name", ValueType::Text),
    built_in("str::language", "Language", ValueType::Text),
    built_in("str::last", "Last name", ValueType::Text),
    built_in("str::name", "Name", ValueType::Text),
    built_in("phn::phone", "Phone", ValueType::Phone),
    built_in("str::postal", "Postal code", ValueType::Text),
    built_in("geo::region", "Region", ValueType::Geo),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_built_in_fields_are_ids_and_agree_with_their_types() {
        for field in BUILT_IN_FIELDS {
            let id: FieldId = field.id.parse().unwrap();
            assert_eq!(id.prefix(), field.value_type.prefix(), "{id}");
        }
        assert!(BUILT_IN_FIELDS.is_sorted_by_key(|field| field.name));
    }

    #[test]
    fn custom_ids_are_in_kebab_case() {
        let id = FieldId::custom(ValueType::Boolean, " Is Active? (new)").unwrap();
        assert_eq!(id.as_str(), "bol:cm:is-active-new");
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    /// Letters of every script are letters.
    #[test]
    fn a_custom_id_can_be_read_again_or_its_name_is_refused() {
        let of = |name: &str| FieldId::custom(ValueType::Text, name);
        for (name, id) in [
            ("名名", "str:cm:名名"),
            ("İstanbul", "str:cm:i-stanbul"),
            ("STRAẞE 7", "str:cm:straße-7"),
            ("-1-", "str:cm:1"),
        ] {
            let made = of(name).unwrap();
            assert_eq!(made.as_str(), id);
            assert_eq!(id.parse(), Ok(made));
        }
        for name in ["", " ?! ", "\u{200b}", "😀", "---"] {
            assert_eq!(of(name), Err(NoFieldId::Empty), "{name}");
        }
        assert!(of(&"x".repeat(193)).is_ok());
        for name in ["x".repeat(194), "名".repeat(65)] {
            assert_eq!(of(&name), Err(NoFieldId::TooLong), "{name}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "email",
            "str",
            "str:email",
            "xyz::email",
            "str::",
            "str::a b",
            "str:cm:",
        ] {
            assert_eq!(text.parse::<FieldId>(), Err(InvalidFieldId), "{text}");
        }
    }

    #[test]
    fn every_type_has_a_name() {
        for (name, value_type) in ValueType::NAMES {
            assert_eq!(value_type.name(), name);
            assert_eq!(ValueType::named(name), Some(value_type));
        }
    }
}
