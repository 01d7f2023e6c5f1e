//! How many contacts have a value of a field.

use std::time::Duration;

use tokio::time::Instant;
use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error};

/// Contacts that are looked at at once: the fields of each are read, and the largest have some
/// megabytes.
const PIECE: usize = 1_000;
/// How long contacts are looked at: somebody waits for the answer before they decide.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// What was found as far as was looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WithValue {
    pub contacts: usize,
    pub seen: usize,
    /// Those were all.
    pub complete: bool,
}

impl App {
    /// Contacts that have a value of the field, of those that can be looked at within `patience`:
    /// one piece at least.
    ///
    /// # Errors
    /// When there is no such account, or PostgreSQL is away.
    pub async fn count_values(
        &self,
        account: AccountId,
        field: &str,
        patience: Duration,
        deadline: Deadline,
    ) -> Result<WithValue, Error> {
        let until = Instant::now() + patience.min(deadline.remaining() / 2);
        let mut found = WithValue::default();
        let mut client = self.store.client().await?;
        let counting = self.store.counting(&mut client, account);
        let mut after = None;
        while !found.complete && (found.seen == 0 || Instant::now() < until) {
            let piece = counting.piece(field, after, PIECE).await?;
            found.contacts += piece.with_value;
            found.seen += piece.seen;
            found.complete = piece.seen < PIECE;
            after = piece.last;
        }
        drop(counting);
        drop(client);
        if found.seen == 0 {
            self.must_know(account, deadline).await?;
        }
        Ok(found)
    }
}
