//! Connections beyond the limit: told to come again, so that the answer arrives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use weir_tls::Acceptor;

use super::problem::Problem;
use super::socket::Socket;
use super::stall::Stream;
use crate::metrics;

/// How many are told at once. The next ones wait until it is their turn to be accepted, which is
/// as well: there is no room for them.
const AT_ONCE: usize = 1_024;
/// An answer that is there before its request confuses some clients, so its head is read first;
/// who does not send it in this time is answered nevertheless.
const HEAD_TIME: Duration = Duration::from_secs(1);
/// A head that is longer is not read to its end.
const MAX_HEAD: usize = 32 * 1024;

/// Those that are being refused.
pub struct Refusals {
    room: Arc<Semaphore>,
    open: TaskTracker,
    tls: Option<Acceptor>,
}

impl Refusals {
    /// They are among the `open` connections.
    pub fn new(open: TaskTracker, tls: Option<Acceptor>) -> Self {
        Self {
            room: Arc::new(Semaphore::new(AT_ONCE)),
            open,
            tls,
        }
    }

    /// Refuses a connection, in a task of its own as soon as there is room for one.
    pub async fn refuse(&self, stream: TcpStream) {
        metrics::shed("connections");
        let acquired = self.room.clone().acquire_owned().await;
        let room = acquired.expect("nobody closes the semaphore");
        let tls = self.tls.clone();
        self.open.spawn(async move {
            let Some(stream) = Socket::agree(tls.as_ref(), stream).await else {
                return;
            };
            let mut stream = Stream::new(stream, Arc::default());
            let _ = tokio::time::timeout(HEAD_TIME, read_head(&mut stream)).await;
            answer(stream, Problem::overloaded("too many connections are open")).await;
            drop(room);
        });
    }
}

/// The last word on a connection of which nothing more is read.
pub async fn answer(mut stream: Stream, problem: Problem) {
    // Its client may be sending for as long as it likes.
    stream.signs().unread.store(true, Ordering::Relaxed);
    if stream.write_all(&problem.into_http1()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

async fn read_head(stream: &mut Stream) {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
