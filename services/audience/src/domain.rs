//! The rules of audiences (semantics 5). Pure: time is an argument.

pub mod alias;
pub mod audience;
pub mod membership;

pub use alias::Aliases;
pub use audience::{Audience, Name, Origin, Usable};
pub use membership::{Decision, Membership, MembershipUpdate, Mode};
