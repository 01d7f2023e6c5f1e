//! Connections for clients of HTTP that make them by a connector.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::client::{Told, connect, connect_with};
use crate::explain::Cause;

/// Whatever is asked for, it connects to one place.
#[derive(Clone)]
pub struct Connector {
    host: Arc<str>,
    at: Arc<str>,
    protocol: &'static [u8],
    limit: Duration,
    config: Option<Arc<ClientConfig>>,
    tell: Arc<Tell>,
}

type Tell = dyn Fn(&Cause) + Send + Sync;

impl Connector {
    /// To `at` (`host:port`), whose certificate is for `host`, within `limit`; where that fails
    /// for TLS, then or later, `tell` is told. Without a configuration it is as [`trust`] said.
    ///
    /// [`trust`]: crate::trust
    pub fn new(
        (host, at): (&str, &str),
        protocol: &'static [u8],
        limit: Duration,
        config: Option<Arc<ClientConfig>>,
        tell: impl Fn(&Cause) + Send + Sync + 'static,
    ) -> Self {
        Self {
            host: host.into(),
            at: at.into(),
            protocol,
            limit,
            config,
            tell: Arc::new(tell),
        }
    }

    async fn connect(self) -> Result<TokioIo<Told<TcpStream, Arc<Tell>>>, Unconnected> {
        let connecting = async {
            let stream = TcpStream::connect(&*self.at).await;
            let stream = stream.map_err(Unconnected::Unreached)?;
            stream.set_nodelay(true).map_err(Unconnected::Unreached)?;
            let agreed = match self.config {
                Some(config) => connect_with(config, &self.host, self.protocol, stream).await,
                None => connect(&self.host, self.protocol, stream).await,
            };
            agreed.map_err(|cause| {
                (self.tell)(&cause);
                Unconnected::NotAgreed(cause)
            })
        };
        let stream = tokio::time::timeout(self.limit, connecting).await;
        let stream = stream.map_err(|_| Unconnected::Silent).flatten()?;
        Ok(TokioIo::new(Told::new(stream, self.tell)))
    }
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unconnected {
    /// As the system says.
    #[error("can't be reached: {0}")]
    Unreached(#[source] std::io::Error),
    /// In time.
    #[error("it does not answer")]
    Silent,
    /// For TLS.
    #[error("no TLS: {0}")]
    NotAgreed(Cause),
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Told<TcpStream, Arc<Tell>>>;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unconnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}
