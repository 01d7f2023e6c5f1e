//! A message as gRPC sends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};

/// A length-prefixed message (so the contract of gRPC calls it) in two pieces, the second of
/// which may be empty: what is large and was there before need not be copied to be sent.
#[derive(Debug, Clone)]
pub struct PrefixedMessage {
    start: Bytes,
    end: Bytes,
}

impl PrefixedMessage {
    /// What stands in front of a message, in bytes: one for its compression, four for its
    /// length.
    pub const HEAD: usize = 5;

    pub fn encode(message: &impl prost::Message) -> Self {
        let mut start = Vec::with_capacity(Self::HEAD + message.encoded_len());
        start.resize(Self::HEAD, 0);
        message
            .encode(&mut start)
            .expect("memory takes what is written");
        Self::new(start, Bytes::new())
    }

    /// `start` begins with [`HEAD`](Self::HEAD) bytes for the head, which is written here; the message is
    /// what follows, and `end`.
    pub fn new(mut start: Vec<u8>, end: Bytes) -> Self {
        // What is longer than its head can say is refused by the other side for its length.
        let length = u32::try_from(start.len() - Self::HEAD + end.len()).unwrap_or(u32::MAX);
        start[0] = 0;
        start[1..Self::HEAD].copy_from_slice(&length.to_be_bytes());
        Self {
            start: start.into(),
            end,
        }
    }

    /// With its head in front, as another made it.
    pub(crate) fn encoded(start: Bytes) -> Self {
        let end = Bytes::new();
        Self { start, end }
    }

    /// One after the other they are the message, with its head in front.
    pub(crate) fn pieces(self) -> impl Iterator<Item = Bytes> {
        let pieces = [self.start, self.end];
        pieces.into_iter().filter(|piece| !piece.is_empty())
    }

    fn next(&mut self) -> Option<Bytes> {
        [&mut self.start, &mut self.end]
            .into_iter()
            .find(|piece| !piece.is_empty())
            .map(std::mem::take)
    }

    fn len(&self) -> usize {
        self.start.len() + self.end.len()
    }
}

/// As the body of a call.
impl http_body::Body for PrefixedMessage {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}

/// The body of an answer: a message, and behind it the status that says that it is one.
pub(super) struct Answer {
    message: PrefixedMessage,
    told: bool,
}

impl Answer {
    pub fn new(message: PrefixedMessage) -> Self {
        Self {
            message,
            told: false,
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.message.next() {
            Some(piece) => Frame::data(piece),
            None if self.told => return Poll::Ready(None),
            None => {
                self.told = true;
                let status = HeaderName::from_static("grpc-status");
                let ok = HeaderValue::from_static("0");
                Frame::trailers(HeaderMap::from_iter([(status, ok)]))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.told
    }
}
