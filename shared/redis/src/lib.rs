//! Where Redis is, and how TLS is spoken with it (`rediss://`).
//!
//! The client library reads certificates once; here they are read anew when their files change:
//! [`Address::client`] gives a client of those that are there now, and [`Address::is_current`]
//! says whether one still is.

use std::path::PathBuf;
use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisError, TlsCertificates,
};
use weir_tls::{
    Cause, Fault, File, Kind, Reloaded, Side, authorities, cause_of, identity, provider,
};

/// Certificates for Redis; flatten it into a service's configuration. An empty variable counts as
/// none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RedisOptions {
    /// The authority of Redis' certificate, where its URL is `rediss://…` (PEM). Without it: those
    /// that the machine trusts.
    #[arg(long, env = "WEIR_REDIS_CA", value_parser = path)]
    pub redis_ca: Option<PathBuf>,
    /// What is shown to a Redis that asks for a certificate (PEM).
    #[arg(long, env = "WEIR_REDIS_CERT", value_parser = path)]
    pub redis_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, env = "WEIR_REDIS_KEY", value_parser = path)]
    pub redis_key: Option<PathBuf>,
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// Why it can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// As the library says.
    #[error("WEIR_REDIS_URL: {0}")]
    Url(#[from] RedisError),
    /// Names the variable.
    #[error("{0}")]
    Tls(#[from] Fault),
}

/// Where Redis is. Clones are the same.
#[derive(Clone)]
pub struct Address {
    url: Arc<str>,
    certificates: Option<Reloaded<TlsCertificates>>,
}

/// With which certificates a client was made.
#[derive(Clone)]
pub struct Stamp(Option<Arc<TlsCertificates>>);

impl Address {
    /// Reads them; within the runtime, where files are named.
    ///
    /// # Errors
    /// The URL is none, or a file can't be used.
    pub fn read(url: &str, options: &RedisOptions) -> Result<Self, AddressError> {
        // Whatever is asked of rustls by the library is asked of ring.
        provider();
        let is_secure = matches!(
            url.into_connection_info()?.addr(),
            ConnectionAddr::TcpTls { .. }
        );
        let RedisOptions {
            redis_ca,
            redis_cert,
            redis_key,
        } = options;
        let ca = File::given("WEIR_REDIS_CA", redis_ca.as_deref(), Kind::Authorities);
        let certificate = redis_cert.as_deref();
        let certificate = File::given("WEIR_REDIS_CERT", certificate, Kind::Certificate);
        let key = File::given("WEIR_REDIS_KEY", redis_key.as_deref(), Kind::Key);
        match (&certificate, &key) {
            (Some(one), None) => {
                return Err(alone(one.variable, "WEIR_REDIS_KEY"));
            }
            (None, Some(one)) => {
                return Err(alone(one.variable, "WEIR_REDIS_CERT"));
            }
            _ => {}
        }
        let files: Vec<File> = ca.into_iter().chain(certificate).chain(key).collect();
        let certificates = match (files.first(), is_secure) {
            (None, _) => None,
            (Some(file), false) => {
                return Err(alone(file.variable, "a WEIR_REDIS_URL of rediss://"));
            }
            (Some(_), true) => Some(Reloaded::load(files, certificates)?),
        };
        let address = Self {
            url: url.into(),
            certificates,
        };
        // What is wrong with it is said now.
        address.client()?;
        Ok(address)
    }

    /// A client, by the certificates that are there now.
    ///
    /// # Errors
    /// As the library says.
    pub fn client(&self) -> Result<(Client, Stamp), RedisError> {
        let Some(certificates) = &self.certificates else {
            return Ok((Client::open(&*self.url)?, Stamp(None)));
        };
        let now = certificates.get();
        let client = Client::build_with_tls(&*self.url, TlsCertificates::clone(&now))?;
        Ok((client, Stamp(Some(now))))
    }

    /// Whether the certificates are still those.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        match (&self.certificates, &stamp.0) {
            (Some(certificates), Some(then)) => Arc::ptr_eq(&certificates.get(), then),
            _ => true,
        }
    }
}

fn alone(given: &'static str, missing: &'static str) -> AddressError {
    Fault::Alone { given, missing }.into()
}

fn certificates(texts: &[weir_tls::Text<'_>]) -> Result<TlsCertificates, Fault> {
    let of = |kind| texts.iter().find(|text| text.file.kind == kind).copied();
    let root = of(Kind::Authorities);
    if let Some(root) = root {
        authorities(root)?;
    }
    let own = of(Kind::Certificate).zip(of(Kind::Key));
    if let Some((certificate, key)) = own {
        identity(certificate, key)?;
    }
    Ok(TlsCertificates {
        root_cert: root.map(|text| text.bytes.to_vec()),
        client_tls: own.map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.bytes.to_vec(),
            client_key: key.bytes.to_vec(),
        }),
    })
}

/// What TLS has to say to an error.
pub fn why(error: &RedisError) -> Option<Cause> {
    cause_of(error, Side::Client)
}
