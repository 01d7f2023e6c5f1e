//! The one reader of JSON: walks over borrowed text that build no tree, and allocate nothing
//! but for [`normal`].
//!
//! - [`members`] and [`members_in_front`] walk over **untrusted** text: what passes is JSON as
//!   RFC 8259 has it, of at most [`MAX_DEPTH`] levels (semantics 1.2).
//! - [`behind_value`] tells by quotes and brackets alone where something ends that is no JSON.
//! - [`object`], [`array`] and [`compact`] walk over **trusted** bytes, which passed once.
//! - [`normal`] writes alike what says the same.
//! - [`unescaped`] and [`text`] take escapes away, [`write_text`] puts them in.
//! - [`Person`] looks for somebody's identifiers.
//! - [`Cursor`] reads texts from their front, such as dates and times.
//!
//! A parser would refuse what is the trouble of one value alone: numbers of any size, halves of
//! surrogate pairs (semantics 2.4b, 2.4c). Whatever bytes come in, every walk ends, and none
//! panics. `tests/oracle.rs` compares them all with serde_json.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cursor;
#[cfg(feature = "generate")]
pub mod generate;
mod normal;
mod person;
mod strict;
mod text;
mod trusted;

pub use cursor::Cursor;
pub use normal::normal;
pub use person::Person;
pub use strict::{Fault, MAX_DEPTH, members, members_in_front};
pub use text::{plain, text, unescaped, write_text};
pub use trusted::{
    Kind, NotJson, Raw, array, behind_space, behind_string, behind_value, compact, is_empty,
    is_empty_list, kind, object,
};
