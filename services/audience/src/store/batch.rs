//! What a batch of updates reads first, and a list of all that it runs.

use std::collections::HashMap;

use uuid::Uuid;
use weir_ids::{AudienceId, ContactId};
use weir_postgres::Failure;

use super::{Param, Tx, accounts, audiences, history, memberships, merges, sync};
use crate::domain::{Aliases, Origin};

/// The statements that every batch runs, by what they do.
pub const HOT: &[(&str, &str)] = &[
    ("share the account", accounts::SHARE),
    ("who contacts are today", merges::ALIASES),
    ("origins of audiences", audiences::ORIGINS),
    ("lock memberships", memberships::LOCK),
    ("insert memberships", memberships::INSERT),
    ("put memberships", memberships::PUT),
    ("insert who waits", sync::INSERT_WAITING),
    ("note work for the sync", sync::NOTE_WORK),
    ("write what happened", history::WRITE),
    ("count what happened", history::COUNT),
];

impl Tx<'_> {
    /// [`Self::share_account`], then who the contacts are today and where the audiences come
    /// from; in one round trip. None: there is no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn open(
        &self,
        contacts: &[ContactId],
        audiences: &[AudienceId],
    ) -> Result<Option<(Aliases, HashMap<AudienceId, Origin>)>, Failure> {
        let share = self.prepare(accounts::SHARE).await?;
        let aliases = self.prepare(merges::ALIASES).await?;
        let origins = self.prepare(audiences::ORIGINS).await?;
        let contacts: Vec<Uuid> = contacts.iter().map(|id| id.0).collect();
        let audiences: Vec<Uuid> = audiences.iter().map(|id| id.0).collect();
        let account: Param<'_> = &self.account.0;
        let (one, two, three) = ([account], [account, &contacts], [account, &audiences]);
        // Sent in this order, so the database runs them in it: aliases are read under the lock.
        let (found, aliases, origins) = tokio::try_join!(
            biased;
            self.inner.query_opt(&share, &one),
            self.inner.query(&aliases, &two),
            self.inner.query(&origins, &three),
        )?;
        Ok(found.map(|_| {
            (
                Aliases::new(aliases.iter().map(merges::alias_of)),
                origins.iter().map(audiences::origin_row).collect(),
            )
        }))
    }
}
