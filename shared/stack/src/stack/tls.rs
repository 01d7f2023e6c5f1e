//! A stack that speaks TLS everywhere, with an authority of its own.

use std::path::{Path, PathBuf};

use weir_certs::{Authority, SERVICES, files, holders};
use weir_servers::ServerTls;

use super::service::Service;
use crate::Reach;

/// What a stack without TLS says, since our own environment may name that of another one.
const NONE: [&str; 7] = [
    "WEIR_TLS_CERT",
    "WEIR_TLS_KEY",
    "WEIR_TLS_CA",
    "WEIR_TLS_CLIENT_CERT",
    "WEIR_TLS_CLIENT_KEY",
    "WEIR_TLS_CLIENT_CA",
    "WEIR_TLS_SERVICES",
];

/// Of everything in a stack.
#[derive(Debug, Clone)]
pub struct Certificates(PathBuf);

impl Certificates {
    /// Makes those that are missing, and renews those that end soon.
    pub fn keep(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("tls");
        let (authority, _) = Authority::open(&folder)?;
        for holder in holders(&[]) {
            authority.renew(&holder)?;
        }
        Ok(Self(folder))
    }

    /// How what has them is reached; without any, plainly.
    pub fn reach(own: Option<&Self>) -> anyhow::Result<Reach> {
        match own {
            Some(own) => Reach::by(&own.authority()),
            None => Ok(Reach::default()),
        }
    }

    pub fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// Of PostgreSQL, or of Redis.
    pub fn of_server(&self, name: &str) -> ServerTls {
        let (certificate, key) = files(&self.0, name);
        ServerTls {
            certificate,
            key,
            authority: self.authority(),
        }
    }

    /// What a process is told of them; without any, that there are none.
    pub fn environment(own: Option<&Self>, service: Service) -> Vec<(String, String)> {
        let mut environment: Vec<_> = NONE
            .iter()
            .map(|name| ((*name).to_owned(), String::new()))
            .collect();
        let Some(own) = own else { return environment };
        let (certificate, key) = files(&own.0, service.name());
        let authority = own.authority();
        let mut put = |name: &str, value: String| environment.push((name.to_owned(), value));
        for (name, path) in [
            ("WEIR_TLS_CERT", &certificate),
            ("WEIR_TLS_KEY", &key),
            ("WEIR_TLS_CA", &authority),
        ] {
            put(name, path.display().to_string());
        }
        if service.grpc_name().is_some() {
            put("WEIR_TLS_CLIENT_CA", authority.display().to_string());
            put("WEIR_TLS_SERVICES", SERVICES.join(","));
        }
        environment
    }
}
