//! The ledger of profile units, and what tells an account's contacts apart: both stand in the
//! account's row, which every batch holds while it is stored.

use chrono::NaiveDate;
use weir_ids::{AccountId, BatchId};
use weir_rpc::Deadline;

use super::{App, Error, TRIES};
use crate::store::{Changed, Fenced, UniqueIdentifiers};

impl App {
    /// Closes batches and answers what each has stored.
    ///
    /// # Errors
    /// When there is no such account, or PostgreSQL is away.
    pub async fn close_batches(
        &self,
        account: AccountId,
        batches: Vec<(NaiveDate, BatchId)>,
        deadline: Deadline,
    ) -> Result<Vec<i64>, Error> {
        self.must_know(account, deadline).await?;
        let store = self.store.clone();
        let close = move |_| {
            let (store, batches) = (store.clone(), batches.clone());
            async move { Ok(store.close_batches(account, &batches).await?) }
        };
        weir_service::persistently(deadline, TRIES, close).await
    }

    /// Raises the epoch and answers it, with the sums of what is stored from `day` on.
    ///
    /// # Errors
    /// When there is no such account, the epoch is too far ahead, or PostgreSQL is away.
    pub async fn fence_usage(
        &self,
        account: AccountId,
        epoch: i64,
        day: NaiveDate,
        deadline: Deadline,
    ) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
        self.must_know(account, deadline).await?;
        let store = self.store.clone();
        let fence = move |_| {
            let store = store.clone();
            async move {
                match store.fence_usage(account, epoch, day).await? {
                    Fenced::At(epoch, sums) => Ok((epoch, sums)),
                    Fenced::Implausible => Err(Error::EpochImplausible),
                }
            }
        };
        weir_service::persistently(deadline, TRIES, fence).await
    }

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
        weir_service::persistently(deadline, TRIES, change).await
    }
}
