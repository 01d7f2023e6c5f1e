//! Rings in Redis: the last samples, event names and log lines of each source.
//!
//! Their loss harms nobody: they help the person who maps. Keys are hash-tagged by
//! account, so that all of one source lie in one slot of a cluster.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Pipeline, RedisError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use crate::domain::event::EventKind;
use crate::domain::log::{LogEntry, MAX_LINES};
use crate::domain::sample::{MAX_NAMES, MAX_SAMPLES, Sample};

/// Nothing here is worth waiting longer for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Redis is away. Why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away")]
pub struct RingsAway;

impl From<RedisError> for RingsAway {
    fn from(error: RedisError) -> Self {
        tracing::warn!(kind = ?error.kind(), "Redis is away");
        Self
    }
}

impl From<serde_json::Error> for RingsAway {
    fn from(_: serde_json::Error) -> Self {
        tracing::error!("an entry in Redis can't be read");
        Self
    }
}

/// Which list a sample belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListKey {
    Identifies,
    Tracks(String),
}

/// What waits to be written for one source.
#[derive(Debug, Default)]
pub struct Pending {
    /// Of each list at most the newest five, newest first.
    pub samples: HashMap<ListKey, Vec<Sample>>,
    pub names: HashMap<String, DateTime<Utc>>,
    /// Oldest first.
    pub log: Vec<LogEntry>,
}

/// An event name that a source received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSeen {
    pub name: String,
    pub last_receive_time: DateTime<Utc>,
}

/// The connection, which comes back by itself.
#[derive(Clone)]
pub struct Rings(ConnectionManager);

impl Rings {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where `url` is not one.
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let client = redis::Client::open(url)?;
        Ok(Self(ConnectionManager::new_lazy_with_config(
            client, config,
        )?))
    }

    /// Writes everything that waits for one source, in one round trip.
    pub async fn write(
        &self,
        account: AccountId,
        source: SourceId,
        pending: &Pending,
    ) -> Result<(), RingsAway> {
        let keys = Keys { account, source };
        let mut pipeline = redis::pipe();
        for (list, samples) in &pending.samples {
            write_samples(&mut pipeline, &keys.samples(list), samples)?;
        }
        if !pending.log.is_empty() {
            write_log(&mut pipeline, &keys.log(), &pending.log)?;
        }
        let mut connection = self.0.clone();
        if pending.names.is_empty() {
            return Ok(pipeline.query_async(&mut connection).await?);
        }
        let scored: Vec<(i64, &String)> = pending
            .names
            .iter()
            .map(|(name, time)| (time.timestamp_micros(), name))
            .collect();
        pipeline.zadd_multiple(keys.names(), &scored).ignore();
        pipeline.zcard(keys.names());
        let (count,): (usize,) = pipeline.query_async(&mut connection).await?;
        if count > MAX_NAMES {
            self.forget_oldest(&keys, count - MAX_NAMES).await?;
        }
        Ok(())
    }

    /// Names that fall out of the ring take their samples with them.
    async fn forget_oldest(&self, keys: &Keys, count: usize) -> Result<(), RingsAway> {
        let mut connection = self.0.clone();
        let count = isize::try_from(count).unwrap_or(isize::MAX);
        let popped: Vec<(String, f64)> = connection.zpopmin(keys.names(), count).await?;
        let lists: Vec<String> = popped
            .into_iter()
            .map(|(name, _)| keys.samples(&ListKey::Tracks(name)))
            .collect();
        if !lists.is_empty() {
            let _: usize = connection.del(lists).await?;
        }
        Ok(())
    }

    /// Newest first.
    pub async fn samples(
        &self,
        account: AccountId,
        source: SourceId,
        list: &ListKey,
    ) -> Result<Vec<Sample>, RingsAway> {
        let keys = Keys { account, source };
        let mut connection = self.0.clone();
        let stored: Vec<String> = connection.lrange(keys.samples(list), 0, -1).await?;
        stored
            .iter()
            .map(|json| Ok(serde_json::from_str::<StoredSample>(json)?.into()))
            .collect()
    }

    /// Newest first.
    pub async fn names(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Vec<NameSeen>, RingsAway> {
        let keys = Keys { account, source };
        let mut connection = self.0.clone();
        let found: Vec<(String, i64)> =
            connection.zrevrange_withscores(keys.names(), 0, -1).await?;
        let read = |(name, micros)| NameSeen {
            name,
            last_receive_time: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        };
        Ok(found.into_iter().map(read).collect())
    }

    /// Newest first, each with the id that pages are counted by.
    pub async fn log(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Vec<(Uuid, LogEntry)>, RingsAway> {
        let keys = Keys { account, source };
        let mut connection = self.0.clone();
        let stored: Vec<String> = connection.lrange(keys.log(), 0, -1).await?;
        stored
            .iter()
            .map(|json| {
                let entry: StoredEntry = serde_json::from_str(json)?;
                Ok((entry.id, entry.into()))
            })
            .collect()
    }
}

fn write_samples(
    pipeline: &mut Pipeline,
    key: &str,
    samples: &[Sample],
) -> Result<(), serde_json::Error> {
    // The head of the list is the newest.
    for sample in samples.iter().rev() {
        pipeline.lpush(key, serde_json::to_string(&StoredSample::from(sample))?);
        pipeline.ignore();
    }
    pipeline.ltrim(key, 0, MAX_SAMPLES as isize - 1).ignore();
    Ok(())
}

fn write_log(
    pipeline: &mut Pipeline,
    key: &str,
    entries: &[LogEntry],
) -> Result<(), serde_json::Error> {
    let stored: Vec<String> = entries
        .iter()
        .map(|entry| serde_json::to_string(&StoredEntry::from(entry)))
        .collect::<Result<_, _>>()?;
    pipeline.lpush(key, stored).ignore();
    pipeline.ltrim(key, 0, MAX_LINES as isize - 1).ignore();
    Ok(())
}

/// The one place that makes keys.
struct Keys {
    account: AccountId,
    source: SourceId,
}

impl Keys {
    fn of(&self, what: &str) -> String {
        format!("weir:{{{}}}:{}:{what}", self.account, self.source)
    }

    /// Event names are hashed: they may be long, and hold anything.
    fn samples(&self, list: &ListKey) -> String {
        match list {
            ListKey::Identifies => self.of("samples:identify"),
            ListKey::Tracks(name) => {
                let digest = Sha256::digest(name.as_bytes());
                let hex: String = digest[..16]
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                self.of(&format!("samples:track:{hex}"))
            }
        }
    }

    fn names(&self) -> String {
        self.of("names")
    }

    fn log(&self) -> String {
        self.of("log")
    }
}

#[derive(Serialize, Deserialize)]
struct StoredSample {
    micros: i64,
    kind: StoredKind,
    event: String,
    raw: String,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    id: Uuid,
    micros: i64,
    batch_id: String,
    index: u32,
    kind: StoredKind,
    event: String,
    message_id: String,
    status: u32,
    code: String,
    path: String,
    field: String,
    reason: String,
    value: String,
    count: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredKind {
    Identify,
    Track,
    Member,
}

impl From<EventKind> for StoredKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Identify => Self::Identify,
            EventKind::Track => Self::Track,
            EventKind::Member => Self::Member,
        }
    }
}

impl From<StoredKind> for EventKind {
    fn from(kind: StoredKind) -> Self {
        match kind {
            StoredKind::Identify => Self::Identify,
            StoredKind::Track => Self::Track,
            StoredKind::Member => Self::Member,
        }
    }
}

impl From<&Sample> for StoredSample {
    fn from(sample: &Sample) -> Self {
        Self {
            micros: sample.receive_time.timestamp_micros(),
            kind: sample.kind.into(),
            event: sample.event_name.clone(),
            raw: sample.raw.clone(),
        }
    }
}

impl From<StoredSample> for Sample {
    fn from(stored: StoredSample) -> Self {
        Self {
            receive_time: DateTime::from_timestamp_micros(stored.micros).unwrap_or_default(),
            kind: stored.kind.into(),
            event_name: stored.event,
            raw: stored.raw,
        }
    }
}

impl From<&LogEntry> for StoredEntry {
    fn from(entry: &LogEntry) -> Self {
        Self {
            id: Uuid::now_v7(),
            micros: entry.time.timestamp_micros(),
            batch_id: entry.batch_id.clone(),
            index: entry.index,
            kind: entry.kind.into(),
            event: entry.event_name.clone(),
            message_id: entry.message_id.clone(),
            status: entry.status,
            code: entry.code.to_string(),
            path: entry.path.clone(),
            field: entry.field_id.clone(),
            reason: entry.reason.clone(),
            value: entry.value.clone(),
            count: entry.count,
        }
    }
}

impl From<StoredEntry> for LogEntry {
    fn from(stored: StoredEntry) -> Self {
        Self {
            time: DateTime::from_timestamp_micros(stored.micros).unwrap_or_default(),
            batch_id: stored.batch_id,
            index: stored.index,
            kind: stored.kind.into(),
            event_name: stored.event,
            message_id: stored.message_id,
            status: stored.status,
            code: stored.code.into(),
            path: stored.path,
            field_id: stored.field,
            reason: stored.reason,
            value: stored.value,
            count: stored.count,
        }
    }
}
