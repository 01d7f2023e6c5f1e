//! The rules of audiences (semantics 5). Pure: time is an argument.

mod alias;
mod audience;
pub mod export;
pub mod history;
mod membership;
mod people;
mod standings;
mod sync;

pub use alias::Aliases;
pub use audience::{Audience, Created, Deletion, Name, Origin, Shown, Usable};
pub use membership::{Decision, Member, Membership, MembershipUpdate, Mode, Outcome, Update};
pub use people::{Kept, Merge, Merging, NOBODY, Split, apart, touched};
pub use standings::{Entry, Key, Memberships, Standings, tomorrow, waiting};
pub use sync::{Run, SyncDays};
