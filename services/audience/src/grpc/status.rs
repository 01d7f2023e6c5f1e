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
            Error::MappingAway(weir_accounts::Away) => weir_rpc::unavailable("the mapping service"),
            Error::Late => weir_rpc::late(),
            Error::AudienceUnknown => weir_rpc::not_found(Reason::AudienceNotFound, "audience"),
            Error::RequestTaken => weir_rpc::refused(
                Code::AlreadyExists,
                Reason::RequestIdTaken,
                "something else was asked for under this request_id",
            ),
            Error::OtherOrigin => weir_rpc::refused(
                Code::FailedPrecondition,
                Reason::AudienceNameTaken,
                "an audience of this name was made by hand or by another integration; \
                 choose another name",
            ),
        }
    }
}
