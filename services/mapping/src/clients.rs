//! The others: contact-upsert, which holds what tells contacts apart; all that keep something of
//! accounts; the mail server, and the webhooks of accounts.

mod contacts;
mod keepers;
mod mail;
mod record;
mod webhooks;

pub use contacts::Contacts;
pub use keepers::{Keepers, Urls};
pub use mail::{MailOptions, MailServer, Mailer};
pub use record::Record;
pub use webhooks::Webhooks;

/// Why another service did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the {0} service is away")]
    Away(&'static str),
    #[error("the {0} service did not answer in time")]
    Late(&'static str),
    /// A contact is stored already (semantics 3.2).
    #[error("the account has contacts")]
    ContactsExist,
    /// It answered what can't be: ours to mend.
    #[error("an answer of the {0} service could not be read")]
    Unreadable(&'static str),
}

impl Error {
    /// Of a call to this service that got no answer.
    fn of(service: &'static str, status: &tonic::Status) -> Self {
        match weir_rpc::is_late(status) {
            true => Self::Late(service),
            false => Self::Away(service),
        }
    }
}
