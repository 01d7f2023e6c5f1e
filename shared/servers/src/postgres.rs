//! A private PostgreSQL: its cluster, its process, and the databases of Weir in it.

mod recovery;
mod roles;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use weir_postgres::DialError;

pub use roles::{ROLES, make_roles};

use crate::binaries::Binaries;
use crate::child::{Child, Program};
use crate::secrets::write_private;
use crate::tls::ServerTls;
use crate::user::{self, User};

/// What PostgreSQL is set to wherever it runs.
const SETTINGS: &str = include_str!("../postgresql.conf");
/// The services that own tables, as their schemas are called.
pub const SCHEMAS: [&str; 4] = ["mapping", "contact", "activity", "audience"];
/// The database of a stack.
pub const DATABASE: &str = "weir";
/// After a hard stop, PostgreSQL reads its log again before it takes connections.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// A fast shutdown writes a checkpoint.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);
const POLL: Duration = Duration::from_millis(20);

/// How a PostgreSQL is set up.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The cluster goes into here.
    pub folder: PathBuf,
    /// On the loopback interface.
    pub port: u16,
    /// Of the superuser `weir`.
    pub superuser_password: String,
    /// Of the roles of the services, by their schemas.
    pub role_passwords: BTreeMap<String, String>,
    /// What it says.
    pub log: PathBuf,
    /// Whether a commit survives a power cut. Only throw-away data may do without.
    pub durable: bool,
    /// Further settings, `name=value`; they win over ours.
    pub settings: Vec<String>,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
    /// Where it is not to be spoken to plainly.
    pub tls: Option<ServerTls>,
}

/// A PostgreSQL, running or stopped.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    program: Program,
    user: Option<User>,
    child: Child,
}

impl Postgres {
    /// Creates the cluster where there is none yet, starts it, and waits until it answers.
    /// Roles are made by `create_database`.
    ///
    /// # Errors
    /// It can't be created or started; the text says why.
    pub async fn start(binaries: &Binaries, options: PostgresOptions) -> anyhow::Result<Self> {
        Self::start_telling(binaries, options, |_| {}).await
    }

    /// The same; one that is restored is waited for until it takes writes, and `tell` is told so
    /// at first and every ten seconds.
    ///
    /// # Errors
    /// As above.
    pub async fn start_telling(
        binaries: &Binaries,
        options: PostgresOptions,
        tell: impl Fn(&str),
    ) -> anyhow::Result<Self> {
        let user = user::unprivileged()?;
        let mut options = options;
        options.folder = user::reachable(&options.folder, user.as_ref())?;
        if !options.folder.join("PG_VERSION").exists() {
            initialise(binaries, &options, user.as_ref())?;
        }
        check_version(binaries, &options.folder)?;
        let tls = write_access(&options, user.as_ref())?;
        options.settings.extend(tls);
        let program = program(binaries, &options, user.clone());
        let is_restored = recovery::is_restored(&options.folder);
        let child = Child::start(&program)?;
        let postgres = Self {
            options,
            program,
            user,
            child,
        };
        match is_restored {
            true => postgres.until_writable(tell).await?,
            false => postgres.wait_until_ready().await?,
        }
        Ok(postgres)
    }

    /// What runs, for a supervisor that starts it again.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Gives the process to a supervisor.
    pub fn into_child(self) -> Child {
        self.child
    }

    /// Connection URL of the superuser, for a database.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url("weir", &self.options.superuser_password, database)
    }

    /// Connection URL of a service's role, for a database; `schema` is one of `SCHEMAS`.
    pub fn service_url(&self, schema: &str, database: &str) -> String {
        let password = self.role_password(schema);
        self.url(&format!("weir_{schema}"), password, database)
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        let PostgresOptions { port, tls, .. } = &self.options;
        let tls = tls.as_ref().map_or_else(String::new, |tls| {
            let authority = encoded(&tls.authority.display().to_string());
            format!("?sslmode=verify-full&sslrootcert={authority}")
        });
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}{tls}")
    }

    fn role_password(&self, schema: &str) -> &str {
        let password = self.options.role_passwords.get(schema);
        password.expect("every service that owns tables has one")
    }

    /// Makes a database with the schemas and roles of all services; one that is there is
    /// left as it is.
    ///
    /// # Errors
    /// A statement fails.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<()> {
        let server = connect(&self.superuser_url("postgres")).await?;
        let exists = server
            .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name])
            .await?
            .is_some();
        if !exists {
            server
                .batch_execute(&format!("CREATE DATABASE \"{name}\""))
                .await?;
        }
        let database = connect(&self.superuser_url(name)).await?;
        make_roles(&database, &self.options.role_passwords).await
    }

    /// Stops it nicely.
    pub async fn stop(&self) {
        self.child.stop(STOP_TIMEOUT).await;
    }

    /// Ends it the hard way, and waits until it is gone.
    pub async fn kill9(&self) {
        self.child.kill9();
        self.child.exited().await;
    }

    /// Starts it again after `stop` or `kill9`, on the same port and data.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        // Backends of a killed server need a moment to notice; until then a new one refuses.
        let started = Instant::now();
        loop {
            self.child = Child::start(&self.program)?;
            match self.wait_until_ready().await {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > START_TIMEOUT => return Err(error),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let url = self.superuser_url("postgres");
        let ready = until_ready(&url);
        tokio::select! {
            ready = ready => ready.with_context(|| {
                format!("PostgreSQL does not answer; its log ends with\n{}", self.child.last_lines())
            }),
            code = self.child.exited() => bail!(
                "PostgreSQL stopped while starting (exit {code}); its log ends with\n{}",
                self.child.last_lines()
            ),
        }
    }

    /// Whom it runs as, where that is not us.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }
}

/// Waits until PostgreSQL answers at `url`.
///
/// # Errors
/// It does not within two minutes.
pub async fn until_ready(url: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        match connect(url).await {
            Ok(client) if client.simple_query("SELECT 1").await.is_ok() => return Ok(()),
            Err(error) if started.elapsed() > START_TIMEOUT => return Err(error),
            Err(error) => with_other_password(error)?,
            Ok(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

/// An error that no waiting will help.
fn with_other_password(error: anyhow::Error) -> anyhow::Result<()> {
    match error.downcast_ref() {
        Some(DialError::Postgres(cause)) if cause.code() == Some(&SqlState::INVALID_PASSWORD) => {
            Err(error.context(
                "the data were made with another password (secrets.json is gone or changed)",
            ))
        }
        _ => Ok(()),
    }
}

/// A connection for a few statements; it ends when the client is dropped.
///
/// # Errors
/// PostgreSQL is away or refuses.
pub async fn connect(url: &str) -> anyhow::Result<Client> {
    Ok(weir_postgres::connect_once(url).await?)
}

/// A quarter of the machine's memory, as PostgreSQL's manual has it, within limits; in MiB.
/// It is taken as it is used. Look-ups are all over the tables, and a page that is not there
/// costs several times the look-up.
fn shared_buffers() -> u64 {
    const LIMITS: (u64, u64) = (256, 4_096);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| {
        let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    (total.unwrap_or(0) / 1_024 / 4).clamp(LIMITS.0, LIMITS.1)
}

const PRELOAD: &str = "shared_preload_libraries=pg_stat_statements";

fn program(binaries: &Binaries, options: &PostgresOptions, user: Option<User>) -> Program {
    let everywhere = SETTINGS.lines().filter(|line| !line.starts_with('#'));
    let mut settings: Vec<String> = everywhere.map(|line| line.replace(" = ", "=")).collect();
    settings.extend([
        "listen_addresses=127.0.0.1".into(),
        format!("port={}", options.port),
        "unix_socket_directories=".into(),
    ]);
    if options.durable {
        settings.extend([
            "fsync=on".into(),
            "synchronous_commit=on".into(),
            format!("shared_buffers={}MB", shared_buffers()),
        ]);
    } else {
        settings.extend([
            "fsync=off".into(),
            "full_page_writes=off".into(),
            "shared_buffers=64MB".into(),
        ]);
    }
    if binaries.has_statement_statistics() {
        settings.push(PRELOAD.into());
        settings.push("pg_stat_statements.max=10000".into());
    }
    settings.extend(options.settings.iter().cloned());
    let mut arguments = vec!["-D".into(), options.folder.clone().into_os_string()];
    for setting in settings {
        arguments.push("-c".into());
        arguments.push(setting.into());
    }
    Program {
        name: "postgres".into(),
        path: binaries.program("postgres"),
        arguments,
        environment: options.environment.clone(),
        log: options.log.clone(),
        user,
        // Fast shutdown: ends sessions, and leaves nothing to recover.
        signal: "INT",
        sockets: Vec::new(),
    }
}

fn initialise(
    binaries: &Binaries,
    options: &PostgresOptions,
    user: Option<&User>,
) -> anyhow::Result<()> {
    user::create_owned(&options.folder, user)?;
    let password_file = options.folder.with_extension("password");
    write_private(&password_file, options.superuser_password.as_bytes())?;
    if let Some(user) = user {
        std::os::unix::fs::chown(&password_file, Some(user.uid), Some(user.gid))?;
    }
    let mut command = Command::new(binaries.program("initdb"));
    command
        .arg("-D")
        .arg(&options.folder)
        .args([
            "-U",
            "weir",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
        ])
        .arg(format!("--pwfile={}", password_file.display()))
        .current_dir("/");
    if !options.durable {
        command.arg("--no-sync");
    }
    if let Some(user) = user {
        command.uid_and_gid(user);
    }
    let output = command.output();
    let _ = std::fs::remove_file(&password_file);
    let output = output.context("can't run initdb")?;
    if output.status.success() {
        return Ok(());
    }
    // Half a cluster would be taken for a whole one next time.
    let _ = std::fs::remove_dir_all(&options.folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("No space left") {
        bail!("no space left on the disk of {}", options.folder.display());
    }
    bail!("initdb can't create {}:\n{said}", options.folder.display())
}

/// Who may connect how, where it speaks TLS or did so before; and what TLS takes to be set.
/// PostgreSQL reads keys that are its own user's.
fn write_access(options: &PostgresOptions, user: Option<&User>) -> anyhow::Result<Vec<String>> {
    const BY_WEIR: &str = "# Written by Weir at each start.\n";
    let rules = options.folder.join("pg_hba.conf");
    let give = |path: &Path| match user {
        Some(user) => std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    };
    let Some(tls) = &options.tls else {
        let is_ours = std::fs::read_to_string(&rules).is_ok_and(|was| was.starts_with(BY_WEIR));
        if is_ours {
            let plain = "host all all 127.0.0.1/32 scram-sha-256\n";
            write_private(&rules, format!("{BY_WEIR}{plain}").as_bytes())?;
            give(&rules)?;
        }
        return Ok(Vec::new());
    };
    let only = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
    write_private(&rules, format!("{BY_WEIR}{only}").as_bytes())?;
    give(&rules)?;
    for (from, name) in [(&tls.certificate, "server.crt"), (&tls.key, "server.key")] {
        let text = std::fs::read(from).with_context(|| format!("can't read {}", from.display()))?;
        let own = options.folder.join(name);
        write_private(&own, &text)?;
        give(&own)?;
    }
    Ok(vec!["ssl=on".to_owned()])
}

/// As it stands in a URL.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            plain if plain.is_ascii_alphanumeric() || b"/-._".contains(&plain) => {
                text.push(char::from(plain));
            }
            other => text.push_str(&format!("%{other:02x}")),
        }
    }
    text
}

trait RunAs {
    fn uid_and_gid(&mut self, user: &User);
}

impl RunAs for Command {
    fn uid_and_gid(&mut self, user: &User) {
        use std::os::unix::process::CommandExt;
        self.uid(user.uid).gid(user.gid);
    }
}

/// Data of another major version can't be read.
fn check_version(binaries: &Binaries, folder: &Path) -> anyhow::Result<()> {
    let data = std::fs::read_to_string(folder.join("PG_VERSION")).unwrap_or_default();
    let output = Command::new(binaries.program("postgres"))
        .arg("--version")
        .output()
        .context("can't run postgres")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let program = said
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .and_then(|version| version.split('.').next())
        .unwrap_or_default();
    if data.trim() == program || program.is_empty() {
        return Ok(());
    }
    bail!(
        "the data in {} are of PostgreSQL {}, but PostgreSQL {program} is installed; move them \
         with pg_upgrade, or choose another folder with --data",
        folder.display(),
        data.trim()
    )
}
