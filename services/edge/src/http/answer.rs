//! Bodies and headers of answers, written without trees.

use ::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use weir_reasons::Reason;

use super::Answer;
use super::admission::Hold;
use crate::app::{Processed, Usage};
use crate::clients::{self, Caller};
use crate::domain::envelope::Kind;
use crate::domain::outcome::Outcome;
use crate::domain::stages::Meter;

/// See the IETF draft `RateLimit header fields for HTTP`.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// A window, in seconds.
const DAY: i64 = 86_400;

pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into().into());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// Whose key it is.
#[derive(Serialize, ToSchema)]
pub struct Me<'a> {
    account_id: &'a str,
    source_id: &'a str,
}

pub fn me(caller: &Caller) -> Answer {
    ok(&Me {
        account_id: &caller.account_id,
        source_id: &caller.source_id,
    })
}

/// A list of people that Segment keeps.
#[derive(Serialize, ToSchema)]
pub struct Audience<'a> {
    id: &'a str,
    name: &'a str,
}

pub fn audience(audience: &clients::Audience) -> Answer {
    ok(&Audience {
        id: &audience.id,
        name: &audience.name,
    })
}

fn ok(body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("text is JSON");
    json(StatusCode::OK, body)
}

/// 207, with an outcome for each event. `held` has its memory until the client took it.
pub fn batch(kind: Kind, processed: &Processed, mut held: Hold) -> Answer {
    let body = results(&processed.outcomes);
    held.set(body.len());
    let body = Bytes::from_owner(Kept { body, _held: held });
    let mut answer = json(StatusCode::MULTI_STATUS, body);
    if let Some(usage) = &processed.usage {
        let headers = answer.headers_mut();
        let (limit, policy) = rate_limit(&usage.meters(kind), usage);
        headers.insert(RATE_LIMIT, ascii(&limit));
        headers.insert(RATE_LIMIT_POLICY, ascii(&policy));
        if processed.outcomes.iter().any(is_limited) {
            headers.insert(header::RETRY_AFTER, usage.seconds_left.into());
        }
    }
    answer
}

/// A body, and its memory.
struct Kept {
    body: Vec<u8>,
    _held: Hold,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Whether a limit was reached for it.
fn is_limited(outcome: &Outcome) -> bool {
    matches!(
        outcome.code,
        Some(Reason::ProfileLimit | Reason::ActivityLimit | Reason::ContactLimit)
    )
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("names and numbers fit into a header")
}

/// `RateLimit` and `RateLimit-Policy`, as structured fields.
fn rate_limit(meters: &[(&str, Meter)], usage: &Usage) -> (String, String) {
    let left = usage.seconds_left;
    let each = |show: &dyn Fn(&str, &Meter) -> String| {
        let shown: Vec<String> = meters
            .iter()
            .map(|(name, meter)| show(name, meter))
            .collect();
        shown.join(", ")
    };
    (
        each(&|name, meter| format!("\"{name}\";r={};t={left}", meter.remaining)),
        each(&|name, meter| format!("\"{name}\";q={};w={DAY}", meter.limit)),
    )
}

/// `results` for every event, `errors` for those that are not 200.
fn results(outcomes: &[Outcome]) -> Vec<u8> {
    let room: usize = outcomes.iter().map(room_for).sum();
    let mut body = Vec::with_capacity(32 + room);
    let mut failed = Vec::new();
    body.extend_from_slice(b"{\"results\":[");
    for (index, outcome) in outcomes.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let start = body.len();
        write_outcome(&mut body, index, outcome);
        if outcome.status != 200 {
            failed.push(start..body.len());
        }
    }
    body.extend_from_slice(b"],\"errors\":[");
    for (index, written) in failed.into_iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_within(written);
    }
    body.extend_from_slice(b"]}");
    body
}

/// About what an outcome takes in the body; those that are not 200 stand there twice.
fn room_for(outcome: &Outcome) -> usize {
    if outcome.status == 200 {
        32
    } else {
        2 * (80 + outcome.message.len())
    }
}

fn write_outcome(body: &mut Vec<u8>, index: usize, outcome: &Outcome) {
    let mut digits = itoa::Buffer::new();
    body.extend_from_slice(b"{\"index\":");
    body.extend_from_slice(digits.format(index).as_bytes());
    body.extend_from_slice(b",\"status\":");
    body.extend_from_slice(digits.format(outcome.status).as_bytes());
    if let Some(code) = outcome.code {
        body.extend_from_slice(b",\"code\":\"");
        body.extend_from_slice(code.code().as_bytes());
        body.push(b'"');
    }
    if !outcome.message.is_empty() {
        body.extend_from_slice(b",\"message\":");
        serde_json::to_writer(&mut *body, &outcome.message)
            .expect("text is JSON, and memory takes what is written");
    }
    body.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_the_results_that_are_not_200() {
        let outcome = |status, code, message: &'static str| Outcome {
            status,
            code,
            message: message.into(),
        };
        let body = results(&[
            outcome(200, None, ""),
            outcome(400, Some(Reason::NotAnObject), "a \"b\""),
            outcome(206, Some(Reason::ContactLimit), "c"),
        ]);
        let bad = concat!(
            r#"{"index":1,"status":400,"code":"NOT_AN_OBJECT","message":"a \"b\""},"#,
            r#"{"index":2,"status":206,"code":"CONTACT_LIMIT","message":"c"}"#
        );
        assert_eq!(
            String::from_utf8(body).unwrap(),
            format!(r#"{{"results":[{{"index":0,"status":200}},{bad}],"errors":[{bad}]}}"#)
        );
        assert_eq!(results(&[]), br#"{"results":[],"errors":[]}"#);
    }

    #[test]
    fn limits_are_structured_fields() {
        let meter = |limit, remaining| Meter {
            limit,
            remaining,
            ..Meter::default()
        };
        let usage = Usage {
            profile: meter(30, 0),
            activity: meter(75, 7),
            seconds_left: 60,
        };
        let meters = [("activity", usage.activity), ("profile", usage.profile)];
        let (limit, policy) = rate_limit(&meters, &usage);
        assert_eq!(limit, r#""activity";r=7;t=60, "profile";r=0;t=60"#);
        assert_eq!(policy, r#""activity";q=75;w=86400, "profile";q=30;w=86400"#);
    }
}
