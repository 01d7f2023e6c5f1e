//! What tells an account's contacts apart.

use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error, POLICY};
use crate::domain::UniqueIdentifiers;
use crate::store::Changed;

impl App {
    /// The unique identifiers that stand; none where they were never changed here.
    ///
    /// # Errors
    /// When there is no such account, or PostgreSQL is away.
    pub async fn unique_identifiers(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<Option<UniqueIdentifiers>, Error> {
        let found = self.store.unique_identifiers(account).await?;
        if found.is_none() {
            self.must_know(account, deadline).await?;
        }
        Ok(found)
    }

    /// Changes them, as long as the account has no contact (semantics 3.2).
    ///
    /// # Errors
    /// When it has one, there is no such account, or PostgreSQL is away.
    pub async fn change_unique_identifiers(
        &self,
        account: AccountId,
        wanted: UniqueIdentifiers,
        deadline: Deadline,
    ) -> Result<UniqueIdentifiers, Error> {
        self.must_know(account, deadline).await?;
        let store = self.store.clone();
        let change = move |_| {
            let (store, wanted) = (store.clone(), wanted.clone());
            async move {
                match store.change_unique_identifiers(account, wanted).await? {
                    Changed::To(identifiers) => Ok(identifiers),
                    Changed::ContactsExist => Err(Error::ContactsExist),
                }
            }
        };
        weir_service::retry(deadline, POLICY, change).await
    }
}
