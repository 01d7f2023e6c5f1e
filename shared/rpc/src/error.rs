//! Errors across the wire: a closed set, each with the details of `google.rpc` that tell a
//! caller what to do, and the reason code of semantics 1.6. Nothing of the inside is in them.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use weir_reasons::Reason;

/// Whose reason codes they are (`google.rpc.ErrorInfo.domain`).
const DOMAIN: &str = "weir";

/// The texts of violations, in bytes: they travel in a header, of which clients read 16 KiB.
const MAX_VIOLATIONS: usize = 6_000;

/// An error with its reason.
pub fn refused(code: Code, reason: Reason, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, details(reason))
}

/// As [`refused`], with something that a program needs to know.
pub fn refused_with(
    code: Code,
    reason: Reason,
    message: impl Into<String>,
    key: &str,
    value: impl ToString,
) -> Status {
    let known = HashMap::from([(key.to_owned(), value.to_string())]);
    let details = ErrorDetails::with_error_info(reason.code(), DOMAIN, known);
    Status::with_error_details(code, message, details)
}

/// The reason that an error carries, if it is one that this version knows.
pub fn reason_of(status: &Status) -> Option<Reason> {
    Reason::of_code(&status.get_details_error_info()?.reason)
}

/// What [`refused_with`] said under a key.
pub fn told(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// A field of the request is wrong: says which, and what would be right. One without a name is all
/// of it.
pub fn invalid(field: &str, description: &str) -> Status {
    let reason = if field == "page_token" {
        Reason::PageTokenInvalid
    } else {
        Reason::FieldInvalid
    };
    let mut details = details(reason);
    details.add_bad_request_violation(field, description);
    let message = match field {
        "" => format!("the request {description}"),
        field => format!("{field}: {description}"),
    };
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Fields of the request are wrong, at least one: all of them are named at once, as far as the
/// answer's header has room; the last one then says how many are left.
pub fn invalid_all<'a>(violations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Status {
    let mut violations = violations.into_iter();
    let Some((field, description)) = violations.next() else {
        return internal();
    };
    let mut room = MAX_VIOLATIONS.saturating_sub(field.len() + description.len());
    let (mut named, mut left) = (Vec::new(), 0_usize);
    for (field, description) in violations {
        let size = field.len() + description.len();
        if left > 0 || size > room {
            left += 1;
        } else {
            room -= size;
            named.push((field, description));
        }
    }
    let more = named.len() + left;
    if more == 0 {
        return invalid(field, description);
    }
    let mut details = details(Reason::FieldInvalid);
    details.add_bad_request_violation(field, description);
    for (field, description) in named {
        details.add_bad_request_violation(field, description);
    }
    if left > 0 {
        details.add_bad_request_violation("", format!("and {left} more"));
    }
    let message = format!("{field}: {description} (and {more} more)");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A page token that no list gave out.
pub fn unknown_page() -> Status {
    invalid(
        "page_token",
        "must be the next_page_token of another answer",
    )
}

/// There is no such thing (or it is another account's, which looks the same).
pub fn not_found(reason: Reason, kind: &str) -> Status {
    refused(Code::NotFound, reason, format!("no such {kind}"))
}

/// The whole call was undone, and the same call would be again: start anew.
pub fn aborted(reason: Reason, message: &str) -> Status {
    refused(Code::Aborted, reason, message)
}

/// Something that is needed is away; the same call may succeed later.
pub fn unavailable(what: &str) -> Status {
    let mut details = details(Reason::ServiceAway);
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::Unavailable, format!("{what} is away"), details)
}

/// Something that is needed did not answer in time; the same call may succeed later.
pub fn slow(what: &str) -> Status {
    let away = unavailable(what);
    let details = away.get_error_details();
    let message = format!("{what} did not answer in time");
    Status::with_error_details(Code::Unavailable, message, details)
}

/// A service that was asked gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    #[error("the {0} service is away")]
    Away(&'static str),
    #[error("the {0} service did not answer in time")]
    Late(&'static str),
}

impl Silent {
    /// Of a call to this service that failed.
    pub fn of(service: &'static str, status: &Status) -> Self {
        match is_late(status) {
            true => Self::Late(service),
            false => Self::Away(service),
        }
    }
}

impl From<Silent> for Status {
    fn from(silent: Silent) -> Self {
        match silent {
            Silent::Away(service) => unavailable(&format!("the {service} service")),
            Silent::Late(service) => slow(&format!("the {service} service")),
        }
    }
}

/// Whether a call of ours ended without an answer because that took too long: its time was over,
/// here (which tonic calls cancelled) or there, or its connection did not answer either.
pub fn is_late(status: &Status) -> bool {
    if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) {
        return true;
    }
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        if error.is::<tonic::ConnectError>() {
            return false;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_timeout();
        }
        next = error.source();
    }
    false
}

/// No time was left; what was done is not known.
pub fn late() -> Status {
    let message = "the deadline passed before the work was done";
    refused(Code::DeadlineExceeded, Reason::TooLate, message)
}

/// Ours to mend. The cause is in the log, not in here.
pub fn internal() -> Status {
    refused(Code::Internal, Reason::Internal, "an internal error")
}

fn details(reason: Reason) -> ErrorDetails {
    ErrorDetails::with_error_info(reason.code(), DOMAIN, HashMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong =
            |fields: &[&str]| invalid_all(fields.iter().map(|field| (*field, "must be given")));
        let status = wrong(&["name", "country"]);
        assert_eq!(status.message(), "name: must be given (and 1 more)");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 2);
        assert_eq!(reason_of(&status), Some(Reason::FieldInvalid));
        assert_eq!(
            reason_of(&wrong(&["page_token"])),
            Some(Reason::PageTokenInvalid)
        );
    }

    #[test]
    fn who_gave_no_answer_is_named_and_said_to_be_late_or_away() {
        let call = |status: &Status| Status::from(Silent::of("mapping", status));
        for (status, says) in [
            (late(), "the mapping service did not answer in time"),
            (
                Status::cancelled("Timeout expired"),
                "the mapping service did not answer in time",
            ),
            (
                Status::unavailable("refused"),
                "the mapping service is away",
            ),
            (internal(), "the mapping service is away"),
        ] {
            let told = call(&status);
            assert_eq!((told.code(), told.message()), (Code::Unavailable, says));
            assert_eq!(reason_of(&told), Some(Reason::ServiceAway));
            assert_eq!(Silent::of("mapping", &status).to_string(), says);
        }
    }

    #[test]
    fn every_error_carries_its_reason() {
        let told_epoch = refused_with(Code::Aborted, Reason::EpochPast, "past", "epoch", 7);
        for (status, reason) in [
            (invalid("name", "must be given"), Reason::FieldInvalid),
            (
                invalid("page_token", "is none of ours"),
                Reason::PageTokenInvalid,
            ),
            (
                not_found(Reason::ContactUnknown, "contact"),
                Reason::ContactUnknown,
            ),
            (unavailable("the database"), Reason::ServiceAway),
            (slow("the database"), Reason::ServiceAway),
            (late(), Reason::TooLate),
            (internal(), Reason::Internal),
            (told_epoch.clone(), Reason::EpochPast),
        ] {
            assert_eq!(reason_of(&status), Some(reason));
        }
        assert_eq!(told(&told_epoch, "epoch").as_deref(), Some("7"));
        assert_eq!(reason_of(&Status::internal("somebody else's")), None);
    }
}
