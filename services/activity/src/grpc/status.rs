//! The one table from errors to codes.

use tonic::{Code, Status};
use weir_postgres::Failure;
use weir_reasons::Reason;

use crate::app::Error;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => weir_rpc::aborted(
                Reason::BatchClosed,
                "the batch was closed; send its events again",
            ),
            Error::EpochPast(epoch) => weir_rpc::refused_with(
                Code::Aborted,
                Reason::EpochPast,
                "the batch's epoch is past; send its events again",
                "epoch",
                epoch,
            ),
            Error::AccountUnknown => weir_rpc::not_found(Reason::AccountUnknown, "account"),
            Error::ContactUnknown => weir_rpc::not_found(Reason::ContactUnknown, "contact"),
            Error::Silent(silent) => silent.into(),
            Error::Late | Error::Untaken => weir_rpc::late(),
            Error::TooManyExports => weir_rpc::refused(
                Code::ResourceExhausted,
                Reason::Overloaded,
                "two exports are under way; try again when one of them has ended",
            ),
            // A conflict that outlived all tries is a database that is too busy.
            // Nor does a row go that was just made, but where the database was put back.
            Error::NoRow
            | Error::MissingPartition
            | Error::Store(Failure::Conflict | Failure::Unavailable) => {
                weir_rpc::unavailable("the database")
            }
            Error::Store(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
        }
    }
}
