//! TLS of a service (semantics 9.3), as it is configured.

use weir_tls::{Acceptor, CertificateOptions, Fault, H2, HTTP1};

/// What a gRPC service speaks TLS with; flatten it into its configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MutualTlsOptions {
    #[command(flatten)]
    own: weir_tls::TlsOptions,
    #[command(flatten)]
    callers: CertificateOptions,
}

impl MutualTlsOptions {
    /// What connections are accepted with, where it speaks TLS. From now on this process calls
    /// others as it says here.
    ///
    /// # Errors
    /// Names the variable that is missing or can't be used.
    pub fn enter(&self) -> Result<Option<Acceptor>, Fault> {
        self.own.enter_with(&self.callers, &[H2, HTTP1])
    }

    /// Whether services may show certificates instead of a token.
    pub fn know_services(&self) -> bool {
        self.callers.know_services()
    }
}
