//! The one table from errors to codes.

use tonic::Status;
use weir_reasons::Reason;
use weir_rpc::{aborted, internal, invalid, unavailable};

use crate::app::Error;

/// What a caller is told.
pub(super) fn status_of(error: Error) -> Status {
    match error {
        Error::Closed => aborted(
            Reason::BatchClosed,
            "the batch was closed or its epoch is past; reserve units for a new one",
        ),
        Error::InvalidFields(position) => invalid(
            &format!("events[{position}].fields_json"),
            "must be a JSON object of field ids and canonical values",
        ),
        Error::Unavailable => unavailable("the contact store"),
        Error::Internal => internal(),
    }
}
