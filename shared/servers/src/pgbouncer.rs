//! PgBouncer before a PostgreSQL, for tests, where it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::TestServers;
use crate::child::{Child, Program};
use crate::ports::free_port;
use crate::postgres::connect;
use crate::secrets::write_private;
use crate::temporary::TemporaryFolder;
use crate::user;

/// Names another one than that of the PATH.
const PROGRAM: &str = "WEIR_PGBOUNCER";
/// From there on it keeps statements that clients prepared, where it is told how many.
const KEEPS_STATEMENTS: (u32, u32) = (1, 21);
const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// What it gives to a client, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// A connection for as long as it stays.
    Sessions,
    /// One for each transaction, with the statements that it prepared.
    Transactions,
    /// As well, without them, as before version 1.21.
    TransactionsAlone,
    /// As `Sessions`, and nothing that a connection begins with is put up with.
    Strict,
}

/// A PgBouncer, running; gone with the process.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    child: Child,
    _folder: TemporaryFolder,
}

impl PgBouncer {
    /// Starts one before that server. None where none is installed, or the one that is can't do it;
    /// says so.
    ///
    /// # Errors
    /// It can't be started; the text says why.
    #[expect(
        clippy::print_stdout,
        reason = "a test that is left out says so where its output is"
    )]
    pub async fn start(servers: &TestServers, pooling: Pooling) -> anyhow::Result<Option<Self>> {
        let Some((program, version)) = find() else {
            println!("LEFT OUT: there is no PgBouncer (apt-get install pgbouncer)");
            return Ok(None);
        };
        let keeps = version >= KEEPS_STATEMENTS;
        if pooling == Pooling::Transactions && !keeps {
            println!("LEFT OUT: PgBouncer {version:?} keeps no prepared statements, 1.21 does");
            return Ok(None);
        }
        let folder = TemporaryFolder::create()?;
        // Like PostgreSQL, it does not run as root.
        let user = user::unprivileged()?;
        let own = folder.path().join("pgbouncer");
        user::create_owned(&own, user.as_ref())?;
        let (port, settings, users) = (free_port()?, own.join("ini"), own.join("users"));
        let superuser = servers.postgres.superuser_url("postgres");
        let (_, at) = superuser.rsplit_once('@').context("no URL")?;
        let to = at.split('/').next().and_then(|at| at.rsplit_once(':'));
        let (_, to) = to.context("no port")?;
        let password = superuser.strip_prefix("postgres://weir:");
        let password = password.and_then(|rest| rest.split('@').next());
        let password = password.context("no password")?;
        let mode = match pooling {
            Pooling::Sessions | Pooling::Strict => "session",
            Pooling::Transactions | Pooling::TransactionsAlone => "transaction",
        };
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={to} auth_user=weir\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n\
             default_pool_size = 50\nmax_client_conn = 500\nserver_login_retry = 1\n",
            users.display()
        );
        if pooling != Pooling::Strict {
            text.push_str("ignore_startup_parameters = options\n");
        }
        if keeps {
            let kept = if pooling == Pooling::Transactions {
                500
            } else {
                0
            };
            text.push_str(&format!("max_prepared_statements = {kept}\n"));
        }
        write_private(&settings, text.as_bytes())?;
        write_private(&users, format!("\"weir\" \"{password}\"\n").as_bytes())?;
        if let Some(user) = &user {
            for file in [&settings, &users] {
                std::os::unix::fs::chown(file, Some(user.uid), Some(user.gid))?;
            }
        }
        let child = Child::start(&Program {
            name: "pgbouncer".into(),
            path: program,
            arguments: vec![settings.into_os_string()],
            environment: Vec::new(),
            log: folder.path().join("pgbouncer.log"),
            user,
            signal: "TERM",
            sockets: Vec::new(),
        })?;
        let bouncer = Self {
            port,
            child,
            _folder: folder,
        };
        bouncer
            .until_ready(&bouncer.way(&superuser), pooling)
            .await?;
        Ok(Some(bouncer))
    }

    /// The same URL, by this way.
    ///
    /// # Panics
    /// It is none.
    pub fn way(&self, url: &str) -> String {
        let (user, rest) = url.rsplit_once('@').expect("a URL with a user");
        let (_, database) = rest.split_once('/').expect("a URL with a database");
        format!("{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it.
    pub async fn stop(&self) {
        self.child.stop(STOP_TIMEOUT).await;
    }

    async fn until_ready(&self, url: &str, pooling: Pooling) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            match connect(url).await {
                Ok(_) => return Ok(()),
                // It is there, and strict.
                Err(error) if pooling == Pooling::Strict && error.to_string().contains("FATAL") => {
                    return Ok(());
                }
                Err(error) if began.elapsed() > START_TIMEOUT => {
                    bail!("{error:#}; its log ends with\n{}", self.child.last_lines())
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}

/// The program, and its version.
fn find() -> Option<(PathBuf, (u32, u32))> {
    let named = std::env::var_os(PROGRAM).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut known = named
        .into_iter()
        .chain(folders.map(|folder| folder.join("pgbouncer")));
    let program = known.find(|program| program.is_file())?;
    let version = version(&program)?;
    Some((program, version))
}

fn version(program: &Path) -> Option<(u32, u32)> {
    let said = Command::new(program).arg("--version").output().ok()?.stdout;
    let said = String::from_utf8(said).ok()?;
    let mut numbers = said.lines().next()?.rsplit(' ').next()?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}
