//! Calls whose messages were encoded before (see `wire`): every try sends the same bytes.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http_body_util::Full;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;
use weir_rpc::{Channel, MAX_MESSAGE};

/// A message and what gRPC has stand in front of it.
#[derive(Debug, Clone)]
pub(super) struct Frame(pub Bytes);

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
        let body = Body::new(Full::new(self.frame.0.clone()));
        self.channel.call(request.map(|_| body))
    }
}
