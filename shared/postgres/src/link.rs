//! What goes over one connection, watched from below: whether PostgreSQL owes an answer, and
//! since when.
//!
//! The client library waits for ever, and forgets what its caller no longer waits for. Here
//! is known of every connection, whoever used it and however that ended,
//! - whether all that was asked is answered, outside of any transaction: only then may it go
//!   to the next one who asks the pool;
//! - for how long PostgreSQL has been silent though it owes an answer: at the limit the
//!   connection fails, and with it everything that waits on it.

mod frames;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use frames::Frames;

/// Of the contract between PostgreSQL and its clients: both are answered by a READY.
const SYNC: u8 = b'S';
const QUERY: u8 = b'Q';
/// What PostgreSQL says when it has answered; with it comes whether a transaction is open.
const READY: u8 = b'Z';
const IDLE: u8 = b'I';

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    began: Instant,
    /// Questions that were sent, less those that were answered.
    owed: AtomicU64,
    /// What PostgreSQL said with its last answer.
    transaction: AtomicU8,
    /// When it was last heard of, in milliseconds since `began`.
    heard: AtomicU64,
    answered: Notify,
}

impl Link {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            // That the connection was made is an answer, too.
            owed: AtomicU64::new(1),
            transaction: AtomicU8::new(0),
            heard: AtomicU64::new(0),
            answered: Notify::new(),
        }
    }

    /// When PostgreSQL was last heard of.
    pub fn heard(&self) -> Instant {
        self.began + Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.owed.load(Ordering::Acquire) == 0 && self.transaction.load(Ordering::Relaxed) == IDLE
    }

    /// Waits until nothing is under way.
    pub async fn settled(&self) {
        loop {
            let answered = self.answered.notified();
            if self.is_settled() {
                return;
            }
            answered.await;
        }
    }

    fn sent(&self, tag: u8) {
        if matches!(tag, SYNC | QUERY) {
            self.owed.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn came(&self, tag: u8, last_byte: u8) {
        if tag == READY {
            self.transaction.store(last_byte, Ordering::Relaxed);
            // An answer to nothing would be a fault of the server's; the client library sees
            // it as well, and ends the connection.
            let less = |owed: u64| owed.checked_sub(1);
            let _ = self
                .owed
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
            self.answered.notify_waiters();
        }
    }
}

/// A connection's stream, watched.
pub(crate) struct Watched<S> {
    stream: S,
    link: Arc<Link>,
    sent: Frames,
    came: Frames,
    /// How long PostgreSQL may be silent while it owes an answer.
    limit: Duration,
    /// When something was last sent or came.
    moved: Instant,
    /// Rings at the limit or before; set when it is needed, and not again before it rang.
    alarm: Pin<Box<Sleep>>,
    alarm_is_set: bool,
    /// The other side takes nothing more.
    stuck: bool,
}

impl<S> Watched<S> {
    pub fn new(stream: S, limit: Duration) -> (Self, Arc<Link>) {
        let link = Arc::new(Link::new());
        let watched = Self {
            stream,
            link: Arc::clone(&link),
            sent: Frames::beginning_with_one_without_a_tag(),
            came: Frames::default(),
            limit,
            moved: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(limit)),
            alarm_is_set: true,
            stuck: false,
        };
        (watched, link)
    }

    /// Fails when the other side has been silent for too long.
    fn check_silence(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            let owes = self.stuck || self.link.owed.load(Ordering::Relaxed) > 0;
            if !self.alarm_is_set {
                if !owes {
                    return Ok(());
                }
                self.alarm.as_mut().reset(self.moved + self.limit);
                self.alarm_is_set = true;
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            self.alarm_is_set = false;
            if owes && self.moved.elapsed() >= self.limit {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if Pin::new(&mut this.stream)
            .poll_read(context, buffer)?
            .is_pending()
        {
            this.check_silence(context)?;
            return Poll::Pending;
        }
        this.moved = Instant::now();
        let heard = this.moved.duration_since(this.link.began).as_millis();
        let heard = u64::try_from(heard).unwrap_or(u64::MAX);
        this.link.heard.store(heard, Ordering::Relaxed);
        let link = &this.link;
        this.came
            .pass(&buffer.filled()[before..], |tag, last| link.came(tag, last));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes)?;
        this.stuck = written.is_pending();
        if let Poll::Ready(written) = written {
            this.moved = Instant::now();
            let link = &this.link;
            this.sent.pass(&bytes[..written], |tag, _| link.sent(tag));
        }
        this.check_silence(context)?;
        written.map(Ok)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);
    const STARTED: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];
    const IS_READY: [u8; 6] = [READY, 0, 0, 0, 5, IDLE];
    const IN_TRANSACTION: [u8; 6] = [READY, 0, 0, 0, 5, b'T'];
    const ASKED: [u8; 5] = [SYNC, 0, 0, 0, 4];

    #[tokio::test(start_paused = true)]
    async fn a_link_is_settled_when_all_is_answered_outside_of_a_transaction() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (mut watched, link) = Watched::new(ours, LIMIT);
        watched.write_all(&STARTED).await.unwrap();
        assert!(!link.is_settled());
        let mut answer = async |bytes: &[u8]| {
            theirs.write_all(bytes).await.unwrap();
            watched.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
            watched.write_all(&[]).await.unwrap();
        };
        answer(&IS_READY).await;
        link.settled().await;
        link.sent(SYNC);
        link.sent(SYNC);
        answer(&IN_TRANSACTION).await;
        assert!(!link.is_settled());
        answer(&IN_TRANSACTION).await;
        assert!(!link.is_settled());
        link.sent(QUERY);
        answer(&IS_READY).await;
        assert!(link.is_settled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_an_answer_may_not_be_silent_for_long() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (mut watched, _link) = Watched::new(ours, LIMIT);
        watched.write_all(&STARTED).await.unwrap();
        theirs.write_all(&IS_READY).await.unwrap();
        let mut answer = [0; 6];
        watched.read_exact(&mut answer).await.unwrap();

        // Nothing is owed, for however long.
        let idle = tokio::time::timeout(10 * LIMIT, watched.read(&mut answer)).await;
        assert!(idle.is_err());

        // An answer that comes in pieces is none that does not come.
        watched.write_all(&ASKED).await.unwrap();
        for byte in IS_READY {
            let pause = LIMIT - Duration::from_secs(1);
            let silent = tokio::time::timeout(pause, watched.read(&mut answer)).await;
            assert!(silent.is_err());
            theirs.write_all(&[byte]).await.unwrap();
            watched.read_exact(&mut [0]).await.unwrap();
        }

        watched.write_all(&ASKED).await.unwrap();
        let began = Instant::now();
        let error = watched.read(&mut answer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed().abs_diff(LIMIT) < Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_more_is_not_waited_for() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let (mut watched, _link) = Watched::new(ours, LIMIT);
        let error = watched.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
