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
mod guard;
pub mod import;
mod key;
mod members;
mod message;
#[cfg(test)]
mod model;
mod preview;
mod profile;
#[cfg(test)]
mod properties;
mod reindex;
mod same;
pub mod search;
mod stored;
#[cfg(test)]
mod tests;

pub use changes::{Changes, ContactRow, KeptRow, LinkGone, LinkRow, Merge, Remove};
pub use contact::{InvalidContact, Register, Stamp, StoredContact, read_registers};
pub use event::{
    Batch, Event, EventFacts, Facts, KeyId, KeyRule, KeyStrategy, MembershipMode, MembershipUpdate,
    MergeStrategy, Mode, Settings, Transition, UniqueIdentifiers,
};
pub use fold::{
    Care, Folded, IgnoredField, Outcome, Reindexed, Snapshot, Status, Unreadable, Unusable, fold,
    reindex,
};
pub use guard::{Absorbed, Crowd, count as count_absorbed};
pub use key::{ANONYMOUS_ID, Key, USER_ID, is_email, is_unique_key, normalise};
pub use members::InvalidFields;
pub use message::{Alert, Link, Message, Removal};
pub use preview::{Group, Preview};
pub use profile::{ContactKey, StoredProfile};
pub use reindex::{Run, RunState, Settled, keys_to_link};
pub use stored::{NOBODY, Receipt, StoredLink};
