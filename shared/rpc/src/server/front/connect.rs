//! Calls as the Connect protocol has them: <https://connectrpc.com/docs/protocol>.

use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use prost_reflect::MethodDescriptor;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::answer;
use super::body::{self, Reading};
use super::media::Form;
use super::stream as answers;
use crate::Deadline;
use crate::error::{internal, invalid};
use crate::unary::Arrival;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What belongs to the way that a call came, and not to the call.
const OF_THE_WAY: [HeaderName; 14] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TRANSFER_ENCODING,
    VERSION,
    TIMEOUT,
    STREAM_ENCODING,
    GRPC_TIMEOUT,
    HeaderName::from_static("connect-accept-encoding"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// One message for one message.
pub(super) async fn unary<S>(
    inner: &mut S,
    room: &Arc<Semaphore>,
    request: Request<Body>,
    method: &MethodDescriptor,
    form: Form,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let is_gzip = match encoding(request.headers(), &CONTENT_ENCODING) {
        Some(b"gzip") => true,
        None => false,
        Some(_) => return Ok(answer::uncompressed("gzip, identity")),
    };
    let way = Way {
        form,
        is_gzip,
        in_envelope: false,
    };
    let request = match as_grpc(request, room, method, &way) {
        Ok(request) => request,
        Err(wrong) => return Ok(answer::error(&wrong)),
    };
    let (parts, body) = inner.call(request).await?.into_parts();
    let answered = Arrival::answered(&parts.headers, body).await;
    let (message, trailers) = match answered.map(|arrival| arrival.and_then(Arrival::parted)) {
        Ok(Some(parted)) => parted,
        Ok(None) => return Ok(answer::refusal(&internal())),
        Err(status) => return Ok(answer::refusal(&status)),
    };
    let text = match form {
        Form::Proto => message,
        Form::Json => match answer::as_json(message, method.output()).await {
            Ok(text) => text,
            Err(status) => return Ok(answer::error(&status)),
        },
    };
    let mut response = answer::of(StatusCode::OK, form.media(), text);
    let headers = answer::kept(parts.headers);
    let trailers = answer::kept(trailers).filter_map(|(name, value)| {
        let name = format!("trailer-{name}").parse().ok()?;
        Some((name, value))
    });
    for (name, value) in headers.chain(trailers) {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// One message for many.
pub(super) async fn stream<S>(
    inner: &mut S,
    room: &Arc<Semaphore>,
    request: Request<Body>,
    method: &MethodDescriptor,
    form: Form,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let headers = request.headers();
    if encoding(headers, &CONTENT_ENCODING)
        .or(encoding(headers, &STREAM_ENCODING))
        .is_some()
    {
        return Ok(answer::uncompressed("identity"));
    }
    let way = Way {
        form,
        is_gzip: false,
        in_envelope: true,
    };
    // Even what is wrong with the head is told at the end of a stream, as all of its errors are.
    let answer = match as_grpc(request, room, method, &way) {
        Ok(request) => inner.call(request).await?,
        Err(wrong) => wrong.into_http(),
    };
    Ok(answers::of(answer, form, method.output()))
}

/// How a call came.
struct Way {
    form: Form,
    is_gzip: bool,
    in_envelope: bool,
}

/// The same call as gRPC has it; its body is read, and may turn out to be wrong, later.
fn as_grpc(
    request: Request<Body>,
    room: &Arc<Semaphore>,
    method: &MethodDescriptor,
    way: &Way,
) -> Result<Request<Body>, Status> {
    let (mut parts, body) = request.into_parts();
    let limit = Reading::limit(way.form);
    if announced(&parts.headers).is_some_and(|length| length > limit) {
        return Err(body::too_large(limit));
    }
    if let Some(version) = parts.headers.get(&VERSION)
        && version.as_bytes() != b"1"
    {
        return Err(invalid(VERSION.as_str(), "must be 1"));
    }
    let timeout = match parts.headers.get(&TIMEOUT) {
        None => None,
        Some(text) => {
            let timeout = text.to_str().ok().and_then(timeout);
            let wrong = || {
                invalid(
                    TIMEOUT.as_str(),
                    "must be milliseconds, of at most ten digits",
                )
            };
            Some(timeout.ok_or_else(wrong)?)
        }
    };
    for name in &OF_THE_WAY {
        parts.headers.remove(name);
    }
    if let Some(timeout) = timeout {
        parts.headers.insert(GRPC_TIMEOUT, timeout);
    }
    let (grpc, trailers) = ("application/grpc", "trailers");
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(grpc));
    parts.headers.insert(TE, HeaderValue::from_static(trailers));
    parts.version = Version::HTTP_2;
    let reading = Reading {
        form: way.form,
        is_gzip: way.is_gzip,
        in_envelope: way.in_envelope,
        input: method.input(),
        deadline: Deadline::of_headers(&parts.headers),
        room: Arc::clone(room),
    };
    Ok(Request::from_parts(parts, reading.of(body)))
}

/// Any but none.
fn encoding<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    match headers.get(name)?.as_bytes() {
        b"" | b"identity" => None,
        encoding => Some(encoding),
    }
}

/// How long the body says that it will be.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Milliseconds as gRPC has them, in eight digits.
fn timeout(text: &str) -> Option<HeaderValue> {
    let is_one = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis: u64 = text.parse().ok().filter(|_| is_one)?;
    let text = match millis {
        0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", millis / 1_000),
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_of_ten_digits_fits_into_eight() {
        for (millis, grpc) in [
            ("0", Some("0m")),
            ("1500", Some("1500m")),
            ("99999999", Some("99999999m")),
            ("9999999999", Some("9999999S")),
            ("10000000000", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
        ] {
            let read = timeout(millis);
            let read = read.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(read, grpc, "{millis}");
        }
    }
}
