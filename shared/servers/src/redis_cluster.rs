//! A Redis Cluster of three masters, each with a replica, on the loopback interface.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use redis::aio::MultiplexedConnection;

use crate::binaries::Binaries;
use crate::ports::free_port;
use crate::redis::{Redis, RedisOptions};
use crate::secrets::Secrets;
use crate::temporary::TemporaryFolder;

const MASTERS: usize = 3;
const NODES: usize = 2 * MASTERS;
const SLOTS: usize = 16_384;
/// A node that is silent for so long is taken for dead by the others. Short, so that tests see
/// a failover within seconds.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// Until all nodes know each other and have their data.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// The nodes, running or stopped; gone with the process.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
    ports: Vec<u16>,
    password: String,
    _folder: TemporaryFolder,
}

impl RedisCluster {
    /// Starts it, and waits until it serves all slots and each replica has its master's data.
    ///
    /// # Errors
    /// It can't be started; the text says why.
    pub async fn start() -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let folder = TemporaryFolder::create()?;
        let password = Secrets::generate()?.redis;
        let (mut nodes, mut ports, mut bus_ports) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..NODES {
            let (port, bus_port) = (free_port()?, free_port()?);
            let options = RedisOptions {
                folder: folder.path().join(format!("redis-{number}")),
                port,
                password: password.clone(),
                log: folder.path().join(format!("redis-{number}.log")),
                settings: settings(bus_port, &password),
                tls: None,
                environment: Vec::new(),
            };
            nodes.push(Redis::start(&binaries, options).await?);
            ports.push(port);
            bus_ports.push(bus_port);
        }
        let cluster = Self {
            nodes,
            ports,
            password,
            _folder: folder,
        };
        cluster.join(&bus_ports).await?;
        Ok(cluster)
    }

    /// Names some nodes, as an installation would.
    pub fn url(&self) -> String {
        let Self {
            ports, password, ..
        } = self;
        let nodes: Vec<String> = ports[..MASTERS + 1]
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        format!("redis+cluster://default:{password}@{}", nodes.join(","))
    }

    /// One node.
    pub fn node(&self, number: usize) -> &Redis {
        &self.nodes[number]
    }

    /// Starts one again that was killed.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self, number: usize) -> anyhow::Result<()> {
        self.nodes[number].start_again().await
    }

    /// Which node has the slot of `key` now, as a node that lives sees it.
    ///
    /// # Errors
    /// None answers, or none has it.
    pub async fn master_of(&self, key: &str) -> anyhow::Result<usize> {
        for number in 0..NODES {
            let Ok(mut node) = self.connection(number).await else {
                continue;
            };
            let slot: i64 = redis::cmd("CLUSTER")
                .arg("KEYSLOT")
                .arg(key)
                .query_async(&mut node)
                .await?;
            let text: String = redis::cmd("CLUSTER")
                .arg("NODES")
                .query_async(&mut node)
                .await?;
            let owner = text.lines().find(|line| {
                let is_well = !line.contains("fail");
                let mut words = line.split(' ').skip(8);
                is_well && words.any(|range| is_in(range, slot))
            });
            if let Some(owner) = owner {
                return self.named_in(owner);
            }
        }
        bail!("no node has the slot of {key}")
    }

    /// Which node has a master's data: they change places where one was silent for long.
    ///
    /// # Errors
    /// The master does not answer, or has none.
    pub async fn replica_of(&self, master: usize) -> anyhow::Result<usize> {
        let id: String = self.ask(master, &["CLUSTER", "MYID"]).await?;
        let nodes: String = self.ask(master, &["CLUSTER", "NODES"]).await?;
        let is_its = |line: &&str| line.split(' ').nth(3) == Some(&id);
        let replica = nodes.lines().find(is_its).context("it has no replica")?;
        self.named_in(replica)
    }

    /// Of a line of `CLUSTER NODES`.
    fn named_in(&self, line: &str) -> anyhow::Result<usize> {
        let is_named = |port: &u16| line.contains(&format!("127.0.0.1:{port}@"));
        self.ports
            .iter()
            .position(is_named)
            .context("an unknown node")
    }

    /// Runs a command on one node.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn ask<T: redis::FromRedisValue>(
        &self,
        number: usize,
        words: &[&str],
    ) -> anyhow::Result<T> {
        let mut node = self.connection(number).await?;
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        Ok(command.query_async(&mut node).await?)
    }

    async fn connection(&self, number: usize) -> anyhow::Result<MultiplexedConnection> {
        let client = redis::Client::open(self.nodes[number].url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    async fn join(&self, bus_ports: &[u16]) -> anyhow::Result<()> {
        for number in 0..MASTERS {
            let range = [number, number + 1].map(|n| n * SLOTS / MASTERS);
            let (first, last) = (range[0].to_string(), (range[1] - 1).to_string());
            let _: String = self
                .ask(number, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await?;
        }
        for number in 0..NODES {
            let epoch = (number + 1).to_string();
            let _: String = self
                .ask(number, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await?;
        }
        let others = self.ports.iter().zip(bus_ports).skip(1);
        for (port, bus) in others {
            let (port, bus) = (port.to_string(), bus.to_string());
            let _: String = self
                .ask(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await?;
        }
        let known = format!("cluster_known_nodes:{NODES}");
        self.until(&["CLUSTER", "INFO"], &known, 0..NODES).await?;
        for master in 0..MASTERS {
            let id: String = self.ask(master, &["CLUSTER", "MYID"]).await?;
            self.until(&["CLUSTER", "NODES"], &id, MASTERS..NODES)
                .await?;
            let _: String = self
                .ask(master + MASTERS, &["CLUSTER", "REPLICATE", &id])
                .await?;
        }
        self.until(&["CLUSTER", "INFO"], "cluster_state:ok", 0..NODES)
            .await?;
        self.until(
            &["INFO", "replication"],
            "master_link_status:up",
            MASTERS..NODES,
        )
        .await
    }

    /// Waits until these nodes say it.
    async fn until(
        &self,
        words: &[&str],
        said: &str,
        nodes: std::ops::Range<usize>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        for number in nodes {
            loop {
                let answer: String = self.ask(number, words).await?;
                if answer.contains(said) {
                    break;
                }
                if started.elapsed() > START_TIMEOUT {
                    bail!("node {number} does not say {said}:\n{answer}");
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }
}

fn settings(bus_port: u16, password: &str) -> Vec<String> {
    vec![
        "cluster-enabled yes".into(),
        "cluster-config-file nodes.conf".into(),
        format!("cluster-node-timeout {}", NODE_TIMEOUT.as_millis()),
        // It would be the other one and ten thousand.
        format!("cluster-port {bus_port}"),
        format!("masterauth {password}"),
        // Replicas begin with their masters' data at once.
        "repl-diskless-sync-delay 0".into(),
    ]
}

/// Whether a range as `CLUSTER NODES` writes it has the slot.
fn is_in(range: &str, slot: i64) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<i64>(), last.parse::<i64>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&slot),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_slots_are_read_as_nodes_write_them() {
        assert!(is_in("0-5460", 0) && is_in("0-5460", 5_460) && is_in("7", 7));
        assert!(!is_in("0-5460", 5_461) && !is_in("[7->-abc]", 7) && !is_in("7", 8));
    }
}
