//! Snapshots in memory, looked at again when they are half a second old.
//!
//! **Invariant:** a batch runs under one snapshot, and a snapshot that is handed out was
//! the newest at most [`FRESH`] plus one query ago: changes take effect within a second
//! on all replicas (semantics 7.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use moka::future::Cache;
use tokio::sync::Mutex;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool};

use super::Error;
use crate::domain::snapshot::Snapshot;
use crate::metrics;
use crate::store;

/// How long a snapshot is used without asking: half of the second that rule 7.4 gives.
const FRESH: Duration = Duration::from_millis(500);
/// Sources in memory; a snapshot has a few kilobytes.
const MAX_SNAPSHOTS: u64 = 10_000;
/// Sources that send nothing are forgotten.
const IDLE: Duration = Duration::from_secs(600);

type Key = (AccountId, SourceId);

/// The cache.
pub struct Snapshots {
    pool: Pool,
    cache: Cache<Key, Arc<Entry>>,
}

struct Entry {
    known: ArcSwap<Known>,
    /// Held by the one who asks; the others wait, and find the answer.
    asking: Mutex<()>,
}

struct Known {
    snapshot: Arc<Snapshot>,
    checked: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.checked.elapsed() < FRESH
    }
}

impl Snapshots {
    pub fn new(pool: Pool) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_SNAPSHOTS)
            .time_to_idle(IDLE)
            .build();
        Self { pool, cache }
    }

    /// The present snapshot of a source.
    ///
    /// # Errors
    /// Where there is no such source, or PostgreSQL is away.
    pub async fn get(&self, account: AccountId, source: SourceId) -> Result<Arc<Snapshot>, Error> {
        let key = (account, source);
        // Unknown sources are not remembered: they may be made in the next moment.
        let entry = match self.cache.get(&key).await {
            Some(entry) => entry,
            None => self
                .cache
                .try_get_with(key, async { self.load(key).await.map(Arc::new) })
                .await
                .map_err(|error| match *error {
                    Error::NotFound(what) => Error::NotFound(what),
                    Error::Store(Failure::Internal) => Error::Store(Failure::Internal),
                    _ => Error::Store(Failure::Unavailable),
                })?,
        };
        let known = entry.known.load();
        if known.is_fresh() {
            return Ok(known.snapshot.clone());
        }
        let _asking = entry.asking.lock().await;
        let known = entry.known.load_full();
        if known.is_fresh() {
            return Ok(known.snapshot.clone());
        }
        let snapshot = self.refresh(key, &known.snapshot).await?;
        Ok(snapshot)
    }

    async fn load(&self, key: Key) -> Result<Entry, Error> {
        let checked = Instant::now();
        let snapshot = self.read(key).await?;
        Ok(Entry {
            known: ArcSwap::from_pointee(Known { snapshot, checked }),
            asking: Mutex::new(()),
        })
    }

    async fn refresh(&self, key: Key, before: &Arc<Snapshot>) -> Result<Arc<Snapshot>, Error> {
        // Taken before asking: what changes meanwhile is found half a second later.
        let checked = Instant::now();
        let pool = self.pool.clone();
        let account = key.0;
        let version = in_task(async move {
            let client = store::connection(&pool).await?;
            store::read_version(&client, account).await
        })
        .await?;
        let snapshot = if version == Some(before.version) {
            before.clone()
        } else {
            self.read(key).await?
        };
        if let Some(entry) = self.cache.get(&key).await {
            let snapshot = snapshot.clone();
            entry.known.store(Arc::new(Known { snapshot, checked }));
        }
        Ok(snapshot)
    }

    async fn read(&self, (account, source): Key) -> Result<Arc<Snapshot>, Error> {
        let pool = self.pool.clone();
        let loaded = in_task(async move {
            let client = store::connection(&pool).await?;
            store::load_snapshot(&client, account, source).await
        })
        .await?;
        metrics::snapshot_loads().increment(1);
        loaded.map(Arc::new).ok_or(Error::NotFound("source"))
    }
}

/// A query in a task of its own: a caller who gives up must not break a pooled connection.
async fn in_task<T: Send + 'static>(
    query: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(query).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Store(Failure::Internal)),
    }
}
