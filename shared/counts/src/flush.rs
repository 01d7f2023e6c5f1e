//! From memory to mapping, each second.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::Code;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::{AddCountsRequest, ReasonCount, SourceCounts, UnitCount, UnitKind};
use weir_rpc::wire::timestamp_of;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use crate::fold::{Fold, Unit};
use crate::pending::{Pending, Told};

/// Between two flushes (semantics 7.3a).
const PAUSE: Duration = Duration::from_secs(1);
/// A flush that takes longer is told again.
const TIME: Duration = Duration::from_secs(5);
/// The longest time between two signs of life.
pub const ROUND: Duration = Duration::from_secs(30);

/// Counts that could not be told, by `reason`.
const LOST: &str = "counts.lost_total";
/// Reasons.
const FULL: &str = "full";
const REFUSED: &str = "refused";

/// What a process counts. Clones share it.
#[derive(Clone)]
pub struct Counts {
    mapping: LogServiceClient<Channel>,
    pending: Arc<Mutex<Pending>>,
    telling: Arc<tokio::sync::Mutex<Telling>>,
}

/// What is on its way: one flush at a time.
struct Telling {
    process_id: String,
    /// Of the first of them.
    sequence: i64,
    parts: VecDeque<Vec<SourceCounts>>,
}

impl Counts {
    /// Connects to mapping on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(mapping_url: &str) -> Result<Self, NotAnAddress> {
        metrics::describe_counter!(
            LOST,
            "Events and values that the hourly counts miss, by reason."
        );
        for reason in [FULL, REFUSED] {
            // Whoever asks for an increase has to see it from 0 on.
            metrics::counter!(LOST, "reason" => reason).increment(0);
        }
        let mapping = LogServiceClient::new(Peer::MAPPING.connect(mapping_url)?);
        Ok(Self {
            mapping,
            pending: Arc::default(),
            telling: Arc::new(tokio::sync::Mutex::new(Telling {
                process_id: weir_ids::random().to_string(),
                sequence: 1,
                parts: VecDeque::new(),
            })),
        })
    }

    /// Counts a batch of a source; waits for nobody.
    pub fn add(&self, account_id: &str, source_id: &str, fold: Fold<'_>) {
        let lost = self.pending().add(account_id, source_id, fold);
        lose(lost, FULL);
    }

    /// Tells mapping each second, for ever. `beat` is called at least every [`ROUND`].
    pub async fn tell(&self, beat: impl Fn()) {
        loop {
            beat();
            tokio::time::sleep(PAUSE).await;
            self.flush(&beat).await;
        }
    }

    /// Tells what is left, once nothing is counted any more.
    pub async fn drain(&self, time: Duration) {
        let drained = async {
            while !self.flush(&|| ()).await {
                tokio::time::sleep(PAUSE / 10).await;
            }
        };
        if tokio::time::timeout(time, drained).await.is_err() {
            tracing::warn!("some counts could not be told to mapping");
        }
    }

    /// Whether all that was counted before is told.
    async fn flush(&self, beat: &impl Fn()) -> bool {
        let mut telling = self.telling.lock().await;
        // What mapping did not answer yet goes first, under its numbers.
        if !self.tell_parts(&mut telling, beat).await {
            return false;
        }
        let parts = {
            let mut pending = self.pending();
            if pending.is_empty() {
                return true;
            }
            pending.take()
        };
        telling.parts.extend(parts.into_iter().map(messages));
        self.tell_parts(&mut telling, beat).await
    }

    async fn tell_parts(&self, telling: &mut Telling, beat: &impl Fn()) -> bool {
        while let Some(part) = telling.parts.front() {
            beat();
            let request = AddCountsRequest {
                process_id: telling.process_id.clone(),
                sequence: telling.sequence,
                sources: part.clone(),
            };
            let Ok(request) = Deadline::after(TIME).request(request) else {
                return false;
            };
            let mut mapping = self.mapping.clone();
            let told = tokio::time::timeout(TIME, mapping.add_counts(request)).await;
            match told.unwrap_or_else(|_| Err(weir_rpc::late())) {
                Ok(_) => {}
                // The same again would fail again.
                Err(status) if status.code() == Code::InvalidArgument => {
                    tracing::error!("mapping does not take counts");
                    lose(sum(part), REFUSED);
                }
                Err(status) => {
                    tracing::warn!(code = ?status.code(), "counts could not be told to mapping");
                    return false;
                }
            }
            telling.parts.pop_front();
            telling.sequence += 1;
        }
        true
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lose(count: i64, reason: &'static str) {
    if count > 0 {
        metrics::counter!(LOST, "reason" => reason).increment(count.unsigned_abs());
    }
}

fn sum(part: &[SourceCounts]) -> i64 {
    let counts = part.iter().flat_map(|source| &source.counts);
    counts.map(|count| count.count).sum()
}

/// Those of a source stand side by side.
fn messages(part: Vec<Told>) -> Vec<SourceCounts> {
    let mut sources: Vec<SourceCounts> = Vec::new();
    for told in part {
        let is_same = |source: &&mut SourceCounts| {
            source.source_id == told.source_id && source.account_id == told.account_id
        };
        let there = sources.last_mut().filter(is_same);
        let source = match there {
            Some(source) => source,
            None => {
                sources.push(SourceCounts {
                    account_id: told.account_id.clone(),
                    source_id: told.source_id.clone(),
                    ..SourceCounts::default()
                });
                sources.last_mut().expect("one was pushed")
            }
        };
        let status = told.count.status;
        match Unit::ALL.into_iter().find(|unit| unit.status() == status) {
            Some(unit) => source.units.push(unit_count(unit, told)),
            None => source.counts.push(reason_count(told)),
        }
    }
    sources
}

fn reason_count(told: Told) -> ReasonCount {
    ReasonCount {
        hour: Some(timestamp_of(told.hour)),
        status: told.count.status.into(),
        code: told.count.code.to_owned(),
        other: told.subject.is_none(),
        subject: told.subject.unwrap_or_default(),
        count: told.count.tally.count,
        first_time: Some(timestamp_of(told.count.tally.first)),
        last_time: Some(timestamp_of(told.count.tally.last)),
    }
}

fn unit_count(unit: Unit, told: Told) -> UnitCount {
    let kind = match unit {
        Unit::Profile => UnitKind::Profile,
        Unit::Activity => UnitKind::Activity,
        Unit::Rejected => UnitKind::Rejected,
    };
    UnitCount {
        window: day_of(told.hour),
        kind: kind.into(),
        other: told.subject.is_none(),
        subject: told.subject.unwrap_or_default(),
        count: told.count.tally.count,
    }
}

fn day_of(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Key;

    /// Semantics 6.8.
    #[test]
    fn units_are_told_by_their_window_beside_what_was_answered() {
        let window = 1_764_028_800_000_000; // 2025-11-25T00:00:00Z
        let mut fold = Fold::default();
        let key = Key {
            status: 429,
            code: "ACTIVITY_LIMIT",
            subject: "Login",
        };
        fold.add(key, window + 5, 4);
        fold.add_units(Unit::Activity, window, "Login", 7);
        fold.add_units(Unit::Rejected, window, "Login", 4);
        let mut pending = Pending::default();
        assert_eq!(pending.add("a", "s", fold), 0);
        let mut told = messages(pending.take().remove(0));
        assert_eq!(told.len(), 1);
        let source = told.remove(0);
        assert_eq!(source.counts.len(), 1);
        assert_eq!(source.counts[0].code, "ACTIVITY_LIMIT");
        let mut units = source.units;
        units.sort_by_key(|one| one.kind);
        let units: Vec<_> = units
            .into_iter()
            .map(|one| (one.window, one.kind, one.count))
            .collect();
        assert_eq!(
            units,
            [
                ("2025-11-25".to_owned(), 2, 7),
                ("2025-11-25".to_owned(), 3, 4)
            ]
        );
    }
}
