//! Errors across the wire: a closed set, each with the details of `google.rpc` that tell a
//! caller what to do. Nothing of the inside is in them.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A field of the request is wrong: says which, and what would be right.
pub fn invalid(field: &str, description: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation(field, description);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{field}: {description}"),
        details,
    )
}

/// There is no such `kind` of thing (or it is another account's, which looks the same).
pub fn not_found(kind: &str) -> Status {
    Status::not_found(format!("no such {kind}"))
}

/// It exists, and differs.
pub fn already_exists(message: &str) -> Status {
    Status::already_exists(message)
}

/// Not in this state; the message says what to do first.
pub fn failed_precondition(message: &str) -> Status {
    Status::failed_precondition(message)
}

/// A limit is reached; the message says which.
pub fn exhausted(message: &str) -> Status {
    Status::resource_exhausted(message)
}

/// The credentials are not good.
pub fn unauthenticated(message: &str) -> Status {
    Status::unauthenticated(message)
}

/// The whole call was undone, and the same call would be again: start anew.
pub fn aborted(message: &str) -> Status {
    Status::aborted(message)
}

/// Something that is needed is away; the same call may succeed later.
pub fn unavailable(what: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::Unavailable, format!("{what} is away"), details)
}

/// Ours to mend. The cause is in the log, not in here.
pub fn internal() -> Status {
    Status::internal("an internal error")
}
