//! What helps the person who maps: samples, event names, the log.

use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use super::{App, Error};
use crate::domain::log::{LogEntry, LogFilter};
use crate::domain::sample::{ListKey, NameSeen, Sample, caseless};
use crate::store;

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

    /// Those that contain `contains`, in any case (semantics 7.9); in no order.
    pub async fn list_names(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        contains: &str,
    ) -> Result<Vec<ListedName>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        let mapped = store::mapped_names(&client, account_id, source_id).await?;
        let contains = caseless(contains);
        let names = self.rings.names(account_id, source_id).await?;
        Ok(names
            .into_iter()
            .filter(|seen| caseless(&seen.name).contains(&contains))
            .map(|seen| ListedName {
                mapped: mapped.contains(&seen.name),
                seen,
            })
            .collect())
    }

    /// Those that the filter lets through, in no order.
    pub async fn list_log(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        filter: &LogFilter,
    ) -> Result<Vec<(Uuid, LogEntry)>, Error> {
        self.get_source(account_id, source_id).await?;
        let mut entries = self.rings.log(account_id, source_id).await?;
        entries.retain(|(_, entry)| filter.lets_through(entry));
        Ok(entries)
    }
}
