//! Typed values of contact fields and activity attributes, and their canonical form.
//!
//! **Canonical form**: every value has exactly one JSON text, so that services compare and
//! order values as texts, and store and pass them on without knowing their types:
//!
//! | type | JSON |
//! |---|---|
//! | text, long text, email, phone, link, single select, geo | string (phone: E.164) |
//! | integer | number, no fraction or exponent |
//! | decimal, currency | string: `"12.5"`, at most three decimals, no trailing zeros, no `-0` |
//! | boolean | `true`, `false` |
//! | date | string `"1980-07-28"` |
//! | time and date | string `"2025-07-10T06:09:00Z"`, UTC, fraction only where there is one (micros) |
//! | time | string `"23:59:59"` |
//! | multi select | array of strings, in the order given |
//! | object | object or array, compact, as given |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod digits;
mod field;
pub mod format;
mod nobody;
pub mod number;
pub mod path;
mod value;

pub use field::{
    BUILT_IN_FIELDS, BuiltInField, FieldId, InvalidFieldId, NoFieldId, Prefix, ValueType,
};
pub use nobody::{has_invisible_inside, is_blank, is_invisible, means_nobody, trimmed_invisible};
pub use value::{Decimal, NotCanonical, Value};
