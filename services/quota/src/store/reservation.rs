//! Reserve, settle, read.

use std::time::Duration;

use weir_ids::{AccountId, BatchId};

use super::connection::Work;
use super::{Error, LEASES, STATE_TTL_SECONDS, Store, key};
use crate::domain::{Known, Progress, Reservation, Settlement, Units, Wanted, Window};

/// The state keeps this window, the one before, and one more for clocks that differ.
const WINDOWS_KEPT: u64 = 2;
/// Answer of [`Store::reserve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    Granted(Reservation),
    /// There is no state that can be trusted: rebuild it.
    Stale,
    /// The window is over for everybody else: this replica's clock is days behind.
    Past,
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
    /// Others may have run out as well.
    pub more: bool,
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
        call.key(key(account, LEASES))
            .arg(wanted.window.to_string())
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
        match answer.as_slice() {
            [stale] if stale == "stale" => Ok(Reserved::Stale),
            [past] if past == "past" => Ok(Reserved::Past),
            // In the order of the script's answer.
            [
                granted,
                window,
                epoch,
                profile_granted,
                activity_granted,
                profile_used,
                profile_reserved,
                activity_used,
                activity_reserved,
                lease_ms,
                settled,
                grants,
            ] if granted == "granted" => Ok(Reserved::Granted(Reservation {
                window: window.parse().map_err(|_| Error::Unreadable)?,
                progress: Progress {
                    epoch: number(epoch)?,
                    grants: number(grants)?,
                },
                granted: units(profile_granted, activity_granted)?,
                used: units(profile_used, activity_used)?,
                reserved: units(profile_reserved, activity_reserved)?,
                lease: Duration::from_millis(number(lease_ms)?.try_into().unwrap_or(0)),
                settled: count(settled)?,
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
        call.key(key(account, LEASES)).arg(who);
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
        match answer.as_slice() {
            [stale] if stale == "stale" => Ok(Read::Stale),
            [past] if past == "past" => Ok(Read::Past),
            [
                known,
                profile_used,
                profile_reserved,
                activity_used,
                activity_reserved,
            ] if known == "known" => Ok(Read::Known(Known {
                used: units(profile_used, activity_used)?,
                reserved: units(profile_reserved, activity_reserved)?,
            })),
            _ => Err(Error::Unreadable),
        }
    }

    /// Looks at up to `most` leases that are past, the oldest first: answers those that ran out
    /// unsettled, and forgets those that were settled in time. Costs as much as there are of
    /// these, however many stand.
    ///
    /// # Errors
    /// Where Redis is away.
    pub async fn expired(&self, account: AccountId, most: usize) -> Result<Expired, Error> {
        let mut call = self.scripts.expired.key(key(account, ""));
        call.key(key(account, LEASES)).arg(most);
        let answer = self.run(&call).await?;
        let [standing, epoch, more, batches @ ..] = answer.as_slice() else {
            return Err(Error::Unreadable);
        };
        let batches = batches
            .chunks(2)
            .map(|pair| {
                let [batch, window] = pair else {
                    return Err(Error::Unreadable);
                };
                let batch = batch.parse().map_err(|_| Error::Unreadable)?;
                let window = window.parse().map_err(|_| Error::Unreadable)?;
                Ok((batch, window))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Expired {
            standing: count(standing)?,
            epoch: number(epoch)?,
            more: more == "1",
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

fn units(profile: &str, activity: &str) -> Result<Units, Error> {
    Ok(Units {
        profile: number(profile)?,
        activity: number(activity)?,
    })
}

fn count(text: &str) -> Result<usize, Error> {
    text.parse().map_err(|_| Error::Unreadable)
}

fn number(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::Unreadable)
}
