//! The end of an account: unknown at once, erased in all services soon after.
//!
//! **Invariant:** how far it is stands in a row, and each step may be done again. So it goes on
//! on whichever replica finds it next, whatever was killed.

use std::time::Duration;

use weir_ids::AccountId;
use weir_postgres::{Failure, Pool};
use weir_rpc::Deadline;
use weir_service::{Clock, Pulse};

use super::{App, Error};
use crate::clients::Keepers;
use crate::domain::deletion::{AGAIN, Deletion, Keeper, LEASE, REMEMBERED};
use crate::domain::invalid::Invalid;
use crate::domain::record::{Change as Changed, NO_ACCOUNT, Thing, shown_name};
use crate::metrics;
use crate::store::{self, Rings};

/// Between two looks for work.
const LOOK: Duration = Duration::from_secs(1);
/// A step takes no longer.
const STEP: Duration = Duration::from_secs(20);
/// Between two beats of the loop: a look and a step.
pub const WITHIN: Duration = Duration::from_secs(60);
/// Of the sources of an account: their rings are named by them.
const MOST_SOURCES: i64 = 100_000;

impl App {
    /// Begins the end of an account, or answers how far it is.
    pub async fn delete_account(
        &self,
        account_id: AccountId,
        name: &str,
    ) -> Result<Deletion, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let locked = store::lock_account(&transaction, account_id).await?;
        let Some(locked) = locked else {
            let begun = store::get_deletion(&transaction, account_id).await?;
            let (deletion, known) = begun.ok_or(Error::NotFound("account"))?;
            return same_name(name, &known).map(|()| deletion);
        };
        same_name(name, &locked.settings.name)?;
        // It ended another account, or this one, which would not be here.
        let turn = async |to| transaction.turn_to(to).await.map_err(Failure::from);
        turn(NO_ACCOUNT).await?;
        self.is_done(&transaction, NO_ACCOUNT, &account_id.to_string())
            .await?;
        turn(account_id).await?;
        let sources = store::list_sources(&transaction, account_id, None, MOST_SOURCES).await?;
        let ids = sources.into_iter().map(|(id, _)| id).collect();
        let deletion = Deletion::new(account_id, ids, self.now(), self.erasure_delay);
        store::begin_deletion(&transaction, &deletion, name).await?;
        store::change_tokens(&transaction).await?;
        let (now, by) = (self.now(), self.author.name());
        let ended = store::forget_account_of_tokens(&transaction, account_id, now, by).await?;
        let mut gone = Changed::gone(Thing::Account, account_id, &shown_name(&locked.settings));
        if !ended.is_empty() {
            let ended = ended.iter().map(ToString::to_string);
            gone = gone.within("tokens_ended", ended.collect::<Vec<_>>());
        }
        turn(NO_ACCOUNT).await?;
        self.record(&transaction, NO_ACCOUNT, &gone).await?;
        store::commit(transaction).await?;
        Ok(deletion)
    }

    /// How far it is.
    pub async fn get_deletion(&self, account_id: AccountId) -> Result<Deletion, Error> {
        let client = self.scoped(account_id).await?;
        let found = store::get_deletion(&client, account_id).await?;
        let (deletion, _) = found.ok_or(Error::NotFound("deletion"))?;
        Ok(deletion)
    }
}

/// Erases accounts that were deleted. Not the `App`: that ends before the loops do.
pub struct Eraser {
    pub pool: Pool,
    pub rings: Rings,
    pub keepers: Keepers,
    pub clock: Clock,
}

impl Eraser {
    /// Looks for accounts to erase, until the process ends.
    pub async fn erase_for_ever(self, pulse: Pulse) {
        loop {
            pulse.beat();
            match self.erase_one(&pulse).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    metrics::failed_erasures().increment(1);
                    tracing::warn!(%error, "an account could not be erased further");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Goes on with one that is due, for as long as it is ours; whether there was one.
    async fn erase_one(&self, pulse: &Pulse) -> Result<bool, Error> {
        let now = self.clock.now();
        let claimed = {
            let client = store::connection(&self.pool).await?;
            store::forget_deletions(&client, now - REMEMBERED).await?;
            store::claim_deletion(&client, now, now + LEASE).await?
        };
        let Some(mut deletion) = claimed else {
            return Ok(false);
        };
        while let Some(keeper) = deletion.next() {
            pulse.beat();
            let step = tokio::time::timeout(STEP, self.erase_step(&deletion, keeper)).await;
            match step.unwrap_or(Err(Error::Late)) {
                Ok((count, more)) => deletion.erased(keeper, count, more),
                Err(error) => {
                    deletion.due_time = self.clock.now() + AGAIN;
                    self.put_deletion(&deletion).await?;
                    return Err(error);
                }
            }
            deletion.due_time = self.clock.now() + LEASE;
            self.put_deletion(&deletion).await?;
        }
        deletion.finish_time = Some(self.clock.now());
        self.put_deletion(&deletion).await?;
        let erased: i64 = deletion.steps.iter().map(|step| step.erased).sum();
        tracing::info!(account = %deletion.account_id, erased, "an account was erased");
        Ok(true)
    }

    async fn put_deletion(&self, deletion: &Deletion) -> Result<(), Error> {
        let client = store::connection(&self.pool).await?;
        Ok(store::put_deletion(&client, deletion).await?)
    }

    /// What it erased, and whether there may be more.
    async fn erase_step(&self, deletion: &Deletion, keeper: Keeper) -> Result<(i64, bool), Error> {
        if keeper != Keeper::Mapping {
            let deadline = Deadline::after(STEP);
            let erased = self.keepers.erase(keeper, deletion.account_id, deadline);
            return Ok(erased.await?);
        }
        let mut count = 0;
        for source in &deletion.source_ids {
            count += self.rings.erase(deletion.account_id, *source).await?;
        }
        let erased = store::erase_tables(&self.pool, deletion.account_id).await?;
        Ok((count + erased.rows, erased.more))
    }
}

/// Nobody ends another account than the one that they name.
fn same_name(given: &str, known: &str) -> Result<(), Error> {
    if given == known {
        return Ok(());
    }
    Err(Invalid::new("name", "must be the name of the account").into())
}
