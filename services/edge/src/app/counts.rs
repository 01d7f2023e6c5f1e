//! What is counted of a batch, for the person who maps (semantics 7.3a).

use weir_counts::{Fold, Key, OK, Unit};
use weir_reasons::Reason;

use super::App;
use super::batch::{Batch, Content, Event};
use crate::domain::outcome::{Outcome, Progress};
use crate::domain::stages::{ActivitySaid, ContactSaid};

/// A window, in microseconds.
const DAY: i64 = 86_400_000_000;
/// The status of a value that was ignored while its event went on.
const VALUE: u16 = 0;

impl App {
    /// Counts what its events were answered, which of their values were ignored, and what they
    /// were charged; of a replay, which answers nobody, the last alone.
    pub(super) fn count(&self, batch: &Batch, outcomes: &[Outcome]) {
        let caller = &batch.caller;
        let fold = fold(batch, outcomes);
        self.counts.add(&caller.account_id, &caller.source_id, fold);
    }
}

fn fold<'b>(batch: &'b Batch, all: &[Outcome]) -> Fold<'b> {
    let mut fold = Fold::default();
    if !batch.is_replay {
        add_answers(&mut fold, batch, all);
    }
    if let Some(reservation) = &batch.reservation {
        let window = reservation.window_end - DAY;
        let units: &[Unit] = match batch.is_replay {
            true => &[Unit::Profile, Unit::Activity],
            false => &[Unit::Profile, Unit::Activity, Unit::Rejected],
        };
        for unit in units {
            for (event, outcome) in batch.events.iter().zip(all) {
                if spends(&event.progress, outcome, *unit) {
                    fold.add_units(*unit, window, event.name(), 1);
                }
            }
        }
    }
    fold
}

fn add_answers<'b>(fold: &mut Fold<'b>, batch: &'b Batch, all: &[Outcome]) {
    let mut outcomes = all.iter();
    for (request, events) in batch.by_request() {
        let received = request.origin.arrival;
        for (event, outcome) in events.iter().zip(outcomes.by_ref()) {
            let key = Key {
                status: outcome.status,
                code: outcome.code.map_or(OK, Reason::code),
                subject: event.name(),
            };
            fold.add(key, received, 1);
            add_values(fold, batch, event, received);
        }
    }
}

/// What an event was charged (semantics 6.2), or that the limit rejected it (6.8).
fn spends(progress: &Progress, outcome: &Outcome, unit: Unit) -> bool {
    match unit {
        // It is free of charge.
        _ if progress.correction => false,
        Unit::Profile => progress.contact == Some(ContactSaid::Stored),
        Unit::Activity => matches!(
            progress.activity,
            Some(ActivitySaid::Stored | ActivitySaid::Backlogged)
        ),
        Unit::Rejected => matches!(
            outcome.code,
            Some(Reason::ProfileLimit | Reason::ActivityLimit)
        ),
    }
}

fn add_values<'b>(fold: &mut Fold<'b>, batch: &'b Batch, event: &'b Event, received: i64) {
    let mut add = |code: Reason, subject: &'b str, count| {
        let key = Key {
            status: VALUE,
            code: code.code(),
            subject,
        };
        fold.add(key, received, count);
    };
    for values in &event.ignored_by_mapping {
        if let Some(kind) = batch.ignored_kinds.get(values.kind)
            && let Some(code) = kind.code
        {
            add(code, &kind.subject, values.count);
        }
    }
    for value in &event.ignored {
        add(value.code, &value.field_id, 1);
    }
    if let Content::Good(envelope) = &event.content
        && let Some(ignored) = &envelope.ignored
    {
        add(ignored.code, ignored.path, 1);
    }
}

impl Event {
    /// Of a track, as far as it could be read.
    fn name(&self) -> &str {
        match &self.content {
            Content::Good(envelope) | Content::Echo(envelope) => &envelope.event_name,
            Content::Refused(refusal) => &refusal.event_name,
        }
    }
}
