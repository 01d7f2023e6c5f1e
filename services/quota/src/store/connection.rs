//! The connection to Redis: made anew where it broke, and where it fell silent.
//!
//! The client library connects again by itself where a connection is closed under it, but tells
//! whoever used it; and it goes on with one on which nothing is answered any more, or which
//! could not be made for a reason that Redis itself gave. Here a call is made again over a new
//! one in each of these cases, within [`CALL_TIME`]; and a Redis that is still reading its log is
//! waited for as long.
//!
//! **Invariant:** whatever is called may be called twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation};
use tokio::time::Instant;
use weir_redis::{Address, Stamp, why};

use super::Error;

/// A script that takes longer is taken for lost: they take microseconds, and the edge gives
/// a batch 8 s in all.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Short and few, so that callers are told soon, and a Redis that came back is found soon.
const RECONNECT_DELAY: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(200);
const RECONNECT_TRIES: usize = 3;
/// All tries of one call together: one that is not answered, and another over a new connection.
const CALL_TIME: Duration = Duration::from_millis(2_500);
/// Connections may be cut faster than calls are answered; then a caller is told.
const TRIES: u32 = 5;
/// How often one looks whether a Redis has read its log.
const LOADING_PAUSE: Duration = Duration::from_millis(50);
/// How long a probe waits: a Redis that is stopped is away, however long it stays so.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// Clones are one and the same.
#[derive(Clone)]
pub(super) struct Connection {
    address: Address,
    current: Arc<Mutex<Current>>,
}

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Work<'_> {
    async fn send<T: FromRedisValue>(self, mut redis: ConnectionManager) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(&mut redis).await,
            Self::Script(script) => script.invoke_async(&mut redis).await,
        }
    }
}

struct Current {
    /// How many there were before.
    number: u64,
    manager: ConnectionManager,
    /// Of the certificates that it was made with.
    stamp: Stamp,
}

impl Connection {
    /// Connects on first use.
    pub(super) fn to(address: Address) -> RedisResult<Self> {
        let current = Current::of(&address, 0)?;
        Ok(Self {
            address,
            current: Arc::new(Mutex::new(current)),
        })
    }

    /// Does it, and reads the answer.
    pub(super) async fn call<T: FromRedisValue>(&self, work: Work<'_>) -> Result<T, Error> {
        self.call_within(CALL_TIME, work).await
    }

    /// Whether Redis answers.
    pub(super) async fn answers(&self) -> bool {
        let ping = redis::cmd("PING");
        let answer: Result<String, Error> =
            self.call_within(PROBE_TIME, Work::Command(&ping)).await;
        answer.is_ok()
    }

    async fn call_within<T: FromRedisValue>(
        &self,
        time: Duration,
        work: Work<'_>,
    ) -> Result<T, Error> {
        let end = Instant::now() + time;
        let mut tries = 0;
        loop {
            let (number, redis) = self.current();
            let Ok(done) = tokio::time::timeout_at(end, work.send(redis)).await else {
                self.replace(number);
                tracing::warn!("Redis does not answer");
                return Err(Error::Away);
            };
            let error = match done {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            // The library replaces a connection that was closed, and no other.
            if !error.is_unrecoverable_error() && error.kind() != ErrorKind::UnexpectedReturnType {
                self.replace(number);
            }
            if is_loading(&error) && Instant::now() + LOADING_PAUSE < end {
                tokio::time::sleep(LOADING_PAUSE).await;
                continue;
            }
            tries += 1;
            if tries == TRIES || !is_of_the_connection(&error) {
                if let Some(cause) = why(&error) {
                    tracing::warn!("no TLS with Redis: {cause}");
                }
                return Err(error.into());
            }
        }
    }

    fn current(&self) -> (u64, ConnectionManager) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.address.is_current(&current.stamp)
            && let Ok(next) = Current::of(&self.address, current.number + 1)
        {
            *current = next;
        }
        (current.number, current.manager.clone())
    }

    /// Lets go of a connection, unless another has done so.
    fn replace(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number != number {
            return;
        }
        if let Ok(next) = Current::of(&self.address, number + 1) {
            *current = next;
        }
    }
}

impl Current {
    fn of(address: &Address, number: u64) -> RedisResult<Self> {
        let (client, stamp) = address.client()?;
        let manager = ConnectionManager::new_lazy_with_config(client, config())?;
        Ok(Self {
            number,
            manager,
            stamp,
        })
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_min_delay(RECONNECT_DELAY)
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_number_of_retries(RECONNECT_TRIES)
}

/// Whether Redis answers, and is not ready yet.
fn is_loading(error: &RedisError) -> bool {
    error.code() == Some("LOADING")
}

/// Whether Redis itself did not say anything.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}
