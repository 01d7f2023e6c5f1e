//! Answers that are JSON.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::body::Body;
use tonic::{Code, Status};
use weir_reasons::Reason;

use super::body::LARGE;
use super::media::Form;
use crate::error::{internal, reason_of, refused};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

pub(super) fn of(status: StatusCode, media: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body)));
    *response.status_mut() = status;
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// An error as the Connect protocol has it.
pub(super) fn error(status: &Status) -> Response<Body> {
    let text = weir_protojson::error(status).to_string();
    let mut response = of(http_status(status), Form::Json.media(), text.into());
    if status.code() == Code::Unauthenticated {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

/// As [`error`], with what the service said beside it.
pub(super) fn refusal(status: &Status) -> Response<Body> {
    let mut response = error(status);
    for (name, value) in kept(status.metadata().clone().into_headers()) {
        response.headers_mut().append(name, value);
    }
    response
}

/// A message of ours as JSON.
pub(super) async fn as_json(message: Bytes, kind: MessageDescriptor) -> Result<Bytes, Status> {
    let is_quick = message.len() < LARGE;
    let write = move || {
        let message = DynamicMessage::decode(kind, message).ok()?;
        weir_protojson::write(&message).ok().map(Bytes::from)
    };
    let written = if is_quick {
        write()
    } else {
        tokio::task::spawn_blocking(write).await.ok().flatten()
    };
    // What a service answers can be written down, or it is ours to mend.
    written.ok_or_else(internal)
}

/// What of the headers of a gRPC answer is of the service.
pub(super) fn kept(headers: HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let mut last = None;
    headers
        .into_iter()
        .filter_map(move |(name, value)| {
            // A name is told with the first of its values alone.
            last = name.or(last.take());
            Some((last.clone()?, value))
        })
        .filter(|(name, _)| !name.as_str().starts_with("grpc-"))
        .filter(|(name, _)| ![CONTENT_TYPE, CONTENT_LENGTH].contains(name))
}

/// As the Connect protocol has it; but for what is too large, for which HTTP has a word.
fn http_status(status: &Status) -> StatusCode {
    if reason_of(status) == Some(Reason::MessageTooLarge) {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    let status = match status.code() {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    };
    StatusCode::from_u16(status).expect("they are numbers of HTTP")
}

/// Of a GET, say.
pub(super) fn not_a_call() -> Response<Body> {
    let message = "calls are a POST to /SERVICE/METHOD; GET / says how";
    let mut response = error(&refused(
        Code::Unimplemented,
        Reason::CallUnsupported,
        message,
    ));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let post = HeaderValue::from_static("POST");
    response.headers_mut().insert(ALLOW, post);
    response
}

/// A media type that this method is not called with. Which method answers with a stream is told
/// to whoever may ask.
pub(super) fn unsupported() -> Response<Body> {
    let taken = [Form::Json, Form::Proto].map(|form| [form.media(), form.stream_media()]);
    let message = format!(
        "send content-type: {}, or {} and the message in an envelope where the answer is a stream \
         (as Connect's clients do); or call it by gRPC over HTTP/2 (./weir call and grpcurl do), \
         or by gRPC-Web",
        Form::Json.media(),
        Form::Json.stream_media(),
    );
    let status = refused(Code::Unimplemented, Reason::MediaTypeUnsupported, message);
    let mut response = error(&status);
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    for media in taken.as_flattened() {
        let media = HeaderValue::from_static(media);
        response.headers_mut().append(ACCEPT_POST, media);
    }
    response
}

/// A compression that is not known here.
pub(super) fn uncompressed(taken: &'static str) -> Response<Body> {
    let message = format!("bodies are taken in these encodings alone: {taken}");
    let mut response = error(&refused(
        Code::Unimplemented,
        Reason::CallUnsupported,
        message,
    ));
    let taken = HeaderValue::from_static(taken);
    response.headers_mut().insert(ACCEPT_ENCODING, taken);
    response
}
