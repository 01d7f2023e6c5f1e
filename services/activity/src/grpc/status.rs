//! The one table from errors to codes.

use tonic::Status;
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
            Error::Fenced => weir_rpc::aborted(
                Reason::EpochPast,
                "the batch's epoch is past; send its events again",
            ),
            Error::Late => weir_rpc::late(),
            // A conflict that outlived all tries is a database that is too busy.
            Error::Database(Failure::Conflict | Failure::Unavailable) => {
                weir_rpc::unavailable("the database")
            }
            Error::Database(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
        }
    }
}
