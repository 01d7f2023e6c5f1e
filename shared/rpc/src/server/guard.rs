//! What every call goes through: a span and a duration, a limit of calls at once, its
//! deadline, and the end of every panic.
//!
//! **Invariant:** no error leaves without its reason ([`error`](crate::error)), whoever made it:
//! a service, the generated code, or this.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use weir_reasons::Reason;

use super::Answering;
use super::gate::NEEDS;
use crate::error::{internal, late, refused};
use crate::{Deadline, trace};

/// More calls than this at once are turned away with RESOURCE_EXHAUSTED: with batches of
/// hundreds of events they would only wait for the database, and memory would grow.
const MAX_CALLS: usize = 256;

/// From a call's head to its answer, by `method`.
const DURATION: &str = "rpc_server_duration_seconds";
const SHED: &str = "rpc_server_calls_shed_total";
const PANICS: &str = "rpc_server_panics_total";

/// Tells what each is, to whoever reads them.
pub(super) fn describe() {
    metrics::describe_histogram!(DURATION, "Time of a call from its head to its answer.");
    metrics::describe_counter!(SHED, "Calls turned away because too many were under way.");
    metrics::describe_counter!(PANICS, "Calls that ended by a panic.");
    // Whoever asks for an increase has to see it from 0 on.
    metrics::counter!(PANICS).increment(0);
}

/// What a call is counted as. Nobody was asked yet who calls: a name that is on the wire and not
/// in the contract would be a series of its own, for ever.
fn method(path: &str) -> &'static str {
    NEEDS
        .get_key_value(path)
        .and_then(|(path, _)| path.rsplit('/').next())
        .unwrap_or("unknown")
}

/// A service, guarded.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    /// Of all connections together.
    room: Arc<Semaphore>,
}

impl<S> Guard<S> {
    pub fn layer() -> impl tower::Layer<S, Service = Self> + Clone {
        let room = Arc::new(Semaphore::new(MAX_CALLS));
        tower::layer::layer_fn(move |inner| Self {
            inner,
            room: Arc::clone(&room),
        })
    }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        if !path.starts_with("/weir.") {
            // Health and reflection, several times a second and some of them for ever: not
            // worth a span, and without a deadline.
            let answered = self.inner.call(request);
            return Box::pin(async move { Ok(with_reason(answered.await?)) });
        }
        let method = method(path);
        let nothing = tracing::field::Empty;
        let span = tracing::info_span!("rpc", method, request_id = nothing, trace_id = nothing);
        if let Some(id) = trace::request_id(request.headers()) {
            span.record("request_id", id);
        }
        trace::adopt(&span, request.headers());
        let started = Instant::now();
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            metrics::counter!(SHED).increment(1);
            let message = "more calls are under way than there is room for";
            let status = refused(Code::ResourceExhausted, Reason::Overloaded, message);
            return Box::pin(std::future::ready(Ok(status.into_http())));
        };
        let deadline = Deadline::of_headers(request.headers());
        let answered = span.in_scope(|| self.inner.call(request));
        let answer = async move {
            let answered = AssertUnwindSafe(answered).catch_unwind();
            let response = match tokio::time::timeout(deadline.remaining(), answered).await {
                Ok(Ok(response)) => response?,
                Ok(Err(_panic)) => {
                    // The hook of panics has logged where.
                    metrics::counter!(PANICS).increment(1);
                    internal().into_http()
                }
                Err(_) => late().into_http(),
            };
            let elapsed = started.elapsed();
            metrics::histogram!(DURATION, "method" => method).record(elapsed.as_secs_f64());
            tracing::debug!(elapsed_ms = elapsed.as_millis(), "answered");
            drop(room);
            let response = with_reason(response);
            if is_ours_to_mend(&response) {
                // What failed was logged where it did; here, which request that was.
                tracing::error!("the call ended with an internal error");
            }
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

fn is_ours_to_mend(response: &Response<Body>) -> bool {
    let status = response.headers().get(Status::GRPC_STATUS);
    status.is_some_and(|status| Code::from_bytes(status.as_bytes()) == Code::Internal)
}

/// An error that has no reason gets one.
fn with_reason(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    let is_bare = headers.contains_key(Status::GRPC_STATUS)
        && !headers.contains_key(Status::GRPC_STATUS_DETAILS);
    if is_bare
        && let Some(status) = Status::from_header_map(headers)
        && status.code() != Code::Ok
    {
        put(&explained(&status), response.headers_mut());
    }
    response
}

fn put(status: &Status, headers: &mut HeaderMap) {
    headers.remove(Status::GRPC_MESSAGE);
    // Fails for a message that is no header, and percent-encoding makes one of any.
    let _ = status.add_header(headers);
}

/// What the generated code says, with a reason.
fn explained(status: &Status) -> Status {
    let mut code = status.code();
    let (reason, message) = match code {
        Code::Unimplemented => (
            Reason::CallUnsupported,
            "no such method, or not in this encoding",
        ),
        Code::OutOfRange => (Reason::MessageTooLarge, "the message is too large"),
        Code::ResourceExhausted => (Reason::Overloaded, "too much is under way"),
        Code::Cancelled | Code::DeadlineExceeded => (Reason::TooLate, "the deadline passed"),
        Code::Unavailable => (Reason::ServiceAway, "something that is needed is away"),
        // Said by the health service alone.
        Code::NotFound => (Reason::ServiceUnknown, "no such service"),
        Code::InvalidArgument => (Reason::FieldInvalid, "the request is wrong"),
        // The generated code has no other way to fail: it could not read the message, which is
        // its sender's to mend.
        Code::Internal => {
            code = Code::InvalidArgument;
            (Reason::MessageInvalid, "the message can't be read")
        }
        _ => (Reason::Internal, "an internal error"),
    };
    let said = status.message();
    let message = if said.is_empty() { message } else { said };
    refused(code, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_is_counted_by_its_name() {
        for (path, counted) in [
            ("/weir.quota.v1.QuotaService/Reserve", "Reserve"),
            ("/weir.quota.v1.QuotaService/Nothing", "unknown"),
            ("/weir.nothing.v1.QuotaService/Reserve", "unknown"),
            ("/weir.quota.v1.QuotaService/Reserve/again", "unknown"),
            ("/weir.", "unknown"),
        ] {
            assert_eq!(method(path), counted, "{path}");
        }
    }
}
