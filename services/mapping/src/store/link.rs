//! The connection to Redis, one or a cluster.
//!
//! **Invariant:** a connection that failed once is never used again, and the next call makes a
//! new one at once: what the person who maps asks for first after an outage is there. So a call
//! may be made more often than once; writes carry an id by which Redis knows them again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation};
use tokio::sync::Mutex;
use weir_redis::{AddressError, Connection, Patience, Redis, RedisOptions, Stamp, why};
use weir_rpc::Deadline;
use weir_service::{Outage, Policy};

/// Nothing here is worth waiting longer for.
const TIMEOUT: Duration = Duration::from_secs(2);
/// One that does not answer in this time has gone silent: another one may answer.
const SILENCE: Duration = Duration::from_millis(800);
const POLICY: Policy = Policy {
    tries: 5,
    pause: Duration::from_millis(8),
};

/// Redis is away. Why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away")]
pub enum RingsAway {
    /// It does not answer; it may later.
    Silent,
    /// It answers that it does not do this.
    Refusing,
}

/// Clones are one and the same.
#[derive(Clone)]
pub(super) struct Link {
    redis: Redis,
    current: Arc<Mutex<Current>>,
    /// While Redis is away, what is kept is tried again and again.
    outage: Arc<Outage>,
}

#[derive(Default)]
struct Current {
    connection: Option<(Connection, Stamp)>,
    /// How many there were: who finds one broken must not throw away the next.
    number: u64,
}

/// Something to send.
pub(super) trait Command {
    fn send<T: FromRedisValue + Send + Sync>(
        &self,
        connection: &mut Connection,
    ) -> impl Future<Output = RedisResult<T>> + Send;
}

impl Command for Pipeline {
    async fn send<T: FromRedisValue + Send + Sync>(
        &self,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        self.query_async(connection).await
    }
}

impl Command for ScriptInvocation<'_> {
    async fn send<T: FromRedisValue + Send + Sync>(
        &self,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        self.invoke_async(connection).await
    }
}

impl Command for redis::Cmd {
    async fn send<T: FromRedisValue + Send + Sync>(
        &self,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        self.query_async(connection).await
    }
}

impl Link {
    /// Connects on first use.
    pub fn new(url: &str, options: &RedisOptions) -> Result<Self, AddressError> {
        let patience = Patience {
            connect: SILENCE,
            answer: SILENCE,
        };
        Ok(Self {
            redis: Redis::with(url, patience, options)?,
            current: Arc::default(),
            outage: Arc::default(),
        })
    }

    /// Sends a command until it is answered, or long enough.
    pub async fn ask<T: FromRedisValue + Send + Sync>(
        &self,
        command: &(impl Command + Sync),
    ) -> Result<T, RingsAway> {
        let deadline = Deadline::after(TIMEOUT);
        let asking = async {
            let mut tried = 0;
            loop {
                let answer = self.ask_once(command).await;
                tried += 1;
                let lost = answer.as_ref().is_err_and(is_of_the_way);
                if !lost || !POLICY.again(tried, deadline).await {
                    return answer;
                }
            }
        };
        match tokio::time::timeout(TIMEOUT, asking).await {
            Ok(Ok(answer)) => {
                if let Some(away) = self.outage.worked() {
                    tracing::info!(away_secs = away.as_secs(), "Redis is there again");
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.told(&error)),
            Err(_) => {
                if let Some(left_out) = self.outage.failed("silent") {
                    let (address, tls) = (self.redis.address(), self.redis.speaks_tls());
                    tracing::warn!(address, tls, left_out, "Redis is silent");
                }
                Err(RingsAway::Silent)
            }
        }
    }

    /// Logs why.
    fn told(&self, error: &RedisError) -> RingsAway {
        if let Some(cause) = why(error)
            && let Some(left_out) = self.outage.failed("no TLS")
        {
            tracing::warn!(left_out, "no TLS with Redis: {cause}");
        }
        let (kind, code) = (error.kind(), error.code());
        let of_its_kind = format!("{kind:?} {}", code.unwrap_or_default());
        if let Some(left_out) = self.outage.failed(&of_its_kind) {
            let address = self.redis.address();
            tracing::warn!(address, ?kind, code, left_out, "Redis is away");
        }
        if is_of_the_way(error) {
            RingsAway::Silent
        } else {
            RingsAway::Refusing
        }
    }

    /// Whether it answers; asked once, and without a word in the log.
    pub async fn answers(&self) -> bool {
        let ping = redis::cmd("PING");
        let asked = self.ask_once::<String>(&ping);
        matches!(tokio::time::timeout(SILENCE, asked).await, Ok(Ok(_)))
    }

    async fn ask_once<T: FromRedisValue + Send + Sync>(
        &self,
        command: &(impl Command + Sync),
    ) -> RedisResult<T> {
        let (mut connection, number) = self.connection().await?;
        let answer = command.send(&mut connection).await;
        if answer.as_ref().is_err_and(is_of_the_way) {
            let mut current = self.current.lock().await;
            if current.number == number {
                current.connection = None;
            }
        }
        answer
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        let mut current = self.current.lock().await;
        if let Some((connection, stamp)) = &current.connection
            && self.redis.is_current(stamp)
        {
            return Ok((connection.clone(), current.number));
        }
        let stamp = self.redis.stamp();
        let connection = Box::pin(self.redis.connect()).await?;
        current.number += 1;
        current.connection = Some((connection.clone(), stamp));
        Ok((connection, current.number))
    }
}

/// Whether another connection may bring what this one did not; what Redis itself says, it says
/// again, but for one that starts, and a cluster that replaces a node.
fn is_of_the_way(error: &RedisError) -> bool {
    !matches!(error.kind(), ErrorKind::Server(_)) || weir_redis::is_not_yet(error)
}
