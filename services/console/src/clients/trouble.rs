//! What a failed call means for a page.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use weir_reasons::Reason;
use weir_rpc::wire::NOT_AN_ID;

use super::request::note_forbidden;
use crate::domain::trouble::Service;
use crate::domain::{Fault, Trouble};

/// Of a call to this service.
pub fn of(service: Service, status: &Status) -> Trouble {
    let says = || status.message().to_owned();
    if matches!(
        status.code(),
        Code::Internal | Code::Unknown | Code::Unavailable | Code::DeadlineExceeded
    ) {
        let late = weir_rpc::is_late(status);
        tracing::warn!(service, code = ?status.code(), late, "a call for a page failed");
    }
    match status.code() {
        Code::Unauthenticated => Trouble::SignedOut,
        Code::PermissionDenied => {
            note_forbidden();
            forbidden(status)
        }
        Code::NotFound => Trouble::Missing { says: says() },
        Code::InvalidArgument => invalid(faults(status)),
        Code::FailedPrecondition
        | Code::Aborted
        | Code::AlreadyExists
        | Code::ResourceExhausted => Trouble::Refused {
            code: code(status),
            says: says(),
        },
        _ if weir_rpc::is_late(status) => Trouble::Late { service },
        Code::Unavailable => {
            let of = named(status.message()).unwrap_or(service);
            match status.message().ends_with(SLOW) {
                true => Trouble::Late { service: of },
                false => Trouble::Away { service: of },
            }
        }
        _ => Trouble::Failed {
            service,
            says: says(),
            request: super::request_id(),
        },
    }
}

fn forbidden(status: &Status) -> Trouble {
    Trouble::Forbidden {
        says: match weir_rpc::reason_of(status) {
            // What the API says is for whoever writes requests.
            Some(Reason::AccountForbidden) => "your token is not for this account".to_owned(),
            _ => status.message().to_owned(),
        },
    }
}

/// What a service says of one that it asks, and that is there and does not answer (`weir_rpc::slow`).
const SLOW: &str = " did not answer in time";

/// Who is away, or slow, where a service says so of one that it asks.
fn named(says: &str) -> Option<Service> {
    let named = [
        ("the mapping service", "mapping"),
        ("the contact s", "contact-upsert"),
        ("the contact-upsert service", "contact-upsert"),
        ("the quota service", "quota"),
        ("the activity service", "activity"),
        ("the audience service", "audience"),
        ("Redis", "Redis"),
    ];
    let mut found = named.iter().filter(|(name, _)| says.starts_with(name));
    found.next().map(|(_, service)| *service)
}

/// What of the request is wrong. Ids are written by nobody: a wrong one is of an address that leads
/// to nothing.
fn invalid(faults: Vec<Fault>) -> Trouble {
    let is_id = |fault: &Fault| fault.field.ends_with("_id") && fault.says == NOT_AN_ID;
    match faults.iter().find(|fault| is_id(fault)) {
        Some(id) if faults.iter().all(is_id) => {
            let kind = id.field.trim_end_matches("_id").replace('_', " ");
            let says = format!("no such {kind}");
            Trouble::Missing { says }
        }
        _ => Trouble::Invalid(faults),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_away_is_named_and_not_who_was_asked() {
        let away = |what: &str| match of("mapping", &weir_rpc::unavailable(what)) {
            Trouble::Away { service } => service,
            other => panic!("{other:?}"),
        };
        assert_eq!(away("the contact store"), "contact-upsert");
        assert_eq!(away("the contact service"), "contact-upsert");
        assert_eq!(away("the contact-upsert service"), "contact-upsert");
        assert_eq!(away("the quota service"), "quota");
        assert_eq!(away("Redis (of the quota service)"), "Redis");
        assert_eq!(away("the database"), "mapping");
        let late = of("quota", &weir_rpc::late());
        assert!(late.says().contains("it, or one that it asks"), "{late:?}");
    }

    #[test]
    fn whoever_hangs_is_said_to_be_late_and_not_who_was_asked() {
        for (status, who) in [
            (
                weir_rpc::slow("the contact-upsert service"),
                "contact-upsert",
            ),
            (weir_rpc::slow("the audience service"), "audience"),
            // What tonic makes of a call whose time is over on this side.
            (Status::cancelled("Timeout expired"), "quota"),
        ] {
            let late = of("quota", &status);
            assert_eq!(late, Trouble::Late { service: who });
        }
    }

    #[test]
    fn an_address_whose_id_is_none_leads_to_nothing() {
        let wrong =
            |faults: &[(&str, &str)]| of("mapping", &weir_rpc::invalid_all(faults.iter().copied()));
        let id = wrong(&[("account_id", NOT_AN_ID), ("source_id", NOT_AN_ID)]);
        assert_eq!(id.status(), 404);
        assert_eq!(id.says(), "No such account.");
        let both = wrong(&[("account_id", NOT_AN_ID), ("name", "must be given")]);
        assert_eq!(both.status(), 422);
    }
}
