//! The one table from errors to codes.

use tonic::Status;
use weir_reasons::Reason;

use crate::app::Error;
use crate::{clients, store};

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(store::Error::Away) => {
                weir_rpc::unavailable("Redis (of the quota service)")
            }
            Error::Client(clients::Error::Silent(silent)) => silent.into(),
            Error::Client(clients::Error::LedgersApart) => {
                weir_rpc::unavailable("a ledger that has caught up with the other")
            }
            Error::Client(clients::Error::UnknownAccount) => {
                weir_rpc::not_found(Reason::AccountUnknown, "account")
            }
            Error::Late => weir_rpc::late(),
            Error::ClockBehind => {
                tracing::error!("the clock of this replica is days behind that of the others");
                weir_rpc::unavailable("a quota service with the right time")
            }
            Error::Store(store::Error::Unreadable)
            | Error::Client(clients::Error::Unreadable(_))
            | Error::ByLedgers
            | Error::Internal => {
                tracing::error!(%error, "internal");
                weir_rpc::internal()
            }
        }
    }
}
