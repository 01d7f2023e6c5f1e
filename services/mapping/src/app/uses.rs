//! When keys were used last: noted in memory, and written once a minute. A key that an older secret
//! hashed is kept under the hash of the first one from then on.
//!
//! **Invariant:** nobody who authenticates waits for this, and what waits is bounded: a full
//! queue drops, since the next use of the key comes within a minute.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool};
use weir_service::{Background, Pulse};

use super::Flusher;
use crate::domain::key::{FoundKey, KeyHash};
use crate::metrics;
use crate::store;

/// Uses that may wait for the loop, which takes them within milliseconds.
const QUEUE: usize = 1_024;
/// Keys that are noted between two writes; the edge asks for each of them twice a minute.
const MOST: usize = 20_000;
/// Between two writes.
const MINUTE: Duration = Duration::from_secs(60);
/// Where nothing comes, the loop says this often that it is alive.
const IDLE: Duration = Duration::from_secs(5);
/// The longest time for one account.
const ROUND: Duration = Duration::from_secs(10);
/// Between two beats lies the writing for one account, or an idle moment.
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Used {
    account: AccountId,
    key: Uuid,
    noted: Note,
}

#[derive(Debug, Clone, Copy)]
struct Note {
    time: DateTime<Utc>,
    /// Under which the key is to be kept, where that is another one.
    hash: Option<KeyHash>,
}

/// Where uses go.
#[derive(Clone)]
pub struct Uses(Sender<Used>);

impl Uses {
    /// Notes a use, unless one of the last minute is written already; `first` is the key's hash by
    /// the first secret.
    pub fn note(&self, found: &FoundKey, first: &KeyHash, now: DateTime<Utc>) {
        let hash = (found.hash != *first).then_some(*first);
        let last = found.key.last_use_time;
        if hash.is_none() && last.is_some_and(|last| now - last < TimeDelta::minutes(1)) {
            return;
        }
        let used = Used {
            account: found.account_id,
            key: found.key.key_id,
            noted: Note { time: now, hash },
        };
        if self.0.try_send(used).is_err() {
            metrics::lost_notes("uses").increment(1);
        }
    }
}

/// Starts the loop; it ends, and writes what it has, when the last sender is gone.
pub fn start(pool: &Pool, background: &Background) -> (Uses, Flusher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (through, flushed) = oneshot::channel();
    let pool = pool.clone();
    background.spawn("uses of keys", WITHIN, |pulse| async move {
        note_all(receiver, pool, pulse).await;
        drop(through);
    });
    (Uses(sender), Flusher::of(flushed))
}

type Noted = HashMap<AccountId, HashMap<Uuid, Note>>;

async fn note_all(mut uses: Receiver<Used>, pool: Pool, pulse: Pulse) {
    let mut noted = Noted::new();
    let mut keys = 0;
    let mut next = Instant::now() + MINUTE;
    loop {
        pulse.beat();
        let wait = next.saturating_duration_since(Instant::now()).min(IDLE);
        match tokio::time::timeout(wait, uses.recv()).await {
            Ok(Some(used)) if keys < MOST => {
                let of_account = noted.entry(used.account).or_default();
                keys += usize::from(of_account.insert(used.key, used.noted).is_none());
            }
            Ok(Some(_)) => metrics::lost_notes("uses").increment(1),
            Ok(None) => return write(&pool, &mut noted, &pulse).await,
            Err(_) => {}
        }
        if Instant::now() >= next {
            write(&pool, &mut noted, &pulse).await;
            keys = 0;
            next = Instant::now() + MINUTE;
        }
    }
}

/// One transaction an account. What could not be written is noted anew by the next use.
async fn write(pool: &Pool, noted: &mut Noted, pulse: &Pulse) {
    for (account, uses) in noted.drain() {
        pulse.beat();
        let hash = |(key, note): (&Uuid, &Note)| Some((*key, note.hash?));
        let hashes: Vec<_> = uses.iter().filter_map(hash).collect();
        let times = uses.into_iter().map(|(key, note)| (key, note.time));
        let uses: Vec<_> = times.collect();
        let written = async {
            let earliest = uses.iter().map(|(_, time)| *time).min();
            let since = earliest.unwrap_or_default();
            let client = store::scoped(pool, account).await?;
            store::note_uses(&client, account, &uses, since).await?;
            if !hashes.is_empty() {
                store::rehash_keys(&client, account, &hashes).await?;
                metrics::rehashed("key").increment(hashes.len() as u64);
            }
            Ok(())
        };
        let outcome: Result<Result<(), Failure>, _> = tokio::time::timeout(ROUND, written).await;
        if !matches!(outcome, Ok(Ok(()))) {
            metrics::lost_notes("uses").increment(1);
        }
    }
}
