//! Recent events as they lie in Redis: two lists, the events and how many were left out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};

use super::stored::StoredKind;
use super::{Keys, Operation, Rings, RingsAway, json, number, readable};
use crate::domain::recent::{LeftOut, Noted, Recent, Shown, Verdict};

#[derive(Serialize, Deserialize)]
struct StoredRecent {
    answered: i64,
    received: i64,
    batch_id: String,
    index: u32,
    kind: StoredKind,
    event: String,
    event_micros: Option<i64>,
    message_id: String,
    status: u32,
    code: String,
    /// Stage, word, reason.
    said: Vec<(i32, String, String)>,
    contact: Option<Uuid>,
    /// Fields, attributes, ignored values.
    counts: (u32, u32, u32),
    replayed: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredLeftOut {
    micros: i64,
    count: i64,
}

/// What writes it.
pub(super) fn operations(noted: &Noted, operations: &mut Vec<Operation>) {
    if !noted.events.is_empty() {
        let mut operation = vec![b"recent".to_vec(), number(noted.events.len())];
        let events = noted.events.iter();
        operation.extend(events.map(|event| json(&StoredRecent::from(event))));
        operations.push(operation);
    }
    if let Some(LeftOut { time, count }) = noted.left_out {
        let micros = time.timestamp_micros();
        let stored = json(&StoredLeftOut { micros, count });
        operations.push(vec![b"left_out".to_vec(), stored]);
    }
}

impl Rings {
    /// The last events of a source.
    pub async fn recent(&self, account: AccountId, source: SourceId) -> Result<Shown, RingsAway> {
        let keys = Keys { account, source };
        let mut asked = redis::pipe();
        asked.lrange(keys.of("recent"), 0, -1);
        asked.lrange(keys.of("recent:left_out"), 0, -1);
        let (events, left_out): (Vec<Vec<u8>>, Vec<Vec<u8>>) = self.link.ask(&asked).await?;
        let events = events.iter().filter_map(|json| readable(json));
        let left_out = left_out.iter().filter_map(|json| readable(json));
        Ok(Shown::of(
            events.map(|stored: StoredRecent| stored.into()).collect(),
            left_out
                .map(|stored: StoredLeftOut| stored.into())
                .collect(),
        ))
    }
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

impl From<&Recent> for StoredRecent {
    fn from(event: &Recent) -> Self {
        let verdicts = event.verdicts.iter();
        let said = |one: &Verdict| (one.stage, one.said.clone(), one.code.clone());
        Self {
            answered: event.answer_time.timestamp_micros(),
            received: event.receive_time.timestamp_micros(),
            batch_id: event.batch_id.clone(),
            index: event.index,
            kind: event.kind.into(),
            event: event.event_name.clone(),
            event_micros: event.event_time.map(|time| time.timestamp_micros()),
            message_id: event.message_id.clone(),
            status: event.status,
            code: event.code.clone(),
            said: verdicts.map(said).collect(),
            contact: event.contact_id,
            counts: (event.fields, event.attributes, event.ignored),
            replayed: event.replayed,
        }
    }
}

impl From<StoredRecent> for Recent {
    fn from(stored: StoredRecent) -> Self {
        let (fields, attributes, ignored) = stored.counts;
        let said = stored.said.into_iter();
        let verdict = |(stage, said, code)| Verdict { stage, said, code };
        Self {
            answer_time: at(stored.answered),
            receive_time: at(stored.received),
            batch_id: stored.batch_id,
            index: stored.index,
            kind: stored.kind.into(),
            message_id: stored.message_id,
            event_name: stored.event,
            event_time: stored.event_micros.map(at),
            status: stored.status,
            code: stored.code,
            verdicts: said.map(verdict).collect(),
            contact_id: stored.contact,
            fields,
            attributes,
            ignored,
            replayed: stored.replayed,
        }
    }
}

impl From<StoredLeftOut> for LeftOut {
    fn from(stored: StoredLeftOut) -> Self {
        Self {
            time: at(stored.micros),
            count: stored.count,
        }
    }
}
