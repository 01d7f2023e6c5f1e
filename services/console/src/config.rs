//! Every environment name and default, with its reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::domain::steps::Doors;
use anyhow::bail;
use weir_service::{Hidden, hidden, path, read_secret};

/// What seals cookies could be guessed where it was shorter.
const MIN_SECRET: usize = 32;

/// The pages of Weir.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "weir-console", version)]
pub struct Config {
    /// Where to listen for HTTP/1.1.
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// The services that are asked.
    #[command(flatten)]
    pub addresses: Addresses,
    /// Where people reach the console (`https://weir.example.org`). Where it is https, cookies are
    /// for https alone. Empty: by plain HTTP on this machine.
    #[arg(long, env = "WEIR_CONSOLE_URL", default_value = "")]
    pub url: String,
    /// Where Segment and SDKs reach the edge: it stands in the lines that pages give to be copied.
    #[arg(long, env = "WEIR_EDGE_URL", default_value = "http://127.0.0.1:8080")]
    pub edge_url: String,
    /// Where SDKs reach the edge's second listener, for classic sources (`WEIR_CLASSIC_LISTEN` there).
    /// Empty: at 8090 where the edge is at 8080, else below `/classic` of the edge.
    #[arg(long, env = "WEIR_EDGE_CLASSIC_URL", default_value = "")]
    pub edge_classic_url: String,
    /// Where the console itself reaches the edge, for the health page; empty: at the same address.
    #[arg(long, env = "WEIR_EDGE_HEALTH_URL", default_value = "")]
    pub edge_health_url: String,
    /// What seals cookies and sign-in links: at least 32 characters, the same for all replicas. A
    /// second one, behind a comma, opens what it sealed, so that one can take the place of the other.
    /// Without one it is made anew with each start, which ends everybody's session.
    #[arg(long, env = "WEIR_CONSOLE_SECRET", hide_env_values = true, value_parser = hidden)]
    pub secret: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(long, env = "WEIR_CONSOLE_SECRET_FILE", value_parser = path)]
    pub secret_file: Option<PathBuf>,
    /// Signing in by OpenID Connect, where an issuer is named.
    #[command(flatten)]
    pub oidc: OidcOptions,
    /// Signing in by a name and a password, where one is given.
    #[command(flatten)]
    pub password: PasswordOptions,
    /// Who may call, and as whom the console asks which tokens are good.
    #[command(flatten)]
    pub access: weir_service::AccessOptions,
    /// TLS.
    #[command(flatten)]
    pub tls: weir_tls::TlsOptions,
    /// Logs, metrics, traces.
    #[command(flatten)]
    pub telemetry: weir_telemetry::Options,
}

/// The local administrator, who signs in as whoever `WEIR_ADMIN_TOKEN` is.
#[derive(Debug, Clone, clap::Args)]
pub struct PasswordOptions {
    /// Their name.
    #[arg(
        long = "admin-name",
        env = "WEIR_CONSOLE_ADMIN_NAME",
        default_value = "admin"
    )]
    pub name: String,
    /// The hash (argon2id) of their password, as `./weir console password` prints it. Without it
    /// nobody signs in by a password.
    #[arg(
        long = "admin-password-hash",
        env = "WEIR_CONSOLE_ADMIN_PASSWORD_HASH",
        hide_env_values = true,
        value_parser = hidden
    )]
    pub hash: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(
        long = "admin-password-hash-file",
        env = "WEIR_CONSOLE_ADMIN_PASSWORD_HASH_FILE",
        value_parser = path
    )]
    pub hash_file: Option<PathBuf>,
}

/// Where people sign in, and what they may do then. An empty variable counts as none.
#[derive(Debug, Clone, clap::Args)]
pub struct OidcOptions {
    /// `https://login.example.org/realms/main`, as it calls itself. It takes `WEIR_CONSOLE_URL`,
    /// for the way back, and `WEIR_ADMIN_TOKEN`, by which whoever signs in gets a token.
    #[arg(long = "oidc-issuer", env = "WEIR_OIDC_ISSUER", default_value = "")]
    pub issuer: String,
    /// As the issuer knows the console.
    #[arg(
        long = "oidc-client-id",
        env = "WEIR_OIDC_CLIENT_ID",
        default_value = ""
    )]
    pub client_id: String,
    /// What the console shows the issuer.
    #[arg(
        long = "oidc-client-secret",
        env = "WEIR_OIDC_CLIENT_SECRET",
        hide_env_values = true,
        value_parser = hidden
    )]
    pub client_secret: Option<Hidden>,
    /// A file that holds it instead.
    #[arg(
        long = "oidc-client-secret-file",
        env = "WEIR_OIDC_CLIENT_SECRET_FILE",
        value_parser = path
    )]
    pub client_secret_file: Option<PathBuf>,
    /// The claim of the id token that names a person's groups.
    #[arg(
        long = "oidc-groups-claim",
        env = "WEIR_OIDC_GROUPS_CLAIM",
        default_value = "groups"
    )]
    pub groups_claim: String,
    /// Which group has which role, and (behind `@`, with `+` in between) in which accounts:
    /// `weir-admins=admin,shop=write@01a2…,*=read`. `*` is everybody; the highest role counts.
    #[arg(long = "oidc-roles", env = "WEIR_OIDC_ROLES", default_value = "")]
    pub roles: String,
}

impl Config {
    /// Where events are taken, as pages say it.
    pub fn doors(&self) -> Doors {
        let edge = self.edge_url.trim_end_matches('/');
        let classic = match self.edge_classic_url.trim_end_matches('/') {
            "" => edge
                .strip_suffix(":8080")
                .map(|host| format!("{host}:8090")),
            given => Some(given.to_owned()),
        };
        Doors {
            edge: edge.to_owned(),
            classic,
        }
    }

    /// The secrets; none: one is made for this start.
    ///
    /// # Errors
    /// It is too short, given twice, or its file can't be read.
    pub fn secrets(&self) -> anyhow::Result<Vec<String>> {
        let (given, file) = (self.secret.as_ref(), self.secret_file.as_deref());
        let Some(text) = read_secret("WEIR_CONSOLE_SECRET", given, file)? else {
            tracing::warn!(
                "WEIR_CONSOLE_SECRET is not set: sessions end when this process does, and other \
                 replicas do not know them"
            );
            return Ok(Vec::new());
        };
        let secrets: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
        if secrets.iter().any(|secret| secret.len() < MIN_SECRET) {
            bail!("WEIR_CONSOLE_SECRET must have at least {MIN_SECRET} characters");
        }
        Ok(secrets)
    }

    /// Where the edge is asked whether it is ready.
    pub fn edge_health_url(&self) -> &str {
        match self.edge_health_url.trim() {
            "" => &self.edge_url,
            url => url,
        }
    }

    /// Whether cookies are for https alone.
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// Where the services are (`http://host:port`; all replicas, with commas in between).
#[derive(Debug, Clone, clap::Args)]
pub struct Addresses {
    #[arg(
        long = "mapping-url",
        env = "WEIR_MAPPING_URL",
        default_value = "http://127.0.0.1:7001"
    )]
    pub mapping: String,
    #[arg(
        long = "contact-url",
        env = "WEIR_CONTACT_URL",
        default_value = "http://127.0.0.1:7002"
    )]
    pub contact: String,
    #[arg(
        long = "activity-url",
        env = "WEIR_ACTIVITY_URL",
        default_value = "http://127.0.0.1:7003"
    )]
    pub activity: String,
    #[arg(
        long = "audience-url",
        env = "WEIR_AUDIENCE_URL",
        default_value = "http://127.0.0.1:7004"
    )]
    pub audience: String,
    #[arg(
        long = "quota-url",
        env = "WEIR_QUOTA_URL",
        default_value = "http://127.0.0.1:7005"
    )]
    pub quota: String,
}
