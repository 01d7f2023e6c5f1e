//! The one table from errors to codes.

use tonic::{Code, Status};
use weir_postgres::Failure;
use weir_reasons::Reason;

use crate::app::Error;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(Failure::Unavailable | Failure::Conflict) => {
                weir_rpc::unavailable("the database (of the audience service)")
            }
            Error::Store(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
            Error::AccountUnknown => weir_rpc::not_found(Reason::AccountUnknown, "account"),
            Error::Silent(silent) => silent.into(),
            Error::Late => weir_rpc::late(),
            Error::AudienceUnknown => weir_rpc::not_found(Reason::AudienceNotFound, "audience"),
            Error::RequestTaken => weir_rpc::refused(
                Code::AlreadyExists,
                Reason::RequestIdTaken,
                "something else was asked for under this request_id",
            ),
            Error::NameTaken => weir_rpc::refused(
                Code::AlreadyExists,
                Reason::NameTaken,
                "another audience has this name: choose another one, or rename or delete that one \
                 first",
            ),
            Error::InUse(a_day) => weir_rpc::refused_with(
                Code::FailedPrecondition,
                Reason::AudienceInUse,
                format!(
                    "updates came for the audience within the last 7 days: without it about \
                     {a_day} events a day would be refused, and kept for replay; say \
                     refuse_events where that is meant"
                ),
                "events_a_day",
                a_day.to_string(),
            ),
            Error::DeletionUnknown => weir_rpc::not_found(Reason::DeletionUnknown, "deletion"),
            Error::DeletionUnderWay => weir_rpc::refused(
                Code::FailedPrecondition,
                Reason::DeletionUnderWay,
                "memberships of the audience are still being deleted; try again in a while",
            ),
            Error::SyncUnknown => weir_rpc::not_found(Reason::SyncUnknown, "sync"),
            Error::TooManyExports => weir_rpc::refused(
                Code::ResourceExhausted,
                Reason::Overloaded,
                "two exports are under way here; try again when one is done",
            ),
            Error::Untaken => weir_rpc::late(),
            Error::OtherOrigin => weir_rpc::refused(
                Code::FailedPrecondition,
                Reason::AudienceNameTaken,
                "an audience of this name was made by hand or by another integration; \
                 choose another name",
            ),
        }
    }
}
