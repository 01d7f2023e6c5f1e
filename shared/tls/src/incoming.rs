//! Connections that are agreed upon beside each other, so that a slow caller keeps nobody waiting,
//! and handed over when they are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::{Acceptor, ServerStream, Shown};

/// So many callers agree at once; the next ones wait until it is their turn to be accepted.
const AT_ONCE: usize = 256;
/// Out of descriptors; there will be some again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One that both sides agreed upon.
pub struct Agreed {
    /// What is said on it.
    pub stream: ServerStream,
    /// What the caller's certificate says.
    pub shown: Shown,
    /// Who called.
    pub from: SocketAddr,
}

/// All that come, for as long as this lives.
pub struct Incoming {
    agreed: mpsc::Receiver<Agreed>,
    _accepting: AbortOnDropHandle<()>,
}

impl Incoming {
    /// Accepts from now on, within the runtime.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        let (sender, agreed) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, acceptor, sender));
        Self {
            agreed,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// The next one.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Agreed>> {
        self.agreed.poll_recv(context)
    }

    /// The next one; for ever.
    pub async fn next(&mut self) -> Agreed {
        match self.agreed.recv().await {
            Some(agreed) => agreed,
            // Accepting ends with this alone.
            None => std::future::pending().await,
        }
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor, sender: mpsc::Sender<Agreed>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let taken = Arc::clone(&room).acquire_owned().await;
        let taken = taken.expect("nobody closes the semaphore");
        let (stream, from) = match accepted(&listener).await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Some((stream, shown)) = acceptor.accept(stream).await {
                // Nobody takes it any more where the server stops.
                let agreed = Agreed {
                    stream,
                    shown,
                    from,
                };
                let _ = sender.send(agreed).await;
            }
            drop(taken);
        });
    }
}

async fn accepted(listener: &TcpListener) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
    let (stream, from) = listener.accept().await?;
    let _ = stream.set_nodelay(true);
    Ok((stream, from))
}
