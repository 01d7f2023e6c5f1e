//! TLS with PostgreSQL, which begins in the middle of a connection.
//!
//! It is agreed upon here, before the client library sees the stream, so that what is watched is
//! what is said, not what it is wrapped in.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use weir_tls::{Cause, ClientStream, connect_with, end_point};

/// Asks for TLS: a length, and a number that is no version.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const YES: u8 = b'S';
const NO: u8 = b'N';
/// Of who begins with TLS at once.
const PROTOCOL: &[u8] = b"postgresql";

/// What came of it.
pub(crate) enum Agreed {
    Secure(Box<ClientStream<TcpStream>>),
    /// PostgreSQL has no TLS.
    Plain(TcpStream),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAgreed {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Tls(Cause),
}

/// Agrees with the PostgreSQL whose certificate is for `host`.
pub(crate) async fn agree(
    mut stream: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
    negotiation: SslNegotiation,
) -> Result<Agreed, NotAgreed> {
    if negotiation == SslNegotiation::Postgres {
        stream.write_all(&REQUEST).await?;
        // No more than this: what came behind it unprotected would be taken for protected.
        match stream.read_u8().await? {
            YES => {}
            NO => return Ok(Agreed::Plain(stream)),
            _ => return Err(io::Error::other("PostgreSQL does not say whether it has TLS").into()),
        }
    }
    let agreed = connect_with(config, host, PROTOCOL, stream).await;
    agreed
        .map(|stream| Agreed::Secure(Box::new(stream)))
        .map_err(NotAgreed::Tls)
}

/// Tells the client library that TLS is there already, and with which certificate.
pub(crate) struct Already(Option<Vec<u8>>);

impl Already {
    pub fn with(stream: &ClientStream<TcpStream>) -> Self {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        Self(certificate.and_then(|certificate| end_point(certificate)))
    }
}

impl<S> TlsConnect<S> for Already
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    type Stream = Bound<S>;
    type Error = Infallible;
    type Future = Ready<Result<Bound<S>, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(Bound {
            stream,
            end_point: self.0,
        }))
    }
}

/// A stream that a password's proof can be bound to.
pub(crate) struct Bound<S> {
    stream: S,
    end_point: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Bound<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
