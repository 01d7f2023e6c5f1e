//! Whether a Redis that somebody else runs can be worked with, in a sentence each.

use redis::{RedisResult, Value, from_redis_value};

use crate::Connection;

const SECTIONS: [&str; 3] = ["server", "memory", "replication"];
/// Of older ones we know nothing.
const OLDEST: u32 = 7;
const KEEPS: &str = "noeviction";

/// Why a Redis can't be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is too old.
    #[error("it is Redis {0}; Weir needs 7 or newer")]
    Old(String),
    /// It throws away what it was told.
    #[error(
        "it forgets keys when its memory is full (maxmemory-policy {0}), counters and the leases of \
         batches among them: set maxmemory-policy noeviction"
    )]
    Evicts(String),
    /// It follows another one.
    #[error("it is a replica and takes no writes: name the master")]
    Replica,
}

/// Asks one server, or all masters of a cluster.
///
/// # Errors
/// It does not answer; within, why it can't be used.
pub async fn check(redis: &mut Connection) -> RedisResult<Result<(), Unfit>> {
    let is_cluster = matches!(redis, Connection::Cluster(_));
    for section in SECTIONS {
        let asked = redis::cmd("INFO").arg(section).query_async(redis).await?;
        for said in texts(asked)? {
            if let Some(unfit) = judge(&said, is_cluster) {
                return Ok(Err(unfit));
            }
        }
    }
    Ok(Ok(()))
}

/// A cluster answers by node.
fn texts(answer: Value) -> RedisResult<Vec<String>> {
    match answer {
        Value::Map(nodes) => nodes
            .into_iter()
            .map(|(_, said)| Ok(from_redis_value(said)?))
            .collect(),
        one => Ok(vec![from_redis_value(one)?]),
    }
}

fn judge(said: &str, is_cluster: bool) -> Option<Unfit> {
    let value = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(found, _)| *found == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    if let Some(version) = value("redis_version") {
        let major = version.split('.').next().and_then(|text| text.parse().ok());
        if major.is_some_and(|major: u32| major < OLDEST) {
            return Some(Unfit::Old(version));
        }
    }
    // Without a limit nothing is thrown away, whatever the policy says.
    let is_limited = value("maxmemory").is_some_and(|limit| limit != "0");
    if let Some(policy) = value("maxmemory_policy").filter(|policy| is_limited && policy != KEEPS) {
        return Some(Unfit::Evicts(policy));
    }
    // Of a cluster, whoever answers knows the way to the master.
    let is_replica = value("role").is_some_and(|role| role == "slave");
    (is_replica && !is_cluster).then_some(Unfit::Replica)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_judged() {
        let evicts = "maxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n";
        for (said, unfit) in [
            ("redis_version:7.0.15\r\n", None),
            ("redis_version:10.1.0\r\n", None),
            (
                "redis_version:6.2.14\r\n",
                Some(Unfit::Old("6.2.14".into())),
            ),
            (evicts, Some(Unfit::Evicts("allkeys-lru".into()))),
            ("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("maxmemory:9\r\nmaxmemory_policy:noeviction\r\n", None),
            ("role:slave\r\n", Some(Unfit::Replica)),
            ("role:master\r\n", None),
        ] {
            assert_eq!(judge(said, false), unfit, "{said}");
        }
        assert_eq!(judge("role:slave\r\n", true), None);
    }
}
