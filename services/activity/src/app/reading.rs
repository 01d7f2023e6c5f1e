//! Reading back, for people and programs.

use weir_ids::{AccountId, ContactId};
use weir_rpc::{Deadline, MAX_PAGE_BYTES, Page};
use weir_service::detached;

use super::history::told_unreadable;
use super::{App, Error};
use crate::domain::{Activity, Cursor, Identifier};

impl App {
    /// A page of what a contact did, newest first, with all that were merged with it; and who is
    /// left of them.
    ///
    /// # Errors
    /// See [`Error`]; the contact is unknown only where contact-upsert says so, since word of
    /// a new one may be under way.
    pub async fn list_activities(
        &self,
        account_id: AccountId,
        contact_id: ContactId,
        cursor: Cursor,
        size: usize,
        deadline: Deadline,
    ) -> Result<(Page<Activity, Cursor>, ContactId), Error> {
        let (store, today) = (self.store.clone(), self.clocks.today());
        let (listed, left, has_account, has_contact) = detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let families = tx.families(&[contact_id]).await?;
            let listed = tx
                .activities(&families, today, cursor, size, MAX_PAGE_BYTES)
                .await?;
            let (has_account, has_activity) = if listed.is_empty {
                tx.knows(contact_id).await?
            } else {
                (true, true)
            };
            tx.commit().await?;
            let has_contact = has_activity || families.has_merges();
            Ok::<_, Error>((listed, families.root(contact_id), has_account, has_contact))
        })
        .await?;
        told_unreadable(listed.unreadable);
        if !has_account {
            self.ask_for_account(account_id, deadline).await?;
        }
        if !has_contact {
            self.ask_for_contact(account_id, contact_id, deadline)
                .await?;
        }
        let page = Page {
            items: listed.items,
            next: listed.next,
        };
        Ok((page, left))
    }

    pub(super) async fn ask_for_contact(
        &self,
        account_id: AccountId,
        contact_id: ContactId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        match self.contacts.exists(account_id, contact_id, deadline).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::ContactUnknown),
            Err(silent) => Err(silent.into()),
        }
    }

    /// How much waits for the identifiers, or (with none) in all of the account.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_backlog(
        &self,
        account_id: AccountId,
        identifiers: Vec<Identifier>,
        deadline: Deadline,
    ) -> Result<i64, Error> {
        self.require_account(account_id, deadline).await?;
        let (store, today) = (self.store.clone(), self.clocks.today());
        detached(async move {
            let mut connection = store.connection().await?;
            let tx = connection.begin(account_id);
            let mut waiting = 0;
            if identifiers.is_empty() {
                waiting = tx.backlog(None, today).await?.0;
            }
            for identifier in &identifiers {
                waiting += tx.backlog(Some(identifier), today).await?.0;
            }
            tx.commit().await?;
            Ok(waiting)
        })
        .await
    }
}
