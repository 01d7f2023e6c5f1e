//! Handing what was written to those who tell it.

use chrono::TimeDelta;
use weir_ids::AccountId;

use super::{App, Error};
use crate::domain::Message;
use crate::metrics;
use crate::store::{OutboxRow, Parcel};

/// A row of the outbox that is younger is under way in some replica's memory. Where clocks
/// differ by more, it is told twice, or later.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(2);

impl App {
    /// Up to `limit` accounts behind `after`, in order, for which something was not told in
    /// time.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn accounts_with_messages(
        &self,
        after: AccountId,
        limit: i64,
    ) -> Result<Vec<AccountId>, Error> {
        let before = self.clock.now() - UNDER_WAY;
        let waiting = self
            .background
            .accounts_with_messages(after, before, limit)
            .await?;
        let oldest = waiting.iter().map(|(_, oldest)| *oldest).min();
        metrics::outbox_waits(oldest, self.clock.now());
        Ok(waiting.into_iter().map(|(account, _)| account).collect())
    }

    /// Hands rows of one account that were written here to `tell`, and drops them when it
    /// succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What `tell` failed at stays in the table, and is no error here.
    pub async fn deliver_written<T>(&self, rows: &[OutboxRow], tell: T) -> Result<Delivery, Error>
    where
        T: AsyncFnOnce(&[Message<'_>]) -> bool,
    {
        if !tell(&messages_of(rows)).await {
            return Ok(Delivery::Failed);
        }
        self.background.delivered(rows).await?;
        Ok(Delivery::Done)
    }

    /// Hands up to `limit` rows of an account that nobody told in time to `tell`, and drops
    /// them when it succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What `tell` failed at stays, and is no error here.
    pub async fn deliver_left<T>(
        &self,
        account: AccountId,
        limit: i64,
        tell: T,
    ) -> Result<Delivery, Error>
    where
        T: AsyncFnOnce(&[Message<'_>]) -> bool,
    {
        let mut client = self.background.client().await?;
        let before = self.clock.now() - UNDER_WAY;
        let Some(parcel) = Parcel::claim(&mut client, account, before, limit).await? else {
            return Ok(Delivery::Nothing);
        };
        if !tell(&messages_of(parcel.rows())).await {
            return Ok(Delivery::Failed);
        }
        parcel.delivered().await?;
        Ok(Delivery::Done)
    }
}

fn messages_of(rows: &[OutboxRow]) -> Vec<Message<'_>> {
    rows.iter().filter_map(OutboxRow::message).collect()
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// There was nothing, or another replica has it.
    Nothing,
    Done,
    /// The receiver is away.
    Failed,
}
