//! TLS as every process speaks it: certificates from files, which are read anew when they change;
//! who is trusted; and in words what went wrong.
//!
//! - [`TlsOptions`] and [`CertificateOptions`] are the configuration; what they make is an
//!   [`Acceptor`] for what listens, and what this process connects with ([`connect`]).
//! - [`Reloaded`] keeps whatever is made of files right while they change.
//! - [`Trust`] and [`client_config`] are for other servers: PostgreSQL.
//!
//! **Invariant:** a file that is broken never takes the place of one that is good: it is said, and
//! counted, and what was read before stays in use. No key is ever shown.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod certificate;
mod client;
mod connector;
mod explain;
mod fault;
mod files;
mod incoming;
mod options;
mod reload;
mod server;
mod verify;
mod wrong;

pub use certificate::{Facts, date, end_point, facts};
pub use client::{ClientStream, client_config, connect, connect_with, own_config, trust};
pub use connector::{Connector, Unconnected};
pub use explain::{Cause, Side, cause_of};
pub use fault::Fault;
pub use files::{File, Kind, Text, authorities, certificates, identity};
pub use incoming::{Agreed, Incoming};
pub use options::{CertificateOptions, ClientOptions, TlsOptions};
pub use reload::Reloaded;
pub use server::{Acceptor, Quiet, ServerStream, Shown};
pub use verify::{Check, Trust};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// What HTTP/2 is called while a connection is made.
pub const H2: &[u8] = b"h2";
/// And HTTP/1.1.
pub const HTTP1: &[u8] = b"http/1.1";

/// Of the whole process, for libraries that ask for none; and ours.
pub fn provider() -> Arc<CryptoProvider> {
    static OURS: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    let ours = OURS.get_or_init(|| {
        // Whoever was there before is ring as well: there is no other one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Arc::new(rustls::crypto::ring::default_provider())
    });
    Arc::clone(ours)
}
