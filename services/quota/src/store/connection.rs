//! The connection to Redis, one or a cluster: made anew where it broke, and where it fell silent.
//!
//! The client library connects again by itself where a connection is closed under it, but tells
//! whoever used it; and it goes on with one on which nothing is answered any more, or which
//! could not be made for a reason that Redis itself gave. Here a call is made again over a new
//! one in each of these cases, within [`CALL_TIME`]; a Redis that is still reading its log, or a
//! cluster that is putting another node in the place of a lost one, is away after that.
//!
//! **Invariant:** whatever is called may be called twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionManagerConfig;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation};
use tokio::time::Instant;
use tracing::Instrument;
use weir_redis::{AddressError, Patience, Probe, QUOTA, Redis, RedisOptions, Stamp, Unfit, why};
use weir_service::Outage;

use super::Error;
use crate::domain::sight::MISSED_AFTER;

/// A script that takes longer is taken for lost: they take microseconds, and the edge gives
/// a batch 8 s in all.
const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(500),
    answer: Duration::from_secs(1),
};
/// What is not answered within this is tried once more, over another connection where that one
/// was there for a while. In pieces: of a time in which this process did not run, one at most
/// passes.
const PIECE: Duration = Duration::from_millis(50);
const PIECES: u32 = 3;
const MAX_UNANSWERED: u32 = 2;
/// A connection that is younger may just be in the making.
const YOUNG: Duration = Duration::from_millis(500);
/// Between tries to reach a cluster of which no node answers.
const AGAIN: Duration = Duration::from_millis(500);
/// Short and few, so that callers are told soon, and a Redis that came back is found soon.
const RECONNECT_DELAY: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(200);
const RECONNECT_TRIES: usize = 3;
/// All tries of one call together: after that Redis is missed, and the ledgers grant
/// (semantics 6.6a).
const CALL_TIME: Duration = MISSED_AFTER;
/// Between tries over connections that break, or that nobody takes.
const PAUSE: Duration = Duration::from_millis(2);
/// How often one looks whether a Redis has read its log.
const LOADING_PAUSE: Duration = Duration::from_millis(50);
/// How long a Redis is asked at the start whether it can be worked with.
const LOOK: Duration = Duration::from_secs(1);
/// What a node of a cluster says that knows of no slot without a master that lives.
const ALL_SLOTS: &str = "cluster_slots_ok:16384";

/// Clones are one and the same.
#[derive(Clone)]
pub(super) struct Connection {
    redis: Redis,
    probe: Arc<Probe>,
    current: Arc<Mutex<Current>>,
    /// Redis is asked several times a second while it is away, too.
    outage: Arc<Outage>,
}

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Work<'_> {
    async fn send<T: FromRedisValue>(self, mut redis: weir_redis::Connection) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(&mut redis).await,
            Self::Script(script) => script.invoke_async(&mut redis).await,
        }
    }
}

struct Current {
    /// How many there were before.
    number: u64,
    connection: weir_redis::Connection,
    made: Instant,
    stamp: Stamp,
    /// Another one is being made, while this one still does for some nodes of a cluster.
    is_being_replaced: bool,
    /// When the last try to make another one failed.
    failed: Option<Instant>,
}

impl Connection {
    /// Connects on first use.
    pub(super) fn to(url: &str, options: &RedisOptions) -> Result<Self, AddressError> {
        let redis = Redis::with(url, PATIENCE, options)?;
        let current = Current {
            number: 0,
            stamp: redis.stamp(),
            connection: lazily(&redis)?,
            made: Instant::now(),
            is_being_replaced: false,
            failed: None,
        };
        Ok(Self {
            redis,
            probe: Arc::new(Probe::of(QUOTA)),
            current: Arc::new(Mutex::new(current)),
            outage: Arc::default(),
        })
    }

    pub(super) fn is_to_a_cluster(&self) -> bool {
        self.redis.is_cluster()
    }

    /// Does it, and reads the answer.
    pub(super) async fn call<T: FromRedisValue>(&self, work: Work<'_>) -> Result<T, Error> {
        // As those of PostgreSQL: made only where traces are exported.
        let span = tracing::debug_span!(
            target: "weir_stores",
            "Redis",
            otel.kind = "client",
            db.system.name = "redis"
        );
        self.try_call(work).instrument(span).await
    }

    async fn try_call<T: FromRedisValue>(&self, work: Work<'_>) -> Result<T, Error> {
        let end = Instant::now() + CALL_TIME;
        let mut unanswered = 0;
        let mut failed: Option<RedisError> = None;
        loop {
            let (number, redis) = self.current();
            let Some(done) = patiently(work.send(redis)).await else {
                unanswered += 1;
                self.replace(number, YOUNG);
                if unanswered < MAX_UNANSWERED {
                    continue;
                }
                if let Some(left_out) = self.outage.failed("silent") {
                    tracing::warn!(
                        at = self.redis.address(),
                        tls = self.redis.speaks_tls(),
                        before = failed.map(tracing::field::display),
                        left_out,
                        "Redis does not answer"
                    );
                }
                return Err(Error::Away);
            };
            let error = match done {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if is_outlived(&error, self.redis.is_cluster()) {
                self.replace(number, Duration::ZERO);
            }
            let pause = if weir_redis::is_not_yet(&error) {
                LOADING_PAUSE
            } else if is_of_the_connection(&error) {
                PAUSE
            } else {
                Duration::MAX
            };
            if pause >= end.saturating_duration_since(Instant::now()) {
                if let Some(cause) = why(&error)
                    && let Some(left_out) = self.outage.failed("no TLS")
                {
                    tracing::warn!(left_out, "no TLS with Redis: {cause}");
                }
                return Err(Error::told(&error, &self.outage));
            }
            failed = Some(error);
            tokio::time::sleep(pause).await;
        }
    }

    /// Why it can't be worked with; one that is away is asked nothing.
    pub(super) async fn check(&self) -> Result<(), Unfit> {
        let (_, mut redis) = self.current();
        let asked = tokio::time::timeout(LOOK, weir_redis::check(&mut redis, QUOTA)).await;
        match asked {
            Ok(Ok(Err(unfit))) if unfit.passes() => {
                tracing::warn!("Redis: {unfit}");
                Ok(())
            }
            Ok(Ok(fit)) => fit,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Whether Redis answers, and lets scripts do what they do: who runs it may take that away at
    /// any time. Of a cluster, all masters, and no key is without one.
    pub(super) async fn answers(&self) -> bool {
        let is_there = self.is_there().await;
        if is_there && let Some(away) = self.outage.worked() {
            tracing::info!(away_secs = away.as_secs(), "Redis is there again");
        }
        is_there
    }

    async fn is_there(&self) -> bool {
        let probe = self.probe.invocation();
        let refused: Result<String, Error> = self.call(Work::Script(&probe)).await;
        match refused.map(Probe::judge) {
            Ok(Ok(())) => {}
            Ok(Err(unfit)) => {
                if let Some(left_out) = self.outage.failed(&unfit.to_string()) {
                    tracing::warn!(left_out, "Redis: {unfit}");
                }
                return false;
            }
            Err(_) => return false,
        }
        if !self.redis.is_cluster() {
            return true;
        }
        let ping = redis::cmd("PING");
        let answer: Result<String, Error> = self.call(Work::Command(&ping)).await;
        if answer.is_err() {
            return false;
        }
        let mut info = redis::cmd("CLUSTER");
        let info = Work::Command(info.arg("INFO"));
        let info: Result<String, Error> = self.call(info).await;
        info.is_ok_and(|info| info.lines().any(|line| line.trim() == ALL_SLOTS))
    }

    fn current(&self) -> (u64, weir_redis::Connection) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.redis.is_current(&current.stamp) {
            let stamp = self.redis.stamp();
            if let Ok(connection) = lazily(&self.redis) {
                current.becomes(connection, stamp);
            }
        }
        (current.number, current.connection.clone())
    }

    /// Lets go of a connection that is at least so old, unless another has done so.
    fn replace(&self, number: u64, age: Duration) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_young = current.made.elapsed() < age;
        if current.number != number || current.is_being_replaced || is_young {
            return;
        }
        if !self.redis.is_cluster() {
            let stamp = self.redis.stamp();
            if let Ok(connection) = lazily(&self.redis) {
                current.becomes(connection, stamp);
            }
            return;
        }
        if current
            .failed
            .is_some_and(|failed| failed.elapsed() < AGAIN)
        {
            return;
        }
        // One node's silence is not the others': they are asked over the old one until the new
        // one stands.
        current.is_being_replaced = true;
        let (redis, current) = (self.redis.clone(), Arc::clone(&self.current));
        let outage = Arc::clone(&self.outage);
        redis.connect_meanwhile(move |made, stamp| {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            current.is_being_replaced = false;
            match made {
                Ok(connection) => current.becomes(connection, stamp),
                Err(error) => {
                    current.failed = Some(Instant::now());
                    if let Some(left_out) = outage.failed("no node") {
                        tracing::warn!(%error, left_out, "no node of the cluster answers");
                    }
                }
            }
        });
    }
}

impl Current {
    fn becomes(&mut self, connection: weir_redis::Connection, stamp: Stamp) {
        self.number += 1;
        self.stamp = stamp;
        self.made = Instant::now();
        self.connection = connection;
    }
}

/// None where it took too long.
async fn patiently<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    for _ in 0..PIECES {
        if let Ok(done) = tokio::time::timeout(PIECE, &mut work).await {
            return Some(done);
        }
    }
    None
}

fn lazily(redis: &Redis) -> RedisResult<weir_redis::Connection> {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(RECONNECT_DELAY)
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_number_of_retries(RECONNECT_TRIES);
    redis.connect_lazily(config)
}

/// Whether another connection may do where this one does not. The library replaces one that was
/// closed, and no other: not one, either, whose making Redis refused, a password for instance; what a
/// node of a cluster says of its own trouble it says on any.
fn is_outlived(error: &RedisError, is_cluster: bool) -> bool {
    if error.kind() == ErrorKind::UnexpectedReturnType {
        return false;
    }
    if is_cluster {
        !matches!(error.kind(), ErrorKind::Server(_))
    } else {
        !(error.is_io_error() && error.is_unrecoverable_error())
    }
}

/// Whether Redis itself did not say anything.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
