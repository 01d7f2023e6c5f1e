//! Requests that are refused as a whole: problem details (RFC 9457).

use std::borrow::Cow;

use ::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::Answer;
use crate::app;
use crate::clients::{Cause, Failure};

/// Segment comes again by itself; others should not come sooner than a service restarts.
const RETRY_AFTER: &str = "2";

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    header: Option<(HeaderName, &'static str)>,
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn unauthorized(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let detail = format!("this path takes {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, allowed)
    }

    /// The client was too slow; Segment sends a 408 again.
    pub fn timeout() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, detail).with(header::CONNECTION, "close")
    }

    pub fn conflict(detail: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    pub fn content_type() -> Self {
        let detail = "the content type must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .with(header::ACCEPT, "application/json")
    }

    pub fn content_encoding() -> Self {
        let detail = "the content encoding must be gzip, zstd or none";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .with(header::ACCEPT_ENCODING, "gzip, zstd")
    }

    pub fn internal() -> Self {
        let detail = "an error of ours; send the request again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub fn into_answer(self) -> Answer {
        let body = serde_json::to_vec(&Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        })
        .expect("text and numbers are JSON");
        let mut answer = Response::new(body.into());
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.cause {
            Cause::Away | Cause::Aborted => {
                Self::unavailable("something that is needed is away; send the request again")
            }
            Cause::Unexpected => Self::internal(),
        }
    }
}

impl From<app::Error> for Problem {
    fn from(error: app::Error) -> Self {
        use crate::domain::split::Unsplittable;
        match error {
            app::Error::Unsplittable(why @ Unsplittable::TooMany(_)) => {
                Self::too_large(why.to_string())
            }
            app::Error::Unsplittable(why) => Self::bad_request(why.to_string()),
            app::Error::Failed(failure) => failure.into(),
        }
    }
}
