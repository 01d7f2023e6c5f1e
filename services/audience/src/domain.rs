//! The rules of audiences (semantics 5). Pure: time is an argument.

pub mod alias;
pub mod audience;
pub mod membership;

pub use alias::Aliases;
pub use audience::{Audience, Name, Origin, Usable};
pub use membership::{Decision, Membership, MembershipUpdate, Mode};

/// A row of a list: its key, and what it says, where that can be read.
pub type Listed<K, T> = (K, Option<T>);
