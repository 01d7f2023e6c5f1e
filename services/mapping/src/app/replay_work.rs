//! Portions of replays and repairs: who drives them, and what became of them (semantics 7.5, 1.7).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_ids::TimedKey;
use weir_reasons::Reason;

use super::{App, Error};
use crate::domain::kept::Room;
use crate::domain::replay::{
    Claim, LEASE, Outcome, PAUSE, ReplayState, Verdict, Work, repair_verdict, to_replay, verdict,
};
use crate::metrics;
use crate::store::{self, Client};

/// What is due is asked for this many at a time: others may be quicker with the first.
const CANDIDATES: i64 = 8;

/// What became of a portion.
#[derive(Default)]
struct Sorted<'a> {
    /// Nothing of them is left to do in this replay.
    done: Vec<&'a Outcome>,
    again: Vec<(TimedKey, DateTime<Utc>)>,
}

impl App {
    /// A portion of what is due, of whichever account.
    pub async fn claim_work(&self) -> Result<Option<Work>, Error> {
        let due = {
            let client = self.client().await?;
            store::due_work(&client, self.now(), CANDIDATES).await?
        };
        let mut failed = None;
        for candidate in due {
            // What fails for one account does not keep the others.
            match self.claim(candidate).await {
                Ok(None) => {}
                Ok(work) => return Ok(work),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// None where another was quicker, or nothing is left of it.
    async fn claim(&self, candidate: (weir_ids::AccountId, Uuid)) -> Result<Option<Work>, Error> {
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, candidate.0);
        // Whoever ends a replay, or defers a contact, waits: what is found here stays so.
        store::lock_kept(&transaction, candidate.0).await?;
        let token = weir_ids::random();
        let leased = store::lease(&transaction, candidate, token, now, now + LEASE).await?;
        let Some(claim) = leased else {
            return Ok(None);
        };
        let events = if claim.is_repair {
            let kept = store::portion_of_repair(&transaction, &claim, now).await?;
            let events = kept.into_iter().map(to_replay);
            // It never was stored with its contact.
            events.map(|(whole, _)| (whole, false)).collect()
        } else {
            portion_of_replay(&transaction, &claim).await?
        };
        let is_empty = events.is_empty();
        if is_empty {
            settle(&transaction, &claim, now, now).await?;
        }
        let source = store::get_source(&transaction, claim.account_id, claim.source_id).await?;
        store::commit(transaction).await?;
        // One that is gone took its events along.
        let work = source.filter(|_| !is_empty).map(|source| Work {
            claim,
            source_kind: source.settings.kind,
            events,
        });
        Ok(work)
    }

    /// Takes what became of a portion, and gives its lease back.
    pub async fn report_work(&self, claim: &Claim, outcomes: &[Outcome]) -> Result<(), Error> {
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, claim.account_id);
        let mut room = store::lock_kept(&transaction, claim.account_id).await?;
        let keys: Vec<Uuid> = outcomes.iter().map(|one| one.key.0).collect();
        let tries = store::tries_of(&transaction, claim, &keys).await?;
        let tries: HashMap<TimedKey, i32> = tries.into_iter().collect();
        let sorted = sort(claim, outcomes, &tries, now);
        if claim.is_repair {
            repaired(&transaction, claim, &sorted, &mut room, now).await?;
        } else {
            replayed(&transaction, claim, &sorted, now).await?;
        }
        // Where something is away, the rest would most likely find the same.
        let next = if sorted.again.is_empty() {
            now
        } else {
            now + PAUSE
        };
        settle(&transaction, claim, now, next).await?;
        store::commit(transaction).await?;
        let kind = if claim.is_repair { "repair" } else { "replay" };
        metrics::replayed_events(kind, "done").increment(sorted.done.len() as u64);
        metrics::replayed_events(kind, "again").increment(sorted.again.len() as u64);
        Ok(())
    }
}

/// What of a replay is next. What is gone, or not to be replayed any more, is left out.
async fn portion_of_replay(
    client: &impl Client,
    claim: &Claim,
) -> Result<Vec<(crate::domain::kept::Whole, bool)>, Error> {
    let mut events = Vec::new();
    let (mut gone, mut deferred) = (Vec::new(), Vec::new());
    for (key, kept) in store::portion_of_replay(client, claim).await? {
        match kept {
            None => gone.push(key.0),
            Some(kept) if kept.deferred => deferred.push(key.0),
            Some(kept) => events.push(to_replay(kept)),
        }
    }
    for (keys, why) in [
        (gone, Reason::KeptEventUnknown),
        (deferred, Reason::ContactDeferred),
    ] {
        if !keys.is_empty() {
            store::leave_out(client, claim, &keys, why).await?;
        }
    }
    Ok(events)
}

/// Those of which nothing is known here any more have their outcome already.
fn sort<'a>(
    claim: &Claim,
    outcomes: &'a [Outcome],
    tries: &HashMap<TimedKey, i32>,
    now: DateTime<Utc>,
) -> Sorted<'a> {
    let decide = if claim.is_repair {
        repair_verdict
    } else {
        verdict
    };
    let mut sorted = Sorted::default();
    for outcome in outcomes {
        match tries
            .get(&outcome.key)
            .map(|tries| decide(outcome, *tries, now))
        {
            None => {}
            Some(Verdict::Final) => sorted.done.push(outcome),
            Some(Verdict::Again(time)) => sorted.again.push((outcome.key, time)),
        }
    }
    sorted
}

async fn replayed(
    client: &impl Client,
    claim: &Claim,
    sorted: &Sorted<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if !sorted.done.is_empty() {
        store::put_outcomes(client, claim, &sorted.done).await?;
        store::put_said(client, claim, &sorted.done, now).await?;
    }
    if !sorted.again.is_empty() {
        let keys: Vec<Uuid> = sorted.again.iter().map(|(key, _)| key.0).collect();
        store::try_again(client, claim, &keys).await?;
    }
    Ok(())
}

/// What is made up for makes room; what ended otherwise is kept as all others are.
async fn repaired(
    client: &impl Client,
    claim: &Claim,
    sorted: &Sorted<'_>,
    room: &mut Room,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = |done: &[&Outcome]| -> Vec<Uuid> { done.iter().map(|one| one.key.0).collect() };
    if !sorted.done.is_empty() {
        let all = keys(&sorted.done);
        let size = store::size_of_deferred(client, claim, &all).await?;
        room.events = (room.events - size.events).max(0);
        room.bytes = (room.bytes - size.bytes).max(0);
        let is_done = |one: &&Outcome| one.is_done();
        let (done, other): (Vec<_>, Vec<_>) = sorted.done.iter().copied().partition(is_done);
        store::delete_deferred(client, claim, &keys(&done)).await?;
        store::put_said(client, claim, &other, now).await?;
        store::set_room(client, claim.account_id, *room).await?;
        let owner = (claim.account_id, claim.source_id);
        store::trim(client, owner, now).await?;
    }
    if !sorted.again.is_empty() {
        let (keys, times): (Vec<Uuid>, Vec<_>) = sorted
            .again
            .iter()
            .map(|(key, time)| (key.0, *time))
            .unzip();
        store::defer_further(client, claim, &keys, &times).await?;
    }
    Ok(())
}

/// Gives the lease back: the rest is due at `next`, or there is no work where nothing is left.
async fn settle(
    client: &impl Client,
    claim: &Claim,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
) -> Result<(), Error> {
    let (account_id, work_id) = (claim.account_id, claim.work_id);
    let left = if claim.is_repair {
        let owner = (account_id, claim.source_id);
        store::next_repair(client, owner).await?
    } else {
        let waits = store::is_waiting(client, account_id, work_id).await?;
        waits.then_some(next)
    };
    if let Some(left) = left {
        store::release(client, claim, left.max(next)).await?;
        return Ok(());
    }
    store::remove_work(client, account_id, work_id).await?;
    if !claim.is_repair {
        let ended = ReplayState::Ended;
        store::set_state(client, account_id, work_id, ended, Some(now)).await?;
    }
    Ok(())
}
