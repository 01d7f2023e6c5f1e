//! Deletion of people (semantics 3.9): what holds their identifiers goes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_ids::{AccountId, SourceId};

use super::{App, Error};
use crate::domain::person::Person;

/// Sources that are looked up at once.
const SOURCES: usize = 500;

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    pub samples: i64,
    pub log_entries: i64,
}

impl App {
    /// Takes everything out that names the person and was received by `time`.
    pub async fn erase_person(
        &self,
        account_id: AccountId,
        person: Arc<Person>,
        time: DateTime<Utc>,
    ) -> Result<Erased, Error> {
        let mut erased = Erased::default();
        let mut after: Option<SourceId> = None;
        loop {
            let limit = i64::try_from(SOURCES).unwrap_or(i64::MAX);
            let sources = self.list_sources(account_id, after, limit).await?;
            let Some((last, _)) = sources.last() else {
                return Ok(erased);
            };
            after = Some(*last);
            for (source, _) in &sources {
                let micros = time.timestamp_micros();
                let (samples, lines) = self
                    .rings
                    .erase(account_id, *source, &person, micros)
                    .await?;
                erased.samples += samples;
                erased.log_entries += lines;
            }
        }
    }
}
