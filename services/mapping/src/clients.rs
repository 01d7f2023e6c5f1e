//! The other services: contact-upsert, which holds what tells contacts apart; and all that keep
//! something of accounts.

mod contacts;
mod keepers;

pub use contacts::Contacts;
pub use keepers::{Keepers, Urls};

/// Why another service did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is away, or too slow.
    #[error("the {0} service is away")]
    Away(&'static str),
    /// A contact is stored already (semantics 3.2).
    #[error("the account has contacts")]
    ContactsExist,
    /// It answered what can't be: ours to mend.
    #[error("an answer of the {0} service could not be read")]
    Unreadable(&'static str),
}
