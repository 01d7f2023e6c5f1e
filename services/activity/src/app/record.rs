//! A batch of tracks, in one transaction (semantics 4.5-4.8, 6.2-6.5).

use std::collections::HashSet;
use std::sync::Arc;

use chrono::NaiveDate;
use futures_util::future::{try_join, try_join3};
use weir_ids::ContactId;
use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::retry;

use super::{App, Error, POLICY};
use crate::domain::{
    Batch, Destination, Event, Identifier, Known, Outcome, Standing, Stored, Tally, Verdict,
    corrections, decide, first_day_after_month, lock_free, needs_activity_lookup,
    needs_backlog_lookup, outcomes,
};
use crate::metrics;
use crate::store::{NotDone, Store, Tx};

/// What became of a batch.
#[derive(Debug)]
pub struct Recorded {
    /// In the order of its events.
    pub outcomes: Vec<Outcome>,
    /// Activity units that were charged.
    pub units: i64,
}

/// So many times a batch begins anew rather than leave the order of locks. Each time more of its
/// identifiers are settled; where links come faster than that, it takes its chance.
const TRIES_IN_ORDER: u32 = 3;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It lasts.
    Commit,
    /// It was to see whether it could.
    Undo,
}

impl App {
    /// Stores a batch; all of it that can be stored or (on an error) nothing.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn record_activities(
        &self,
        batch: Batch,
        deadline: Deadline,
    ) -> Result<Recorded, Error> {
        let mut batch = Arc::new(batch);
        let mut recorded = self.attempts(&batch, Ending::Commit, deadline).await;
        if let Err(Error::Store(Failure::Refused)) = recorded {
            batch = Arc::new(self.without_culprits(&batch, deadline).await?);
            recorded = self.attempts(&batch, Ending::Commit, deadline).await;
        }
        let Recorded { outcomes, units } = recorded?;
        let mut answer = vec![Outcome::Unstorable; batch.asked];
        for (index, outcome) in batch.indices.iter().zip(outcomes) {
            answer[*index] = outcome;
        }
        metrics::recorded(&answer);
        Ok(Recorded {
            outcomes: answer,
            units,
        })
    }

    pub(super) async fn attempts(
        &self,
        batch: &Arc<Batch>,
        ending: Ending,
        deadline: Deadline,
    ) -> Result<Recorded, Error> {
        let attempt = || self.attempts_on_row(batch, ending, deadline);
        self.with_row(batch.account_id, deadline, attempt).await
    }

    async fn attempts_on_row(
        &self,
        batch: &Arc<Batch>,
        ending: Ending,
        deadline: Deadline,
    ) -> Result<Recorded, Error> {
        let (app, batch) = (self.clone(), Arc::clone(batch));
        retry(deadline, POLICY, move |number| {
            let (app, batch) = (app.clone(), Arc::clone(&batch));
            async move {
                let keeps_order = number < TRIES_IN_ORDER;
                let done = record(&app.store, &batch, ending, keeps_order, deadline).await;
                app.make_what_is_missing(done).await
            }
        })
        .await
    }
}

async fn record(
    store: &Store,
    batch: &Batch,
    ending: Ending,
    keeps_order: bool,
    deadline: Deadline,
) -> Result<Recorded, Error> {
    let mut connection = store.connection().await?;
    // Whoever waited for a connection until nobody waited for the answer does not store:
    // the batch will come again.
    if deadline.passed() {
        return Err(Error::Late);
    }
    let tx = connection.begin(batch.account_id);
    let now = batch.receive_time;
    let (fence, mut standings) = tx.fence_and_standings(&batch.identifiers, now).await?;
    let fence = fence.ok_or(Error::NoRow)?;
    if fence.epoch > batch.epoch {
        return Err(Error::EpochPast(fence.epoch));
    }
    let mut deleted = HashSet::new();
    if let Some(erased) = &fence.erased {
        deleted = tx.deleted(batch, erased).await?;
    }
    let rest;
    let batch = if deleted.is_empty() {
        batch
    } else {
        let kept = (0..batch.events.len()).filter(|at| !deleted.contains(at));
        rest = batch.only(&kept.collect::<Vec<_>>());
        (standings, _) = tx.standings_of(&rest.identifiers).await?;
        &rest
    };
    let outcomes = if batch.probe_only {
        let all: Vec<&Event> = batch.events.iter().collect();
        let known = look_up(&tx, batch, &standings, &all).await?;
        outcomes(
            &all,
            &decide(&all, &standings, &known, true),
            &Stored::default(),
        )
    } else {
        store_in_two_steps(&tx, batch, &mut standings, keeps_order).await?
    };

    let units = outcomes
        .iter()
        .filter(|outcome| outcome.is_charged())
        .count();
    let charged = i32::try_from(units).map_err(|_| Failure::Internal)?;
    match ending {
        Ending::Undo => {}
        Ending::Commit if charged > 0 => {
            let tally = Tally::of(&batch.events, &outcomes);
            tx.charge_and_commit(batch.window, batch.batch_id, charged, &tally)
                .await?;
        }
        Ending::Commit => tx.commit().await?,
    }
    Ok(Recorded {
        outcomes: with_deleted(outcomes, &deleted),
        units: charged.into(),
    })
}

/// In the order of all events.
fn with_deleted(outcomes: Vec<Outcome>, deleted: &HashSet<usize>) -> Vec<Outcome> {
    if deleted.is_empty() {
        return outcomes;
    }
    let all = outcomes.len() + deleted.len();
    let mut outcomes = outcomes.into_iter();
    let each = (0..all).map(|at| match deleted.contains(&at) {
        true => Outcome::Deleted,
        false => outcomes.next().unwrap_or(Outcome::Deleted),
    });
    each.collect()
}

/// First the events that no lock is needed for, then the others behind their locks: so these,
/// which neighbouring batches of one visitor share, are held for the shorter part of the work.
/// The locks are asked for behind the first step's inserts, in the same round trip, and never
/// ahead of them: a batch that comes again while its first try is under way must not lock
/// what the first try still has to, and then wait for its rows.
async fn store_in_two_steps(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &mut [Standing],
    keeps_order: bool,
) -> Result<Vec<Outcome>, NotDone> {
    let (first, second): (Vec<usize>, Vec<usize>) =
        (0..batch.events.len()).partition(|at| lock_free(&batch.events[*at], standings));
    let events_at = |indices: &[usize]| -> Vec<&Event> {
        indices.iter().map(|at| &batch.events[*at]).collect()
    };
    let (early, locked) = {
        let events = events_at(&first);
        let verdicts = verdicts(tx, batch, standings, &events).await?;
        // Otherwise what is prepared for the first time goes out behind the locks.
        tx.ready_to_store().await?;
        let storing = write(tx, batch, standings, &events, &verdicts);
        try_join(storing, lock_open(tx, batch, standings)).await?
    };
    let is_alone = first.is_empty() && locked.len() == 1;
    for (identifier, standing) in locked {
        // Its activities belong ahead of the locks: another batch may hold them, and wait for
        // a lock that this one holds.
        if keeps_order && standing.is_settled() && !is_alone {
            return Err(Failure::Conflict.into());
        }
        standings[identifier] = standing;
    }
    let late = {
        let events = events_at(&second);
        let verdicts = verdicts(tx, batch, standings, &events).await?;
        write(tx, batch, standings, &events, &verdicts).await?
    };

    let mut outcomes = vec![Outcome::Repeated; batch.events.len()];
    let indices = first.into_iter().chain(second);
    for (at, outcome) in indices.zip(early.into_iter().chain(late)) {
        outcomes[at] = outcome;
    }
    Ok(outcomes)
}

/// Locks the identifiers that are not settled, and reads them again: whatever links them
/// now either came before and is seen, or waits and finds what is stored (semantics 4.10).
async fn lock_open(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
) -> Result<Vec<(usize, Standing)>, NotDone> {
    let open: Vec<usize> = (0..standings.len())
        .filter(|at| !standings[*at].is_settled())
        .collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let will_wait = will_wait(batch);
    let identifiers: Vec<&Identifier> = open.iter().map(|at| &batch.identifiers[*at]).collect();
    let waiting: Vec<bool> = open.iter().map(|at| will_wait[*at].is_some()).collect();
    let today = batch.receive_time.date_naive();
    let forget_days: Vec<NaiveDate> = open
        .iter()
        .map(|at| first_day_after_month(will_wait[*at].unwrap_or(today)))
        .collect();
    let locked = tx
        .lock_identifiers(&identifiers, &waiting, &forget_days)
        .await?;
    Ok(open.into_iter().zip(locked).collect())
}

/// Until when something waits in the backlog of each identifier, if it is new: of events that
/// name no contact.
fn will_wait(batch: &Batch) -> Vec<Option<NaiveDate>> {
    let mut will_wait = vec![None; batch.identifiers.len()];
    for event in &batch.events {
        if let (Some(at), None, true) = (event.identifier, event.contact_id, event.funded) {
            will_wait[at] = will_wait[at].max(Some(event.expire_day));
        }
    }
    will_wait
}

/// What becomes of `events`, but for those that meet their copy when they are stored. Undated
/// ones leave their receipts here: of two that come at once, the second waits.
async fn verdicts(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
) -> Result<Vec<Verdict>, NotDone> {
    let known = look_up(tx, batch, standings, events).await?;
    let mut verdicts = decide(events, standings, &known, false);
    let is_new = |verdict: &Verdict| matches!(verdict, Verdict::Store(_));
    let new = events.iter().zip(&verdicts);
    let new = new.filter(|(_, verdict)| is_new(verdict));
    let received = tx
        .receive(
            new.map(|(event, _)| *event),
            batch.receive_time.date_naive(),
        )
        .await?;
    for (event, verdict) in events.iter().zip(&mut verdicts) {
        if let Some(receipt) = event.receipt
            && is_new(verdict)
            && !received.contains(&receipt)
        {
            *verdict = Verdict::Repeated;
        }
    }
    Ok(verdicts)
}

/// Copies that the inserts would not meet by themselves.
async fn look_up(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
) -> Result<Known, NotDone> {
    let select = |needed: fn(&Event, &[Standing]) -> bool| -> Vec<&Event> {
        let events = events.iter().copied();
        events
            .filter(|event| batch.probe_only || needed(event, standings))
            .collect()
    };
    let activities = select(needs_activity_lookup);
    let backlog = select(needs_backlog_lookup);
    let (activities, backlog, receipts) = try_join3(
        tx.copies(&activities),
        tx.copies_in_backlog(&backlog, &batch.identifiers),
        tx.received(events),
    )
    .await?;
    Ok(Known {
        activities,
        backlog,
        receipts,
    })
}

/// Stores what the verdicts say; what meets its copy there is a repeat after all, or corrects it.
async fn write(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
    verdicts: &[Verdict],
) -> Result<Vec<Outcome>, NotDone> {
    let mut contacts: Vec<(&Event, ContactId)> = Vec::new();
    let mut waiting: Vec<(&Event, usize)> = Vec::new();
    for (event, verdict) in events.iter().zip(verdicts) {
        match verdict {
            Verdict::Store(Destination::Contact(contact_id)) => contacts.push((event, *contact_id)),
            Verdict::Store(Destination::Backlog(at)) => waiting.push((event, *at)),
            Verdict::Repeated | Verdict::NotFunded => {}
        }
    }
    // Two batches that share events wait for each other's rows in the same order.
    contacts.sort_unstable_by_key(|(event, _)| (event.key, event.expire_day));
    waiting.sort_unstable_by_key(|(event, at)| (*at, event.key, event.expire_day));

    let newly = newly_waiting(batch, standings, &waiting);
    let waiting: Vec<(&Event, &Identifier)> = waiting
        .into_iter()
        .map(|(event, at)| (event, &batch.identifiers[at]))
        .collect();
    let (activities, backlog, ()) = try_join3(
        tx.store_activities(&contacts),
        tx.store_backlog(&waiting, batch.source_id),
        tx.begin_waiting(&newly),
    )
    .await?;
    let stored = Stored {
        activities,
        backlog,
    };
    let corrections = corrections(events, verdicts, &stored).into_iter();
    let corrections: Vec<&Event> = corrections.map(|at| events[at]).collect();
    let is_waiting = |event: &&Event| event.identifier.is_some_and(|at| standings[at].waiting);
    let waiting: Vec<&Event> = corrections.iter().copied().filter(is_waiting).collect();
    try_join(
        tx.correct_activities(&corrections),
        tx.correct_backlog(&waiting, &batch.identifiers),
    )
    .await?;
    Ok(outcomes(events, verdicts, &stored))
}

/// Identifiers whose row does not say yet that something of theirs waits, or for so long.
/// `waiting` is sorted by them.
fn newly_waiting<'a>(
    batch: &'a Batch,
    standings: &[Standing],
    waiting: &[(&Event, usize)],
) -> Vec<(&'a Identifier, NaiveDate)> {
    waiting
        .chunk_by(|(_, one), (_, next)| one == next)
        .filter_map(|events| {
            let at = events.first()?.1;
            let last = events.iter().map(|(event, _)| event.expire_day).max()?;
            let forget_day = first_day_after_month(last);
            let is_new = !standings[at].awaits(forget_day);
            is_new.then(|| (&batch.identifiers[at], forget_day))
        })
        .collect()
}
