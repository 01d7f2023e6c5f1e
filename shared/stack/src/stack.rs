//! The whole of Weir on one machine: PostgreSQL, Redis and six processes.

mod file;
mod health;
mod options;
mod process;
mod service;

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub use file::StackFile;
pub use health::until_serving;
pub use options::{Report, Reporter, StackOptions};
pub use service::Service;

use crate::binaries::Binaries;
use crate::child::{Child, Program};
use crate::postgres::{self, DATABASE, Postgres, PostgresOptions};
use crate::redis::{self, Redis, RedisOptions};
use crate::secrets::Secrets;
use crate::test_servers::{TemporaryFolder, is_clash};
use process::Process;
use service::Addresses;

/// A port that was free a moment ago may be taken by another stack.
const START_ATTEMPTS: usize = 3;
/// Migrations of a large database included.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// Longer than a service needs to finish what it accepted (10 s).
const SERVICE_PATIENCE: Duration = Duration::from_secs(15);
const STORE_PATIENCE: Duration = Duration::from_secs(25);
/// Below this, PostgreSQL would stop in the middle of something (its log alone may grow to 4 GB).
const DISK_NEEDED_MB: u64 = 512;

/// A running Weir. Dropping it stops everything, in no particular order; `stop` does it well.
#[derive(Debug)]
pub struct Stack {
    folder: PathBuf,
    addresses: Addresses,
    postgres_url: String,
    redis_url: String,
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
        let programs = service::find_programs(options.binaries.as_deref())?;
        let binaries = Binaries::find()?;
        let secrets = Secrets::keep(&folder)?;
        let mut attempt = 1;
        loop {
            let ports = options.ports.choose(Addresses::PORTS)?;
            let starting = Starting {
                options: &options,
                folder: &folder,
                addresses: Addresses::new(&ports),
                secrets: &secrets,
                running: Vec::new(),
            };
            match Box::pin(starting.run(&binaries, &programs)).await {
                Ok(started) => {
                    return Ok(Self {
                        redis_folder: folder.join("redis"),
                        folder,
                        addresses: started.addresses,
                        postgres_url: started.postgres_url,
                        redis_url: started.redis_url,
                        processes: started.processes,
                        _lock: lock,
                        _temporary: temporary,
                    });
                }
                Err(error)
                    if is_clash(&error)
                        && options.ports == crate::PortPlan::Free
                        && attempt < START_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `http://127.0.0.1:PORT` of the edge.
    pub fn edge_url(&self) -> String {
        self.addresses.url(Service::Edge)
    }

    /// `http://127.0.0.1:PORT` of a service's gRPC (of the edge: HTTP).
    pub fn url(&self, service: Service) -> String {
        self.addresses.url(service)
    }

    /// `http://127.0.0.1:PORT/metrics` of a service.
    pub fn metrics_url(&self, service: Service) -> String {
        self.addresses.metrics_url(service)
    }

    /// Connection URL of PostgreSQL's superuser, in the services' database.
    pub fn postgres_url(&self) -> &str {
        &self.postgres_url
    }

    /// Connection URL of Redis.
    pub fn redis_url(&self) -> &str {
        &self.redis_url
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
                "redis" => redis::until_ready(&self.redis_url).await,
                name => {
                    let service = Service::named(name)
                        .with_context(|| format!("there is no process {name:?}"))?;
                    health::until_ready(service, &self.addresses.url(service)).await
                }
            }
        };
        tokio::time::timeout(READY_TIMEOUT, ready)
            .await
            .with_context(|| format!("{name} does not become ready"))?
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
        StackFile {
            edge: self.edge_url(),
            grpc,
            metrics: by_service(&|service| self.metrics_url(service)),
            postgres: self.postgres_url.clone(),
            redis: self.redis_url.clone(),
            account_id: String::new(),
            source_id: String::new(),
            api_key: String::new(),
            pid: std::process::id(),
        }
    }

    /// Stops everything in order: the edge first, which finishes what it accepted; then the
    /// services; then Redis and PostgreSQL.
    pub async fn stop(&self) {
        StackFile::remove(&self.folder);
        let edge = [Service::Edge.name()];
        let stores = ["redis", "postgres"];
        self.stop_all(|name| edge.contains(&name)).await;
        self.stop_all(|name| !edge.contains(&name) && !stores.contains(&name))
            .await;
        self.stop_all(|name| stores.contains(&name)).await;
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

/// A start under way.
struct Starting<'a> {
    options: &'a StackOptions,
    folder: &'a Path,
    addresses: Addresses,
    secrets: &'a Secrets,
    /// Stopped in reverse order where the start fails.
    running: Vec<(Program, Child)>,
}

struct Started {
    addresses: Addresses,
    postgres_url: String,
    redis_url: String,
    processes: Vec<Process>,
}

impl Starting<'_> {
    async fn run(mut self, binaries: &Binaries, programs: &Path) -> anyhow::Result<Started> {
        match Box::pin(self.start(binaries, programs)).await {
            Ok((postgres_url, redis_url)) => {
                let reporter = &self.options.reporter;
                let processes = self
                    .running
                    .into_iter()
                    .map(|(program, child)| {
                        let patience = match Service::named(&program.name) {
                            Some(_) => SERVICE_PATIENCE,
                            None => STORE_PATIENCE,
                        };
                        Process::supervise(program, child, patience, reporter.clone())
                    })
                    .collect();
                Ok(Started {
                    addresses: self.addresses,
                    postgres_url,
                    redis_url,
                    processes,
                })
            }
            Err(error) => {
                while let Some((_, child)) = self.running.pop() {
                    child.stop(STORE_PATIENCE).await;
                }
                Err(error)
            }
        }
    }

    async fn start(
        &mut self,
        binaries: &Binaries,
        programs: &Path,
    ) -> anyhow::Result<(String, String)> {
        let begun = Instant::now();
        self.say("starting PostgreSQL");
        let postgres = Box::pin(Postgres::start(
            binaries,
            PostgresOptions {
                folder: self.folder.join("postgres"),
                port: self.addresses.postgres,
                superuser_password: self.secrets.superuser.clone(),
                services_password: self.secrets.services.clone(),
                log: log_of(self.folder, "postgres"),
                durable: self.options.durable,
            },
        ))
        .await?;
        let created = postgres.create_database(DATABASE).await;
        let postgres_url = postgres.superuser_url(DATABASE);
        let database_url = |schema: &str| postgres.service_url(schema, DATABASE);
        let mut environments = Vec::new();
        for service in Service::ALL {
            environments.push((service, service.schema().map(database_url)));
        }
        self.running
            .push((postgres.program().clone(), postgres.into_child()));
        created.context("can't set up the database")?;
        self.done("PostgreSQL is ready", begun);

        let begun = Instant::now();
        self.say("starting Redis");
        let redis = Redis::start(
            binaries,
            RedisOptions {
                folder: self.folder.join("redis"),
                port: self.addresses.redis,
                password: self.secrets.redis.clone(),
                log: log_of(self.folder, "redis"),
            },
        )
        .await?;
        let redis_url = redis.url();
        self.running
            .push((redis.program().clone(), redis.into_child()));
        self.done("Redis is ready", begun);

        let begun = Instant::now();
        self.say("starting the services");
        for (service, database_url) in environments {
            let program = self.program(service, programs, database_url, &redis_url);
            let child = Child::start(&program)?;
            self.running.push((program, child));
        }
        for service in Service::ALL {
            self.wait_for(service).await?;
            self.done(&format!("{} is ready", service.name()), begun);
        }
        Ok((postgres_url, redis_url))
    }

    fn program(
        &self,
        service: Service,
        programs: &Path,
        database_url: Option<String>,
        redis_url: &str,
    ) -> Program {
        let mut environment = self.addresses.environment(service);
        environment.push(("WEIR_REDIS_URL".into(), redis_url.to_owned()));
        environment.push(("WEIR_LOG_FORMAT".into(), self.options.log_format.clone()));
        if let Some(log) = &self.options.log {
            environment.push(("WEIR_LOG".into(), log.clone()));
        }
        if let Some(url) = database_url {
            environment.push(("WEIR_DATABASE_URL".into(), url));
        }
        if service == Service::Mapping {
            environment.push(("WEIR_KEY_SECRET".into(), self.secrets.key_secret.clone()));
        }
        environment.extend(self.options.environment.iter().cloned());
        Program {
            name: service.name().to_owned(),
            path: programs.join(service.binary()),
            arguments: Vec::new(),
            environment,
            log: log_of(self.folder, service.name()),
            user: None,
            signal: "TERM",
        }
    }

    /// Waits until a service is healthy, or says why it ended instead.
    async fn wait_for(&self, service: Service) -> anyhow::Result<()> {
        let name = service.name();
        let (_, child) = self
            .running
            .iter()
            .find(|(program, _)| program.name == name)
            .expect("all services were started above");
        let url = self.addresses.url(service);
        tokio::select! {
            ready = tokio::time::timeout(READY_TIMEOUT, health::until_ready(service, &url)) => {
                ready.with_context(|| format!(
                    "{name} does not become ready; its log ends with\n{}",
                    child.last_lines()
                ))?
            }
            code = child.exited() => bail!(
                "{name} stopped while starting (exit {code}); its log ends with\n{}",
                child.last_lines()
            ),
        }
    }

    fn say(&self, what: &str) {
        self.options.report(Report::Begins(what.to_owned()));
    }

    fn done(&self, what: &str, begun: Instant) {
        self.options
            .report(Report::Done(what.to_owned(), begun.elapsed()));
    }
}

/// Makes the folder ready, and ours.
fn prepare(folder: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    // PostgreSQL's user must get to its data; everything in here has its own protection.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
        .with_context(|| format!("{} belongs to somebody else", folder.display()))?;
    let path = folder.join("lock");
    let lock = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "Weir is running on {} already; `./weir down` stops it",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("can't lock {}", path.display()));
        }
    }
    if let Some(free) = free_megabytes(folder).filter(|free| *free < DISK_NEEDED_MB) {
        bail!(
            "only {free} MB are free on the disk of {}; Weir needs at least {DISK_NEEDED_MB} MB",
            folder.display()
        );
    }
    fs::create_dir_all(folder.join("log"))?;
    Ok(lock)
}

/// None where `df` can't tell.
fn free_megabytes(folder: &Path) -> Option<u64> {
    let output = std::process::Command::new("df")
        .args(["-Pk", "--"])
        .arg(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kilobytes: u64 = text
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kilobytes / 1024)
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join("log").join(format!("{name}.log"))
}
