//! Splits and deletions of people, as contact-upsert tells of them (semantics 3.9, 3.10).

use std::sync::Arc;

use weir_ids::AccountId;
use weir_rpc::Deadline;
use weir_service::{detached, retry};

use super::{App, Changes, Error, POLICY};
use crate::domain::{Counted, Erasure, Split};

impl App {
    /// Contacts are two again; one transaction each.
    ///
    /// # Errors
    /// See [`Error`]. The call may be repeated.
    pub async fn split_contacts(
        &self,
        account_id: AccountId,
        splits: Vec<Split>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        for split in splits {
            let split = Arc::new(split);
            let attempt = || self.split_one(account_id, Arc::clone(&split), deadline);
            self.with_row(account_id, deadline, attempt).await?;
            // What waits for an identifier whose attachment was cut short.
            let changes = Changes {
                account_id,
                links: split.links.clone(),
                merges: Vec::new(),
            };
            self.link_identifiers(changes, deadline).await?;
        }
        Ok(())
    }

    async fn split_one(
        &self,
        account_id: AccountId,
        split: Arc<Split>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let app = self.clone();
        retry(deadline, POLICY, move |_| {
            let (app, split) = (app.clone(), Arc::clone(&split));
            async move {
                let mut connection = app.store.connection().await?;
                let tx = connection.begin(account_id);
                if !tx.own_account().await? {
                    return Err(Error::NoRow);
                }
                tx.unmerge(&split).await?;
                if !split.links.is_empty() {
                    tx.link(&split.links).await?;
                }
                Ok(tx.commit().await?)
            }
        })
        .await
    }

    /// Deletes a person, in as many transactions as it takes; answers what the deletion has
    /// deleted in all.
    ///
    /// # Errors
    /// See [`Error`]. What was deleted stays so; the next call goes on.
    pub async fn erase(&self, erasure: Erasure, deadline: Deadline) -> Result<Vec<Counted>, Error> {
        let erasure = Arc::new(erasure);
        let app = self.clone();
        detached(async move {
            let begin = || app.begin_erasure(Arc::clone(&erasure), deadline);
            app.with_row(erasure.account_id, deadline, begin).await?;
            for at in 0..erasure.contacts.len() {
                while app
                    .erase_some(&erasure, Piece::Contact(at), deadline)
                    .await?
                {}
            }
            for at in 0..erasure.identifiers.len() {
                while app
                    .erase_some(&erasure, Piece::Identifier(at), deadline)
                    .await?
                {}
            }
            let mut connection = app.store.connection().await?;
            let tx = connection.begin(erasure.account_id);
            let counts = tx.erased_counts(&erasure).await?;
            tx.commit().await?;
            Ok(counts)
        })
        .await
    }

    async fn begin_erasure(&self, erasure: Arc<Erasure>, deadline: Deadline) -> Result<(), Error> {
        let app = self.clone();
        retry(deadline, POLICY, move |_| {
            let (app, erasure) = (app.clone(), Arc::clone(&erasure));
            async move {
                let mut connection = app.store.connection().await?;
                let tx = connection.begin(erasure.account_id);
                if !tx.begin_erasure(&erasure).await? {
                    return Err(Error::NoRow);
                }
                Ok(tx.commit().await?)
            }
        })
        .await
    }

    /// One transaction; whether there may be more of it.
    async fn erase_some(
        &self,
        erasure: &Arc<Erasure>,
        piece: Piece,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        if deadline.passed() {
            return Err(Error::Late);
        }
        let (app, erasure) = (self.clone(), Arc::clone(erasure));
        retry(deadline, POLICY, move |_| {
            let (app, erasure) = (app.clone(), Arc::clone(&erasure));
            async move {
                let mut connection = app.store.connection().await?;
                let tx = connection.begin(erasure.account_id);
                let is_more = match piece {
                    Piece::Contact(at) => {
                        tx.erase_activities(&erasure, erasure.contacts[at]).await?
                    }
                    Piece::Identifier(at) => {
                        tx.erase_identifier(&erasure, &erasure.identifiers[at])
                            .await?
                    }
                };
                tx.commit().await?;
                Ok::<_, Error>(is_more)
            }
        })
        .await
    }
}

/// Whose rows are deleted, by index.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Contact(usize),
    Identifier(usize),
}
