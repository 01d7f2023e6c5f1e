//! Samples and log lines as they lie in Redis.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::event::EventKind;
use crate::domain::log::LogEntry;
use crate::domain::sample::Sample;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSample {
    micros: i64,
    kind: StoredKind,
    event: String,
    raw: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredEntry {
    pub id: Uuid,
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
    pub count: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoredKind {
    Identify,
    Track,
    Member,
}

impl StoredSample {
    /// Whether it was received by then.
    pub fn is_by(&self, micros: i64) -> bool {
        self.micros <= micros
    }

    /// As it was received.
    pub fn raw(&self) -> &str {
        &self.raw
    }
}

impl StoredEntry {
    /// Whether it is of something that was received by then.
    pub fn is_by(&self, micros: i64) -> bool {
        self.micros <= micros
    }

    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The only readable value in it.
    pub fn value(&self) -> &str {
        &self.value
    }
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
            id: weir_ids::fresh(),
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
