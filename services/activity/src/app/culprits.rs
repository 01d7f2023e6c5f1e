//! A value that PostgreSQL does not take costs its own event alone (semantics 1.2, 2.4c).

use std::ops::Range;
use std::sync::Arc;

use weir_postgres::Failure;
use weir_rpc::Deadline;
use weir_service::{MAX_CULPRITS, culprits};

use super::record::Ending;
use super::{App, Error};
use crate::domain::Batch;

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
        let is_refused = async |part: Range<usize>| {
            let part = Arc::new(batch.only(&part.collect::<Vec<_>>()));
            match self.attempts(&part, Ending::Undo, deadline).await {
                Err(Error::Store(Failure::Refused)) => Ok(true),
                attempted => attempted.map(|_| false),
            }
        };
        let culprits = culprits(batch.events.len(), MAX_CULPRITS, is_refused).await?;
        let rest: Vec<usize> = (0..batch.events.len())
            .filter(|index| culprits.binary_search(index).is_err())
            .collect();
        Ok(batch.only(&rest))
    }
}
