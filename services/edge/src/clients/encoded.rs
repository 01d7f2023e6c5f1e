//! Calls whose messages were encoded before (see `wire`): every try sends the same bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http_body::SizeHint;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;
use weir_rpc::{Channel, MAX_MESSAGE};

/// A message and what gRPC has stand in front of it, in two pieces; the second may be empty.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub start: Bytes,
    pub end: Bytes,
}

impl http_body::Body for Frame {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let piece = match (self.start.is_empty(), self.end.is_empty()) {
            (false, _) => std::mem::take(&mut self.start),
            (true, false) => std::mem::take(&mut self.end),
            (true, true) => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty() && self.end.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.start.len() + self.end.len()) as u64)
    }
}

/// What a generated client does, but for encoding.
pub(super) async fn send<A>(
    channel: &Channel,
    path: &'static str,
    request: Request<Frame>,
) -> Result<Response<A>, Status>
where
    A: prost::Message + Default + 'static,
{
    let (metadata, extensions, frame) = request.into_parts();
    let channel = Prepared {
        channel: channel.clone(),
        frame,
    };
    let mut client = Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE);
    client
        .ready()
        .await
        .map_err(|error| Status::unknown(format!("the channel is not ready: {error}")))?;
    let request = Request::from_parts(metadata, extensions, ());
    let path = PathAndQuery::from_static(path);
    client.unary(request, path, ProstCodec::default()).await
}

/// Sends `frame` in the place of whatever body it is given: tonic would copy the whole
/// message into a buffer of its own once more, a tenth of this service's work.
struct Prepared {
    channel: Channel,
    frame: Frame,
}

impl Service<http::Request<Body>> for Prepared {
    type Response = <Channel as Service<http::Request<Body>>>::Response;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let body = Body::new(self.frame.clone());
        self.channel.call(request.map(|_| body))
    }
}
