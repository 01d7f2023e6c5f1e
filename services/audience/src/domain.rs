//! The rules of audiences (semantics 5). Pure: time is an argument.

mod alias;
mod audience;
mod membership;
mod standings;

pub use alias::Aliases;
<<<<<<< HEAD
pub use audience::{Audience, Name, Origin, Usable};
pub use membership::{Decision, Membership, MembershipUpdate, Mode};

/// A row of a list: its key, and what it says, where that can be read.
pub type Listed<K, T> = (K, Option<T>);
=======
pub use audience::{Audience, Created, Name, Origin, Usable};
pub use membership::{Decision, Member, Membership, MembershipUpdate, Mode, Outcome, Update};
pub use standings::{Entry, Key, Memberships, Standings, tomorrow, waiting};
>>>>>>> main
