//! A value that PostgreSQL does not take costs its own event alone (semantics 1.2, 2.4c).

use std::ops::Range;
use std::sync::Arc;

use weir_postgres::Failure;
use weir_rpc::Deadline;

use super::record::Ending;
use super::{App, Error};
use crate::domain::{Batch, Suspects};

impl App {
    /// The batch without the events that PostgreSQL does not take, found by attempts that are
    /// undone. It was refused as a whole.
    ///
    /// # Errors
    /// See [`Error`]; where there are too many of them, or none alone, the fault lies elsewhere.
    pub(super) async fn without_culprits(
        &self,
        batch: &Batch,
        deadline: Deadline,
    ) -> Result<Batch, Error> {
        let mut suspects = Suspects::of(batch.events.len());
        while let Some(parts) = suspects.next() {
            for part in parts {
                if self.is_refused(batch, part.clone(), deadline).await? {
                    suspects.refused(part);
                }
            }
            if suspects.are_too_many() {
                return Err(Failure::Internal.into());
            }
        }
        let culprits = suspects.found();
        tracing::error!(events = culprits.len(), "the database does not take events");
        let rest: Vec<usize> = (0..batch.events.len())
            .filter(|at| culprits.binary_search(at).is_err())
            .collect();
        if culprits.is_empty() {
            return Err(Failure::Internal.into());
        }
        Ok(batch.only(&rest))
    }

    async fn is_refused(
        &self,
        batch: &Batch,
        part: Range<usize>,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        let chosen: Vec<usize> = part.collect();
        let part = Arc::new(batch.only(&chosen));
        match self.attempts(&part, Ending::Undo, deadline).await {
            Ok(_) => Ok(false),
            Err(Error::Store(Failure::Refused)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
