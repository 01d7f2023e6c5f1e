//! What a person does to contacts: merging, splitting, deleting (semantics 3.8-3.10).

mod deleting;
mod merging;
mod splitting;

use weir_changes::Shown;
use weir_ids::{AccountId, ContactId};
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::{ContactKey, ListedMerge, MergeCursor};
use crate::store::{AccountRow, NotStored};

pub use merging::{Joining, Purpose};
pub use splitting::Separated;

impl From<NotStored> for Error {
    fn from(failed: NotStored) -> Self {
        match failed {
            NotStored::Failed(failure) => failure.into(),
            NotStored::Refused => Self::Refused,
            NotStored::Unreadable(contacts) => Self::Unreadable(contacts),
            // Whatever else there is: what was read changed meanwhile.
            _ => Self::Conflict,
        }
    }
}

impl App {
    /// Merges in which a contact or any that was merged into it took part, newest first.
    ///
    /// # Errors
    /// When there is no such contact or account, or PostgreSQL is away.
    pub async fn merges(
        &self,
        account: AccountId,
        contact: ContactId,
        after: MergeCursor,
        limit: i64,
        deadline: Deadline,
    ) -> Result<Vec<ListedMerge>, Error> {
        let found = self.store.merges(account, contact, after, limit).await?;
        if found.is_empty() {
            self.contact(account, &ContactKey::Id(contact), deadline)
                .await?;
        }
        Ok(found)
    }
}

/// What the record of changes says of a merge.
fn shown_merge(survivor: ContactId, merged: ContactId) -> Shown {
    weir_changes::shown([
        ("survivor_contact_id", survivor.to_string().into()),
        ("merged_contact_id", merged.to_string().into()),
    ])
}

/// The unique identifiers by which contacts of the account are told apart: those that are
/// written down, and those by which these contacts are found.
fn unique_identifiers<'a>(
    account: &AccountRow,
    kinds: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut fields = account.unique_identifiers.clone().unwrap_or_default();
    for kind in kinds {
        if crate::domain::is_unique_key(kind) && !fields.iter().any(|field| field == kind) {
            fields.push(kind.to_owned());
        }
    }
    fields
}
