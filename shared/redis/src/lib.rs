//! One Redis, or a cluster of them, behind one kind of connection.
//!
//! `redis://user:password@host:port` (or `rediss://`, over TLS) is one server;
//! `redis+cluster://user:password@host:port,host:port,…` (or `rediss+cluster://`) is a cluster,
//! of which the nodes that are named are asked for the others. One of them that answers is
//! enough, so name some. All have the same user and password. A list of whole URLs of one
//! server each is taken as well.
//!
//! Where TLS is spoken, certificates are read anew when their files change ([`RedisOptions`]):
//! whoever keeps a connection asks [`Redis::is_current`] for how long it is good.
//!
//! What is sent to a cluster has all its keys in one slot: they carry the same hash tag.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod certificates;
mod commands;
mod fitness;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult};
use redis::{ErrorKind, TlsCertificates, Value};
use weir_tls::{Cause, Reloaded, Side, cause_of};

pub use certificates::{AddressError, RedisOptions};
pub use commands::{MAPPING, QUOTA};
pub use fitness::{Probe, Unfit, check, is_forbidden};

/// Within one call, where a node points to another or is being replaced; beyond this it is the
/// caller who knows whether it is worth it.
const TRIES_IN_A_CLUSTER: u32 = 4;
const PAUSE_MS: u64 = 20;
const PAUSE_MAX_MS: u64 = 100;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// For an answer.
    pub answer: Duration,
}

/// Where Redis is.
#[derive(Clone)]
pub struct Redis {
    servers: Arc<[String]>,
    is_cluster: bool,
    patience: Patience,
    certificates: Option<Reloaded<TlsCertificates>>,
}

/// The certificates of a connection.
#[derive(Clone)]
pub struct Stamp(Option<Arc<TlsCertificates>>);

enum Place {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Redis {
    /// Reads an address; connects to nothing.
    ///
    /// # Errors
    /// It is none; the text does not repeat it, since it holds a password.
    pub fn at(url: &str, patience: Patience) -> RedisResult<Self> {
        let (servers, is_cluster) = servers(url);
        let redis = Self {
            servers: servers.into(),
            is_cluster,
            patience,
            certificates: None,
        };
        // What is wrong with it is said now.
        redis.place()?;
        Ok(redis)
    }

    /// As well, with certificates; within the runtime, where files are named.
    ///
    /// # Errors
    /// As there, or a file can't be used.
    pub fn with(
        url: &str,
        patience: Patience,
        options: &RedisOptions,
    ) -> Result<Self, AddressError> {
        let mut redis = Self::at(url, patience)?;
        redis.certificates = options.load(redis.speaks_tls())?;
        redis.place()?;
        Ok(redis)
    }

    /// By the certificates that are there now.
    fn place(&self) -> RedisResult<Place> {
        // Whatever the library asks of rustls is asked of ring.
        weir_tls::provider();
        let certificates = self.certificates.as_ref().map(Reloaded::get);
        match &*self.servers {
            [server] if !self.is_cluster => {
                let client = match &certificates {
                    Some(now) => Client::build_with_tls(&**server, TlsCertificates::clone(now))?,
                    None => Client::open(&**server)?,
                };
                Ok(Place::Server(Box::new(client)))
            }
            nodes => {
                let cluster = ClusterClient::builder(nodes.iter().map(String::as_str))
                    .connection_timeout(self.patience.connect)
                    .response_timeout(self.patience.answer)
                    // Who calls has a time of its own for all tries together.
                    .overall_response_timeout(None)
                    .retries(TRIES_IN_A_CLUSTER)
                    .retry_wait_formula(PAUSE_MS, 2)
                    .min_retry_wait(PAUSE_MS)
                    .max_retry_wait(PAUSE_MAX_MS);
                let cluster = match &certificates {
                    Some(now) => cluster.certs(TlsCertificates::clone(now)),
                    None => cluster,
                };
                Ok(Place::Cluster(Box::new(cluster.build()?)))
            }
        }
    }

    /// Whether it is spoken to by TLS. One that speaks none where it is spoken to so is silent: it
    /// waits for the end of a line.
    pub fn speaks_tls(&self) -> bool {
        self.servers.iter().any(|url| url.starts_with("rediss"))
    }

    /// Where it is, for the log: without user, password and parameters.
    pub fn address(&self) -> String {
        let places: Vec<&str> = self.servers.iter().map(|url| place(url)).collect();
        places.join(", ")
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Of a connection that is made from now on.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.certificates.as_ref().map(Reloaded::get))
    }

    /// Whether the certificates are still those.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        match (&self.certificates, &stamp.0) {
            (Some(certificates), Some(then)) => Arc::ptr_eq(&certificates.get(), then),
            _ => true,
        }
    }

    /// Makes a connection while who asks goes on with another.
    pub fn connect_meanwhile(
        self,
        then: impl FnOnce(RedisResult<Connection>, Stamp) + Send + 'static,
    ) {
        tokio::spawn(async move {
            let stamp = self.stamp();
            then(self.connect().await, stamp);
        });
    }

    /// A connection that stands.
    ///
    /// # Errors
    /// None can be made.
    pub async fn connect(&self) -> RedisResult<Connection> {
        match self.place()? {
            Place::Server(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(self.patience.connect))
                    .set_response_timeout(Some(self.patience.answer));
                let made = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Connection::Server(made.await?))
            }
            Place::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }

    /// A connection that is made on first use, and again where it is closed under it: as `server`
    /// says for one server, by itself to each node of a cluster.
    ///
    /// # Errors
    /// `server` contradicts itself.
    pub fn connect_lazily(&self, server: ConnectionManagerConfig) -> RedisResult<Connection> {
        match self.place()? {
            Place::Server(client) => {
                let server = server
                    .set_connection_timeout(Some(self.patience.connect))
                    .set_response_timeout(Some(self.patience.answer));
                let made = ConnectionManager::new_lazy_with_config(*client, server)?;
                Ok(Connection::Kept(made))
            }
            Place::Cluster(client) => {
                let made = client.get_pending_async_connection_with_config(Default::default());
                Ok(Connection::Cluster(made))
            }
        }
    }
}

fn place(url: &str) -> &str {
    // A Unix socket has its password among the parameters; no user has a `?` as it is.
    let url = url.split('?').next().unwrap_or_default();
    let place = url.rsplit_once('@').or_else(|| url.split_once("://"));
    place.map_or("", |(_, place)| place).trim_end_matches('/')
}

/// The URLs of single servers that an address names, and whether they are nodes of a cluster.
fn servers(url: &str) -> (Vec<String>, bool) {
    let of_a_cluster = [
        ("redis+cluster://", "redis://"),
        ("rediss+cluster://", "rediss://"),
    ];
    for (long, short) in of_a_cluster {
        let Some(rest) = url.strip_prefix(long) else {
            continue;
        };
        // A password may hold anything but these two.
        let (user, rest) = rest
            .rsplit_once('@')
            .map_or(("", rest), |(user, rest)| (user, rest));
        let user = if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (nodes, parameters) = rest.split_at(end);
        let nodes = nodes
            .split(',')
            .map(str::trim)
            .filter(|node| !node.is_empty());
        let nodes = nodes.map(|node| format!("{short}{user}{node}{parameters}"));
        return (nodes.collect(), true);
    }
    // A comma alone may be part of a password.
    let mut servers: Vec<String> = Vec::new();
    for part in url.split(',') {
        match servers.last_mut() {
            Some(last) if !part.contains("://") => {
                last.push(',');
                last.push_str(part);
            }
            _ => servers.push(part.trim().to_owned()),
        }
    }
    let is_cluster = servers.len() > 1;
    (servers, is_cluster)
}

/// To one server or to all nodes of a cluster; clones are one and the same.
#[derive(Clone)]
pub enum Connection {
    /// To one; never made again.
    Server(MultiplexedConnection),
    /// To one; made again where it was closed.
    Kept(ConnectionManager),
    /// To all nodes, each made again where it was closed.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(one) => one.req_packed_command(command),
            Self::Kept(one) => one.req_packed_command(command),
            Self::Cluster(all) => all.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Kept(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(all) => all.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(one) => one.get_db(),
            Self::Kept(one) => one.get_db(),
            Self::Cluster(all) => all.get_db(),
        }
    }
}

/// What TLS has to say to an error.
pub fn why(error: &RedisError) -> Option<Cause> {
    cause_of(error, Side::Client)
}

/// Whether Redis answers and can't do it yet: it reads its log, or the slot is between two nodes
/// or without one. It soon may.
pub fn is_not_yet(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_))
        && matches!(
            error.code(),
            Some(
                "LOADING"
                    | "CLUSTERDOWN"
                    | "MASTERDOWN"
                    | "TRYAGAIN"
                    | "READONLY"
                    | "MOVED"
                    | "ASK"
            )
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (Vec<String>, bool) {
        servers(url)
    }

    #[test]
    fn one_server_stays_as_it_is_written() {
        for url in [
            "redis://h:1",
            "rediss://u:a,b@h:1/2?protocol=3",
            "unix:///tmp/a",
        ] {
            assert_eq!(read(url), (vec![url.to_owned()], false));
        }
    }

    #[test]
    fn the_nodes_of_a_cluster_share_user_password_and_parameters() {
        let nodes = |url: &str| {
            let (nodes, is_cluster) = read(url);
            assert!(is_cluster);
            nodes.join(" ")
        };
        assert_eq!(nodes("redis+cluster://a:1"), "redis://a:1");
        assert_eq!(
            nodes("rediss+cluster://u:p@ss@a:1, b:2/?protocol=3"),
            "rediss://u:p@ss@a:1/?protocol=3 rediss://u:p@ss@b:2/?protocol=3"
        );
        assert_eq!(
            nodes("redis://u:p,q@a:1,redis://u:p,q@[::1]:2"),
            "redis://u:p,q@a:1 redis://u:p,q@[::1]:2"
        );
    }

    #[test]
    fn an_address_for_the_log_has_no_password() {
        for (url, told) in [
            ("redis://h:1", "h:1"),
            ("rediss://u:se@cret@h:1/2?protocol=3", "h:1/2"),
            ("unix:///tmp/a?pass=se@cret", "/tmp/a"),
            ("redis+cluster://:secret@a:1,b:2", "a:1, b:2"),
        ] {
            let patience = Patience {
                connect: Duration::from_secs(1),
                answer: Duration::from_secs(1),
            };
            let redis = Redis::at(url, patience).unwrap();
            assert_eq!(redis.address(), told, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let patience = Patience {
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(1),
        };
        for url in [
            "",
            "redis+cluster://",
            "http://secret:secret@a:1",
            "redis+cluster://u:secret@/",
        ] {
            let refused = Redis::at(url, patience).err();
            assert!(
                refused.is_some_and(|error| !format!("{error:?}").contains("secret")),
                "{url}"
            );
        }
    }
}
