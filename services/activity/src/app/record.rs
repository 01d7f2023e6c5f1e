//! A batch of tracks, in one transaction (semantics 4.5-4.8, 6.2-6.5).

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::{try_join, try_join3};
use weir_ids::{ContactId, TimedKey};
use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::{App, Error, Tries, detached};
use crate::domain::{
    Batch, Event, Identifier, Known, Place, Standing, Verdict, decide, lock_free,
    needs_activity_lookup, needs_backlog_lookup,
};
use crate::metrics;
use crate::store::{Store, Tx};

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// On a contact; one unit.
    Stored,
    /// In the backlog; one unit.
    Backlogged,
    /// Was there before.
    Repeated,
    /// Was not there before, and had no unit.
    NotFunded,
}

impl Outcome {
    fn is_charged(self) -> bool {
        matches!(self, Self::Stored | Self::Backlogged)
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Recorded {
    /// In the order of its events.
    pub outcomes: Vec<Outcome>,
    /// Activity units that were charged.
    pub units: i64,
}

impl App {
    /// Stores a batch; all of it or (on an error) nothing.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn record(&self, batch: Batch, deadline: Deadline) -> Result<Recorded, Error> {
        let (store, batch) = (self.store.clone(), Arc::new(batch));
        detached(async move {
            let mut tries = Tries::within(deadline);
            loop {
                let recorded = record(&store, &batch, deadline).await;
                if !tries.again(&recorded) {
                    return recorded.inspect(|recorded| metrics::recorded(&recorded.outcomes));
                }
            }
        })
        .await
    }
}

async fn record(store: &Store, batch: &Batch, deadline: Deadline) -> Result<Recorded, Error> {
    let mut connection = store.connection().await?;
    // Whoever waited for a connection until nobody waited for the answer does not store:
    // the batch will come again.
    if deadline.passed() {
        return Err(Error::Late);
    }
    let tx = connection.begin(batch.account_id);
    let (epoch, mut standings) = tx.fence_and_standings(&batch.identities).await?;
    if epoch > batch.epoch {
        return Err(Error::Fenced);
    }
    let outcomes = if batch.probe_only {
        let all: Vec<&Event> = batch.events.iter().collect();
        store_events(&tx, batch, &standings, &all).await?
    } else {
        store_in_two_steps(&tx, batch, &mut standings).await?
    };

    let units = outcomes
        .iter()
        .filter(|outcome| outcome.is_charged())
        .count();
    if units > 0 {
        let units = i32::try_from(units).map_err(|_| Failure::Internal)?;
        tx.charge_and_commit(batch.window, batch.batch_id, units)
            .await?;
    } else {
        tx.commit().await?;
    }
    Ok(Recorded {
        outcomes,
        units: i64::try_from(units).map_err(|_| Failure::Internal)?,
    })
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
) -> Result<Vec<Outcome>, Failure> {
    let is_first = lock_free(&batch.events, standings);
    let (first, second): (Vec<usize>, Vec<usize>) =
        (0..batch.events.len()).partition(|at| is_first[*at]);
    let at = |places: &[usize]| -> Vec<&Event> {
        places.iter().map(|place| &batch.events[*place]).collect()
    };
    let (early, locked) = {
        let events = at(&first);
        let verdicts = verdicts(tx, batch, standings, &events).await?;
        let storing = write(tx, batch, standings, &events, &verdicts);
        try_join(storing, lock_open(tx, batch, standings)).await?
    };
    for (identity, standing) in locked {
        standings[identity] = standing;
    }
    let late = store_events(tx, batch, standings, &at(&second)).await?;

    let mut outcomes = vec![Outcome::Repeated; batch.events.len()];
    let places = first.into_iter().chain(second);
    for (place, outcome) in places.zip(early.into_iter().chain(late)) {
        outcomes[place] = outcome;
    }
    Ok(outcomes)
}

/// Locks the identities that are not settled, and reads them again: whatever links them
/// now either came before and is seen, or waits and finds what is stored (semantics 4.10).
async fn lock_open(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
) -> Result<Vec<(usize, Standing)>, Failure> {
    let open: Vec<usize> = (0..standings.len())
        .filter(|at| !standings[*at].is_settled())
        .collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let will_wait = will_wait(batch);
    let identities: Vec<&Identifier> = open.iter().map(|at| &batch.identities[*at]).collect();
    let waiting: Vec<bool> = open.iter().map(|at| will_wait[*at]).collect();
    let locked = tx.lock_identities(&identities, &waiting).await?;
    Ok(open.into_iter().zip(locked).collect())
}

/// Which identities get something into their backlog, if they are new: those of events that
/// name no contact.
fn will_wait(batch: &Batch) -> Vec<bool> {
    let mut will_wait = vec![false; batch.identities.len()];
    for event in &batch.events {
        if let (Some(at), None, true) = (event.identity, event.contact_id, event.funded) {
            will_wait[at] = true;
        }
    }
    will_wait
}

/// Stores what of `events` was not there before and has a unit.
async fn store_events(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
) -> Result<Vec<Outcome>, Failure> {
    let verdicts = verdicts(tx, batch, standings, events).await?;
    write(tx, batch, standings, events, &verdicts).await
}

async fn verdicts(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
) -> Result<Vec<Verdict>, Failure> {
    let known = look_up(tx, batch, standings, events).await?;
    Ok(decide(events, standings, &known, batch.probe_only))
}

/// Copies that the inserts would not meet by themselves.
async fn look_up(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
) -> Result<Known, Failure> {
    let select = |needed: fn(&Event, &[Standing]) -> bool| -> Vec<&Event> {
        let events = events.iter().copied();
        events
            .filter(|event| batch.probe_only || needed(event, standings))
            .collect()
    };
    let activities = select(needs_activity_lookup);
    let backlog = select(needs_backlog_lookup);
    let (activities, backlog) = try_join(
        tx.copies(&activities),
        tx.copies_in_backlog(&backlog, &batch.identities),
    )
    .await?;
    Ok(Known {
        activities,
        backlog,
    })
}

/// Stores what the verdicts say; what meets its copy there is a repeat after all.
async fn write(
    tx: &Tx<'_>,
    batch: &Batch,
    standings: &[Standing],
    events: &[&Event],
    verdicts: &[Verdict],
) -> Result<Vec<Outcome>, Failure> {
    let mut contacts: Vec<(&Event, ContactId)> = Vec::new();
    let mut waiting: Vec<(&Event, usize)> = Vec::new();
    for (event, verdict) in events.iter().zip(verdicts) {
        match verdict {
            Verdict::Store(Place::Contact(contact_id)) => contacts.push((event, *contact_id)),
            Verdict::Store(Place::Backlog(at)) => waiting.push((event, *at)),
            Verdict::Repeated | Verdict::NotFunded => {}
        }
    }
    // Two batches that share events wait for each other's rows in the same order.
    contacts.sort_unstable_by_key(|(event, _)| (event.key, event.expire_day));
    waiting.sort_unstable_by_key(|(event, at)| (*at, event.key, event.expire_day));

    let mut newly: Vec<usize> = waiting.iter().map(|(_, at)| *at).collect();
    newly.dedup();
    newly.retain(|at| !standings[*at].waiting);
    let newly: Vec<&Identifier> = newly.iter().map(|at| &batch.identities[*at]).collect();
    let waiting: Vec<(&Event, &Identifier)> = waiting
        .into_iter()
        .map(|(event, at)| (event, &batch.identities[at]))
        .collect();

    let (stored, backlogged, ()) = try_join3(
        tx.store_activities(&contacts, batch.receive_time),
        tx.store_backlog(&waiting, batch.receive_time),
        tx.begin_waiting(&newly),
    )
    .await?;
    Ok(outcomes(events, verdicts, &stored, &backlogged))
}

fn outcomes(
    events: &[&Event],
    verdicts: &[Verdict],
    stored: &HashSet<TimedKey>,
    backlogged: &HashSet<TimedKey>,
) -> Vec<Outcome> {
    events
        .iter()
        .zip(verdicts)
        .map(|(event, verdict)| match verdict {
            Verdict::NotFunded => Outcome::NotFunded,
            Verdict::Store(Place::Contact(_)) if stored.contains(&event.key) => Outcome::Stored,
            Verdict::Store(Place::Backlog(_)) if backlogged.contains(&event.key) => {
                Outcome::Backlogged
            }
            Verdict::Repeated | Verdict::Store(_) => Outcome::Repeated,
        })
        .collect()
}
