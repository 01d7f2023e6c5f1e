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
mod history;
pub mod import;
mod key;
mod members;
mod message;
#[cfg(test)]
mod model;
mod people;
mod preview;
mod profile;
#[cfg(test)]
mod properties;
mod reindex;
mod same;
pub mod search;
mod split;
mod stored;
#[cfg(test)]
mod tests;

pub use changes::{
    Before, Cause, Changes, ContactRow, KeptRow, LinkGone, LinkRow, Merge, Remove, Rule,
};
pub use contact::{
    Beside, InvalidContact, Register, Source, Stamp, StoredContact, read_registers, read_row,
};
pub use event::{
    Batch, Event, EventFacts, Facts, ImportOf, KeyId, KeyRule, KeyStrategy, MembershipMode,
    MembershipUpdate, MergeStrategy, Mode, Settings, Transition, UniqueIdentifiers,
};
pub use fold::{
    Care, Folded, IgnoredField, Joined, JoinedField, Outcome, Reindexed, Snapshot, Status,
    Unreadable, Unusable, fold, merge_by_hand, reindex,
};
pub use guard::{Absorbed, Crowd, count as count_absorbed};
pub use history::{ListedMerge, MergeCursor, NoCursor, PastMerge, StoredKey};
pub use key::{ANONYMOUS_ID, Key, USER_ID, is_email, is_unique_key, normalise};
pub use members::InvalidFields;
pub use message::{Alert, Link, Merged, Message, Removal, Split};
pub use people::{Counted, Deletion, Payload, known_by};
pub use preview::{Group, Preview};
pub use profile::{ContactKey, StoredProfile};
pub use reindex::{Run, RunState, Settled, keys_to_link};
pub use split::{Apart, Parts, Undo};
pub use stored::{NOBODY, Receipt, StoredLink};
