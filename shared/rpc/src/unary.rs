//! Unary calls that carry a whole batch, with messages read where they arrived.
//!
//! tonic copies every message into a buffer of its own before it decodes it, and grows the
//! buffer of an answer as it is written. For a batch of hundreds of kilobytes that costs more
//! than to decode it. So the few methods that carry batches are served ([`Unary`]) and called
//! ([`call`]) here; everything else about them stays with the generated code.

mod arrival;
mod prefixed;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Version};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status};
use tower::Service;

use crate::client::Message;
use crate::{Channel, trace};
pub(crate) use arrival::{Arrival, missing};
use prefixed::Answer;
pub use prefixed::PrefixedMessage;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// A generated service, one of whose methods is served here.
#[derive(Clone)]
pub struct Unary<S> {
    service: S,
    path: Arc<str>,
    method: Arc<dyn Fn(http::Request<Body>) -> Answering + Send + Sync>,
}

impl<S: NamedService> Unary<S> {
    /// The method of that name is served by `answer`, which gets the `implementation`, in the
    /// place of the generated `service` around it.
    pub fn new<T, Q, A, F, Fut>(
        service: S,
        implementation: &Arc<T>,
        method: &str,
        answer: F,
    ) -> Self
    where
        T: Send + Sync + 'static,
        Q: prost::Message + Default + 'static,
        A: prost::Message + 'static,
        F: Fn(Arc<T>, Request<Q>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<A>, Status>> + Send + 'static,
    {
        let path = format!("/{}/{method}", S::NAME).into();
        let implementation = Arc::clone(implementation);
        let method = move |request: http::Request<Body>| -> Answering {
            let (implementation, answer) = (Arc::clone(&implementation), answer.clone());
            Box::pin(async move {
                let answered = match read(request).await {
                    Ok(request) => answer(implementation, request).await,
                    Err(status) => Err(status),
                };
                Ok(answered.map_or_else(Status::into_http, write))
            })
        };
        Self {
            service,
            path,
            method: Arc::new(method),
        }
    }
}

impl<S> Service<http::Request<Body>> for Unary<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        if request.uri().path() == &*self.path {
            (self.method)(request)
        } else {
            Box::pin(self.service.call(request))
        }
    }
}

impl<S: NamedService> NamedService for Unary<S> {
    const NAME: &'static str = S::NAME;
}

async fn read<Q>(request: http::Request<Body>) -> Result<Request<Q>, Status>
where
    Q: prost::Message + Default,
{
    let (parts, body) = request.into_parts();
    let message = Arrival::of(body).await?.decode("request")?;
    let metadata = MetadataMap::from_headers(parts.headers);
    Ok(Request::from_parts(metadata, parts.extensions, message))
}

fn write<A: prost::Message>(response: Response<A>) -> http::Response<Body> {
    let (metadata, message, extensions) = response.into_parts();
    let body = Answer::new(PrefixedMessage::encode(&message));
    let mut response = http::Response::new(Body::new(body));
    *response.version_mut() = Version::HTTP_2;
    *response.headers_mut() = metadata.into_headers();
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    *response.extensions_mut() = extensions;
    response
}

/// Calls the method at `path` (`/package.Service/Method`) with a message that was encoded
/// before.
///
/// # Errors
/// The status of the other side; one with a source where the connection failed.
pub async fn call<A>(
    channel: &Channel,
    path: &'static str,
    request: Request<PrefixedMessage>,
) -> Result<Response<A>, Status>
where
    A: prost::Message + Default,
{
    let (metadata, _, message) = request.into_parts();
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = http::Method::POST;
    head.version = Version::HTTP_2;
    head.uri = http::Uri::from_static(path);
    head.headers = metadata.into_headers();
    trace::inject(&mut head.headers);
    let trailers = HeaderValue::from_static("trailers");
    head.headers.insert(TE, trailers);
    head.headers.insert(CONTENT_TYPE, GRPC);
    let response = channel
        .send(head, Message::Whole(message))
        .await
        .map_err(|error| Status::from_error(error.into()))?;

    let (parts, body) = response.into_parts();
    let arrival = Arrival::answered(&parts.headers, body).await?;
    let untold = || {
        let status = parts.status;
        Status::unknown(format!("an answer (HTTP {status}) without a gRPC status"))
    };
    let message = arrival.ok_or_else(untold)?.decode("answer")?;
    let metadata = MetadataMap::from_headers(parts.headers);
    Ok(Response::from_parts(metadata, message, parts.extensions))
}

/// The status that headers or trailers tell; none where they tell none.
pub(crate) fn status_in(headers: &HeaderMap) -> Option<Result<(), Status>> {
    Status::from_header_map(headers).map(|status| match status.code() {
        Code::Ok => Ok(()),
        _ => Err(status),
    })
}
