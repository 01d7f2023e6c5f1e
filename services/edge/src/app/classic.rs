//! A request of a classic source: identifies in their order, then tracks, through the pipeline
//! that all requests go through (semantics 8.0, 8.2).

use std::sync::Arc;

use tracing::Instrument;
use weir_counts::{Fold, Key};
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::request::Read;
use super::{App, Error, Incoming, MAX_EVENTS};
use crate::clients::{Caller, Failure};
use crate::domain::classic::{Sorted, Verdict};
use crate::metrics;

/// What came in, sorted.
pub struct ClassicIncoming {
    pub caller: Arc<Caller>,
    pub sorted: Sorted,
    /// Unix time in microseconds.
    pub arrival: i64,
    pub deadline: Deadline,
    /// What is let go of once nothing of it is under way any more.
    pub held: Arc<dyn Send + Sync>,
}

/// What is to be answered.
pub struct ClassicProcessed {
    pub verdict: Verdict,
    /// Until the window of its units ends, in seconds, where anybody could say that.
    pub seconds_left: Option<i64>,
}

impl App {
    /// Takes its parts through all stages, one after the other. One in which something fails does
    /// not keep those behind it from being stored; where nothing goes, none is tried. A client that
    /// hangs up does not end it.
    ///
    /// # Errors
    /// Where too much waits, or a needed service is away: then all of it comes again, and what was
    /// stored of it is a repeat.
    pub async fn process_classic(
        self: &Arc<Self>,
        sent: ClassicIncoming,
    ) -> Result<ClassicProcessed, Error> {
        let app = Arc::clone(self);
        let parts = async move { app.process_parts(sent).await };
        let processed = self.background.spawn(parts.in_current_span()).await;
        processed.unwrap_or_else(|_panic| Err(Failure::internal("classic").into()))
    }

    async fn process_parts(
        self: &Arc<Self>,
        sent: ClassicIncoming,
    ) -> Result<ClassicProcessed, Error> {
        self.count_not_stored(&sent);
        let mut said = ClassicProcessed {
            verdict: Verdict::default(),
            seconds_left: None,
        };
        for part in &sent.sorted.parts {
            for events in part.events.chunks(MAX_EVENTS) {
                let incoming = Incoming {
                    caller: sent.caller.clone(),
                    kind: part.kind,
                    body: part.body.clone(),
                    arrival: sent.arrival,
                    deadline: sent.deadline,
                    held: Box::new(sent.held.clone()),
                };
                let (read, answer) = Read::of_classic(incoming, events, &self.own_namespaces);
                let processed = self.answered(read, answer).await?;
                for outcome in &processed.outcomes {
                    said.verdict.add(outcome);
                }
                let usage = processed.usage.as_ref();
                said.seconds_left = usage.map(|usage| usage.seconds_left).or(said.seconds_left);
            }
        }
        Ok(said)
    }

    /// Counts what is accepted and not stored, by what it is.
    fn count_not_stored(&self, sent: &ClassicIncoming) {
        let reason = Reason::TypeNotStored;
        let mut fold = Fold::default();
        for (of, count) in &sent.sorted.not_stored {
            let key = Key {
                status: 200,
                code: reason.code(),
                subject: of.name(),
            };
            fold.add(key, sent.arrival, *count);
            metrics::events(200, Some(reason), count.unsigned_abs());
        }
        if !sent.sorted.not_stored.is_empty() {
            let caller = &sent.caller;
            self.counts.add(&caller.account_id, &caller.source_id, fold);
        }
    }
}
