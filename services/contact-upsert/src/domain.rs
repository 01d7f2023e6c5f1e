//! The rules of identity and fields (semantics 2.6, 2.8, 3.1-3.8, and 1.4 for contacts).
//!
//! A batch is folded event by event over the contacts it concerns, all in memory; what comes
//! out is one outcome for each event, and the difference that is to be written.
//!
//! **Invariant:** nothing in here knows a database, a wire format, a clock or a runtime.
//! Values are opaque: their canonical JSON texts are compared as texts.

mod changes;
mod contact;
mod event;
pub mod export;
mod fold;
pub mod import;
mod key;
mod members;
mod message;
#[cfg(test)]
mod model;
mod profile;
#[cfg(test)]
mod properties;
mod same;
pub mod search;
mod stored;
#[cfg(test)]
mod tests;

pub use changes::{Changes, ContactRow, KeptRow, LinkGone, LinkRow, Merge, Remove};
pub use contact::{InvalidContact, Register, Stamp, StoredContact, read_registers};
pub use event::{
    Batch, Event, EventFacts, Facts, KeyId, KeyStrategy, MembershipMode, MembershipUpdate,
    MergeStrategy, Mode, Settings, UniqueIdentifiers,
};
pub use fold::{Care, Folded, IgnoredField, Outcome, Snapshot, Status, Unreadable, Unusable, fold};
pub use key::{ANONYMOUS_ID, Key, USER_ID, is_email, is_unique_key, normalise};
pub use members::InvalidFields;
pub use message::{Link, Message, Removal};
pub use profile::{ContactKey, StoredProfile};
pub use stored::{NOBODY, Receipt, StoredLink};
