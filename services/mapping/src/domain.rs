//! The rules: configuration that cannot be wrong, and the conversion of raw events.
//!
//! Pure functions over values: no clock, no environment, no transport, no storage.

pub mod access;
pub mod account;
pub mod alert;
pub mod convert;
pub mod counts;
pub mod deletion;
pub mod delivery;
pub mod draft;
pub mod dry_run;
pub mod event;
pub mod field;
pub mod folded;
pub mod invalid;
pub mod kept;
pub mod key;
pub mod log;
pub mod mapper;
pub mod mapping;
pub mod news;
pub mod parts;
pub mod path;
pub mod places;
pub mod recent;
pub mod record;
pub mod replay;
pub mod row;
pub mod sample;
pub mod sampled;
pub mod snapshot;
pub mod source;
pub mod spending;
pub mod suggest;
pub mod versions;
pub mod watch;
pub mod webhook;

/// An item of a list, by the key that pages go on from. None where its row can't be read: it
/// is left out of the page, which goes on behind it.
pub type Listed<K, T> = (K, Option<T>);
