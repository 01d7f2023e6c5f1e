//! Merges of contacts (semantics 5.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_ids::{AccountId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::{Entry, Key, Memberships, tomorrow, waiting};

impl App {
    /// Takes the news that contacts are now others, and merges their memberships.
    pub async fn merge_contacts(
        &self,
        account: AccountId,
        merges: Vec<(ContactId, ContactId)>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.require_account(account, deadline).await?;
        if merges.is_empty() {
            return Ok(());
        }
        let (app, merges) = (self.clone(), Arc::new(merges));
        retry(deadline, POLICY, move |_| {
            let (app, merges) = (app.clone(), Arc::clone(&merges));
            async move { Ok(app.merge_once(account, &merges).await?) }
        })
        .await
    }

    async fn merge_once(
        &self,
        account: AccountId,
        merges: &[(ContactId, ContactId)],
    ) -> Result<(), Failure> {
        let mut connection = self.store.connection().await?;
        self.store.ensure_account(&connection, account).await?;
        let tx = connection.begin(account);
        if !tx.own_account().await? {
            self.store.forget_account(account);
            return Err(Failure::Conflict);
        }
        let named: BTreeSet<ContactId> =
            merges.iter().flat_map(|merge| [merge.0, merge.1]).collect();
        let named: Vec<ContactId> = named.into_iter().collect();
        let mut aliases = tx.aliases_around(&named).await?;
        for (merged, survivor) in merges {
            aliases.merge(*merged, *survivor);
        }
        let changes: Vec<(ContactId, ContactId)> = aliases.changes().collect();
        if changes.is_empty() {
            return Ok(());
        }
        tx.store_aliases(&changes).await?;
        let touched: BTreeSet<ContactId> = changes.iter().flat_map(|one| [one.0, one.1]).collect();
        let touched: Vec<ContactId> = touched.into_iter().collect();
        let before = tx.lock_memberships_of(&touched).await?;
        let gone: Vec<Key> = before
            .keys()
            .filter(|key| aliases.resolve(key.1) != key.1)
            .copied()
            .collect();
        if !gone.is_empty() {
            let mut merged = Memberships::new();
            for ((audience, contact), membership) in before {
                let key = (audience, aliases.resolve(contact));
                let both = match merged.remove(&key) {
                    Some(other) => membership.merge(other),
                    None => membership,
                };
                merged.insert(key, both);
            }
            let merged: Vec<Entry<'_>> = merged.iter().collect();
            tx.delete_memberships(&gone).await?;
            tx.put_memberships(&merged).await?;
            // What waits under a merged contact goes on waiting under the survivor.
            let due = tomorrow(self.now().date_naive());
            tx.note_waiting(&waiting(&merged), due).await?;
        }
        tx.commit().await
    }
}
