//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use lettre::message::Mailbox;
use weir_service::{Hidden, hidden, path, read_secret};

use crate::clients::{MailOptions, MailServer};
use crate::domain::key::KeySecret;

/// Configuration of accounts, and the conversion of raw events into typed values.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-mapping", version)]
pub struct Config {
    /// Where to serve gRPC.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:7001")]
    pub listen: SocketAddr,
    /// Of the role that owns the schema `mapping`.
    #[arg(long, env = "WEIR_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections to PostgreSQL, at most. A batch needs none but twice a second and source.
    #[arg(
        long,
        env = "WEIR_DATABASE_CONNECTIONS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub database_connections: u16,
    /// Holds samples, event names and log lines: `redis://user:password@host:port`, or
    /// `redis+cluster://user:password@host:port,host:port` for a cluster, by some of its nodes;
    /// `rediss` speaks TLS.
    #[arg(long, env = "WEIR_REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// Its certificates.
    #[command(flatten)]
    pub redis: weir_redis::RedisOptions,
    /// With what API keys and tokens are hashed; at least 16 characters. They are lost with it. A
    /// second one, behind a comma, finds what it hashed, which the first hashes anew as it is used:
    /// so one can take the place of the other.
    #[arg(long, env = "WEIR_KEY_SECRET", hide_env_values = true, value_parser = key_secret)]
    pub key_secret: KeySecret,
    /// The contact-upsert service, which holds the copy of the unique identifiers that counts.
    #[arg(
        long,
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact_url: String,
    /// The activity service; of an account that is deleted it erases what it keeps, as the two
    /// below.
    #[arg(
        long,
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity_url: String,
    /// The audience service.
    #[arg(
        long,
        env = "WEIR_AUDIENCE_URL",
        default_value = "http://127.0.0.1:7004"
    )]
    pub audience_url: String,
    /// The quota service.
    #[arg(long, env = "WEIR_QUOTA_URL", default_value = "http://127.0.0.1:7005")]
    pub quota_url: String,
    /// When an account that was deleted begins to be erased: no key opens the door for longer
    /// than 60 s, a batch that was under way ends within 10 s, its lease and what it left in an
    /// outbox within 30 s.
    #[arg(
        long,
        env = "WEIR_ERASURE_DELAY_SECONDS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(0..=86_400)
    )]
    pub erasure_delay_seconds: u32,
    /// A database in MaxMind's format (GeoLite2-City, or another of cities or countries), by which
    /// `ip` becomes a place; read again when it changes. Without one `ip` is ignored.
    #[arg(long, env = "WEIR_GEOIP_DATABASE", value_parser = path)]
    pub geoip_database: Option<PathBuf>,
    /// Where news goes.
    #[command(flatten)]
    pub mail: MailConfig,
    /// Who may call, and as whom it calls.
    #[command(flatten)]
    pub access: weir_service::AccessOptions,
    /// TLS.
    #[command(flatten)]
    pub tls: weir_service::MutualTlsOptions,
    /// Who may call from a browser.
    #[command(flatten)]
    pub browsers: weir_service::Browsers,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

/// Mail to the people of accounts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MailConfig {
    /// The mail server: `smtp://user:password@host:587?tls=required`, or `smtps://…`, or
    /// `smtp://host:25` without TLS. Without one, mails are kept.
    #[arg(long, env = "WEIR_SMTP_URL", hide_env_values = true, value_parser = hidden)]
    pub smtp_url: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_SMTP_URL_FILE", value_parser = path)]
    pub smtp_url_file: Option<PathBuf>,
    /// The sender of all mails: `weir@example.org`, or `Weir <weir@example.org>`.
    #[arg(long, env = "WEIR_MAIL_FROM", default_value = "Weir <weir@localhost>")]
    pub mail_from: String,
    /// Where mails are kept as `.eml` files while no server is configured. Without a folder they
    /// are kept in the database alone.
    #[arg(long, env = "WEIR_MAIL_FOLDER")]
    pub mail_folder: Option<PathBuf>,
    /// Where people reach the console, for links in mails: `https://weir.example.org`.
    #[arg(long, env = "WEIR_CONSOLE_URL", default_value = "")]
    pub console_url: String,
}

impl MailConfig {
    /// Reads all of it. What is empty counts as not given, as compose files write it.
    ///
    /// # Errors
    /// Names the variable that can't be used.
    pub fn read(&self) -> anyhow::Result<MailOptions> {
        let (url, file) = (&self.smtp_url, &self.smtp_url_file);
        let url = read_secret("WEIR_SMTP_URL", url.as_ref(), file.as_deref())?;
        let server = url
            .map(|url| MailServer::read(&url))
            .transpose()
            .map_err(|why| anyhow!("WEIR_SMTP_URL {why}"))?;
        let from: Mailbox = self.mail_from.parse().map_err(|_| {
            anyhow!("WEIR_MAIL_FROM must be weir@example.org, or Weir <weir@example.org>")
        })?;
        let folder = self.mail_folder.clone();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        let console = self.console_url.trim().trim_end_matches('/').to_owned();
        let is_url = console.starts_with("https://") || console.starts_with("http://");
        if !console.is_empty() && !is_url {
            return Err(anyhow!(
                "WEIR_CONSOLE_URL must begin with https:// or http://"
            ));
        }
        let folder = folder.map(std::path::absolute).transpose();
        Ok(MailOptions {
            server,
            from,
            folder: folder.context("WEIR_MAIL_FOLDER")?,
            console,
        })
    }
}

fn key_secret(text: &str) -> Result<KeySecret, String> {
    KeySecret::read(text)
}
