//! Snapshots in memory, looked at again when they are half a second old.
//!
//! **Invariant:** a batch runs under one snapshot, and a snapshot that is handed out was
//! the newest at most [`FRESH`] plus one query ago: changes take effect within a second
//! on all replicas (semantics 7.4). What a person wants to see, or to have taken anew, goes by
//! what is saved at that moment ([`Snapshots::newest`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use moka::future::Cache;
use tokio::sync::Mutex;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Pool};

use super::Error;
use super::sources::missing;
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

impl Entry {
    fn store(&self, snapshot: Arc<Snapshot>, checked: Instant) {
        self.known.store(Arc::new(Known { snapshot, checked }));
    }
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
        let entry = self.entry(key).await?;
        let known = entry.known.load();
        if known.is_fresh() {
            return Ok(known.snapshot.clone());
        }
        self.asked(key, &entry, Known::is_fresh).await
    }

    /// What is saved now, also where it was saved a moment ago: for a person who saves and then
    /// looks, and for what is taken anew since the mapping was mended (semantics 7.5).
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn newest(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Arc<Snapshot>, Error> {
        let began = Instant::now();
        let key = (account, source);
        let entry = self.entry(key).await?;
        self.asked(key, &entry, |known| known.checked >= began)
            .await
    }

    /// Asks whether there is a newer one, unless somebody else has meanwhile.
    async fn asked(
        &self,
        key: Key,
        entry: &Entry,
        is_new_enough: impl Fn(&Known) -> bool,
    ) -> Result<Arc<Snapshot>, Error> {
        let _asking = entry.asking.lock().await;
        let known = entry.known.load_full();
        if is_new_enough(&known) {
            return Ok(known.snapshot.clone());
        }
        // Taken before asking: what changes meanwhile is found half a second later.
        let checked = Instant::now();
        let snapshot = if self.version(key.0).await? == Some(known.snapshot.version) {
            known.snapshot.clone()
        } else {
            self.read(key).await?
        };
        entry.store(snapshot.clone(), checked);
        Ok(snapshot)
    }

    /// A snapshot whose unique identifiers are newer than those that contact-upsert refused
    /// (semantics 3.2). Where PostgreSQL has none either, `mend` is to bring it some; batches of
    /// the source wait meanwhile, and find it done.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), and of `mend`.
    pub async fn after_refusal(
        &self,
        account: AccountId,
        source: SourceId,
        refused: i64,
        mend: impl Future<Output = Result<(), Error>>,
    ) -> Result<Arc<Snapshot>, Error> {
        let key = (account, source);
        let entry = self.entry(key).await?;
        let _asking = entry.asking.lock().await;
        let known = entry.known.load_full();
        if known.snapshot.identifiers_version > refused {
            return Ok(known.snapshot.clone());
        }
        let checked = Instant::now();
        let mut snapshot = self.read(key).await?;
        if snapshot.identifiers_version <= refused {
            mend.await?;
            snapshot = self.read(key).await?;
        }
        entry.store(snapshot.clone(), checked);
        Ok(snapshot)
    }

    /// Unknown sources are not remembered: they may be made in the next moment.
    async fn entry(&self, key: Key) -> Result<Arc<Entry>, Error> {
        if let Some(entry) = self.cache.get(&key).await {
            return Ok(entry);
        }
        let loading = async { self.load(key).await.map(Arc::new) };
        let loaded = self.cache.try_get_with(key, loading).await;
        loaded.map_err(|error| match *error {
            Error::NotFound(what) => Error::NotFound(what),
            Error::Store(Failure::Internal) => Error::Store(Failure::Internal),
            _ => Error::Store(Failure::Unavailable),
        })
    }

    async fn load(&self, key: Key) -> Result<Entry, Error> {
        let checked = Instant::now();
        let snapshot = self.read(key).await?;
        Ok(Entry {
            known: ArcSwap::from_pointee(Known { snapshot, checked }),
            asking: Mutex::new(()),
        })
    }

    async fn version(&self, account: AccountId) -> Result<Option<i64>, Error> {
        let pool = self.pool.clone();
        weir_service::detached(async move {
            let client = store::scoped(&pool, account).await?;
            Ok(store::read_version(&client, account).await?)
        })
        .await
    }

    async fn read(&self, (account, source): Key) -> Result<Arc<Snapshot>, Error> {
        let pool = self.pool.clone();
        let snapshot = weir_service::detached(async move {
            let client = store::scoped(&pool, account).await?;
            match store::load_snapshot(&client, account, source).await? {
                Some(snapshot) => Ok(snapshot),
                None => Err(missing(&client, account, "source").await?),
            }
        })
        .await?;
        metrics::snapshot_loads().increment(1);
        Ok(Arc::new(snapshot))
    }
}
