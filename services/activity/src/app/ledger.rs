//! The ledger of activity units, for quota (semantics 6.5).

use std::sync::Arc;

use chrono::NaiveDate;
use weir_ids::{AccountId, BatchId};
use weir_rpc::Deadline;
use weir_service::persistently;

use super::{App, Error, TRIES};
use crate::store::{Fenced, Store};

impl App {
    /// Closes batches and answers what each was charged.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close(
        &self,
        account_id: AccountId,
        batches: Vec<(NaiveDate, BatchId)>,
        deadline: Deadline,
    ) -> Result<Vec<i64>, Error> {
        self.require_account(account_id, deadline).await?;
        let (store, batches) = (self.store.clone(), Arc::new(batches));
        persistently(deadline, TRIES, move |_| {
            let (store, batches) = (store.clone(), Arc::clone(&batches));
            async move { close(&store, account_id, &batches).await }
        })
        .await
    }

    /// Raises the account's epoch, and answers it with the sums of the windows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn fence(
        &self,
        account_id: AccountId,
        epoch: i64,
        from_window: NaiveDate,
        deadline: Deadline,
    ) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
        self.require_account(account_id, deadline).await?;
        let store = self.store.clone();
        persistently(deadline, TRIES, move |_| {
            let store = store.clone();
            async move { fence(&store, account_id, epoch, from_window).await }
        })
        .await
    }
}

async fn close(
    store: &Store,
    account_id: AccountId,
    batches: &[(NaiveDate, BatchId)],
) -> Result<Vec<i64>, Error> {
    let mut connection = store.connection().await?;
    let tx = connection.begin(account_id);
    let units = tx.close(batches).await?;
    tx.commit().await?;
    Ok(units)
}

async fn fence(
    store: &Store,
    account_id: AccountId,
    epoch: i64,
    from_window: NaiveDate,
) -> Result<(i64, Vec<(NaiveDate, i64)>), Error> {
    let mut connection = store.connection().await?;
    let tx = connection.begin(account_id);
    let Fenced::Stands(epoch, sums) = tx.fence(epoch, from_window).await? else {
        return Err(Error::Implausible);
    };
    tx.commit().await?;
    Ok((epoch, sums))
}
