//! Connections whose client stops taking what is written to it, and those that are closed while
//! it still writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::socket::Socket;

/// Without a single byte taken for this long there is nobody any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where bytes of the client are left unread, the system resets the connection as soon as it is
/// closed, and may take the answer with it. So the rest is read and thrown away before, for so
/// long and up to here.
const LINGER: Duration = Duration::from_secs(2);
const MAX_THROWN_AWAY: usize = 32 * 1024 * 1024;
/// At a time.
const PIECE: usize = 16 * 1024;

/// What a stream and those who use it tell each other.
#[derive(Default)]
pub struct Signs {
    /// Whether the client may still be sending what nobody reads.
    pub unread: AtomicBool,
    /// Whether something came since it was last set to false.
    pub begun: AtomicBool,
}

/// A stream that fails when it can't be written to for too long, and that closes so that its
/// client gets to see the answer.
pub struct Stream {
    inner: Socket,
    stalled: Option<Pin<Box<Sleep>>>,
    signs: Arc<Signs>,
    lingering: Option<Lingering>,
}

struct Lingering {
    end: Pin<Box<Sleep>>,
    left: usize,
}

impl Stream {
    pub fn new(inner: Socket, signs: Arc<Signs>) -> Self {
        Self {
            inner,
            stalled: None,
            signs,
            lingering: None,
        }
    }

    pub fn signs(&self) -> &Signs {
        &self.signs
    }

    fn patient<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready once the client has closed as well, or has had its time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = &mut self.lingering else {
            return Poll::Ready(());
        };
        if lingering.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut piece = [0; PIECE];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer));
            let length = buffer.filled().len();
            if read.is_err() || length == 0 || length > lingering.left {
                return Poll::Ready(());
            }
            lingering.left -= length;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.signs.begun.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.patient(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        self.patient(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
            if !self.signs.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(Lingering {
                end: Box::pin(tokio::time::sleep(LINGER)),
                left: MAX_THROWN_AWAY,
            });
        }
        self.poll_linger(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn unread(server: TcpStream) -> Stream {
        let stream = Stream::new(Socket::Plain(server), Arc::default());
        stream.signs().unread.store(true, Ordering::Relaxed);
        stream
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, server) = pair().await;
        let mut stream = Stream::new(Socket::Plain(server), Arc::default());
        let error = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_survives_what_the_client_still_sends() {
        let (mut client, server) = pair().await;
        let server = tokio::spawn(async move {
            let mut stream = unread(server);
            stream.write_all(b"no").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        client.write_all(&vec![0; 8 << 20]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "no");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_closes_is_left() {
        let (_client, server) = pair().await;
        let mut stream = unread(server);
        let closing = tokio::time::timeout(2 * LINGER, stream.shutdown());
        closing.await.unwrap().unwrap();
    }
}
