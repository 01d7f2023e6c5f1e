//! The whole of Weir on one machine: PostgreSQL, Redis and seven processes.

mod addresses;
mod engines;
mod file;
mod folder;
mod health;
mod options;
mod process;
mod service;
mod starting;
mod tls;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use weir_servers::secrets::Secrets;
use weir_servers::{Binaries, TemporaryFolder, is_clash, postgres, redis};

use crate::{Channel, Reach, Reached, Shown};
pub use addresses::Instance;
pub use file::{Listens, StackFile};
pub use folder::{holder, until_ended};
pub use health::until_ready;
pub use options::{Engines, Report, Reporter, StackOptions};
pub use service::{Service, find_programs};

use addresses::Addresses;
use folder::{leftovers, log_of, prepare};
use process::Process;
use starting::{Started, Starting, Stores};
use tls::Certificates;

/// A port that was free a moment ago may be taken by another stack.
const START_ATTEMPTS: usize = 3;
/// Migrations of a large database included.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// A running Weir. Dropping it stops everything, in no particular order; `stop` does it well.
#[derive(Debug)]
pub struct Stack {
    folder: PathBuf,
    options: StackOptions,
    addresses: Addresses,
    postgres_url: String,
    /// Of an administrator.
    token: String,
    /// Of the services among themselves.
    service_token: String,
    stores: Stores,
    reach: Reach,
    tls: Option<Certificates>,
    redis_folder: PathBuf,
    processes: Vec<Process>,
    /// Held while we run, so that nobody starts a second stack on the same data.
    _lock: File,
    _temporary: Option<TemporaryFolder>,
}

impl Stack {
    /// Starts everything and waits until the edge says that it is ready.
    ///
    /// # Errors
    /// What is missing or fails, in a sentence for people; nothing is left running then.
    pub async fn start(options: StackOptions) -> anyhow::Result<Self> {
        let (folder, temporary) = match &options.folder {
            Some(folder) => (std::path::absolute(folder)?, None),
            None => {
                let temporary = TemporaryFolder::create()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let lock = prepare(&folder)?;
        if !leftovers(&folder).is_empty() {
            options.report(Report::Begins("waiting for an earlier run to end".into()));
            until_ended(&folder).await?;
        }
        let started = Box::pin(Self::start_in(&folder, &options)).await;
        if started.is_err() {
            // Whatever was started is on its way down.
            until_ended(&folder).await?;
        }
        let started = started?;
        Ok(Self {
            redis_folder: folder.join("redis"),
            folder,
            options,
            addresses: started.addresses,
            postgres_url: started.postgres_url,
            token: started.token,
            service_token: started.service_token,
            stores: started.stores,
            reach: Certificates::reach(started.tls.as_ref())?,
            tls: started.tls,
            processes: started.processes,
            _lock: lock,
            _temporary: temporary,
        })
    }

    async fn start_in(folder: &Path, options: &StackOptions) -> anyhow::Result<Started> {
        let programs = find_programs(options.binaries.as_deref())?;
        // Both somebody else's: nothing is to be installed here.
        let is_ours = options.engines.postgres.is_none() || options.engines.redis.is_none();
        let binaries = is_ours.then(Binaries::find).transpose()?;
        let secrets = Secrets::keep(folder)?;
        let tls = options.tls.then(|| Certificates::keep(folder));
        let tls = tls.transpose()?;
        let mut attempt = 1;
        loop {
            let ports = options.ports.choose(Addresses::ports(options.replicas))?;
            let addresses = Addresses::new(&ports, options.replicas);
            let starting = Starting {
                options,
                folder,
                addresses: match tls {
                    Some(_) => addresses.secure(),
                    None => addresses,
                },
                secrets: &secrets,
                tls: tls.clone(),
                running: Vec::new(),
            };
            match Box::pin(starting.run(binaries.as_ref(), &programs)).await {
                Err(error)
                    if is_clash(&error)
                        && !matches!(options.ports, crate::PortPlan::Base(_))
                        && attempt < START_ATTEMPTS =>
                {
                    attempt += 1;
                }
                started => return started,
            }
        }
    }

    /// `http://127.0.0.1:PORT` of the edge.
    pub fn edge_url(&self) -> String {
        self.url(Service::Edge)
    }

    /// `http://127.0.0.1:PORT` of the edge for classic sources.
    pub fn classic_url(&self) -> String {
        self.addresses.classic_url()
    }

    /// `http://127.0.0.1:PORT` of the console.
    pub fn console_url(&self) -> String {
        self.addresses.console_url()
    }

    /// `http://127.0.0.1:PORT` of a service's gRPC (of edge and console: HTTP); of several replicas the
    /// first.
    pub fn url(&self, service: Service) -> String {
        self.addresses.url(Instance::first(service))
    }

    /// `http://127.0.0.1:PORT/metrics` of a service; of several replicas the first.
    pub fn metrics_url(&self, service: Service) -> String {
        self.addresses.metrics_url(Instance::first(service))
    }

    /// All processes of a service, and where they listen.
    pub fn instances(&self, service: Service) -> Vec<(Instance, Listens)> {
        let instances = self.addresses.instances(service);
        instances
            .map(|one| (one, self.addresses.listens(one)))
            .collect()
    }

    /// The token of an administrator, for calls of the services.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A connection to a service, as an administrator; of several replicas to the first.
    ///
    /// # Panics
    /// The service speaks no gRPC.
    pub fn channel(&self, service: Service) -> Channel {
        self.channel_as(service, &self.token)
    }

    /// The same as one of our own services.
    ///
    /// # Panics
    /// The service speaks no gRPC.
    pub fn service_channel(&self, service: Service) -> Channel {
        self.channel_as(service, &self.service_token)
    }

    fn channel_as(&self, service: Service, token: &str) -> Channel {
        assert!(
            service.grpc_name().is_some(),
            "{} has no gRPC",
            service.name()
        );
        let url = self.url(service);
        let channel = self.reach.lazily(&url);
        let channel = Reached::at(&url, channel.expect("addresses are made here"));
        let shown = Shown::token(token).expect("tokens are made here");
        shown.by(channel)
    }

    /// Connection URL of PostgreSQL's superuser, in the services' database.
    pub fn postgres_url(&self) -> &str {
        &self.postgres_url
    }

    /// Connection URL of Redis.
    pub fn redis_url(&self) -> &str {
        &self.stores.redis_url
    }

    /// Where data, logs and `stack.json` lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The log of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        log_of(&self.folder, name)
    }

    /// The names that the methods below take: `postgres`, `redis`, and the services'.
    pub fn names(&self) -> Vec<&str> {
        self.processes.iter().map(Process::name).collect()
    }

    /// The pid of a process, while it runs.
    ///
    /// # Errors
    /// There is no process of this name.
    pub fn pid(&self, name: &str) -> anyhow::Result<Option<u32>> {
        Ok(self.process(name)?.pid())
    }

    /// `kill -9`. The supervisor starts the process again at once; see `wait_ready`.
    ///
    /// # Errors
    /// There is no process of this name.
    pub async fn kill9(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.kill9().await;
        Ok(())
    }

    /// `kill -9`, and leaves it down until `start_process`.
    ///
    /// # Errors
    /// There is no process of this name.
    pub async fn kill9_and_hold(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.kill9_and_hold().await;
        Ok(())
    }

    /// Stops a process nicely, and leaves it down until `start_process`.
    ///
    /// # Errors
    /// There is no process of this name.
    pub async fn stop_process(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.stop().await;
        Ok(())
    }

    /// Starts a process that was stopped, and waits until it is ready.
    ///
    /// # Errors
    /// There is no process of this name, or it does not come up.
    pub async fn start_process(&self, name: &str) -> anyhow::Result<()> {
        self.process(name)?.start().await;
        self.wait_ready(name).await
    }

    /// Stops and starts a process, and waits until it is ready.
    ///
    /// # Errors
    /// As above.
    pub async fn restart(&self, name: &str) -> anyhow::Result<()> {
        self.stop_process(name).await?;
        self.start_process(name).await
    }

    /// Restarts all processes of all services, one after another: the next one is stopped when
    /// the last is ready. With several replicas nobody notices.
    ///
    /// # Errors
    /// One does not come up; those after it still run as they were.
    pub async fn restart_services(&self) -> anyhow::Result<()> {
        for instance in self.addresses.all() {
            let name = instance.name();
            let begun = Instant::now();
            self.options
                .report(Report::Begins(format!("restarting {name}")));
            self.restart(&name).await?;
            let done = Report::Done(format!("{name} is ready"), begun.elapsed());
            self.options.report(done);
        }
        Ok(())
    }

    /// Restarts Redis with nothing in it, as after the loss of its disk.
    ///
    /// # Errors
    /// Its files can't be removed, or it does not come up.
    pub async fn wipe_redis(&self) -> anyhow::Result<()> {
        self.stop_process("redis").await?;
        redis::wipe(&self.redis_folder)?;
        self.start_process("redis").await
    }

    /// Waits until a process is up and says that it is healthy.
    ///
    /// # Errors
    /// It does not within two minutes.
    pub async fn wait_ready(&self, name: &str) -> anyhow::Result<()> {
        let ready = async {
            match name {
                "postgres" => postgres::until_ready(&self.postgres_url).await,
                "redis" => {
                    redis::until_ready(&redis::address(
                        &self.stores.redis_url,
                        &self.stores.redis_certificates,
                    )?)
                    .await
                }
                name => {
                    let instance = Instance::named(name)
                        .filter(|instance| self.addresses.all().any(|one| one == *instance))
                        .with_context(|| format!("there is no process {name:?}"))?;
                    let listens = self.addresses.listens(instance);
                    until_ready(instance.service, &listens, &self.reach).await
                }
            }
        };
        tokio::time::timeout(READY_TIMEOUT, ready)
            .await
            .with_context(|| format!("{name} does not become ready"))?
    }

    /// How its addresses are reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    fn tls_ca(&self) -> String {
        let authority = self.tls.as_ref().map(Certificates::authority);
        authority.map_or_else(String::new, |path| path.display().to_string())
    }

    /// What scripts need to know; complete it and write it with `StackFile::write`.
    pub fn file(&self) -> StackFile {
        let by_service = |url: &dyn Fn(Service) -> String| {
            Service::ALL
                .into_iter()
                .map(|service| (service.name().to_owned(), url(service)))
                .collect()
        };
        let mut grpc: std::collections::BTreeMap<_, _> = by_service(&|service| self.url(service));
        grpc.remove(Service::Edge.name());
        grpc.remove(Service::Console.name());
        StackFile {
            edge: self.edge_url(),
            classic: self.classic_url(),
            console: self.console_url(),
            grpc,
            metrics: by_service(&|service| self.metrics_url(service)),
            processes: self
                .addresses
                .all()
                .map(|one| (one.name(), self.addresses.listens(one)))
                .collect(),
            restarts: 0,
            restarts_begun: 0,
            restart_failure: String::new(),
            postgres: self.postgres_url.clone(),
            redis: self.stores.redis_url.clone(),
            redis_ca: self.stores.redis_ca(),
            account_id: String::new(),
            source_id: String::new(),
            api_key: String::new(),
            token: self.token.clone(),
            tls_ca: self.tls_ca(),
            pid: std::process::id(),
        }
    }

    /// Stops everything in order: the edge first, which finishes what it accepted; then the
    /// services; then Redis and PostgreSQL.
    pub async fn stop(&self) {
        StackFile::remove(&self.folder);
        let service = |name: &str| Some(Instance::named(name)?.service);
        self.stop_all(|name| service(name) == Some(Service::Edge))
            .await;
        self.stop_all(|name| service(name).is_some_and(|one| one != Service::Edge))
            .await;
        self.stop_all(|name| service(name).is_none()).await;
    }

    async fn stop_all(&self, which: impl Fn(&str) -> bool) {
        let stops: Vec<_> = self
            .processes
            .iter()
            .filter(|process| which(process.name()))
            .map(Process::stopping)
            .collect();
        for stop in stops {
            stop.await;
        }
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.processes
            .iter()
            .find(|process| process.name() == name)
            .with_context(|| {
                format!(
                    "there is no process {name:?}, only {}",
                    self.names().join(", ")
                )
            })
    }
}
