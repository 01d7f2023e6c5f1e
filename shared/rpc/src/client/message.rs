//! What a call carries, so that it can be sent again where it was not begun.

use futures_util::{FutureExt, StreamExt};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tonic::body::Body;

use crate::PrefixedMessage;

/// The body of a call.
pub(crate) enum Message {
    /// The one message of a unary call; clones share its bytes.
    Whole(PrefixedMessage),
    /// What is sent once: it comes from somewhere else as it is sent.
    Once(Body),
    /// It was sent.
    Sent,
}

impl Message {
    /// What a generated client sends. The message of a unary call is there at once.
    pub fn of(mut body: Body) -> Self {
        let mut next = || body.frame().now_or_never();
        let first = match next() {
            Some(Some(Ok(frame))) => match (frame.into_data(), next()) {
                (Ok(data), Some(None)) => return Self::Whole(PrefixedMessage::encoded(data)),
                (Ok(data), second) => {
                    vec![Some(Ok(http_body::Frame::data(data))), second.flatten()]
                }
                (Err(frame), second) => vec![Some(Ok(frame)), second.flatten()],
            },
            Some(Some(Err(error))) => vec![Some(Err(error))],
            Some(None) | None => Vec::new(),
        };
        let first = tokio_stream::iter(first.into_iter().flatten());
        Self::Once(Body::new(StreamBody::new(
            first.chain(BodyStream::new(body)),
        )))
    }

    /// The body for the next try; none where it can't be sent again.
    pub fn take(&mut self) -> Option<Body> {
        match self {
            Self::Whole(message) => Some(Body::new(message.clone())),
            Self::Once(_) => match std::mem::replace(self, Self::Sent) {
                Self::Once(body) => Some(body),
                _ => None,
            },
            Self::Sent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body::Frame;
    use tonic::Status;

    use super::*;

    fn body(frames: Vec<Result<&'static str, Status>>) -> Body {
        let frames = frames
            .into_iter()
            .map(|frame| frame.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))));
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    }

    async fn text(body: Body) -> Result<Bytes, Status> {
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_unary_message_can_be_sent_again() {
        let mut message = Message::of(body(vec![Ok("one")]));
        for _ in 0..3 {
            assert_eq!(text(message.take().unwrap()).await.unwrap(), "one");
        }
    }

    #[tokio::test]
    async fn anything_else_is_sent_once_and_whole() {
        for (frames, whole) in [
            (vec![], Some("")),
            (vec![Ok("one"), Ok("two"), Ok("three")], Some("onetwothree")),
            (vec![Ok("one"), Err(Status::internal("for the test"))], None),
            (vec![Err(Status::internal("for the test"))], None),
        ] {
            let mut message = Message::of(body(frames));
            let sent = text(message.take().unwrap()).await;
            assert_eq!(sent.ok().as_deref(), whole.map(str::as_bytes));
            assert!(message.take().is_none());
        }
    }

    #[tokio::test]
    async fn a_stream_that_has_nothing_yet_is_waited_for() {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let frames = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut message = Message::of(Body::new(StreamBody::new(frames)));
        let frame = Frame::data(Bytes::from_static(b"late"));
        sender.send(Ok::<_, Status>(frame)).await.unwrap();
        drop(sender);
        assert_eq!(text(message.take().unwrap()).await.unwrap(), "late");
    }
}
