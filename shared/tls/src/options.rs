//! TLS, as it is configured.

use std::path::PathBuf;

use crate::{Acceptor, Fault, File, Kind, trust};

/// What every process has; flatten it into its configuration. An empty variable counts as none,
/// as compose files write it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsOptions {
    /// The certificate of this process, with those between it and its authority (PEM): it speaks
    /// TLS then, and nothing else. Read anew when the file changes.
    #[arg(long, env = "WEIR_TLS_CERT", value_parser = path)]
    pub tls_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, env = "WEIR_TLS_KEY", value_parser = path)]
    pub tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub calls: ClientOptions,
}

/// With what others are called; flatten it into the configuration of who only calls.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClientOptions {
    /// The authority (or several) of what is called by `https://` (PEM). Without it: those that
    /// the machine trusts.
    #[arg(long, env = "WEIR_TLS_CA", value_parser = path)]
    pub tls_ca: Option<PathBuf>,
    /// What is shown to services that ask for a certificate, where it is another one than that of
    /// `WEIR_TLS_CERT` (PEM).
    #[arg(long, env = "WEIR_TLS_CLIENT_CERT", value_parser = path)]
    pub tls_client_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, env = "WEIR_TLS_CLIENT_KEY", value_parser = path)]
    pub tls_client_key: Option<PathBuf>,
}

/// Which callers are services by their certificates (semantics 9.3); flatten it into a service's
/// configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CertificateOptions {
    /// The authority of certificates that callers may show (PEM): who shows one of a name in
    /// `WEIR_TLS_SERVICES` is a service, without a token.
    #[arg(long, env = "WEIR_TLS_CLIENT_CA", value_parser = path)]
    pub tls_client_ca: Option<PathBuf>,
    /// Names of services as their certificates have them (DNS or `spiffe://…`), with commas in
    /// between.
    #[arg(long, env = "WEIR_TLS_SERVICES", default_value = "")]
    pub tls_services: String,
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

impl TlsOptions {
    fn own(&self) -> Result<Option<(File, File)>, Fault> {
        let (certificate, key) = (&self.tls_cert, &self.tls_key);
        both(
            File::given("WEIR_TLS_CERT", certificate.as_deref(), Kind::Certificate),
            File::given("WEIR_TLS_KEY", key.as_deref(), Kind::Key),
            ["WEIR_TLS_CERT", "WEIR_TLS_KEY"],
        )
    }

    /// Whether services may know this process by a certificate.
    pub fn shows_certificate(&self) -> bool {
        let all = [&self.calls.tls_client_cert, &self.tls_cert];
        let mut given = all.into_iter().flatten();
        given.any(|path| !path.as_os_str().is_empty())
    }

    /// From now on this process calls others as it says here.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn trust(&self) -> Result<(), Fault> {
        let own = match self.calls.own()? {
            Some(own) => Some(own),
            None => self.own()?,
        };
        trust(self.calls.authority(), own)
    }

    /// As [`Self::trust`]; and what it accepts connections with, where it speaks TLS, to callers
    /// that show tokens or keys.
    ///
    /// # Errors
    /// As there.
    pub fn enter(&self, protocols: &'static [&'static [u8]]) -> Result<Option<Acceptor>, Fault> {
        self.enter_with(&CertificateOptions::default(), protocols)
    }

    /// As [`Self::enter`], to callers that may show certificates as well.
    ///
    /// # Errors
    /// As there.
    pub fn enter_with(
        &self,
        callers: &CertificateOptions,
        protocols: &'static [&'static [u8]],
    ) -> Result<Option<Acceptor>, Fault> {
        let own = self.own()?;
        let (authority, services) = callers.read()?;
        self.trust()?;
        let Some((certificate, key)) = own else {
            return match authority {
                Some(_) => Err(Fault::Alone {
                    given: "WEIR_TLS_CLIENT_CA",
                    missing: "WEIR_TLS_CERT",
                }),
                None => Ok(None),
            };
        };
        Acceptor::load(certificate, key, authority, services, protocols).map(Some)
    }
}

impl ClientOptions {
    fn own(&self) -> Result<Option<(File, File)>, Fault> {
        let names = ["WEIR_TLS_CLIENT_CERT", "WEIR_TLS_CLIENT_KEY"];
        let (certificate, key) = (&self.tls_client_cert, &self.tls_client_key);
        both(
            File::given(names[0], certificate.as_deref(), Kind::Certificate),
            File::given(names[1], key.as_deref(), Kind::Key),
            names,
        )
    }

    fn authority(&self) -> Option<File> {
        File::given("WEIR_TLS_CA", self.tls_ca.as_deref(), Kind::Authorities)
    }

    /// From now on this process calls others as it says here.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn trust(&self) -> Result<(), Fault> {
        trust(self.authority(), self.own()?)
    }
}

impl CertificateOptions {
    /// Whether callers may be services by their certificates.
    pub fn know_services(&self) -> bool {
        matches!(self.read(), Ok((Some(_), _)))
    }

    fn read(&self) -> Result<(Option<File>, Vec<String>), Fault> {
        let path = self.tls_client_ca.as_deref();
        let authority = File::given("WEIR_TLS_CLIENT_CA", path, Kind::Authorities);
        let names = self.tls_services.split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).map(name).collect();
        let names = names.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (ca, list) = ("WEIR_TLS_CLIENT_CA", "WEIR_TLS_SERVICES");
        match (authority.is_some(), names.is_empty()) {
            (true, true) => Err(Fault::Alone {
                given: ca,
                missing: list,
            }),
            (false, false) => Err(Fault::Alone {
                given: list,
                missing: ca,
            }),
            _ => Ok((authority, names)),
        }
    }
}

/// As a certificate has it.
fn name(text: &str) -> Result<String, Fault> {
    if text.starts_with("spiffe://") && !text.contains(char::is_whitespace) {
        return Ok(text.to_owned());
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.chars().all(is_part) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Fault::Unusable {
        variable: "WEIR_TLS_SERVICES",
        why: format!("{text:?} is neither a name of DNS nor a spiffe:// URI"),
    })
}

/// Neither or both of a certificate and its key.
pub(crate) fn both(
    certificate: Option<File>,
    key: Option<File>,
    [certificate_name, key_name]: [&'static str; 2],
) -> Result<Option<(File, File)>, Fault> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Fault::Alone {
            given: certificate_name,
            missing: key_name,
        }),
        (None, Some(_)) => Err(Fault::Alone {
            given: key_name,
            missing: certificate_name,
        }),
    }
}
