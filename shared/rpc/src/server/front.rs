//! Who comes another way than by gRPC: programs with JSON over HTTP (the Connect protocol),
//! pages of a browser with gRPC-Web, and people who look what is here.
//!
//! **Invariant:** nobody gets further this way. A call in another dress becomes a gRPC call in
//! front of everything that those go through; nothing of it is read before somebody in there asks
//! for it. A gRPC call passes by one look at its head.

mod answer;
mod body;
mod connect;
mod cors;
mod help;
mod media;
mod stream;

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode, Version};
use prost_reflect::MethodDescriptor;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;
use weir_reasons::Reason;

pub use cors::{CorsOrigins, NotAnOrigin};

use super::Answering;
use crate::error::refused;
use media::Media;

/// A service, and what stands in front of it.
#[derive(Clone)]
pub(super) struct Front<S> {
    inner: S,
    desk: Arc<Desk>,
}

/// What all connections share.
struct Desk {
    /// Of the services that are here.
    names: Vec<&'static str>,
    /// Where no page of a browser may call, pages get no answer that they could read.
    cors: Option<CorsLayer>,
    room: Arc<Semaphore>,
}

impl<S> Front<S> {
    pub fn layer(
        names: Vec<&'static str>,
        origins: &CorsOrigins,
    ) -> impl Layer<S, Service = Self> + Clone {
        let desk = Arc::new(Desk {
            names,
            cors: cors::layer(origins),
            room: Arc::new(Semaphore::new(body::ROOM)),
        });
        tower::layer::layer_fn(move |inner| Self {
            inner,
            desk: Arc::clone(&desk),
        })
    }
}

impl<S> Service<Request<Body>> for Front<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Answering<S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_grpc(&request) {
            return Either::Left(self.inner.call(request));
        }
        // The one that is ready goes along.
        let next = self.inner.clone();
        let mut stranger = Stranger {
            inner: mem::replace(&mut self.inner, next),
            desk: Arc::clone(&self.desk),
        };
        Either::Right(match &self.desk.cors {
            Some(cors) => Box::pin(cors.layer(stranger).call(request)),
            None => stranger.call(request),
        })
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let Some(media) = request.headers().get(CONTENT_TYPE) else {
        return false;
    };
    let rest = media.as_bytes().strip_prefix(b"application/grpc");
    request.version() == Version::HTTP_2
        && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Answers whoever does not speak gRPC.
#[derive(Clone)]
struct Stranger<S> {
    inner: S,
    desk: Arc<Desk>,
}

impl<S> Service<Request<Body>> for Stranger<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        Box::pin(attend(ready, Arc::clone(&self.desk), request))
    }
}

async fn attend<S>(
    mut inner: S,
    desk: Arc<Desk>,
    request: Request<Body>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let path = request.uri().path();
    let looks = [Method::GET, Method::HEAD].contains(request.method());
    if looks && path == "/" {
        return Ok(help::page(&desk.names, &request));
    }
    if request.method() != Method::POST {
        return Ok(answer::not_a_call());
    }
    let media = Media::of(request.headers());
    let request = body::lingering(request);
    let path = request.uri().path();
    if matches!(media, Some(Media::Web)) {
        // All else that it does is done there, where the call has become one of gRPC.
        return GrpcWebLayer::new().layer(inner).call(request).await;
    }
    let method = match method(path, &desk.names) {
        Ok(method) => method,
        Err(unknown) => return Ok(answer::error(&unknown)),
    };
    match (media, method.is_server_streaming()) {
        (Some(Media::Unary(form)), false) => {
            connect::unary(&mut inner, &desk.room, request, &method, form).await
        }
        (Some(Media::Stream(form)), true) => {
            connect::stream(&mut inner, &desk.room, request, &method, form).await
        }
        _ => Ok(answer::unsupported()),
    }
}

/// What is called. Nobody was asked yet who calls: what there is is not told (semantics 9.1).
fn method(path: &str, names: &[&'static str]) -> Result<MethodDescriptor, Status> {
    let unknown = |message| refused(Code::Unimplemented, Reason::CallUnsupported, message);
    let nothing = || unknown("no such method; reflection tells which there are");
    let (service, name) = path
        .strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .ok_or_else(|| unknown("calls are a POST to /SERVICE/METHOD; GET / says how"))?;
    let found = names
        .iter()
        .find(|known| **known == service)
        .and_then(|known| help::POOL.get_service_by_name(known))
        .ok_or_else(nothing)?;
    let method = found.methods().find(|method| method.name() == name);
    let method = method.ok_or_else(nothing)?;
    if method.is_client_streaming() {
        return Err(unknown("a stream of requests is taken by gRPC alone"));
    }
    Ok(method)
}

/// Where the answer is no JSON: it has no body that anything could be read of.
fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::from(text)));
    *response.status_mut() = status;
    let media = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}
