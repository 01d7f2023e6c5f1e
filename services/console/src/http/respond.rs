//! Answers, and what goes around each of them.

use std::io::Write;
use std::time::Instant;

use ::http::{HeaderValue, Method, StatusCode, header};
use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use tracing::Instrument;

use crate::clients::within_request;
use crate::metrics;

/// Nothing of elsewhere, and no script or style within a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// What is smaller is not worth it.
const MIN_COMPRESSED: usize = 1_000;

/// A page.
pub fn page(template: &impl Template) -> Response {
    with_status(StatusCode::OK, template)
}

/// Of a page that says this of what was sent; empty: nothing is wrong.
pub fn status_of(fault: &str) -> StatusCode {
    match fault.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

pub fn with_status(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(header::CONTENT_TYPE, html)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page can't be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// On to another page, as after a form.
pub fn go(path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// As [`go`], with a cookie.
pub fn go_with(path: &str, cookie: &str) -> Response {
    with_cookie(go(path), cookie)
}

pub fn with_cookie(mut answer: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    theme: &'static str,
}

/// To a request that does not come from a page of ours.
pub fn refused(theme: &'static str) -> Response {
    with_status(StatusCode::FORBIDDEN, &RefusedPage { theme })
}

#[derive(Template)]
#[template(path = "nothing.html")]
struct NothingPage {
    theme: &'static str,
    heading: &'static str,
    says: &'static str,
}

/// What is refused before any page sees it has words as well.
fn with_words(answer: Response) -> Response {
    let (heading, says) = match answer.status() {
        StatusCode::METHOD_NOT_ALLOWED => (
            "This page is reached by its form alone",
            "Nothing was done. Open the page before it, and press its button.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "This is more than a form may hold",
            "Nothing was done: a form takes 2 MB. Go back, and send less at once.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "This is no form of this console",
            "Nothing was done: its pages send application/x-www-form-urlencoded. Programs call \
             the gRPC APIs.",
        ),
        _ => return answer,
    };
    let status = answer.status();
    let (kept, _) = answer.into_parts();
    let mut page = with_status(
        status,
        &NothingPage {
            theme: "",
            heading,
            says,
        },
    );
    page.headers_mut().extend(kept.headers);
    page.headers_mut().remove(header::CONTENT_LENGTH);
    page
}

/// Counts, compresses, and adds what every answer has.
pub async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    // As long as the id of a trace.
    let id = weir_ids::random().simple().to_string();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let takes_gzip = request
        .headers()
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let trace_id = tracing::field::Empty;
    let span = tracing::info_span!("page", method, request_id = %id, trace_id);
    weir_rpc::tell_trace(&span);
    let answering = next.run(request).instrument(span);
    let (mut answer, was_forbidden) = within_request(id.clone(), answering).await;
    // A form's page that tells what its sender may not is no answer of what was done.
    if was_forbidden && method == "POST" && answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::FORBIDDEN;
    }
    if !answer.headers().contains_key(header::CONTENT_TYPE) {
        answer = with_words(answer);
    }
    if takes_gzip {
        answer = compressed(answer).await;
    }
    metrics::request(method, answer.status().as_u16(), began.elapsed());
    let headers = answer.headers_mut();
    if let Ok(id) = id.parse() {
        headers.insert(weir_rpc::REQUEST_ID, id);
    }
    let known = |text| HeaderValue::from_static(text);
    headers.insert(header::CONTENT_SECURITY_POLICY, known(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, known("nosniff"));
    headers.insert(header::REFERRER_POLICY, known("same-origin"));
    headers.insert("cross-origin-opener-policy", known("same-origin"));
    // What people look at is theirs alone; assets say otherwise.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(known("no-store"));
    answer
}

async fn compressed(answer: Response) -> Response {
    let is_text = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/"));
    if !is_text {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = body.collect().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let plain = body.to_bytes();
    if plain.len() < MIN_COMPRESSED {
        return Response::from_parts(parts, Body::from(plain));
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    let packed = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let Ok(packed) = packed else {
        return Response::from_parts(parts, Body::from(plain));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let gzip = HeaderValue::from_static("gzip");
    parts.headers.insert(header::CONTENT_ENCODING, gzip);
    let vary = HeaderValue::from_static("accept-encoding");
    parts.headers.insert(header::VARY, vary);
    Response::from_parts(parts, Body::from(packed))
}
