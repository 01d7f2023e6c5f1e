//! The one table from errors to codes.

use tonic::Status;
use weir_postgres::Failure;

use crate::app::Error;

pub(super) fn of(error: Error) -> Status {
    match error {
        Error::Store(Failure::Unavailable | Failure::Conflict) => {
            weir_rpc::unavailable("the database (of the audience service)")
        }
        Error::Store(Failure::Internal) => weir_rpc::internal(),
        Error::Late => Status::deadline_exceeded("the work could not be done in time"),
        Error::UnknownAudience => weir_rpc::not_found("audience"),
        Error::OtherOrigin => weir_rpc::failed_precondition(
            "an audience of this name was made by hand or by another integration; \
             choose another name",
        ),
    }
}
