//! Merges, read back.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_ids::ContactId;

use super::changes::Before;
use super::contact::Source;
use super::key::Key;

/// Kind and value of an identifier, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoredKey(pub String, pub String);

impl StoredKey {
    /// As a fold takes it.
    pub fn key(&self) -> Key<'_> {
        Key {
            kind: &self.0,
            value: self.1.as_str().into(),
        }
    }
}

/// A merge, and what is kept of it.
#[derive(Debug, Clone)]
pub struct PastMerge {
    pub id: Uuid,
    pub merged: ContactId,
    pub survivor: ContactId,
    /// Orders the merges of one survivor.
    pub turn: i64,
    pub merge_time: DateTime<Utc>,
    pub split_time: Option<DateTime<Utc>>,
    pub identifiers: Vec<StoredKey>,
    /// None where it is too old, or can't be read.
    pub before: Option<Before>,
}

/// A merge, with who made it and what the merged contact had.
#[derive(Debug, Clone)]
pub struct ListedMerge {
    pub row: PastMerge,
    /// Time, message and source of the event; none = a person made it.
    pub cause: Option<(DateTime<Utc>, String, Source)>,
    /// Fields and registers of the merged contact, as long as it is at rest.
    pub merged: Option<(String, String)>,
}

/// Where a page of merges begins: behind those of this time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeCursor {
    pub time: DateTime<Utc>,
    pub id: Uuid,
}

/// Text that is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not where a page begins")]
pub struct NoCursor;

impl MergeCursor {
    /// Before all: no clock of ours is as far as the year 9999.
    pub fn start() -> Self {
        Self {
            time: DateTime::from_timestamp(253_402_300_799, 0).unwrap_or_default(),
            id: Uuid::max(),
        }
    }

    /// Behind this one.
    pub fn behind(merge: &PastMerge) -> Self {
        Self {
            time: merge.merge_time,
            id: merge.id,
        }
    }
}

impl fmt::Display for MergeCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.timestamp_micros(), self.id)
    }
}

impl FromStr for MergeCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (micros, id) = text.split_once('.').ok_or(NoCursor)?;
        let micros = micros.parse().map_err(|_| NoCursor)?;
        Ok(Self {
            time: DateTime::from_timestamp_micros(micros).ok_or(NoCursor)?,
            id: id.parse().map_err(|_| NoCursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_comes_back_as_it_went() {
        let cursor = MergeCursor {
            time: DateTime::from_timestamp_micros(1_752_127_200_123_456).unwrap(),
            id: Uuid::from_u128(7),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let start = MergeCursor::start();
        assert_eq!(start.to_string().parse(), Ok(start));
        for text in [
            "",
            "1",
            "1.",
            "x.y",
            ".00000000-0000-0000-0000-000000000007",
        ] {
            assert_eq!(text.parse::<MergeCursor>(), Err(NoCursor), "{text}");
        }
    }
}
