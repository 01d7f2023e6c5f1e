//! After a loss of Redis's memory: raise the epoch, read the sums, install them.
//!
//! A state is lost where there is none, where it is of another life of the server, and where it
//! was put back to an earlier moment in the same life: its epoch is below the one that a ledger
//! names (the edge passes on what it was told), or it has made fewer grants than a replica has
//! seen it make.
//!
//! Why this never overruns a limit, whoever else does the same at the same time:
//!
//! 1. A batch commits in a ledger only while the ledger's epoch is not above its own. Both
//!    sides lock the account's row there, so a fence sees every commit before it, and no
//!    batch of a lower epoch commits after it.
//! 2. `begin` deletes the state: one that counts for nothing, or at worst one that was good,
//!    which is no more than another loss. Only then are the ledgers asked for the epochs that
//!    stand, and the next one is taken. Whatever state was installed before was fenced before,
//!    so its epoch is lower: no two states share one. One that is put back later is therefore
//!    below the ledgers, and what it grants can't commit.
//! 3. So when a rebuild installs, each ledger stood at its epoch when it read the sums, and
//!    nobody had reserved anything under it: the sums are all that was ever stored, and
//!    nothing more can be stored under older epochs.
//! 4. `install` needs the rebuild to stand still: begun by the same caller, in the same life
//!    of the server. One that was overtaken, or delayed past another loss, installs nothing.
//!    One that died between fence and install leaves no state, so the next batch rebuilds
//!    again; the batches that its fence hit fail at commit and are retried.
//! 5. Of two replicas, the second finds the first one's rebuild and waits for it. Where a fence
//!    finds a higher epoch than it asked for (an overtaken one arrived late, somebody else
//!    raised it), the next one above that is taken: its sums are read under it, or not at all.
//!    No clock is involved anywhere.
//!
//! Where the ledgers grant (semantics 6.6a), there is no state: who finds that they do follows
//! them, and what was begun here ends. `app/ledgers.rs` tells how that comes and goes.
//!
//! The leases by deadline, a key beside the state, are no part of it: nothing is granted or
//! refused by them. They say where a sweeper looks, and `begin` and `install` delete them with
//! the state. Where they are lost alone, the sweeper makes them anew from the state.
//!
//! A new day needs none of this: from the state's `floor` on, a window that the state does
//! not have has no units. All that was stored in it before the fence was in the sums, and
//! everything after was reserved in this very hash, which is there whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error};
use crate::clients::Sums;
use crate::domain::{Grantor, Progress, Step, Window, Wish};
use crate::metrics;
use crate::store::{Begun, Sum};

/// How long the ledgers may take to answer a fence.
const FENCE_TIME: Duration = Duration::from_secs(2);
/// After this others may try: longer than a fence takes, so that only the dead are overtaken.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often one looks whether another's rebuild is done; it takes some milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The sums are wanted from two days before on: for replicas whose clocks differ, and for
/// batches that were admitted just before midnight.
const WINDOWS_BEFORE: u64 = 2;

/// An epoch that somebody else raised meanwhile is taken up this often.
const FENCES: usize = 3;

impl App {
    /// Returns when there may be a state again that has come at least so far; answers how far
    /// the one to look for must have come. Runs in a task of its own, so that a caller that
    /// goes away does not leave others waiting.
    pub(super) async fn rebuild(
        self: &Arc<Self>,
        account: AccountId,
        window: Window,
        least: Progress,
        deadline: Deadline,
    ) -> Result<Progress, Error> {
        self.rebuild_for(Wish::Rebuild, account, window, least, deadline)
            .await
    }

    /// As [`Self::rebuild`]; [`Wish::Return`] where the ledgers grant and Redis is to.
    pub(super) async fn rebuild_for(
        self: &Arc<Self>,
        wish: Wish,
        account: AccountId,
        window: Window,
        least: Progress,
        deadline: Deadline,
    ) -> Result<Progress, Error> {
        let app = Arc::clone(self);
        weir_service::detached(async move {
            app.rebuild_now(wish, account, window, least, deadline)
                .await
        })
        .await
    }

    /// As [`Self::rebuild`], of a state that a script failed on, so that it counts for nothing
    /// whatever it says of itself: somebody else wrote to Redis.
    pub(super) async fn renew(
        self: &Arc<Self>,
        account: AccountId,
        window: Window,
        deadline: Deadline,
    ) -> Result<Progress, Error> {
        tracing::error!(%account, "the state in Redis can't be worked with; it is built anew");
        let renewed = self.rebuild(account, window, Progress::BEYOND_ALL, deadline);
        renewed.await
    }

    async fn rebuild_now(
        &self,
        wish: Wish,
        account: AccountId,
        window: Window,
        mut least: Progress,
        deadline: Deadline,
    ) -> Result<Progress, Error> {
        let nonce = weir_ids::random();
        while !deadline.passed() {
            match self.store.begin(account, nonce, PATIENCE, least).await? {
                Begun::Valid => return Ok(least),
                Begun::Busy => {
                    least = self.once_others_build(account, least);
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Begun::Begun => {
                    let built = self.fence_and_install(wish, account, nonce, window, deadline);
                    let built = built.await;
                    if !matches!(built, Ok(Some(_))) {
                        self.store.abandon(account, nonce).await;
                        let is_failed = !matches!(built, Err(Error::ByLedgers));
                        is_failed.then(|| metrics::rebuilt(false));
                    }
                    return Ok(built?.unwrap_or_else(|| self.once_others_build(account, least)));
                }
            }
        }
        Err(Error::Late)
    }

    /// Whoever builds a state now deletes one that can't be worked with: theirs counts.
    fn once_others_build(&self, account: AccountId, least: Progress) -> Progress {
        if least == Progress::BEYOND_ALL {
            self.memory.progress(account)
        } else {
            least
        }
    }

    /// None: overtaken; the other one's state will do.
    async fn fence_and_install(
        &self,
        mut wish: Wish,
        account: AccountId,
        nonce: Uuid,
        window: Window,
        deadline: Deadline,
    ) -> Result<Option<Progress>, Error> {
        let floor = window.earlier(WINDOWS_BEFORE);
        let deadline = Deadline::after(deadline.remaining().min(FENCE_TIME));
        let ledgers = &self.others.ledgers;
        // A fence that raises nothing tells which epochs stand.
        let mut stands = ledgers.stands(account, window, deadline).await?;
        // What Redis forgot, it may have forgotten for the sweepers as well. Only now: the
        // ledgers may know no such account.
        self.store.note_active(account, self.clock.now()).await?;
        if stands.hold().is_some_and(|hold| hold.by != self.replica) {
            wish = Wish::Rebuild;
        }
        for _ in 0..FENCES {
            let to = match stands.step(wish) {
                Step::Follow(epoch) => return Err(self.follow(account, epoch, stands.hold())),
                Step::Raise(to) => to,
            };
            let (now, sums) = ledgers.raise(account, &stands, to, floor, deadline).await?;
            stands = now;
            // Whoever raised them meanwhile knows what it is for.
            wish = Wish::Rebuild;
            if !stands.are_at(to) {
                continue;
            }
            if to.grantor == Grantor::Ledgers {
                return Err(self.follow(account, to.epoch, stands.hold()));
            }
            return self.install(account, nonce, to.epoch, floor, sums).await;
        }
        Ok(None)
    }

    async fn install(
        &self,
        account: AccountId,
        nonce: Uuid,
        epoch: i64,
        floor: Window,
        sums: Sums,
    ) -> Result<Option<Progress>, Error> {
        let sums: Vec<Sum> = sums
            .into_iter()
            .map(|(window, units)| Sum { window, units })
            .collect();
        let installed = self.store.install(account, nonce, epoch, floor, &sums);
        if !installed.await? {
            return Ok(None);
        }
        let progress = Progress { epoch, grants: 0 };
        self.memory.built(account, progress);
        metrics::rebuilt(true);
        tracing::info!(%account, epoch, windows = sums.len(), "counters rebuilt from the ledgers");
        Ok(Some(progress))
    }
}
