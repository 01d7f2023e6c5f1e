//! Starting a stack: stores first, then the services, then waiting for all of them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use socket2::{Domain, Socket, Type};
use weir_redis::RedisOptions;
use weir_servers::Binaries;
use weir_servers::child::{Child, Program};
use weir_servers::secrets::Secrets;

use super::READY_TIMEOUT;
use super::addresses::{Addresses, Instance};
use super::engines::of_ours;
use super::folder::{log_of, mark};
use super::health;
use super::options::{Report, StackOptions};
use super::process::Process;
use super::service::Service;
use super::tls::Certificates;

/// Longer than a service needs to finish what it accepted: the edge 15 s and its drain.
const SERVICE_PATIENCE: Duration = Duration::from_secs(20);
/// A fast shutdown of PostgreSQL writes a checkpoint.
const STORE_PATIENCE: Duration = Duration::from_secs(25);

/// What a service does not see of our own environment.
const NOT_FOR_SERVICES: [&str; 11] = [
    "WEIR_SERVICE_TOKEN_FILE",
    "WEIR_ADMIN_TOKEN_FILE",
    "WEIR_UP_POSTGRES",
    "WEIR_UP_REDIS",
    "WEIR_TEST_POSTGRES",
    "WEIR_TEST_REDIS",
    "WEIR_ADMIN_DATABASE_URL",
    "WEIR_MAPPING_DATABASE_PASSWORD",
    "WEIR_CONTACT_DATABASE_PASSWORD",
    "WEIR_ACTIVITY_DATABASE_PASSWORD",
    "WEIR_AUDIENCE_DATABASE_PASSWORD",
];

/// `text` or `json`, as all services read it.
const LOG_FORMAT: &str = "WEIR_LOG_FORMAT";
/// Read by the services' runtime.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// A start under way.
pub struct Starting<'a> {
    pub options: &'a StackOptions,
    pub folder: &'a Path,
    pub addresses: Addresses,
    pub secrets: &'a Secrets,
    /// Where it speaks TLS.
    pub tls: Option<Certificates>,
    /// Stopped in reverse order where the start fails.
    pub running: Vec<(Program, Child)>,
}

/// What came of it.
pub struct Started {
    pub addresses: Addresses,
    pub postgres_url: String,
    /// Of an administrator.
    pub token: String,
    /// Of the services among themselves.
    pub service_token: String,
    pub stores: Stores,
    pub processes: Vec<Process>,
    pub tls: Option<Certificates>,
}

/// Where what is stored lies.
#[derive(Clone)]
pub struct Stores {
    /// Of each service that owns tables.
    databases: Vec<(Service, String)>,
    pub redis_url: String,
    pub redis_certificates: RedisOptions,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stores")
    }
}

impl Stores {
    /// The authority of Redis' certificate, where there is one to be named.
    pub fn redis_ca(&self) -> String {
        let authority = self.redis_certificates.redis_ca.as_ref();
        authority.map_or_else(String::new, |path| path.display().to_string())
    }
}

impl Starting<'_> {
    /// Starts everything; where that fails, stops what was started.
    pub async fn run(
        mut self,
        binaries: Option<&Binaries>,
        programs: &Path,
    ) -> anyhow::Result<Started> {
        match Box::pin(self.start(binaries, programs)).await {
            Ok((postgres_url, stores)) => {
                let reporter = &self.options.reporter;
                let processes = self
                    .running
                    .into_iter()
                    .map(|(program, child)| {
                        let patience = match Instance::named(&program.name) {
                            Some(_) => SERVICE_PATIENCE,
                            None => STORE_PATIENCE,
                        };
                        Process::supervise(program, child, patience, reporter.clone())
                    })
                    .collect();
                Ok(Started {
                    addresses: self.addresses,
                    postgres_url,
                    token: self.secrets.administrator.clone(),
                    service_token: self.secrets.between_services.clone(),
                    stores,
                    processes,
                    tls: self.tls,
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
        binaries: Option<&Binaries>,
        programs: &Path,
    ) -> anyhow::Result<(String, Stores)> {
        // Looked at before anything is changed anywhere.
        let their_redis = Box::pin(self.their_redis()).await?;
        let (postgres_url, databases) = Box::pin(self.postgres(binaries)).await?;
        let (redis_url, redis_certificates) = match their_redis {
            Some(theirs) => theirs,
            None => Box::pin(self.own_redis(of_ours(binaries))).await?,
        };
        let stores = Stores {
            databases,
            redis_url,
            redis_certificates,
        };

        let begun = Instant::now();
        self.say("starting the services");
        let sockets = [self.addresses.edge_port(), self.addresses.classic].map(listen);
        let [main, classic] = sockets;
        let services = ServicePrograms {
            sockets: vec![Arc::new(main?), Arc::new(classic?)],
            options: self.options,
            folder: self.folder,
            addresses: &self.addresses,
            secrets: self.secrets,
            stores: &stores,
            tls: self.tls.as_ref(),
            programs,
        };
        let instances: Vec<_> = self.addresses.all().collect();
        for instance in &instances {
            let program = services.program(*instance);
            let child = Child::start(&program)?;
            self.running.push((program, child));
        }
        for instance in instances {
            self.wait_for(instance).await?;
            self.done(&format!("{} is ready", instance.name()), begun);
        }
        Ok((postgres_url, stores))
    }

    /// Waits until a service is healthy, or says why it ended instead.
    async fn wait_for(&self, instance: Instance) -> anyhow::Result<()> {
        let name = instance.name();
        let (_, child) = self
            .running
            .iter()
            .find(|(program, _)| program.name == name)
            .expect("all services were started above");
        let listens = self.addresses.listens(instance);
        let reach = Certificates::reach(self.tls.as_ref())?;
        let ready = health::until_ready(instance.service, &listens, &reach);
        tokio::select! {
            ready = tokio::time::timeout(READY_TIMEOUT, ready) => {
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

    pub(super) fn say(&self, what: &str) {
        self.options.report(Report::Begins(what.to_owned()));
    }

    pub(super) fn done(&self, what: &str, begun: Instant) {
        self.options
            .report(Report::Done(what.to_owned(), begun.elapsed()));
    }
}

/// Listens for the edges, which come and go.
fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listening = || -> io::Result<()> {
        socket.bind(&address.into())?;
        // As many as all edges together may have open: whoever comes while none accepts waits.
        socket.listen(4_096)
    };
    // The words by which a port that was taken meanwhile is known.
    listening().with_context(|| format!("can't listen on {address}"))?;
    Ok(socket.into())
}

/// What the services' processes are made of.
pub struct ServicePrograms<'a> {
    /// The edges'.
    pub sockets: Vec<Arc<TcpListener>>,
    pub options: &'a StackOptions,
    pub folder: &'a Path,
    pub addresses: &'a Addresses,
    pub secrets: &'a Secrets,
    pub stores: &'a Stores,
    pub tls: Option<&'a Certificates>,
    /// Where the binaries are.
    pub programs: &'a Path,
}

impl ServicePrograms<'_> {
    /// One process.
    pub fn program(&self, instance: Instance) -> Program {
        let (service, name) = (instance.service, instance.name());
        let mut environment = self.addresses.environment(instance);
        environment.push(("WEIR_REDIS_URL".into(), self.stores.redis_url.clone()));
        // What our own environment says of it, the process has as well.
        if std::env::var_os(LOG_FORMAT).is_none_or(|format| format.is_empty()) {
            environment.push((LOG_FORMAT.into(), "text".into()));
        }
        if let Some(log) = &self.options.log {
            environment.push(("WEIR_LOG".into(), log.clone()));
        }
        let mut databases = self.stores.databases.iter();
        if let Some((_, url)) = databases.find(|(owner, _)| *owner == service) {
            environment.push(("WEIR_DATABASE_URL".into(), url.clone()));
        }
        let secrets = self.secrets;
        environment.extend(Certificates::environment(self.tls, service));
        // Of whoever's Redis it is.
        let redis = &self.stores.redis_certificates;
        for (name, file) in [
            ("WEIR_REDIS_CA", &redis.redis_ca),
            ("WEIR_REDIS_CERT", &redis.redis_cert),
            ("WEIR_REDIS_KEY", &redis.redis_key),
        ] {
            let file = file.as_ref().map(|file| file.display().to_string());
            environment.push((name.into(), file.unwrap_or_default()));
        }
        // With TLS services are known by their certificates.
        let between_services = match self.tls {
            Some(_) => String::new(),
            None => secrets.between_services.clone(),
        };
        environment.push(("WEIR_SERVICE_TOKEN".into(), between_services));
        // The edge asks for keys, and lets no administrator in.
        let administrator = match service {
            Service::Edge => String::new(),
            _ => secrets.administrator.clone(),
        };
        environment.push(("WEIR_ADMIN_TOKEN".into(), administrator));
        // Those of another installation may be named in our own environment, and what administers
        // the engines is for no service.
        for other in NOT_FOR_SERVICES {
            environment.push((other.into(), String::new()));
        }
        if service == Service::Console {
            environment.push(("WEIR_CONSOLE_SECRET".into(), secrets.console.clone()));
            environment.push(("WEIR_CONSOLE_SECRET_FILE".into(), String::new()));
        }
        if service == Service::Mapping {
            environment.push(("WEIR_KEY_SECRET".into(), self.secrets.key_secret.clone()));
            let mail = self.folder.join("mail").display().to_string();
            environment.push(("WEIR_MAIL_FOLDER".into(), mail));
        }
        if std::env::var_os(WORKER_THREADS).is_none() {
            environment.push((WORKER_THREADS.into(), worker_threads().to_string()));
        }
        environment.extend(self.options.environment.iter().cloned());
        let own = self.options.environment_of.iter();
        let own = own.filter(|(process, _)| *process == name);
        environment.extend(own.map(|(_, variable)| variable.clone()));
        environment.push(mark(self.folder));
        Program {
            path: self.programs.join(service.binary()),
            arguments: Vec::new(),
            environment,
            log: log_of(self.folder, &name),
            name,
            user: None,
            signal: "TERM",
            sockets: match service {
                Service::Edge => self.sockets.clone(),
                _ => Vec::new(),
            },
        }
    }
}

/// Seven services, PostgreSQL and Redis share this machine. With a thread for each core in every
/// one of them they would mostly wake each other, and each thread keeps memory of its own.
fn worker_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores / 2).max(1)
}
