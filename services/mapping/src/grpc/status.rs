//! The one table from errors to codes.

use tonic::{Code, Status};
use weir_postgres::Failure;
use weir_reasons::Reason;
use weir_rpc::refused;

use crate::app::Error;
use crate::clients;
use crate::domain::invalid::Invalid;

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        weir_rpc::invalid(&invalid.field, &invalid.expected)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(all) => weir_rpc::invalid_all(
                all.iter()
                    .map(|invalid| (invalid.field.as_str(), invalid.expected.as_str())),
            ),
            Error::NotFound(kind) => weir_rpc::not_found(unknown(kind), kind),
            Error::Missing(reason, message) => refused(Code::NotFound, reason, message),
            Error::AlreadyExists(reason, message) => refused(Code::AlreadyExists, reason, message),
            Error::Precondition(reason, message) => {
                refused(Code::FailedPrecondition, reason, message)
            }
            Error::Exhausted(reason, message) => refused(Code::ResourceExhausted, reason, message),
            Error::Forbidden(reason, message) => refused(Code::PermissionDenied, reason, message),
            Error::UnknownKey => refused(
                Code::Unauthenticated,
                Reason::KeyUnknown,
                "the key is not known, or was revoked",
            ),
            Error::ExpiredKey => refused(
                Code::Unauthenticated,
                Reason::KeyExpired,
                "the key is past its end",
            ),
            Error::Changed(version) => weir_rpc::refused_with(
                Code::Aborted,
                Reason::MappingChanged,
                "the mapping was saved by somebody else meanwhile: look again, and save again",
                "mapping_version",
                version,
            ),
            Error::Overtaken(version) => weir_rpc::refused_with(
                Code::Aborted,
                Reason::MappingChanged,
                "the settings were changed by somebody else meanwhile: look again, and save again",
                "settings_version",
                version,
            ),
            // Tried again as often as it makes sense: the caller may, later.
            Error::Store(Failure::Conflict | Failure::Unavailable) => {
                weir_rpc::unavailable("the database")
            }
            Error::Store(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
            Error::Rings(_) => weir_rpc::unavailable("Redis"),
            Error::Contacts(clients::Error::Unreadable(_)) => weir_rpc::internal(),
            Error::Contacts(clients::Error::Late(service)) => {
                weir_rpc::slow(&format!("the {service} service"))
            }
            Error::Contacts(clients::Error::Away(service)) => {
                weir_rpc::unavailable(&format!("the {service} service"))
            }
            Error::Contacts(clients::Error::ContactsExist) => {
                weir_rpc::unavailable("the contact-upsert service")
            }
            Error::Late => weir_rpc::late(),
        }
    }
}

fn unknown(kind: &str) -> Reason {
    match kind {
        "account" => Reason::AccountUnknown,
        "alert" => Reason::AlertUnknown,
        "key" => Reason::KeyUnknown,
        "deletion" => Reason::DeletionUnknown,
        "replay" => Reason::ReplayUnknown,
        "token" => Reason::TokenNotFound,
        _ => Reason::SourceUnknown,
    }
}
