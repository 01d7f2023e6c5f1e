//! Replays as people see them: tried, started, watched, stopped (semantics 7.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::Listed;
use crate::domain::dry_run::{Prediction, predict};
use crate::domain::kept::{DEFERRED_EVENTS, Filter, Kept, PER_SOURCE, Position};
use crate::domain::places::Places;
use crate::domain::record::{Change as Changed, Shown, Thing, shown_replay};
use crate::domain::replay::{Chosen, Count, Replay, ReplayState};
use crate::domain::snapshot::Snapshot;
use crate::store::{self, Client, Owner};

/// Rows that are read at once: their events may come to 16 MiB.
const STEP: i64 = 500;

/// What somebody wants to have replayed.
#[derive(Debug, Clone)]
pub struct Wish {
    pub owner: (AccountId, SourceId),
    pub filter: Filter,
    pub request_id: String,
}

impl App {
    /// What would become of a page of kept events, under which mapping.
    pub async fn preview_replay(
        &self,
        owner: Owner,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<(Vec<Listed<Position, (Kept, Prediction)>>, i64), Error> {
        let snapshot = self.newest_snapshot(owner.0, owner.1).await?;
        let client = self.scoped(owner.0).await?;
        let found = store::list_kept(&client, owner, filter, after, limit).await?;
        let mapping_version = snapshot.source.mapping_version;
        let page = try_all(
            snapshot,
            self.places.load_full(),
            found,
            |kept, predicted| (kept, predicted),
        )
        .await;
        Ok((page, mapping_version))
    }

    /// What would become of all that a filter matches, by outcome.
    pub async fn count_preview(
        &self,
        owner: Owner,
        filter: &Filter,
        deadline: Deadline,
    ) -> Result<Vec<Count>, Error> {
        let snapshot = self.newest_snapshot(owner.0, owner.1).await?;
        let client = self.scoped(owner.0).await?;
        let mut counts: BTreeMap<(u16, String), i64> = BTreeMap::new();
        let mut after = None;
        loop {
            if deadline.passed() {
                return Err(Error::Late);
            }
            let found = store::list_kept(&client, owner, filter, after, STEP).await?;
            let is_last = found.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
            after = found.last().map(|(position, _)| *position);
            let outcome = |_, predicted: Prediction| predicted.counted();
            let predicted =
                try_all(snapshot.clone(), self.places.load_full(), found, outcome).await;
            for outcome in predicted.into_iter().filter_map(|(_, outcome)| outcome) {
                *counts.entry(outcome).or_default() += 1;
            }
            if is_last {
                break;
            }
        }
        let count = |((status, code), count)| Count {
            status,
            code,
            count,
        };
        Ok(counts.into_iter().map(count).collect())
    }

    /// Makes a replay of what the filter matches now; whether it is new.
    pub async fn start_replay(&self, wish: &Wish) -> Result<Replay, Error> {
        let (account_id, source_id) = wish.owner;
        self.snapshot(account_id, source_id).await?;
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        store::lock_kept(&transaction, account_id).await?;
        let request = format!("{source_id} {}", wish.filter.canonical());
        if let Some(made) = store::find_replay(&transaction, account_id, &wish.request_id).await? {
            if made.request == request {
                return self.found(&transaction, account_id, made.replay_id).await;
            }
            let message = "another replay was asked for under this request_id".to_owned();
            return Err(Error::AlreadyExists(Reason::RequestIdTaken, message));
        }
        refuse_second(&transaction, account_id, source_id).await?;
        let chosen = choose(&transaction, wish.owner, &wish.filter).await?;
        let replay = Replay {
            replay_id: weir_ids::fresh(),
            source_id,
            request_id: wish.request_id.clone(),
            request,
            state: ReplayState::Running,
            create_time: now,
            end_time: None,
            event_count: i64::try_from(chosen.len()).unwrap_or(i64::MAX),
            waiting_count: 0,
            counts: Vec::new(),
        };
        let replay_id = replay.replay_id;
        store::insert_replay(&transaction, account_id, &replay).await?;
        store::insert_events(&transaction, wish.owner, replay_id, &chosen).await?;
        if chosen.iter().any(|one| one.left_out.is_none()) {
            store::add_work(&transaction, wish.owner, replay_id, false, now).await?;
        } else {
            let ended = ReplayState::Ended;
            store::set_state(&transaction, account_id, replay_id, ended, Some(now)).await?;
        }
        let replay = self.found(&transaction, account_id, replay_id).await?;
        let made = Changed::made(Thing::Replay, replay_id, &shown_replay(&replay));
        self.record(&transaction, account_id, &made).await?;
        store::commit(transaction).await?;
        Ok(replay)
    }

    pub async fn get_replay(
        &self,
        account_id: AccountId,
        replay_id: Uuid,
    ) -> Result<Replay, Error> {
        let client = self.scoped(account_id).await?;
        self.found(&client, account_id, replay_id).await
    }

    /// Newest first, behind `after`.
    pub async fn list_replays(
        &self,
        account_id: AccountId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Replay>>, Error> {
        let client = self.scoped(account_id).await?;
        self.account_of(&client, account_id).await?;
        Ok(store::list_replays(&client, account_id, after, limit).await?)
    }

    /// What is under way of it is finished.
    pub async fn stop_replay(
        &self,
        account_id: AccountId,
        replay_id: Uuid,
    ) -> Result<Replay, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        self.account_of(&transaction, account_id).await?;
        store::lock_kept(&transaction, account_id).await?;
        let replay = self.found(&transaction, account_id, replay_id).await?;
        if replay.state == ReplayState::Running {
            let stopped = ReplayState::Stopped;
            store::set_state(&transaction, account_id, replay_id, stopped, None).await?;
            store::remove_work(&transaction, account_id, replay_id).await?;
        }
        let before = shown_replay(&replay);
        let replay = self.found(&transaction, account_id, replay_id).await?;
        self.record_state(&transaction, account_id, &before, &replay)
            .await?;
        store::commit(transaction).await?;
        Ok(replay)
    }

    /// Goes on with what waits.
    pub async fn resume_replay(
        &self,
        account_id: AccountId,
        replay_id: Uuid,
    ) -> Result<Replay, Error> {
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        self.account_of(&transaction, account_id).await?;
        store::lock_kept(&transaction, account_id).await?;
        let replay = self.found(&transaction, account_id, replay_id).await?;
        if replay.state == ReplayState::Stopped {
            refuse_second(&transaction, account_id, replay.source_id).await?;
            let running = ReplayState::Running;
            store::set_state(&transaction, account_id, replay_id, running, None).await?;
            let owner = (account_id, replay.source_id);
            store::add_work(&transaction, owner, replay_id, false, now).await?;
        }
        let before = shown_replay(&replay);
        let replay = self.found(&transaction, account_id, replay_id).await?;
        self.record_state(&transaction, account_id, &before, &replay)
            .await?;
        store::commit(transaction).await?;
        Ok(replay)
    }

    /// Where it is another one now.
    async fn record_state(
        &self,
        transaction: &impl Client,
        account_id: AccountId,
        before: &Shown,
        replay: &Replay,
    ) -> Result<(), Error> {
        let after = shown_replay(replay);
        let changed = Changed::between(Thing::Replay, replay.replay_id, before, &after);
        if changed.fields.is_empty() {
            return Ok(());
        }
        self.record(transaction, account_id, &changed).await
    }

    async fn account_of(&self, client: &impl Client, account_id: AccountId) -> Result<(), Error> {
        let found = store::get_account(client, account_id).await?;
        found.map(|_| ()).ok_or(Error::NotFound("account"))
    }

    async fn found(
        &self,
        client: &impl Client,
        account_id: AccountId,
        replay_id: Uuid,
    ) -> Result<Replay, Error> {
        let found = store::get_replay(client, account_id, replay_id).await?;
        match found {
            Some(replay) => Ok(replay),
            None => {
                self.account_of(client, account_id).await?;
                Err(Error::NotFound("replay"))
            }
        }
    }
}

/// Mapping takes a while where events are many, or large: not on a thread that others wait for.
async fn try_all<T: Send + 'static>(
    snapshot: Arc<Snapshot>,
    places: Option<Arc<Places>>,
    found: Vec<Listed<Position, Kept>>,
    tell: fn(Kept, Prediction) -> T,
) -> Vec<Listed<Position, T>> {
    let trying = tokio::task::spawn_blocking(move || {
        let tried = found.into_iter().map(|(position, kept)| {
            let told = kept.map(|kept| {
                let predicted = predict(&snapshot, places.as_deref(), &kept);
                tell(kept, predicted)
            });
            (position, told)
        });
        tried.collect()
    });
    trying.await.expect("mapping an event does not panic")
}

/// One replay of a source runs at a time.
async fn refuse_second(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<(), Error> {
    match store::running_replay(client, account_id, source_id).await? {
        None => Ok(()),
        Some(running) => {
            let message = format!("the replay {running} of this source has not ended");
            Err(Error::Precondition(Reason::ReplayRunning, message))
        }
    }
}

/// What a replay is to have, oldest first.
async fn choose(client: &impl Client, owner: Owner, filter: &Filter) -> Result<Vec<Chosen>, Error> {
    let most = PER_SOURCE + DEFERRED_EVENTS;
    let mut chosen = store::choose_kept(client, owner, filter, most).await?;
    if let Some(keys) = &filter.keys {
        let missing = |key: &&Uuid| !chosen.iter().any(|one| one.key.0 == **key);
        let missing: Vec<String> = keys.iter().filter(missing).map(Uuid::to_string).collect();
        // Those that do not meet the rest of the filter are as good as not there.
        if !missing.is_empty() {
            let message = format!("not kept (any more): {}", missing.join(", "));
            return Err(Error::Missing(Reason::KeptEventUnknown, message));
        }
    }
    // Whoever asks for all means what is to be replayed.
    if filter.keys.is_none() {
        chosen.retain(|one| one.left_out != Some(Reason::ContactDeferred));
    }
    if chosen.is_empty() {
        let message = "no kept event meets the filter".to_owned();
        return Err(Error::Precondition(Reason::NothingToReplay, message));
    }
    Ok(chosen)
}
