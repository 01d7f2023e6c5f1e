//! Connections that speak TLS, as tonic takes them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tonic::transport::server::Connected;
use weir_tls::{Acceptor, ServerStream, Shown};

/// One that both sides agreed upon, and what the caller's certificate says of it.
pub(super) struct Secured {
    stream: ServerStream,
    shown: Shown,
}

/// All that come, for as long as somebody takes them.
pub(super) struct Incoming(weir_tls::Incoming);

impl Incoming {
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self(weir_tls::Incoming::new(listener, acceptor))
    }
}

impl tokio_stream::Stream for Incoming {
    type Item = io::Result<Secured>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll(context).map(|agreed| {
            let weir_tls::Agreed { stream, shown, .. } = agreed?;
            Some(Ok(Secured { stream, shown }))
        })
    }
}

impl Connected for Secured {
    type ConnectInfo = Shown;

    fn connect_info(&self) -> Shown {
        self.shown
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
