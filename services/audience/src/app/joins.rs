//! Joins of contacts (semantics 5.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_ids::{AccountId, ContactId};
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::sync::tomorrow;
use super::wishes::waiting;
use super::{App, Error, TRIES};
use crate::store::{Entry, Key, Stored};

impl App {
    /// Takes the news that contacts are now others, and joins their memberships.
    pub async fn join(
        self: &Arc<Self>,
        account: AccountId,
        joins: Vec<(ContactId, ContactId)>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.account_is_known(account, deadline).await?;
        if joins.is_empty() {
            return Ok(());
        }
        let (app, joins) = (Arc::clone(self), Arc::new(joins));
        weir_service::persistently(deadline, TRIES, move |_| {
            let (app, joins) = (Arc::clone(&app), Arc::clone(&joins));
            async move { Ok(app.join_once(account, &joins).await?) }
        })
        .await
    }

    async fn join_once(
        &self,
        account: AccountId,
        joins: &[(ContactId, ContactId)],
    ) -> Result<(), Failure> {
        let mut session = self.store.session().await?;
        self.store.anchor(&session, account).await?;
        let batch = session.begin(account);
        if !batch.own_account().await? {
            self.store.forget_anchor(account);
            return Err(Failure::Conflict);
        }
        let named: BTreeSet<ContactId> = joins.iter().flat_map(|join| [join.0, join.1]).collect();
        let named: Vec<ContactId> = named.into_iter().collect();
        let mut aliases = batch.aliases_around(&named).await?;
        for (joined, survivor) in joins {
            aliases.join(*joined, *survivor);
        }
        let changes: Vec<(ContactId, ContactId)> = aliases.changes().collect();
        if changes.is_empty() {
            return Ok(());
        }
        batch.store_aliases(&changes).await?;
        let touched: BTreeSet<ContactId> = changes.iter().flat_map(|one| [one.0, one.1]).collect();
        let touched: Vec<ContactId> = touched.into_iter().collect();
        let before = batch.lock_memberships_of(&touched).await?;
        let gone: Vec<Key> = before
            .keys()
            .filter(|key| aliases.resolve(key.1) != key.1)
            .copied()
            .collect();
        if !gone.is_empty() {
            let mut joined = Stored::new();
            for ((audience, contact), membership) in before {
                let key = (audience, aliases.resolve(contact));
                let both = match joined.remove(&key) {
                    Some(other) => membership.join(other),
                    None => membership,
                };
                joined.insert(key, both);
            }
            let joined: Vec<Entry<'_>> = joined.iter().collect();
            batch.delete_memberships(&gone).await?;
            batch.put_memberships(&joined).await?;
            // What waits under a joined contact goes on waiting under the survivor.
            let due = tomorrow(self.now().date_naive());
            batch.note_waiting(&waiting(&joined), due).await?;
        }
        batch.commit().await
    }
}
