//! What helps the person who maps: samples, event names, the log.

use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use super::{App, Error};
use crate::domain::log::LogEntry;
use crate::domain::sample::Sample;
use crate::store::{self, ListKey, NameSeen};

/// An event name, and whether this source maps it.
#[derive(Debug, Clone)]
pub struct ListedName {
    pub seen: NameSeen,
    pub mapped: bool,
}

impl App {
    /// Newest first.
    pub async fn list_samples(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        list: &ListKey,
    ) -> Result<Vec<Sample>, Error> {
        self.get_source(account_id, source_id).await?;
        Ok(self.rings.samples(account_id, source_id, list).await?)
    }

    /// Newest first; those that contain `contains`, ignoring case.
    pub async fn list_names(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        contains: &str,
    ) -> Result<Vec<ListedName>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.client().await?;
        let mapped = store::mapped_names(&client, account_id, source_id).await?;
        let contains = contains.to_lowercase();
        let names = self.rings.names(account_id, source_id).await?;
        Ok(names
            .into_iter()
            .filter(|seen| seen.name.to_lowercase().contains(&contains))
            .map(|seen| ListedName {
                mapped: mapped.contains(&seen.name),
                seen,
            })
            .collect())
    }

    /// Newest first.
    pub async fn list_log(
        &self,
        account_id: AccountId,
        source_id: SourceId,
    ) -> Result<Vec<(Uuid, LogEntry)>, Error> {
        self.get_source(account_id, source_id).await?;
        Ok(self.rings.log(account_id, source_id).await?)
    }
}
