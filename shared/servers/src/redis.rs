//! A private Redis, with a user of its own and an append-only file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use weir_redis::{Patience, RedisOptions as Certificates};

use crate::binaries::Binaries;
use crate::child::{Child, Program};
use crate::secrets::write_private;
use crate::tls::ServerTls;

/// It reads its append-only file first.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// One question; a Redis that is busy starting is asked again.
const ANSWER: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// How a Redis is set up.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Its data go into here.
    pub folder: PathBuf,
    /// On the loopback interface.
    pub port: u16,
    /// Of the default user, the only one.
    pub password: String,
    /// What it says.
    pub log: PathBuf,
    /// More lines of its configuration.
    pub settings: Vec<String>,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
    /// Where it is not to be spoken to plainly.
    pub tls: Option<ServerTls>,
}

/// A Redis, running or stopped.
#[derive(Debug)]
pub struct Redis {
    options: RedisOptions,
    program: Program,
    child: Child,
}

impl Redis {
    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// It can't be started; the text says why.
    pub async fn start(binaries: &Binaries, options: RedisOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.folder)
            .with_context(|| format!("can't create {}", options.folder.display()))?;
        let config = options.folder.join("redis.conf");
        write_private(&config, configuration(&options).as_bytes())?;
        let program = Program {
            name: "redis".into(),
            path: binaries.redis.clone(),
            arguments: vec![config.into_os_string()],
            environment: options.environment.clone(),
            log: options.log.clone(),
            user: None,
            signal: "TERM",
            sockets: Vec::new(),
        };
        let child = Child::start(&program)?;
        let redis = Self {
            options,
            program,
            child,
        };
        redis.wait_until_ready().await?;
        Ok(redis)
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

    /// Connection URL.
    pub fn url(&self) -> String {
        let RedisOptions {
            port,
            password,
            tls,
            ..
        } = &self.options;
        let scheme = if tls.is_some() { "rediss" } else { "redis" };
        // With the user: redis-cli takes a URL without one for a user of no name.
        format!("{scheme}://default:{password}@127.0.0.1:{port}/0")
    }

    /// The same, with the authority that it is known by.
    ///
    /// # Errors
    /// The authority can't be read.
    pub fn address(&self) -> anyhow::Result<weir_redis::Redis> {
        address(&self.url(), &certificates(self.options.tls.as_ref()))
    }

    /// Stops it nicely: what it was told is on disk.
    pub async fn stop(&self) {
        self.child.stop(STOP_TIMEOUT).await;
    }

    /// Ends it the hard way; up to a second of what it was told may be lost.
    pub async fn kill9(&self) {
        self.child.kill9();
        self.child.exited().await;
    }

    /// Starts it again after `stop` or `kill9`, on the same port and data.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = Child::start(&self.program)?;
        self.wait_until_ready().await
    }

    /// Forgets everything while it is stopped, as a lost disk would.
    ///
    /// # Errors
    /// The files can't be removed.
    pub fn wipe(&self) -> anyhow::Result<()> {
        wipe(&self.options.folder)
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let address = self.address()?;
        tokio::select! {
            ready = until_ready(&address) => ready.with_context(|| {
                format!("Redis does not answer; its log ends with\n{}", self.child.last_lines())
            }),
            code = self.child.exited() => bail!(
                "Redis stopped while starting (exit {code}); its log ends with\n{}",
                self.child.last_lines()
            ),
        }
    }
}

/// Removes the data of a Redis that is stopped.
///
/// # Errors
/// The files can't be removed.
pub fn wipe(folder: &Path) -> anyhow::Result<()> {
    for name in ["appendonlydir", "dump.rdb"] {
        let path = folder.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else if path.exists() {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What is trusted of a Redis of one's own.
pub fn certificates(tls: Option<&ServerTls>) -> Certificates {
    Certificates {
        redis_ca: tls.map(|tls| tls.authority.clone()),
        ..Certificates::default()
    }
}

/// Where a Redis is that speaks TLS, or does not.
///
/// # Errors
/// The authority can't be read.
pub fn address(url: &str, certificates: &Certificates) -> anyhow::Result<weir_redis::Redis> {
    let patience = Patience {
        connect: ANSWER,
        answer: ANSWER,
    };
    Ok(weir_redis::Redis::with(url, patience, certificates)?)
}

/// Waits until Redis answers there.
///
/// # Errors
/// It does not within a minute.
pub async fn until_ready(address: &weir_redis::Redis) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let answer: redis::RedisResult<String> = async {
            let mut connection = address.connect().await?;
            redis::cmd("PING").query_async(&mut connection).await
        }
        .await;
        match answer {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > START_TIMEOUT => return Err(error.into()),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// The password stands in a file that only we can read, not on a command line. It is the
/// default user's: Redis replays its append-only file as that one, and refuses every
/// transaction in it where the user is off.
fn configuration(options: &RedisOptions) -> String {
    let RedisOptions {
        folder,
        port,
        password,
        settings,
        tls,
        ..
    } = options;
    let ports = match tls {
        None => format!("port {port}"),
        Some(tls) => format!(
            "port 0\n\
             tls-port {port}\n\
             tls-cert-file \"{}\"\n\
             tls-key-file \"{}\"\n\
             tls-ca-cert-file \"{}\"\n\
             tls-auth-clients no",
            tls.certificate.display(),
            tls.key.display(),
            tls.authority.display()
        ),
    };
    let settings = settings.join("\n");
    format!(
        "bind 127.0.0.1\n\
         {ports}\n\
         dir \"{}\"\n\
         appendonly yes\n\
         appendfsync everysec\n\
         save \"\"\n\
         daemonize no\n\
         requirepass {password}\n\
         {settings}\n",
        folder.display()
    )
}
