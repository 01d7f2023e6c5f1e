//! The second line of defence: a batch that can't be stored as a whole loses the events at
//! fault, and no others.
//!
//! That no value gets this far which PostgreSQL refuses is for the conversion to see to; here it
//! is found out by attempts that are rolled back, and counted. So is an event that would make
//! what is there already, however often it is tried: its neighbours must not wait for it. Events
//! that lead to a contact whose row is broken are known as soon as it is read, however many.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_rpc::Deadline;

use super::{Answer, App, Error, Outcome, Purpose};
use crate::domain::{Batch, Status, Unreadable};
use crate::metrics;

/// More than this in one batch is trouble of another kind: the batch fails as a whole.
const MAX_CULPRITS: usize = 16;
/// Broken contacts, then refused values; once more where something changed meanwhile.
const MAX_ROUNDS: usize = 4;

/// Stores what can be stored of a batch that was refused, in one transaction.
pub(super) async fn store_the_rest(
    app: &App,
    batch: &Arc<Batch>,
    refusal: Error,
    deadline: Deadline,
) -> Result<Answer, Error> {
    let mut refusal = refusal;
    let mut culprits = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let rest = all_but(batch, &culprits);
        let found = match refusal {
            Error::Unreadable(contacts) => unreadable(&contacts, &rest),
            _ => refused(app, batch, rest, deadline).await?,
        };
        if found.is_empty() {
            tracing::error!("a batch is refused, but none of its events");
            return Err(Error::Internal);
        }
        culprits.extend(found);
        let rest = part_of(batch, &all_but(batch, &culprits));
        match app.persist(rest, deadline, Purpose::Store).await {
            Err(again) if again.is_of_events() => refusal = again,
            stored => return Ok(with_culprits(batch, &culprits, stored?)),
        }
    }
    tracing::error!("a batch is refused again and again, for other events each time");
    Err(Error::Internal)
}

/// The answer to the whole batch.
fn with_culprits(batch: &Batch, culprits: &BTreeSet<usize>, of_rest: Answer) -> Answer {
    metrics::unstorable(culprits.len());
    let mut of_rest_outcomes = of_rest.outcomes.into_iter();
    let outcomes = (0..batch.events.len()).map(|position| {
        if culprits.contains(&position) {
            Outcome::of(Status::Unstorable)
        } else {
            let outcome = of_rest_outcomes.next();
            outcome.expect("each of the rest has its outcome")
        }
    });
    Answer {
        outcomes: outcomes.collect(),
        units: of_rest.units,
    }
}

/// The positions of the events that lead to broken contacts, which were found among these.
fn unreadable(found: &Unreadable, among: &[usize]) -> Vec<usize> {
    for contact in &found.contacts {
        tracing::error!(%contact, "a contact's row is broken; its events can't be stored");
        metrics::unreadable("row");
    }
    found.events.iter().map(|at| among[*at]).collect()
}

/// The positions of the events, among these, that are refused, each by itself.
async fn refused(
    app: &App,
    batch: &Arc<Batch>,
    among: Vec<usize>,
    deadline: Deadline,
) -> Result<Vec<usize>, Error> {
    let mut culprits = Vec::new();
    // Parts that hold at least one.
    let mut refused: Vec<Vec<usize>> = vec![among];
    while let Some(part) = refused.pop() {
        if let [culprit] = part[..] {
            culprits.push(culprit);
            if culprits.len() > MAX_CULPRITS {
                tracing::error!("the database refuses too many events of a batch");
                return Err(Error::Internal);
            }
            continue;
        }
        let (one, other) = part.split_at(part.len() / 2);
        for half in [one, other] {
            let rehearsed = app.persist(part_of(batch, half), deadline, Purpose::Rehearse);
            match rehearsed.await {
                Err(error) if error.is_of_events() => refused.push(half.to_vec()),
                rehearsed => {
                    rehearsed?;
                }
            }
        }
    }
    Ok(culprits)
}

fn all_but(batch: &Batch, culprits: &BTreeSet<usize>) -> Vec<usize> {
    let positions = 0..batch.events.len();
    positions.filter(|at| !culprits.contains(at)).collect()
}

fn part_of(batch: &Batch, positions: &[usize]) -> Arc<Batch> {
    let events = positions.iter().map(|at| batch.events[*at].clone());
    Arc::new(Batch {
        events: events.collect(),
        settings: batch.settings.clone(),
        ..*batch
    })
}
