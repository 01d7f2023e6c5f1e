//! What can be written behind `./weir certs`.

use std::path::PathBuf;

use clap::Args;

/// Make a development authority, and a certificate for each service, PostgreSQL and Redis.
///
/// All of them lie in one folder: `ca.pem`, `ca.key`, and NAME.pem and NAME.key for everybody;
/// keys can be read by their owner alone. Run it again whenever you like: what ends within 30
/// days, is for other hosts or of another authority is made anew, all else stays. Certificates are
/// good for 397 days, the authority for ten years. `./weir up --tls` has its own in the data
/// folder; in production, take those of your own authority.
#[derive(Debug, Args)]
pub struct CertsOptions {
    /// Where they lie.
    #[arg(value_name = "DIR", default_value = "certs")]
    pub folder: PathBuf,
    /// A name or an address that the services are called by, besides their own names and
    /// localhost; may be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Somebody else who gets one, and is none of the services; may be repeated.
    #[arg(long = "client", value_name = "NAME")]
    pub clients: Vec<String>,
}
