//! The other services: the two ledgers of what was stored, and the plans.

mod ledgers;
mod mapping;
mod plans;

pub use ledgers::{Hold, LedgerAsk, LedgerGrant, Ledgers, Stands, Sums};
pub use mapping::{Alerts, News, Rejections};
pub use plans::Plans;
pub use weir_accounts::Accounts;

use weir_reasons::Reason;
use weir_rpc::Silent;

/// Why another service gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is away, or late.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// It does not know the account.
    #[error("no such account")]
    UnknownAccount,
    /// It answered what can't be: ours to mend.
    #[error("an answer of the {0} service could not be read")]
    Unreadable(&'static str),
    /// One of them is still below the other's epoch: it was brought nearer, and the next call
    /// goes on.
    #[error("the epochs of the ledgers are far apart")]
    LedgersApart,
}

/// Sorts a status, and logs it: once, here.
fn failure(service: &'static str, status: &tonic::Status) -> Error {
    if weir_rpc::reason_of(status) == Some(Reason::AccountUnknown) {
        return Error::UnknownAccount;
    }
    tracing::warn!(service, code = ?status.code(), message = status.message(), "no answer");
    Silent::of(service, status).into()
}
