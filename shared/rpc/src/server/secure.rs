//! Connections that speak TLS: agreed upon beside each other, so that a slow caller keeps nobody
//! waiting, and handed over when they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::server::Connected;
use weir_tls::{Acceptor, ServerStream, Shown};

/// So many callers agree at once; the next ones wait until it is their turn to be accepted.
const AT_ONCE: usize = 256;
/// Out of descriptors; there will be some again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One that both sides agreed upon, and what the caller's certificate says of it.
pub(super) struct Secured {
    stream: ServerStream,
    shown: Shown,
}

/// All that come, for as long as somebody takes them.
pub(super) struct Incoming {
    agreed: mpsc::Receiver<Secured>,
    _accepting: AbortOnDropHandle<()>,
}

impl Incoming {
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        let (sender, agreed) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, acceptor, sender));
        Self {
            agreed,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }
}

impl tokio_stream::Stream for Incoming {
    type Item = io::Result<Secured>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.agreed.poll_recv(context).map(|one| one.map(Ok))
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor, sender: mpsc::Sender<Secured>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let taken = Arc::clone(&room).acquire_owned().await;
        let taken = taken.expect("nobody closes the semaphore");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Some((stream, shown)) = acceptor.accept(stream).await {
                // Nobody takes it any more where the server stops.
                let _ = sender.send(Secured { stream, shown }).await;
            }
            drop(taken);
        });
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
