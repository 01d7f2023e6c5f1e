//! How a stack is set up.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::PortPlan;

/// What happens, for somebody who watches.
#[derive(Debug, Clone)]
pub enum Report {
    /// A step begins.
    Begins(String),
    /// A step is done; since it began.
    Done(String, Duration),
    /// A process ended that should not have; name, exit code, the end of its log.
    Crashed(String, i32, String),
    /// It runs again.
    Restarted(String),
}

/// Takes reports.
pub type Reporter = Arc<dyn Fn(Report) + Send + Sync>;

/// A PostgreSQL, and a Redis or a cluster of them, that somebody else runs: never started, stopped
/// or emptied here.
#[derive(Clone, Default)]
pub struct Engines {
    /// URL of an administrator of PostgreSQL.
    pub postgres: Option<String>,
    /// URL of Redis.
    pub redis: Option<String>,
    /// What the roles of the services log in with, by their schemas; those that are not named by
    /// what the folder keeps.
    pub role_passwords: BTreeMap<String, String>,
}

/// How a stack is set up.
#[derive(Clone)]
pub struct StackOptions {
    /// Data, logs and `stack.json` go into here; none: a temporary folder.
    pub folder: Option<PathBuf>,
    /// Where everything listens.
    pub ports: PortPlan,
    /// How many processes of each service; two edges where it is more than one.
    pub replicas: NonZeroU16,
    /// Where the services' binaries are; none: beside the running one.
    pub binaries: Option<PathBuf>,
    /// Whether a commit survives a power cut.
    pub durable: bool,
    /// Those that somebody else runs; of the others there is one of our own.
    pub engines: Engines,
    /// Whether everything speaks TLS, by certificates that are made in the folder.
    pub tls: bool,
    /// Which log lines the services write (`WEIR_LOG`); none: as our own environment says.
    pub log: Option<String>,
    /// Further settings of PostgreSQL, `name=value`.
    pub postgres_settings: Vec<String>,
    /// Further environment of all services.
    pub environment: Vec<(String, String)>,
    /// That of one process alone, by its name (`quota-2`), which goes before that of all.
    pub environment_of: Vec<(String, (String, String))>,
    /// Is told of every step.
    pub reporter: Reporter,
}

impl StackOptions {
    /// A stack that keeps its data in `folder`, as `./weir up` wants it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..Self::temporary()
        }
    }

    /// A stack whose data vanish with it. They are durable all the same, so that it behaves
    /// like a real one; see `durable`.
    pub fn temporary() -> Self {
        Self {
            folder: None,
            ports: PortPlan::Free,
            replicas: NonZeroU16::MIN,
            binaries: None,
            durable: true,
            engines: Engines::default(),
            tls: false,
            log: None,
            postgres_settings: Vec::new(),
            environment: Vec::new(),
            environment_of: Vec::new(),
            reporter: Arc::new(|_| {}),
        }
    }

    /// With so many processes of each service.
    #[must_use]
    pub fn replicas(mut self, replicas: NonZeroU16) -> Self {
        self.replicas = replicas;
        self
    }

    /// On engines that somebody else runs.
    #[must_use]
    pub fn on(mut self, engines: Engines) -> Self {
        self.engines = engines;
        self
    }

    /// With TLS everywhere.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Adds to the environment of all services.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn report(&self, report: Report) {
        (self.reporter)(report);
    }
}

impl std::fmt::Debug for StackOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StackOptions")
            .field("folder", &self.folder)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}
