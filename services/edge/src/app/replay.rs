//! Kept events are taken anew, and contacts that could not be reached are made up for: portions
//! of work that mapping gives out under a lease go through the same pipeline as requests do
//! (semantics 7.5, 1.7).
//!
//! One portion at a time: of an account's slots it has one at most, and where requests of the
//! account wait it stands back for them. Whatever ends this in the middle, the lease runs out and
//! somebody else gets the same events; the stores know them again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::request::{Answer, Read};
use super::{App, Error, GRACE};
use crate::clients::{Caller, Cause, Failure, ReplayWork};
use crate::domain::envelope::Kind;
use crate::domain::keep::{Replayed, ToReplay};
use crate::domain::outcome::Outcome;
use crate::domain::schedule::Full;
use crate::metrics;

/// Where nothing is to be done, that is asked for so often.
const IDLE: Duration = Duration::from_secs(2);
/// Where mapping is away.
const AWAY: Duration = Duration::from_secs(5);
/// For a claim or a report.
const CALL: Duration = Duration::from_secs(5);
/// For the events of one kind; as of a request. Three of these are within the lease of a portion.
const TIME: Duration = Duration::from_secs(8);
/// For how long a portion stands back for requests: then it goes on all the same, so that it ends.
const STAND_BACK: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);

impl App {
    /// Drives portions until it is told to stop; one that has begun is finished.
    pub async fn replay_until(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let round = AssertUnwindSafe(self.replay_next()).catch_unwind();
            let pause = round.await.unwrap_or_else(|_panic| {
                // The hook of panics has logged where; the lease runs out.
                metrics::panicked();
                AWAY
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Drives one portion, if there is any; how long to wait for the next one.
    async fn replay_next(self: &Arc<Self>) -> Duration {
        match self.clients.claim_work(Deadline::after(CALL)).await {
            Ok(Some(work)) => {
                self.replay(work).await;
                Duration::ZERO
            }
            Ok(None) => IDLE,
            Err(_) => AWAY,
        }
    }

    async fn replay(self: &Arc<Self>, work: ReplayWork) {
        // Ids are read as the account reads them now.
        let nobody = self.clients.nobody(&work.account_id, Deadline::after(CALL));
        let Ok(nobody) = nobody.await else {
            // The lease runs out, and the same events are given out again.
            return;
        };
        let caller = Arc::new(Caller {
            account_id: work.account_id.clone(),
            source_id: work.source_id.clone(),
            source_kind: work.source_kind,
            nobody,
            // Nobody asks again for what is asked for each time.
            blocked_values_version: i64::MAX,
            ..Caller::default()
        });
        let mut outcomes = Vec::with_capacity(work.events.len());
        // Whom a track is about may be told by an identify.
        for kind in [Kind::Identify, Kind::Member, Kind::Track] {
            let events = work.events.iter().filter(|event| event.kind == kind);
            let events: Vec<&ToReplay> = events.collect();
            if !events.is_empty() {
                self.stand_back(&caller.account_id).await;
                outcomes.extend(self.replay_all(&caller, &events, work.repair).await);
            }
        }
        let reported = self
            .clients
            .report_work(&work, &outcomes, Deadline::after(CALL));
        // It is logged where it failed; the same events are given out again.
        let _ = reported.await;
    }

    /// Waits for a while as long as requests of the account do.
    async fn stand_back(&self, account_id: &str) {
        let waiting = async {
            while self.is_pressed(account_id) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(STAND_BACK, waiting).await;
    }

    async fn replay_all(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        events: &[&ToReplay],
        is_repair: bool,
    ) -> Vec<Replayed> {
        let deadline = Deadline::after(TIME);
        let read = |event| {
            let own = &self.own_namespaces;
            Read::of_kept(caller, event, is_repair, deadline, own)
        };
        let (reads, answers): (Vec<_>, Vec<_>) = events.iter().copied().map(read).unzip();
        self.enqueue_all(reads);
        let time = || deadline.remaining() + GRACE;
        let answers = answers.into_iter();
        let answers = answers.map(|answer| async move {
            let answer = tokio::time::timeout(time(), answer).await;
            answer
                .unwrap_or(Ok(Err(Error::Full(Full::Late))))
                .unwrap_or_else(|_panicked| Err(Failure::internal("replay").into()))
        });
        let answers = join_all(answers).await;
        let outcomes = events.iter().zip(answers);
        outcomes
            .map(|(event, answer)| replayed(event, answer))
            .collect()
    }
}

/// What mapping is told of an event. Where there is no outcome it comes again.
fn replayed(event: &ToReplay, answer: Answer) -> Replayed {
    let (outcome, ignored) = match answer {
        Ok(mut processed) => {
            let ignored = processed.ignored.first().map(|(_, code)| *code);
            let outcome = processed.outcomes.pop();
            (outcome.unwrap_or_else(|| failed(Reason::Internal)), ignored)
        }
        Err(Error::Failed(failure)) => {
            let code = match failure.cause {
                Cause::Away | Cause::Gone | Cause::Aborted => Reason::ServiceAway,
                Cause::Unexpected => Reason::Internal,
            };
            (failed(code), None)
        }
        Err(Error::Full(_)) => (failed(Reason::Overloaded), None),
        Err(Error::Unsplittable(_)) => (failed(Reason::Internal), None),
    };
    Replayed {
        key: event.key,
        outcome,
        ignored,
    }
}

fn failed(code: Reason) -> Outcome {
    Outcome {
        status: 500,
        code: Some(code),
        message: code.meaning().into(),
    }
}
