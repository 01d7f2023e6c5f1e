//! The second line of defence: a batch that PostgreSQL refuses for a value loses the events at
//! fault, and no others. That no value gets this far is for the conversion to see to; here it
//! is found out by attempts that are rolled back, and counted. So is an event that would make
//! what is there already, however often it is tried: its neighbours must not wait for it.

use std::sync::Arc;

use weir_rpc::Deadline;

use super::{Answer, App, Error, Outcome, Purpose};
use crate::domain::{Batch, Status};
use crate::metrics;

/// More than this in one batch is trouble of another kind: the batch fails as a whole.
const MAX_CULPRITS: usize = 16;

/// Stores what can be stored of a batch that was refused, in one transaction.
pub(super) async fn store_the_rest(
    app: &App,
    batch: &Arc<Batch>,
    deadline: Deadline,
) -> Result<Answer, Error> {
    let culprits = culprits(app, batch, deadline).await?;
    if culprits.is_empty() {
        tracing::error!("the database refuses a batch, but none of its events");
        return Err(Error::Internal);
    }
    let positions = 0..batch.events.len();
    let rest: Vec<usize> = positions
        .filter(|position| !culprits.contains(position))
        .collect();
    let stored = app.persist(part_of(batch, &rest), deadline, Purpose::Store);
    let stored = match stored.await {
        Err(Error::Refused | Error::Taken) => {
            tracing::error!("the database refuses a batch whose events it takes one by one");
            return Err(Error::Internal);
        }
        stored => stored?,
    };
    metrics::unstorable(culprits.len());
    let mut of_rest = stored.outcomes.into_iter();
    let outcomes = (0..batch.events.len()).map(|position| {
        if culprits.contains(&position) {
            Outcome::of(Status::Unstorable)
        } else {
            let outcome = of_rest.next();
            outcome.expect("each of the rest has its outcome")
        }
    });
    Ok(Answer {
        outcomes: outcomes.collect(),
        units: stored.units,
    })
}

/// The positions of the events that are refused, each by itself.
async fn culprits(app: &App, batch: &Arc<Batch>, deadline: Deadline) -> Result<Vec<usize>, Error> {
    let mut culprits = Vec::new();
    // Parts that hold at least one.
    let mut refused: Vec<Vec<usize>> = vec![(0..batch.events.len()).collect()];
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
                Err(Error::Refused | Error::Taken) => refused.push(half.to_vec()),
                rehearsed => {
                    rehearsed?;
                }
            }
        }
    }
    Ok(culprits)
}

fn part_of(batch: &Batch, positions: &[usize]) -> Arc<Batch> {
    let events = positions.iter().map(|at| batch.events[*at].clone());
    Arc::new(Batch {
        events: events.collect(),
        settings: batch.settings.clone(),
        ..*batch
    })
}
