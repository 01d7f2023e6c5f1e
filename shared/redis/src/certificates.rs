//! Certificates for Redis, as they are configured.

use std::path::PathBuf;

use redis::{ClientTlsConfig, RedisError, TlsCertificates};
use weir_tls::{Fault, File, Kind, Reloaded, Text, authorities, identity};

/// Flatten it into a service's configuration. An empty variable counts as none.
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

impl RedisOptions {
    /// What is in the files, where there are some.
    pub(crate) fn load(
        &self,
        speaks_tls: bool,
    ) -> Result<Option<Reloaded<TlsCertificates>>, Fault> {
        let (certificate, key) = (self.redis_cert.as_deref(), self.redis_key.as_deref());
        let ca = File::given("WEIR_REDIS_CA", self.redis_ca.as_deref(), Kind::Authorities);
        let certificate = File::given("WEIR_REDIS_CERT", certificate, Kind::Certificate);
        let key = File::given("WEIR_REDIS_KEY", key, Kind::Key);
        let alone = |given, missing| Err(Fault::Alone { given, missing });
        match (&certificate, &key) {
            (Some(one), None) => return alone(one.variable, "WEIR_REDIS_KEY"),
            (None, Some(one)) => return alone(one.variable, "WEIR_REDIS_CERT"),
            _ => {}
        }
        let files: Vec<File> = ca.into_iter().chain(certificate).chain(key).collect();
        match files.first() {
            None => Ok(None),
            Some(file) if !speaks_tls => alone(file.variable, "a WEIR_REDIS_URL of rediss://"),
            Some(_) => Reloaded::load(files, certificates).map(Some),
        }
    }
}

fn certificates(texts: &[Text<'_>]) -> Result<TlsCertificates, Fault> {
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
