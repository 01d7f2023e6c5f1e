//! The one table from errors to codes.

use tonic::{Code, Status};
use weir_reasons::Reason;
use weir_rpc::{
    aborted, internal, invalid, invalid_all, not_found, refused, refused_with, unavailable,
};

use crate::app::Error;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => aborted(
                Reason::BatchClosed,
                "the batch was closed; reserve units for a new one",
            ),
            Error::EpochPast(stands) => refused_with(
                Code::Aborted,
                Reason::EpochPast,
                "the batch was admitted under a past epoch; reserve units for a new one",
                "epoch",
                stands,
            ),
            Error::IdentifiersChanged => aborted(
                Reason::IdentifiersChanged,
                "the account's unique identifiers changed; map the events anew",
            ),
            Error::ContactsExist => unmet(
                Reason::ContactsExist,
                "a contact is stored: unique identifiers and key strategy change by StartReindex alone",
            ),
            Error::ReindexUnderWay => unmet(
                Reason::ReindexUnderWay,
                "contacts are being reindexed by other unique identifiers; GetReindex tells how \
                 far that is",
            ),
            Error::RequestTaken => refused(
                Code::AlreadyExists,
                Reason::RequestIdTaken,
                "something else was asked for under this request_id",
            ),
            Error::ReindexUnknown => not_found(Reason::ReindexUnknown, "reindex"),
            Error::InvalidFields(index) => invalid(
                &format!("events[{index}].fields_json"),
                "must be a JSON object of field ids and canonical values",
            ),
            Error::ContactUnknown => not_found(Reason::ContactUnknown, "contact"),
            Error::TooManyExports => refused(
                Code::ResourceExhausted,
                Reason::Overloaded,
                "two exports are under way here; try again when one is done",
            ),
            Error::Untaken => weir_rpc::late(),
            Error::NoMapping => unmet(Reason::NoMapping, "the source has no contact mapping"),
            Error::SourceUnknown => not_found(Reason::SourceUnknown, "source"),
            Error::InvalidRequest(faults) => {
                let faults = faults.iter();
                invalid_all(faults.map(|(field, what)| (field.as_str(), what.as_str())))
            }
            Error::RowsTooLarge => refused(
                Code::ResourceExhausted,
                Reason::AnswerTooLarge,
                "the values of these rows are too many; send fewer rows",
            ),
            Error::Silent(silent) => silent.into(),
            Error::NoSuchPage => weir_rpc::unknown_page(),
            Error::AccountUnknown => not_found(Reason::AccountUnknown, "account"),
            Error::MergeUnknown => not_found(Reason::MergeUnknown, "merge"),
            Error::DeletionUnknown => not_found(Reason::DeletionUnknown, "deletion"),
            Error::MergeTooOld => unmet(
                Reason::MergeTooOld,
                "the merge was more than 90 days ago; what a split needs is gone",
            ),
            Error::InTheWay(merge) => refused_with(
                Code::FailedPrecondition,
                Reason::MergeInTheWay,
                format!("the later merge {merge} has to be undone first"),
                "merge_id",
                merge,
            ),
            Error::AlreadyOne => unmet(Reason::ContactsAlreadyOne, "both are one contact already"),
            Error::BothHaveUserIds => unmet(
                Reason::BothHaveUserIds,
                "both contacts have user ids; say allow_two_user_ids where they are one person",
            ),
            Error::Unavailable | Error::Conflict => unavailable("the contact store"),
            Error::Refused | Error::Taken | Error::Unreadable(_) | Error::Internal => internal(),
        }
    }
}

/// What the caller asks for needs something else first.
fn unmet(reason: Reason, message: &str) -> Status {
    refused(Code::FailedPrecondition, reason, message)
}
