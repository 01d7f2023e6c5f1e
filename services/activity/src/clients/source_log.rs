//! What becomes of the backlog, told to the sources whose events it was (semantics 7.3, 7.3a):
//! behind every answer, and lost where mapping is away for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use weir_counts::{Counts, Fold, Key};
use weir_ids::{AccountId, SourceId};
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::{AppendLogRequest, EventKind, LogEntry};
use weir_reasons::Reason;
use weir_rpc::wire::timestamp;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use crate::domain::Discards;

/// Lines that wait: of sources and event names. The counts say the rest.
const MOST: usize = 1_000;
/// Between two looks at what waits.
const PAUSE: Duration = Duration::from_secs(1);
/// A line that is later is of no use.
const TIME: Duration = Duration::from_secs(3);
/// At the end nobody waits longer for either.
const DRAIN: Duration = Duration::from_secs(1);

type Lines = HashMap<(AccountId, SourceId, String), LogEntry>;

/// Clones are one and the same.
#[derive(Clone)]
pub struct SourceLog {
    counts: Counts,
    mapping: MappingServiceClient<Channel>,
    waiting: Arc<Mutex<Lines>>,
}

impl SourceLog {
    /// Connects to mapping on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(mapping_url: &str) -> Result<Self, NotAnAddress> {
        Ok(Self {
            counts: Counts::connect(mapping_url)?,
            mapping: MappingServiceClient::new(Peer::MAPPING.connect(mapping_url)?),
            waiting: Arc::default(),
        })
    }

    /// Takes a note of what was discarded; waits for nobody.
    pub fn discarded(&self, account_id: AccountId, discards: &[Discards], now: DateTime<Utc>) {
        let code = Reason::BacklogDayCap;
        for discarded in discards {
            let Some(source_id) = discarded.source_id else {
                continue;
            };
            let mut fold = Fold::default();
            let key = Key {
                status: 0,
                code: code.code(),
                subject: &discarded.event_name,
            };
            fold.add(key, now.timestamp_micros(), discarded.count);
            let (account, source) = (account_id.to_string(), source_id.to_string());
            self.counts.add(&account, &source, fold);

            let mut waiting = self.waiting();
            let key = (account_id, source_id, discarded.event_name.clone());
            if waiting.len() >= MOST && !waiting.contains_key(&key) {
                continue;
            }
            let line = waiting.entry(key).or_default();
            line.log_time = Some(timestamp(now));
            line.set_kind(EventKind::Track);
            line.code = code.code().to_owned();
            line.reason = code.meaning().to_owned();
            line.event_name.clone_from(&discarded.event_name);
            line.message_id.clone_from(&discarded.message_id);
            line.count += discarded.count;
        }
    }

    /// Tells mapping each second, for ever. `beat` is a sign of life.
    pub async fn tell(&self, beat: impl Fn()) {
        let lines = async {
            loop {
                tokio::time::sleep(PAUSE).await;
                self.tell_lines().await;
            }
        };
        tokio::select! {
            () = self.counts.tell(beat) => {}
            () = lines => {}
        }
    }

    /// Tells what is left.
    pub async fn drain(&self) {
        let lines = tokio::time::timeout(DRAIN, self.tell_lines());
        let _ = tokio::join!(lines, self.counts.drain(DRAIN));
    }

    async fn tell_lines(&self) {
        let lines = std::mem::take(&mut *self.waiting());
        let mut sources: HashMap<(AccountId, SourceId), Vec<LogEntry>> = HashMap::new();
        for ((account_id, source_id, _), line) in lines {
            sources
                .entry((account_id, source_id))
                .or_default()
                .push(line);
        }
        for ((account_id, source_id), entries) in sources {
            let request = Deadline::after(TIME).request(AppendLogRequest {
                account_id: account_id.to_string(),
                source_id: source_id.to_string(),
                entries,
            });
            let Ok(request) = request else {
                continue;
            };
            let mut mapping = self.mapping.clone();
            let told = tokio::time::timeout(TIME, mapping.append_log(request)).await;
            if !matches!(told, Ok(Ok(_))) {
                tracing::warn!("lines of a source's log could not be told to mapping");
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Lines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
