//! Why calls fail, before they are told to anybody.

use uuid::Uuid;
use weir_postgres::Failure;
use weir_rpc::Silent;
use weir_service::Fault;

use crate::clients::NoSetup;
use crate::domain::Unreadable;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The batch was closed.
    #[error("the batch may no longer be stored")]
    Closed,
    /// The batch's epoch is past; this one stands.
    #[error("the batch's epoch is past")]
    EpochPast(i64),
    /// The batch was mapped under other unique identifiers than those that stand.
    #[error("the unique identifiers changed")]
    IdentifiersChanged,
    /// PostgreSQL does not take some value of the batch.
    #[error("a value can't be stored")]
    Refused,
    /// Some of the events lead to contacts whose rows are broken.
    #[error("contacts can't be read")]
    Unreadable(Unreadable),
    /// Nobody is found by that.
    #[error("no such contact")]
    ContactUnknown,
    /// No merge has this id.
    #[error("no such merge")]
    MergeUnknown,
    /// What a split needs of it is gone.
    #[error("the merge is too old to be undone")]
    MergeTooOld,
    /// This merge has to be undone first.
    #[error("a later merge is in the way")]
    InTheWay(Uuid),
    /// The two contacts that were to be merged are the same.
    #[error("both are one contact already")]
    AlreadyOne,
    /// Only whoever says so merges two that both have user ids.
    #[error("both contacts have user ids")]
    BothHaveUserIds,
    /// No deletion has this id.
    #[error("no such deletion")]
    DeletionUnknown,
    /// There is room for a few exports at a time.
    #[error("too many exports are under way")]
    TooManyExports,
    /// Nobody takes the pieces of an export any more.
    #[error("the export is not taken")]
    Untaken,
    /// The source has no contact mapping.
    #[error("no contact mapping")]
    NoMapping,
    /// There is no such source in the account.
    #[error("no such source")]
    SourceUnknown,
    /// Parts of the request, such as columns that are no fields, each with what is wrong.
    #[error("the request is wrong")]
    InvalidRequest(Vec<(String, String)>),
    /// What mapping would answer is larger than a message may be.
    #[error("the rows are too large")]
    RowsTooLarge,
    /// Somebody who had to be asked is away, or late.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// The list goes on nowhere of that name.
    #[error("no such page")]
    NoSuchPage,
    /// Neither stored here nor known to mapping.
    #[error("no such account")]
    AccountUnknown,
    /// Other unique identifiers are on their way.
    #[error("another reindex is under way")]
    ReindexUnderWay,
    /// Something else was done under it.
    #[error("something else was asked for under this request_id")]
    RequestTaken,
    /// The account's contacts were never reindexed.
    #[error("no such reindex")]
    ReindexUnknown,
    /// Unique identifiers are fixed once a contact is stored.
    #[error("contacts exist")]
    ContactsExist,
    /// Lost against others; the same again may succeed at once.
    #[error("another transaction was faster")]
    Conflict,
    /// Some key that the batch would make is there, each time: no race is lost like this.
    #[error("a key is there already")]
    Taken,
    /// The fields of the event at this index are no object.
    #[error("the fields of an event can't be read")]
    InvalidFields(usize),
    /// Nothing was stored; the same may succeed later.
    #[error("the database is away or too busy")]
    Unavailable,
    /// Ours to mend; logged.
    #[error("an internal error")]
    Internal,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Conflict,
            Failure::Unavailable => Self::Unavailable,
            Failure::Refused => Self::Refused,
            Failure::Internal => Self::Internal,
        }
    }
}

impl Error {
    /// Whether some events of the batch are at fault, which the others must not suffer for.
    pub(super) fn is_of_events(&self) -> bool {
        matches!(self, Self::Refused | Self::Taken | Self::Unreadable(_))
    }
}

impl From<NoSetup> for Error {
    fn from(none: NoSetup) -> Self {
        match none {
            NoSetup::Unknown => Self::AccountUnknown,
            NoSetup::Silent(silent) => Self::Silent(silent),
        }
    }
}

impl Fault for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict)
    }
    fn late() -> Self {
        // Nothing was stored.
        Self::Unavailable
    }
    fn internal() -> Self {
        Self::Internal
    }
}
