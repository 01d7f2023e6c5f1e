//! Typed values of contact fields and activity attributes, and their canonical form.
//!
//! **Canonical form**: every value has exactly one JSON text ([`Form`] says which), so that
//! services compare and order values as texts, and store and pass them on without knowing
//! their types. What becomes of a raw value is for mapping to say; this crate knows the result.
//!
//! [`ValueType`] is the one list of types: names, ids' prefixes and forms hang on it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod blocked;
mod digits;
mod field;
pub mod format;
mod nobody;
pub mod number;
pub mod options;
mod origin;
pub mod path;
mod value;

pub use blocked::{
    BlockedRule, BlockedValue, BlockedValues, InvalidBlocked, MAX_BLOCKED, MAX_TAKEN_OFF,
};
pub use field::{
    BUILT_IN_FIELDS, BuiltInField, FieldId, Form, InvalidFieldId, NoFieldId, Prefix, ValueType,
};
pub use nobody::{has_invisible_inside, is_blank, is_invisible, trimmed_invisible};
pub use origin::{MAX_ORIGINS, allows, read_origin};
pub use value::{Decimal, NotCanonical, Value};
