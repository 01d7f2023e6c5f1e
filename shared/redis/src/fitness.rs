//! Whether a Redis that somebody else runs can be worked with, in a sentence each.

use redis::{RedisError, RedisResult, Script, ScriptInvocation, Value, from_redis_value};

use crate::Connection;

const SECTIONS: [&str; 4] = ["server", "memory", "replication", "cluster"];
/// Of older ones we know nothing.
const OLDEST: u32 = 7;
const KEEPS: &str = "noeviction";
const SLOTS: &str = "16384";
/// As everything that is done there: by a script, on a key of ours. Answers what it may not do.
/// One that was renamed away can't even be asked for.
const PROBE: &str = "
    for _, command in ipairs(ARGV) do
        local words = {}
        for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
        words[#words + 1] = KEYS[1]
        local is_known, may = pcall(redis.acl_check_cmd, unpack(words))
        if not (is_known and may) then return command end
    end
    return ''";
const PROBED: &str = "weir:{fitness}:probe";
/// What scripts are told in the place of `NOPERM`, by Redis 7.0 and by later ones.
const DENIED_WITHIN: [&str; 3] = [
    "can't run this command",
    "can't access at least one of the keys",
    "ACL failure in script",
];

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
    /// It is a part of something larger, and says of most keys that they are elsewhere.
    #[error(
        "it is a node of a Redis Cluster: name it as redis+cluster://, with all nodes you know"
    )]
    Node,
    /// Some keys are nobody's.
    #[error(
        "only {0} of the cluster's 16384 slots are given to a node, so that some keys can't be \
         written: see CLUSTER ADDSLOTS, and redis-cli --cluster fix"
    )]
    Slots(String),
    /// The user that the address names, and what it is not let do.
    #[error(
        "its user may not do all that is done with keys that begin with weir: {0}; let it with ACL \
         SETUSER … ~weir:* +@all -@dangerous +info"
    )]
    Forbidden(String),
}

impl Unfit {
    /// Whether it may pass by itself, with nobody changing anything here.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Replica | Self::Slots(_))
    }
}

/// Asks one server, or all masters of a cluster; `commands` are what will be asked of it.
///
/// # Errors
/// It does not answer; within, why it can't be used.
pub async fn check(redis: &mut Connection, commands: &[&str]) -> RedisResult<Result<(), Unfit>> {
    match look(redis, commands).await {
        Err(error) if is_forbidden(&error) => Ok(Err(Unfit::Forbidden(said(&error)))),
        looked => looked,
    }
}

async fn look(redis: &mut Connection, commands: &[&str]) -> RedisResult<Result<(), Unfit>> {
    let is_cluster = matches!(redis, Connection::Cluster(_));
    for section in SECTIONS {
        let asked = redis::cmd("INFO").arg(section).query_async(redis).await;
        for said in texts(asked?)? {
            if let Some(unfit) = judge(&said, is_cluster) {
                return Ok(Err(unfit));
            }
        }
    }
    if is_cluster {
        let asked: RedisResult<String> = redis::cmd("CLUSTER").arg("INFO").query_async(redis).await;
        if let Some(unfit) = judge(&asked?, is_cluster) {
            return Ok(Err(unfit));
        }
    }
    match Probe::of(commands).invocation().invoke_async(redis).await {
        Ok(refused) => Ok(Probe::judge(refused)),
        // What it may fail at besides is told where it happens.
        Err(error) if !is_forbidden(&error) => Ok(Ok(())),
        Err(error) => Err(error),
    }
}

/// A question that costs one answer: whether the user of a connection may do all this.
pub struct Probe {
    script: Script,
    commands: Vec<String>,
}

impl Probe {
    /// One that asks for these.
    pub fn of(commands: &[&str]) -> Self {
        Self {
            script: Script::new(PROBE),
            commands: commands.iter().copied().map(str::to_owned).collect(),
        }
    }

    /// What to send; it answers with a text.
    pub fn invocation(&self) -> ScriptInvocation<'_> {
        let mut invocation = self.script.key(PROBED);
        invocation.arg(&self.commands);
        invocation
    }

    /// What the answer says.
    ///
    /// # Errors
    /// It may not.
    pub fn judge(refused: String) -> Result<(), Unfit> {
        if refused.is_empty() {
            return Ok(());
        }
        Err(Unfit::Forbidden(refused))
    }
}

/// Whether Redis answers that its user may not do this, also where a script was refused a
/// command. Somebody may let it, so whoever can go on without Redis does.
pub fn is_forbidden(error: &RedisError) -> bool {
    let said = error.detail().unwrap_or_default();
    match error.code() {
        Some("NOPERM") => true,
        Some("ERR") => DENIED_WITHIN.iter().any(|denied| said.contains(denied)),
        _ => false,
    }
}

fn said(error: &RedisError) -> String {
    error.detail().unwrap_or_default().trim().to_owned()
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
    if !is_cluster && value("cluster_enabled").is_some_and(|enabled| enabled == "1") {
        return Some(Unfit::Node);
    }
    if let Some(given) = value("cluster_slots_assigned").filter(|given| given != SLOTS) {
        return Some(Unfit::Slots(given));
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
            ("cluster_enabled:0\r\n", None),
            ("cluster_enabled:1\r\n", Some(Unfit::Node)),
        ] {
            assert_eq!(judge(said, false), unfit, "{said}");
        }
        assert_eq!(judge("role:slave\r\n", true), None);
        assert_eq!(judge("cluster_enabled:1\r\n", true), None);
        let slots = |given: &str| judge(&format!("cluster_slots_assigned:{given}\r\n"), true);
        assert_eq!(slots("16384"), None);
        assert_eq!(slots("16383"), Some(Unfit::Slots("16383".into())));
    }
}
