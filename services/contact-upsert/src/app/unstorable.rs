//! The second line of defence: a batch that can't be stored as a whole loses the events at
//! fault, and no others.
//!
//! That no value gets this far which PostgreSQL refuses is for the conversion to see to; here it
//! is found out by attempts that are rolled back, and counted. So is an event that would make
//! what is there already, however often it is tried: its neighbours must not wait for it. Events
//! that lead to a contact whose row is broken are known as soon as it is read, however many.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use weir_rpc::Deadline;
use weir_service::{MAX_CULPRITS, culprits};

use super::{App, Error, Outcome, Purpose, Upserted};
use crate::domain::{Batch, Status, Unreadable};
use crate::metrics;

/// Broken contacts, then refused values; once more where something changed meanwhile.
const MAX_ROUNDS: usize = 4;

/// Stores what can be stored of a batch that was refused, in one transaction, or rehearses it.
pub(super) async fn put_the_rest(
    app: &App,
    batch: &Arc<Batch>,
    refusal: Error,
    deadline: Deadline,
    purpose: Purpose,
) -> Result<Upserted, Error> {
    let mut refusal = refusal;
    let mut faulty = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let rest = all_but(batch, &faulty);
        let found = match refusal {
            Error::Unreadable(contacts) => unreadable(&contacts, &rest),
            _ => refused(app, batch, &rest, deadline).await?,
        };
        faulty.extend(found);
        let rest = part_of(batch, &all_but(batch, &faulty));
        match app.persist(rest, deadline, purpose).await {
            Err(again) if again.is_of_events() => refusal = again,
            stored => return Ok(with_faulty(batch, &faulty, stored?)),
        }
    }
    tracing::error!("a batch is refused again and again, for other events each time");
    Err(Error::Internal)
}

/// The answer to the whole batch.
fn with_faulty(batch: &Batch, faulty: &BTreeSet<usize>, of_rest: Upserted) -> Upserted {
    metrics::unstorable(faulty.len());
    let mut of_rest_outcomes = of_rest.outcomes.into_iter();
    let outcomes = (0..batch.events.len()).map(|index| {
        if faulty.contains(&index) {
            Outcome::of(Status::Unstorable)
        } else {
            let outcome = of_rest_outcomes.next();
            outcome.expect("each of the rest has its outcome")
        }
    });
    Upserted {
        outcomes: outcomes.collect(),
        units: of_rest.units,
    }
}

/// The indices of the events that lead to broken contacts, which were found among these.
fn unreadable(found: &Unreadable, among: &[usize]) -> Vec<usize> {
    for contact in &found.contacts {
        tracing::error!(%contact, "a contact's row is broken; its events can't be stored");
        metrics::unreadable("row");
    }
    found.events.iter().map(|index| among[*index]).collect()
}

/// The indices of the events, among these, that are refused, each by itself.
async fn refused(
    app: &App,
    batch: &Batch,
    among: &[usize],
    deadline: Deadline,
) -> Result<Vec<usize>, Error> {
    let is_refused = async |part: Range<usize>| {
        let part = part_of(batch, &among[part]);
        match app.persist(part, deadline, Purpose::Rehearse).await {
            Err(error) if error.is_of_events() => Ok(true),
            rehearsed => rehearsed.map(|_| false),
        }
    };
    let found = culprits(among.len(), MAX_CULPRITS, is_refused).await?;
    Ok(found.into_iter().map(|index| among[index]).collect())
}

fn all_but(batch: &Batch, faulty: &BTreeSet<usize>) -> Vec<usize> {
    let all = 0..batch.events.len();
    all.filter(|index| !faulty.contains(index)).collect()
}

fn part_of(batch: &Batch, indices: &[usize]) -> Arc<Batch> {
    let events = indices.iter().map(|index| batch.events[*index].clone());
    Arc::new(Batch {
        events: events.collect(),
        settings: batch.settings.clone(),
        import: batch.import.clone(),
        ..*batch
    })
}
