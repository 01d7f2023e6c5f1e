//! Of classic sources, their keys and their pages; and of sources that are paused.

use ::http::{StatusCode, header};
use weir_reasons::Reason;

use super::Problem;
use crate::domain::classic::Malformed;
use crate::domain::split::Unsplittable;

/// A paused source is looked at again so often.
const PAUSED_RETRY_AFTER: &str = "60";
/// An SDK that is told to wait keeps what it has in memory: not for longer than this, in seconds
/// (semantics 8.2).
const LONGEST_WAIT: i64 = 60;

impl Problem {
    /// As a classic source answers it: what is too large is a 400, which SDKs take for final.
    pub fn into_classic(mut self) -> Self {
        if self.code == Reason::BodyTooLarge {
            self.status = StatusCode::BAD_REQUEST;
            self.phrase = "Send at most 2,500 events and 500 KB in one request";
        }
        self.is_classic = true;
        self
    }

    /// A body that is none of a classic source's.
    pub fn malformed(why: Malformed) -> Self {
        match why {
            Malformed::Batch(why @ Unsplittable::TooMany(_)) => Self::too_large(why.to_string()),
            why => {
                let phrase = "Send an event, or {\"batch\": [..]}, as JSON";
                let status = StatusCode::BAD_REQUEST;
                Self::new(status, Reason::BodyInvalid, phrase, why.to_string())
            }
        }
    }

    /// Of a classic request in which a limit was reached; the SDK comes again.
    pub fn limited(code: Reason, seconds_left: Option<i64>) -> Self {
        let phrase = "The limit of this day is reached; send the request again later";
        let status = StatusCode::TOO_MANY_REQUESTS;
        let seconds = seconds_left.unwrap_or(LONGEST_WAIT).clamp(1, LONGEST_WAIT);
        let detail = match seconds_left {
            Some(left) => format!("{} This window ends in {left} seconds.", code.meaning()),
            None => code.meaning().to_owned(),
        };
        let mut problem = Self::new(status, code, phrase, detail);
        problem.header = Some((header::RETRY_AFTER, seconds.into()));
        problem
    }

    /// Of a classic request in which an event failed; the SDK comes again.
    pub fn failed(code: Reason) -> Self {
        let phrase = "An event could not be stored now; send the request again";
        Self::unavailable(code, phrase, code.meaning())
    }

    /// Its source is paused (semantics 8.4).
    pub fn paused() -> Self {
        let phrase = "This source is paused; send the request again later";
        let detail = "the data source is paused: nothing of it is taken until it is resumed";
        Self::unavailable(Reason::SourcePaused, phrase, detail)
            .with(header::RETRY_AFTER, PAUSED_RETRY_AFTER)
    }

    /// A page of an origin that the source does not list (semantics 8.3).
    pub fn origin_not_allowed() -> Self {
        let phrase = "Pages of this origin may not send to this source; see allowed_origins";
        let detail = "pages of this origin may not send to this source: add it to the source's \
                      allowed_origins";
        let status = StatusCode::FORBIDDEN;
        Self::new(status, Reason::OriginNotAllowed, phrase, detail)
    }

    /// At an endpoint of Segment (Actions).
    pub fn key_of_classic() -> Self {
        let phrase = "This key is of a classic source: its endpoints are /classic/v1/..";
        let detail = "the key belongs to a classic Segment source, whose events go to \
                      /classic/v1/…, or to /v1/… on the classic port";
        let status = StatusCode::FORBIDDEN;
        Self::new(status, Reason::KeyOfOtherKind, phrase, detail)
    }

    /// At an endpoint of classic sources.
    pub fn key_of_actions() -> Self {
        let phrase =
            "This key is of Segment (Actions): its endpoints are /v1/identify and /v1/track";
        let detail = "the key belongs to a Segment (Actions) source, whose events go to \
                      /v1/identify and /v1/track on the port of Segment (Actions)";
        let status = StatusCode::FORBIDDEN;
        Self::new(status, Reason::KeyOfOtherKind, phrase, detail)
    }

    /// Of a classic request.
    pub fn no_write_key() -> Self {
        let detail = "send the data source's key as the user of Basic credentials, or as writeKey \
                      in the body";
        Self::unauthorized("Send the write key of the data source", detail)
    }

    /// In the path of the settings.
    pub fn no_such_project() -> Self {
        let phrase = "There is no source with this write key";
        let detail = "the write key is not known, was revoked, or is past its end";
        Self::new(StatusCode::NOT_FOUND, Reason::KeyUnknown, phrase, detail)
    }
}
