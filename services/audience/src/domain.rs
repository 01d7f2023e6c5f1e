//! The rules of audiences (semantics 5). Pure: time is an argument.

mod alias;
mod audience;
mod membership;
mod people;
mod standings;

pub use alias::Aliases;
pub use audience::{Audience, Created, Name, Origin, Usable};
pub use membership::{Decision, Member, Membership, MembershipUpdate, Mode, Outcome, Update};
pub use people::{Kept, Merge, Merging, NOBODY, Split, apart, touched};
pub use standings::{Entry, Key, Memberships, Standings, tomorrow, waiting};
