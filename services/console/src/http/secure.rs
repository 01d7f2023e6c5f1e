//! Pages by TLS.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use tokio::net::TcpListener;
use weir_tls::{Acceptor, Incoming, ServerStream};

/// Where browsers come in that speak TLS.
pub struct Secure {
    incoming: Incoming,
    address: SocketAddr,
}

impl Secure {
    /// Accepts from now on.
    ///
    /// # Errors
    /// The system does not say where it listens.
    pub fn new(listener: TcpListener, tls: Acceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let incoming = Incoming::new(listener, tls);
        Ok(Self { incoming, address })
    }
}

impl Listener for Secure {
    type Io = ServerStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ServerStream, SocketAddr) {
        let agreed = self.incoming.next().await;
        (agreed.stream, agreed.from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
