//! Bodies as tonic takes them best.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// What stands in front of a message: a byte for its compression, and its length in four.
const HEAD: usize = 5;

/// A body whose first data are the head of its message, and nothing behind it.
///
/// tonic makes room for a message once it has read its head, behind what it has by then. Our
/// messages come in one frame, head and all: so it would make room for each twice over, and
/// copy it there.
struct HeadFirst {
    body: Body,
    state: State,
}

enum State {
    AtHead,
    Behind(Bytes),
    Through,
}

/// See [`HeadFirst`].
pub(crate) fn head_first(body: Body) -> Body {
    Body::new(HeadFirst {
        body,
        state: State::AtHead,
    })
}

impl http_body::Body for HeadFirst {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let State::Behind(rest) = &mut this.state {
            let rest = std::mem::take(rest);
            this.state = State::Through;
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let mut polled = Pin::new(&mut this.body).poll_frame(context);
        if let (State::AtHead, Poll::Ready(Some(Ok(frame)))) = (&this.state, &mut polled)
            && let Some(data) = frame.data_mut()
        {
            this.state = State::Through;
            if data.len() > HEAD {
                let rest = data.split_off(HEAD);
                this.state = State::Behind(rest);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self.state, State::Behind(_)) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Nobody asks for it on the receiving side.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    async fn pieces(body: Body) -> Vec<Bytes> {
        let mut body = head_first(body);
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        pieces
    }

    #[tokio::test]
    async fn the_head_comes_alone_and_nothing_is_lost() {
        for message in ["", "four", "fives", "more than the head"] {
            let pieces = pieces(Body::new(Full::from(message))).await;
            let (head, rest) = message.split_at(message.len().min(HEAD));
            let expected: Vec<&str> = [head, rest]
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect();
            assert_eq!(pieces, expected);
        }
    }

    #[tokio::test]
    async fn only_the_first_data_are_parted() {
        let frames = ["first piece", "second piece"];
        let frames = frames.map(|piece| Ok::<_, Status>(Frame::data(Bytes::from(piece))));
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        assert_eq!(pieces(body).await, ["first", " piece", "second piece"]);
    }
}
