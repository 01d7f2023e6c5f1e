//! What a failed call means for a page.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir_reasons::Reason;

use crate::domain::trouble::Service;
use crate::domain::{Fault, Trouble};

/// Of a call to this service.
pub fn of(service: Service, status: &Status) -> Trouble {
    let says = || status.message().to_owned();
    if matches!(
        status.code(),
        Code::Internal | Code::Unknown | Code::Unavailable | Code::DeadlineExceeded
    ) {
        tracing::warn!(service, code = ?status.code(), "a call for a page failed");
    }
    match status.code() {
        Code::Unauthenticated => Trouble::SignedOut,
        Code::PermissionDenied => Trouble::Forbidden {
            says: match weir_rpc::reason_of(status) {
                // What the API says is for whoever writes requests.
                Some(Reason::AccountForbidden) => "your token is not for this account".to_owned(),
                _ => says(),
            },
        },
        Code::NotFound => Trouble::Missing { says: says() },
        Code::InvalidArgument => Trouble::Invalid(faults(status)),
        Code::FailedPrecondition
        | Code::Aborted
        | Code::AlreadyExists
        | Code::ResourceExhausted => Trouble::Refused {
            code: code(status),
            says: says(),
        },
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Trouble::Away { service },
        _ => Trouble::Failed {
            service,
            says: says(),
            request: super::request_id(),
        },
    }
}

fn code(status: &Status) -> String {
    let known = weir_rpc::reason_of(status);
    known.map_or_else(String::new, |reason| reason.code().to_owned())
}

fn faults(status: &Status) -> Vec<Fault> {
    let details = status.get_details_bad_request();
    let violations = details.map(|details| details.field_violations);
    let faults = violations.unwrap_or_default().into_iter();
    let faults: Vec<_> = faults
        .map(|violation| Fault {
            field: violation.field,
            says: violation.description,
        })
        .collect();
    if faults.is_empty() {
        let says = status.message().to_owned();
        return vec![Fault {
            field: String::new(),
            says,
        }];
    }
    faults
}

/// Calls a method, and says what a failure means.
macro_rules! call {
    ($service:literal, $client:expr, $method:ident, $message:expr) => {
        $client
            .clone()
            .$method(crate::clients::shown::ask($message))
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| crate::clients::trouble::of($service, &status))
    };
}
pub(crate) use call;
