//! A batch is driven as a whole, or in parts, one after the other and in its order, where what
//! its events come to is more than one message between the services may hold: a few megabytes
//! of traits, each mapped to many fields, or to attributes with long names, are many more.

use std::collections::BTreeMap;

use weir_reasons::Reason;

use super::batch::Batch;
use super::{App, MAX_EVENTS, Processed};
use crate::clients::Failure;
use crate::domain::outcome::Outcome;
use crate::metrics;

/// What the stores are sent of a part at most, in bytes. The rest of a message is room for what
/// is not counted.
const MOST: usize = weir_rpc::MAX_MESSAGE / 4 * 3;

/// Why a part is not done. Nothing of a part that is too large is stored.
enum Undone {
    TooLarge,
    Failed(Failure),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        if failure.hop == "map_events" && failure.is_outgrown() {
            Self::TooLarge
        } else {
            Self::Failed(failure)
        }
    }
}

impl App {
    /// Takes a batch that was read through the other stages.
    ///
    /// # Errors
    /// Where the first part fails: then nothing at all is stored. Where a later one does, its
    /// events and those behind it come again.
    pub(super) async fn drive(&self, batch: Batch) -> Result<Processed, Failure> {
        let mut outcomes = Vec::with_capacity(batch.events.len());
        // The next one is the last.
        let mut waiting = Vec::with_capacity(1);
        let mut part = batch;
        // Events that one part may have: others are about as large.
        let mut most = MAX_EVENTS;
        let mut is_stopped = false;
        loop {
            let driven = match is_stopped {
                true => Ok(()),
                false if part.events.len() > most => Err(Undone::TooLarge),
                false => self.drive_part(&mut part).await,
            };
            match driven {
                Err(Undone::TooLarge) if part.events.len() > 1 => {
                    if !part.is_mapped && part.events.len() <= most {
                        most = part.events.len().div_ceil(2);
                    }
                    metrics::parted();
                    waiting.push(part.split());
                    continue;
                }
                Err(Undone::Failed(failure)) if outcomes.is_empty() => return Err(failure),
                Err(Undone::Failed(_)) => is_stopped = true,
                // One that is too large alone is an error of ours, and costs itself alone.
                Ok(()) | Err(Undone::TooLarge) => {}
            }
            let said = part.outcomes();
            count(&said);
            self.log(&part, &said);
            outcomes.extend(said);
            match waiting.pop() {
                Some(next) => part = next,
                None => break,
            }
        }
        Ok(Processed {
            outcomes,
            usage: self.usage(&part).await,
        })
    }

    async fn drive_part(&self, part: &mut Batch) -> Result<(), Undone> {
        if !part.is_mapped {
            self.map(part).await?;
        }
        if part.events.len() > 1 && part.size() > MOST {
            return Err(Undone::TooLarge);
        }
        Ok(self.store(part).await?)
    }
}

/// Counts answers, those of one kind in one go.
fn count(outcomes: &[Outcome]) {
    let mut counts: BTreeMap<(u16, Option<Reason>), u64> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry((outcome.status, outcome.code)).or_default() += 1;
    }
    for ((status, code), count) in counts {
        metrics::events(status, code, count);
    }
}
