//! How addresses are reached, plainly or by TLS, and whose certificates are trusted there.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Channel, Endpoint};
use weir_tls::{
    Check, Connector, File, H2, Kind, Text, Trust, Unconnected, authorities, client_config,
    own_config,
};

/// A service that does not answer the handshake in this time is away.
const CONNECT: Duration = Duration::from_secs(3);
const SECURE: &str = "https://";
const PLAIN: &str = "http://";
const USUAL_SECURE_PORT: u16 = 443;

/// Whose certificates are trusted. Clones are the same.
#[derive(Clone, Default)]
pub struct Reach(Option<Arc<ClientConfig>>);

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reach")
    }
}

impl Reach {
    /// Those of the authority in a file.
    ///
    /// # Errors
    /// There is none.
    pub fn by(authority: &Path) -> anyhow::Result<Self> {
        let file = File::given("tls_ca", Some(authority), Kind::Authorities);
        let file = file.context("there is no authority")?;
        let bytes = std::fs::read(authority)
            .with_context(|| format!("can't read {}", authority.display()))?;
        let (file, bytes) = (&file, bytes.as_slice());
        let trusted = Trust::Authorities(authorities(Text { file, bytes })?);
        Ok(Self(Some(Arc::new(client_config(
            &trusted,
            Check::Full,
            None,
        )))))
    }

    /// Those that this process trusts (`weir_tls::trust`), or the machine.
    pub fn own() -> Self {
        Self(Some(own_config()))
    }

    /// Whoever answers: for who asks itself.
    pub fn anybody() -> Self {
        let nobody = Trust::Authorities(Arc::new(RootCertStore::empty()));
        Self(Some(Arc::new(client_config(&nobody, Check::Nothing, None))))
    }

    /// For clients of HTTP; where nothing but `http://` is reached nobody is trusted.
    pub fn config(&self) -> ClientConfig {
        match &self.0 {
            Some(config) => ClientConfig::clone(config),
            None => {
                let nobody = Trust::Authorities(Arc::new(RootCertStore::empty()));
                client_config(&nobody, Check::Full, None)
            }
        }
    }

    /// A connection to gRPC, on first use.
    ///
    /// # Errors
    /// It is no address.
    pub fn lazily(&self, url: &str) -> anyhow::Result<Channel> {
        let (endpoint, connector) = self.endpoint(url)?;
        Ok(match connector {
            Some(connector) => endpoint.connect_with_connector_lazy(connector),
            None => endpoint.connect_lazy(),
        })
    }

    /// A connection to gRPC, whose calls may take so long.
    ///
    /// # Errors
    /// It is no address, or does not answer; where that is for TLS, why.
    pub async fn connect(&self, url: &str, calls: Duration) -> anyhow::Result<Channel> {
        let (endpoint, connector) = self.endpoint(url)?;
        let endpoint = endpoint.connect_timeout(CONNECT).timeout(calls);
        let connected = match connector {
            Some(connector) => endpoint.connect_with_connector(connector).await,
            None => endpoint.connect().await,
        };
        connected.map_err(|error| match unconnected(&error) {
            Some(Unconnected::NotAgreed(cause)) => anyhow!("no TLS with {url}: {cause}"),
            _ => anyhow!("nobody answers at {url}"),
        })
    }

    fn endpoint(&self, url: &str) -> anyhow::Result<(Endpoint, Option<Connector>)> {
        let wrong = || format!("{url:?} is not an address such as http://host:port");
        let Some(place) = url.strip_prefix(SECURE) else {
            // One without a scheme is a URL as well, and nobody ever answers there.
            if !url.starts_with(PLAIN) {
                bail!(wrong());
            }
            let endpoint = Endpoint::from_shared(url.to_owned());
            return Ok((endpoint.with_context(wrong)?, None));
        };
        let place = place.trim_end_matches('/');
        let (host, at) = host_and_place(place);
        // The connector speaks TLS by itself.
        let endpoint = Endpoint::from_shared(format!("http://{at}")).with_context(wrong)?;
        let origin = url.parse().with_context(wrong)?;
        let config = self.0.clone();
        let connector = Connector::new((host, &at), H2, CONNECT, config, |_| ());
        Ok((endpoint.origin(origin), Some(connector)))
    }
}

/// The name of `host:port`, and that with a port.
pub(crate) fn host_and_place(place: &str) -> (&str, String) {
    match place.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, place.to_owned()),
        _ => (place, format!("{place}:{USUAL_SECURE_PORT}")),
    }
}

pub(crate) fn unconnected<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Unconnected> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
