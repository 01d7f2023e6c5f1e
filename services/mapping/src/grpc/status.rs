//! The one table from errors to codes.

use tonic::Status;
use weir_postgres::Failure;

use crate::app::Error;

/// What a caller sees of an error.
pub fn status(error: Error) -> Status {
    match error {
        Error::Invalid(invalid) => weir_rpc::invalid(&invalid.field, &invalid.expected),
        Error::NotFound(kind) => weir_rpc::not_found(kind),
        Error::AlreadyExists(message) => weir_rpc::already_exists(&message),
        Error::Precondition(message) => weir_rpc::failed_precondition(&message),
        Error::Exhausted(message) => weir_rpc::exhausted(&message),
        Error::UnknownKey => weir_rpc::unauthenticated("the key is not known, or was revoked"),
        // Tried again as often as it makes sense: the caller may, later.
        Error::Store(Failure::Conflict | Failure::Unavailable) => {
            weir_rpc::unavailable("the database")
        }
        Error::Store(Failure::Internal) => weir_rpc::internal(),
        Error::Rings(_) => weir_rpc::unavailable("Redis"),
        Error::Late => Status::deadline_exceeded("the deadline passed"),
    }
}
