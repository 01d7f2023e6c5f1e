//! Events are kept for replay (semantics 7.5, 1.7).

use std::collections::HashSet;

use chrono::TimeDelta;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId, TimedKey};

use super::{App, Error};
use crate::domain::Listed;
use crate::domain::kept::{Filter, Kept, KeptCount, Position, ToKeep, distinct, within_rate};
use crate::metrics;
use crate::store::{self, Owner};

/// A contact that could not be reached is tried for the first time after this.
const FIRST_REPAIR: TimeDelta = TimeDelta::seconds(2);
/// What became of events that were to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptCounts {
    pub left_out: usize,
    pub pushed_out: usize,
}

impl App {
    /// Keeps events, within their bounds, and notes which ones were stored meanwhile.
    pub async fn keep_events(
        &self,
        owner: Owner,
        events: Vec<ToKeep>,
        done: &[Uuid],
    ) -> Result<KeptCounts, Error> {
        // Also checks that the source is the account's.
        self.snapshot(owner.0, owner.1).await?;
        let asked = events.len();
        let events = distinct(events);
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, owner.0);
        store::lock_kept(&transaction, owner.0).await?;
        let keys: Vec<Uuid> = events.iter().map(|event| event.whole.key.0).collect();
        let known = store::known(&store::known_keys(&transaction, owner, &keys).await?);
        let rates = store::rates(&transaction, owner, &events).await?;
        let events = within_rate(events, &known, rates);
        if !events.is_empty() {
            store::put_kept(&transaction, owner, &events, None).await?;
        }
        if !done.is_empty() {
            store::mark_done(&transaction, owner, done, now).await?;
        }
        let gone = store::trim(&transaction, owner, now).await?;
        store::commit(transaction).await?;
        let counts = KeptCounts {
            left_out: asked - events.len(),
            pushed_out: usize::try_from(gone).unwrap_or(usize::MAX),
        };
        metrics::kept_events("kept").increment(events.len() as u64);
        metrics::kept_events("left_out").increment(counts.left_out as u64);
        metrics::kept_events("pushed_out").increment(gone);
        Ok(counts)
    }

    /// Keeps tracks until their contact is made up for; says of each whether it is kept.
    pub async fn defer_contacts(
        &self,
        owner: Owner,
        events: &[ToKeep],
    ) -> Result<Vec<bool>, Error> {
        self.snapshot(owner.0, owner.1).await?;
        let first = self.now() + FIRST_REPAIR;
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, owner.0);
        let mut room = store::lock_kept(&transaction, owner.0).await?;
        let keys: Vec<Uuid> = events.iter().map(|event| event.whole.key.0).collect();
        let known = store::known_keys(&transaction, owner, &keys).await?;
        let mut kept: HashSet<TimedKey> = known
            .into_iter()
            .filter(|(_, is_deferred)| *is_deferred)
            .map(|(key, _)| key)
            .collect();
        let mut new = Vec::new();
        for event in events {
            let key = event.whole.key;
            if !kept.contains(&key) && room.take(&event.whole.raw) {
                kept.insert(key);
                new.push(event.clone());
            }
        }
        if !new.is_empty() {
            store::put_kept(&transaction, owner, &new, Some(first)).await?;
            store::set_room(&transaction, owner.0, room).await?;
        }
        if !kept.is_empty() {
            let source_id = owner.1.0;
            store::add_work(&transaction, owner, source_id, true, first).await?;
        }
        store::commit(transaction).await?;
        let is_kept = |event: &ToKeep| kept.contains(&event.whole.key);
        let said: Vec<bool> = events.iter().map(is_kept).collect();
        metrics::kept_events("deferred").increment(new.len() as u64);
        let refused = said.iter().filter(|kept| !**kept).count();
        metrics::kept_events("not_deferred").increment(refused as u64);
        Ok(said)
    }

    /// How many events are kept, by reason and event name.
    pub async fn count_kept(
        &self,
        owner: (AccountId, SourceId),
        filter: &Filter,
    ) -> Result<Vec<KeptCount>, Error> {
        let client = self.scoped(owner.0).await?;
        Ok(store::count_kept(&client, owner, filter).await?)
    }

    /// Newest first, behind `after`.
    pub async fn list_kept(
        &self,
        (account_id, source_id): (AccountId, SourceId),
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<Listed<Position, Kept>>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        let owner = (account_id, source_id);
        Ok(store::list_kept(&client, owner, filter, after, limit).await?)
    }
}
