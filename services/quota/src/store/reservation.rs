//! Reserve, settle, read.

use std::time::Duration;

use weir_ids::{AccountId, BatchId};

use super::connection::Work;
use super::{Error, STATE_TTL_SECONDS, Store, key};
use crate::domain::{Settlement, Units, Window};

/// The state keeps this window, the one before, and one more for clocks that differ.
const WINDOWS_KEPT: u64 = 2;

/// How far a state has come: it only ever grows, so that one which is behind was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Progress {
    // The order of the fields is the order of progress.
    pub epoch: i64,
    /// Grants made in it.
    pub grants: i64,
}

impl Progress {
    /// So far no state has come.
    pub const BEYOND_ALL: Self = Self {
        epoch: i64::MAX,
        grants: 0,
    };
}

/// What a batch asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub batch: BatchId,
    pub window: Window,
    pub units: Units,
    pub limits: Units,
    pub lease: Duration,
    /// A state that has not come as far counts for nothing.
    pub least: Progress,
}

/// What it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Of the first call with this batch id.
    pub window: Window,
    /// Of the state, this grant included.
    pub progress: Progress,
    pub granted: Units,
    pub used: Units,
    /// This grant included.
    pub reserved: Units,
    /// What is left of the lease.
    pub lease: Duration,
    /// How many of the settlements that came along found a reservation.
    pub settled: usize,
}

/// Answer of [`Store::reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    Granted(Reservation),
    /// There is no state that can be trusted: rebuild it.
    Stale,
    /// The window is over for everybody else: this replica's clock is days behind.
    Past,
}

/// Units of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub used: Units,
    pub reserved: Units,
}

/// Answer of [`Store::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Known(Known),
    Stale,
    Past,
}

/// Leases of an account that ran out.
#[derive(Debug, Clone)]
pub struct Expired {
    /// How many leases stand in all, settled ones included.
    pub standing: usize,
    pub epoch: i64,
    pub batches: Vec<(BatchId, Window)>,
}

impl Store {
    /// Whether the account has a state, of whatever worth.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn has_state(&self, account: AccountId) -> Result<bool, Error> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(key(account, ""));
        self.redis.call(Work::Command(&exists)).await
    }

    /// Takes the edge's word for what earlier batches stored, then grants; or finds the grant
    /// that the batch has already. All in one atomic step.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn reserve(
        &self,
        account: AccountId,
        wanted: &Wanted,
        settlements: &[Settlement],
    ) -> Result<Reserved, Error> {
        let mut call = self.scripts.reserve.key(key(account, ""));
        call.arg(wanted.window.to_string())
            .arg(wanted.batch.to_string())
            .arg(wanted.units.profile)
            .arg(wanted.units.activity)
            .arg(wanted.limits.profile)
            .arg(wanted.limits.activity)
            .arg(u64::try_from(wanted.lease.as_millis()).unwrap_or(u64::MAX))
            .arg(wanted.window.earlier(WINDOWS_KEPT).to_string())
            .arg(STATE_TTL_SECONDS)
            .arg(wanted.least.epoch)
            .arg(wanted.least.grants);
        for settlement in settlements {
            write(settlement, &mut call);
        }
        let answer = self.run(&call).await?;
        match answer.first().map(String::as_str) {
            Some("stale") => Ok(Reserved::Stale),
            Some("past") => Ok(Reserved::Past),
            Some("granted") if answer.len() == 12 => Ok(Reserved::Granted(Reservation {
                window: answer[1].parse().map_err(|_| Error::Unreadable)?,
                progress: Progress {
                    epoch: number(&answer[2])?,
                    grants: number(&answer[11])?,
                },
                granted: Units {
                    profile: number(&answer[3])?,
                    activity: number(&answer[4])?,
                },
                used: Units {
                    profile: number(&answer[5])?,
                    activity: number(&answer[7])?,
                },
                reserved: Units {
                    profile: number(&answer[6])?,
                    activity: number(&answer[8])?,
                },
                lease: Duration::from_millis(number(&answer[9])?.try_into().unwrap_or(0)),
                settled: count(&answer[10])?,
            })),
            _ => Err(Error::Unreadable),
        }
    }

    /// Takes the edge's word for what batches stored. Answers how many it settled.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn settle(
        &self,
        account: AccountId,
        settlements: &[Settlement],
    ) -> Result<usize, Error> {
        self.settle_by("edge", account, settlements).await
    }

    /// Takes the ledgers' word, which counts after the lease as well.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn settle_by_ledgers(
        &self,
        account: AccountId,
        settlements: &[Settlement],
    ) -> Result<usize, Error> {
        self.settle_by("ledgers", account, settlements).await
    }

    async fn settle_by(
        &self,
        who: &str,
        account: AccountId,
        settlements: &[Settlement],
    ) -> Result<usize, Error> {
        let mut call = self.scripts.settle.key(key(account, ""));
        call.arg(who);
        for settlement in settlements {
            write(settlement, &mut call);
        }
        let answer = self.run(&call).await?;
        count(answer.first().ok_or(Error::Unreadable)?)
    }

    /// Units of one window, of a state that has come at least so far.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn read(
        &self,
        account: AccountId,
        window: Window,
        least: Progress,
    ) -> Result<Read, Error> {
        let mut call = self.scripts.usage.key(key(account, ""));
        call.arg(window.to_string())
            .arg(least.epoch)
            .arg(least.grants);
        let answer = self.run(&call).await?;
        match answer.first().map(String::as_str) {
            Some("stale") => Ok(Read::Stale),
            Some("past") => Ok(Read::Past),
            Some("known") if answer.len() == 5 => Ok(Read::Known(Known {
                used: Units {
                    profile: number(&answer[1])?,
                    activity: number(&answer[3])?,
                },
                reserved: Units {
                    profile: number(&answer[2])?,
                    activity: number(&answer[4])?,
                },
            })),
            _ => Err(Error::Unreadable),
        }
    }

    /// Up to `most` leases that ran out unsettled. Forgets those that were settled in time.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn expired(&self, account: AccountId, most: usize) -> Result<Expired, Error> {
        let mut call = self.scripts.expired.key(key(account, ""));
        call.arg(most);
        let answer = self.run(&call).await?;
        let [standing, epoch, batches @ ..] = answer.as_slice() else {
            return Err(Error::Unreadable);
        };
        let batches = batches
            .chunks_exact(2)
            .map(|pair| {
                let batch = pair[0].parse().map_err(|_| Error::Unreadable)?;
                let window = pair[1].parse().map_err(|_| Error::Unreadable)?;
                Ok((batch, window))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Expired {
            standing: count(standing)?,
            epoch: number(epoch)?,
            batches,
        })
    }
}

/// As the scripts take it.
fn write(settlement: &Settlement, call: &mut redis::ScriptInvocation<'_>) {
    call.arg(settlement.batch.to_string())
        .arg(settlement.epoch)
        .arg(settlement.stored.profile)
        .arg(settlement.stored.activity);
}

fn count(text: &str) -> Result<usize, Error> {
    text.parse().map_err(|_| Error::Unreadable)
}

fn number(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::Unreadable)
}
