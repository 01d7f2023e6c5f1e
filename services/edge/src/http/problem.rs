//! Requests that are refused as a whole: problem details (RFC 9457), and a status line that says
//! what to do, since it is all that a person at Segment gets to see (semantics 1.8).

mod classic;

use std::borrow::Cow;

use ::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use serde::Serialize;
use utoipa::ToSchema;
use weir_reasons::Reason;

use super::Answer;
use super::methods::Methods;
use crate::app;
use crate::clients::{Cause, Failure};
use crate::domain::audience::NameFault;
use crate::domain::split::Unsplittable;

/// Segment comes again by itself; others should not come sooner than a service restarts.
const RETRY_AFTER: &str = "2";

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: Reason,
    /// ASCII, 100 characters at most, and nothing of the request.
    phrase: &'static str,
    detail: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
    /// To a sender that looks for `success`, as Segment's own API has it.
    is_classic: bool,
}

/// Why a request was refused as a whole (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details<'a> {
    /// `about:blank`: the code says more.
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    status: u16,
    /// The reason code.
    code: &'static str,
    /// What is wrong, and what to do.
    detail: &'a str,
    /// To classic sources alone: what SDKs log.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// To classic sources alone: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
}

impl Problem {
    fn new(
        status: StatusCode,
        code: Reason,
        phrase: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            phrase,
            detail: detail.into(),
            header: None,
            is_classic: false,
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    pub fn code(&self) -> Reason {
        self.code
    }

    pub fn no_events(detail: impl Into<Cow<'static, str>>) -> Self {
        let phrase = "Send a JSON array of events";
        Self::new(StatusCode::BAD_REQUEST, Reason::BodyInvalid, phrase, detail)
    }

    pub fn broken_body(detail: &'static str) -> Self {
        let phrase = "The body can't be read; send JSON, plain or gzip";
        Self::new(StatusCode::BAD_REQUEST, Reason::BodyInvalid, phrase, detail)
    }

    /// Of an audience request; `detail` says what it must be.
    pub fn no_member(detail: &'static str) -> Self {
        let phrase = "Send a JSON object with the audience's name or id";
        Self::new(
            StatusCode::BAD_REQUEST,
            Reason::FieldInvalid,
            phrase,
            detail,
        )
    }

    pub fn audience_name(fault: NameFault) -> Self {
        let (phrase, detail) = match fault {
            NameFault::Blank => ("The audience name is blank", "name: must not be blank"),
            NameFault::TooLong => (
                "The audience name has more than 150 characters",
                "name: must have at most 150 characters",
            ),
            NameFault::ControlCharacter => (
                "The audience name holds a line break or another control character",
                "name: must not hold line breaks or other control characters",
            ),
            NameFault::Other => (
                "The audience name can't be used; choose another name",
                "name: can't be used",
            ),
        };
        let status = StatusCode::BAD_REQUEST;
        Self::new(status, Reason::FieldInvalid, phrase, detail)
    }

    pub fn no_key() -> Self {
        let detail = "send the data source's API key as `Authorization: Bearer KEY`";
        Self::unauthorized("Send the API key of the data source", detail)
    }

    pub fn bad_key() -> Self {
        let phrase = "The API key is not known, or was revoked; check the destination's settings";
        Self::unauthorized(phrase, "the API key is not known, or was revoked")
    }

    pub fn expired_key() -> Self {
        let phrase = "The API key is past its end; put the new one into the destination's settings";
        let detail = "the API key is past its end";
        Self::new(StatusCode::UNAUTHORIZED, Reason::KeyExpired, phrase, detail)
            .with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// Bearer is named to classic sources too, which take it as well: named Basic, a browser asks
    /// whoever reads the page for a password.
    fn unauthorized(phrase: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Reason::KeyUnknown, phrase, detail)
            .with(header::WWW_AUTHENTICATE, "Bearer")
    }

    pub fn no_path() -> Self {
        let phrase = "There is nothing at this path; see /openapi.json";
        let detail = "there is nothing at this path; /openapi.json says what there is";
        Self::new(StatusCode::NOT_FOUND, Reason::PathUnknown, phrase, detail)
    }

    pub fn method_not_allowed(allowed: Methods) -> Self {
        let allow = allowed.allow();
        let detail = format!("this path takes {allow}");
        let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed);
        Self::new(status, code, allowed.phrase(), detail).with(header::ALLOW, allow)
    }

    /// The client was too slow; Segment sends a 408 again.
    pub fn timeout() -> Self {
        let phrase = "The body did not arrive in time; send the request again";
        let detail = "the body did not arrive in time; send the request again";
        let status = StatusCode::REQUEST_TIMEOUT;
        Self::new(status, Reason::BodyTooSlow, phrase, detail)
    }

    /// As [`Self::timeout`], of a head.
    pub fn slow_head() -> Self {
        let phrase = "The request did not arrive in time; send it again";
        let detail = "the head of the request did not arrive in time; send it again";
        let status = StatusCode::REQUEST_TIMEOUT;
        Self::new(status, Reason::BodyTooSlow, phrase, detail)
    }

    pub fn no_audience() -> Self {
        let phrase = "No such audience; associate the audience again";
        let status = StatusCode::NOT_FOUND;
        Self::new(status, Reason::AudienceNotFound, phrase, "no such audience")
    }

    pub fn foreign_audience() -> Self {
        let phrase = "This audience was not created by Segment (Actions)";
        let detail = "the audience was made by hand or by another integration, and can't be \
                      touched from Segment; choose another name";
        let (status, code) = (StatusCode::CONFLICT, Reason::AudienceNameTaken);
        Self::new(status, code, phrase, detail)
    }

    pub fn too_large(detail: impl Into<Cow<'static, str>>) -> Self {
        let phrase = "Send at most 1,000 events and 16 MiB in one request";
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, Reason::BodyTooLarge, phrase, detail)
    }

    pub fn content_type() -> Self {
        let phrase = "Send the content type application/json";
        Self::unsupported(phrase, "the content type must be application/json")
            .with(header::ACCEPT, "application/json")
    }

    pub fn content_encoding() -> Self {
        let phrase = "Send the body plain or compressed with gzip";
        Self::unsupported(phrase, "the content encoding must be gzip or none")
            .with(header::ACCEPT_ENCODING, "gzip")
    }

    fn unsupported(phrase: &'static str, detail: &'static str) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, Reason::MediaTypeUnsupported, phrase, detail)
    }

    pub fn internal() -> Self {
        let phrase = "An error on our side; send the request again";
        let detail = "an error of ours; send the request again";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, Reason::Internal, phrase, detail)
    }

    /// Something that is needed is away (semantics 1.3).
    pub fn away(detail: impl Into<Cow<'static, str>>) -> Self {
        let phrase = "Not available for a moment; send the request again";
        Self::unavailable(Reason::ServiceAway, phrase, detail)
    }

    /// Too much is under way.
    pub fn overloaded(detail: &'static str) -> Self {
        let phrase = "Too much is under way; send the request again";
        Self::unavailable(Reason::Overloaded, phrase, detail)
    }

    fn unavailable(
        code: Reason,
        phrase: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, phrase, detail)
            .with(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub fn into_answer(self) -> Answer {
        let mut answer = Response::new(self.body().into());
        *answer.status_mut() = self.status;
        let phrase = ReasonPhrase::from_static(self.phrase.as_bytes());
        answer.extensions_mut().insert(phrase);
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        answer
    }

    /// The last answer of a connection, as it goes over it.
    pub fn into_http1(self) -> Bytes {
        let body = self.body();
        let mut text = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\nconnection: close\r\n",
            self.status.as_u16(),
            self.phrase,
            body.len()
        );
        if let Some((name, value)) = &self.header {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        text += "\r\n";
        [text.as_bytes(), &body].concat().into()
    }

    fn body(&self) -> Bytes {
        serde_json::to_vec(&Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code.code(),
            detail: &self.detail,
            message: self.is_classic.then_some(&*self.detail),
            success: self.is_classic.then_some(false),
        })
        .expect("text and numbers are JSON")
        .into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.cause {
            Cause::Away | Cause::Aborted => {
                Self::away("something that is needed is away; send the request again")
            }
            Cause::Gone => Self::bad_key(),
            Cause::Unexpected => Self::internal(),
        }
    }
}

impl From<app::Error> for Problem {
    fn from(error: app::Error) -> Self {
        use crate::domain::schedule::Full;
        match error {
            app::Error::Unsplittable(why @ Unsplittable::TooMany(_)) => {
                Self::too_large(why.to_string())
            }
            app::Error::Unsplittable(why) => Self::no_events(why.to_string()),
            app::Error::Full(Full::All) => Self::overloaded("too many events wait"),
            app::Error::Full(Full::Account) => {
                Self::overloaded("too many events of this account wait")
            }
            app::Error::Full(Full::Late) => {
                Self::overloaded("what waits takes longer than this request has time")
            }
            app::Error::Failed(failure) => failure.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classic::Malformed;
    use crate::http::description::is_described;

    #[test]
    fn every_status_line_says_what_to_do_in_a_hundred_characters() {
        let mut problems = vec![
            Problem::no_events("x"),
            Problem::broken_body("x"),
            Problem::no_member("x"),
            Problem::no_key(),
            Problem::bad_key(),
            Problem::expired_key(),
            Problem::key_of_classic(),
            Problem::key_of_actions(),
            Problem::no_write_key(),
            Problem::no_such_project(),
            Problem::origin_not_allowed(),
            Problem::paused(),
            Problem::limited(Reason::ProfileLimit, None),
            Problem::failed(Reason::UnitsInFlight),
            Problem::malformed(Malformed::NoBatch),
            Problem::too_large("x").into_classic(),
            Problem::no_path(),
            Problem::timeout(),
            Problem::slow_head(),
            Problem::no_audience(),
            Problem::foreign_audience(),
            Problem::too_large("x"),
            Problem::content_type(),
            Problem::content_encoding(),
            Problem::internal(),
            Problem::away("x"),
            Problem::overloaded("x"),
        ];
        problems.extend(
            [
                Methods::Get,
                Methods::Post,
                Methods::Put,
                Methods::GetFromPages,
                Methods::PostFromPages,
            ]
            .map(Problem::method_not_allowed),
        );
        problems.extend(NameFault::ALL.map(Problem::audience_name));
        for problem in problems {
            let phrase = problem.phrase;
            assert!(
                phrase.is_ascii() && (10..=100).contains(&phrase.len()),
                "{phrase}"
            );
            assert!(!phrase.contains(['\r', '\n']), "{phrase}");
            let is_retried = [408, 429, 500, 503].contains(&problem.status.as_u16());
            assert_eq!(problem.code.is_retried(), is_retried, "{}", problem.code);
            assert!(
                // What is nowhere stands at no path.
                problem.code == Reason::PathUnknown
                    || is_described(problem.status.as_u16(), problem.code),
                "{}",
                problem.code
            );
        }
        let text = Problem::overloaded("x").into_http1();
        let text = std::str::from_utf8(&text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 Too much is under way"),
            "{head}"
        );
        assert!(head.contains("\r\nretry-after: 2"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{head}"
        );
    }
}
