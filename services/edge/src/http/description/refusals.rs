//! Requests that are refused as a whole, by status.

use utoipa::ToSchema;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, Response, ResponseBuilder};
use weir_reasons::Reason;

use crate::http::problem::Details;

/// A way of being refused.
pub struct Refusal {
    /// Of the component.
    pub name: &'static str,
    pub status: u16,
    codes: &'static [Reason],
    about: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

pub const BAD_REQUEST: Refusal = Refusal {
    name: "BadRequest",
    status: 400,
    codes: &[Reason::BodyInvalid, Reason::FieldInvalid],
    about: "The body, or what it holds, can't be used; `detail` says why.",
    headers: &[],
};
pub const UNAUTHORIZED: Refusal = Refusal {
    name: "Unauthorized",
    status: 401,
    codes: &[Reason::KeyUnknown, Reason::KeyExpired],
    about: "No API key, or one that is not good. A key that is revoked stops within a minute, one \
            that is new works within three seconds.",
    headers: &[("WWW-Authenticate", "`Bearer`.")],
};
pub const FORBIDDEN: Refusal = Refusal {
    name: "Forbidden",
    status: 403,
    codes: &[Reason::KeyOfOtherKind],
    about: "The key is of a classic source, whose events go to `/classic/v1/…`.",
    headers: &[],
};
pub const NOT_FOUND: Refusal = Refusal {
    name: "NotFound",
    status: 404,
    codes: &[Reason::AudienceNotFound],
    about: "There is no such audience in the key's account.",
    headers: &[],
};
pub const METHOD_NOT_ALLOWED: Refusal = Refusal {
    name: "MethodNotAllowed",
    status: 405,
    codes: &[Reason::MethodNotAllowed],
    about: "The path takes another method.",
    headers: &[("Allow", "The methods that it takes.")],
};
pub const REQUEST_TIMEOUT: Refusal = Refusal {
    name: "RequestTimeout",
    status: 408,
    codes: &[Reason::BodyTooSlow],
    about: "The body came slower than 16 KiB/s, its first two seconds apart, or was not there \
            after 7.5 seconds. Send it again.",
    headers: &[],
};
pub const CONFLICT: Refusal = Refusal {
    name: "Conflict",
    status: 409,
    codes: &[Reason::AudienceNameTaken],
    about: "The audience was not created by Segment (Actions), and can't be touched from there.",
    headers: &[],
};
pub const CONTENT_TOO_LARGE: Refusal = Refusal {
    name: "ContentTooLarge",
    status: 413,
    codes: &[Reason::BodyTooLarge],
    about: "More events, or bytes, than a request may carry. Send smaller batches.",
    headers: &[],
};
pub const UNSUPPORTED_MEDIA_TYPE: Refusal = Refusal {
    name: "UnsupportedMediaType",
    status: 415,
    codes: &[Reason::MediaTypeUnsupported],
    about: "The body is not `application/json`, or neither plain nor gzip.",
    headers: &[
        ("Accept", "Where it was the type: what is taken."),
        (
            "Accept-Encoding",
            "Where it was the encoding: what is taken.",
        ),
    ],
};
pub const INTERNAL: Refusal = Refusal {
    name: "InternalError",
    status: 500,
    codes: &[Reason::Internal],
    about: "An error of ours. Send it again.",
    headers: &[],
};
pub const UNAVAILABLE: Refusal = Refusal {
    name: "Unavailable",
    status: 503,
    codes: &[
        Reason::ServiceAway,
        Reason::Overloaded,
        Reason::SourcePaused,
    ],
    about: "Something that is needed is away, too much is under way, or the source is paused. \
            Send it again.",
    headers: &[("Retry-After", "How many seconds to wait.")],
};

pub const CLASSIC_BAD_REQUEST: Refusal = Refusal {
    name: "ClassicBadRequest",
    status: 400,
    codes: &[Reason::BodyInvalid, Reason::BodyTooLarge],
    about: "The body is not what the path takes, or too large: SDKs take a 400 for final.",
    headers: &[],
};
pub const CLASSIC_UNAUTHORIZED: Refusal = Refusal {
    name: "ClassicUnauthorized",
    status: 401,
    codes: &[Reason::KeyUnknown, Reason::KeyExpired],
    about: "No write key, or one that is not good. A key that is revoked stops within a minute, \
            one that is new works within three seconds.",
    headers: &[(
        "WWW-Authenticate",
        "`Bearer`, which is taken too: for Basic, a browser would ask its reader for a password.",
    )],
};
pub const CLASSIC_FORBIDDEN: Refusal = Refusal {
    name: "ClassicForbidden",
    status: 403,
    codes: &[Reason::KeyOfOtherKind, Reason::OriginNotAllowed],
    about: "The key is of Segment (Actions), or the page's origin is none of the source's \
            `allowed_origins`.",
    headers: &[],
};
pub const CLASSIC_NOT_FOUND: Refusal = Refusal {
    name: "ClassicNotFound",
    status: 404,
    codes: &[Reason::KeyUnknown],
    about: "There is no source with this write key.",
    headers: &[],
};
pub const CLASSIC_UNSUPPORTED_ENCODING: Refusal = Refusal {
    name: "ClassicUnsupportedEncoding",
    status: 415,
    codes: &[Reason::MediaTypeUnsupported],
    about: "The body is neither plain nor gzip; its content type may be any.",
    headers: &[("Accept-Encoding", "What is taken.")],
};
pub const TOO_MANY_REQUESTS: Refusal = Refusal {
    name: "TooManyRequests",
    status: 429,
    codes: &[Reason::ProfileLimit, Reason::ActivityLimit],
    about: "A limit is reached for an event at least. Send all of it again: what was stored is a \
            repeat then.",
    headers: &[("Retry-After", "How many seconds to wait, 60 at most.")],
};
pub const CLASSIC_UNAVAILABLE: Refusal = Refusal {
    name: "ClassicUnavailable",
    status: 503,
    codes: &[
        Reason::ServiceAway,
        Reason::Overloaded,
        Reason::SourcePaused,
        Reason::Internal,
        Reason::UnitsInFlight,
        Reason::ContactsAway,
        Reason::ActivitiesAway,
        Reason::AudiencesAway,
    ],
    about: "Something that is needed is away, or failed for an event at least; too much is under \
            way, or the source is paused. Send all of it again: what was stored is a repeat then.",
    headers: &[("Retry-After", "How many seconds to wait.")],
};

const ALL: [Refusal; 18] = [
    FORBIDDEN,
    CLASSIC_BAD_REQUEST,
    CLASSIC_UNAUTHORIZED,
    CLASSIC_FORBIDDEN,
    CLASSIC_NOT_FOUND,
    CLASSIC_UNSUPPORTED_ENCODING,
    TOO_MANY_REQUESTS,
    CLASSIC_UNAVAILABLE,
    BAD_REQUEST,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    REQUEST_TIMEOUT,
    CONFLICT,
    CONTENT_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INTERNAL,
    UNAVAILABLE,
];

/// All of them, as components.
pub fn responses() -> impl Iterator<Item = (&'static str, Response)> {
    ALL.iter().map(|refusal| (refusal.name, refusal.response()))
}

impl Refusal {
    fn response(&self) -> Response {
        let codes = self.codes.iter().map(|code| code.code());
        let its_own = ObjectBuilder::new()
            .property(
                "status",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .enum_values(Some([self.status])),
            )
            .property(
                "code",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(codes)),
            );
        let schema = AllOfBuilder::new()
            .item(Ref::from_schema_name(Details::name()))
            .item(its_own);
        let content = ContentBuilder::new().schema(Some(schema));
        let mut response = ResponseBuilder::new()
            .description(self.about)
            .content("application/problem+json", content.build());
        for (name, about) in self.headers {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let header = HeaderBuilder::new()
                .schema(Some(text))
                .description(Some(*about));
            response = response.header(*name, header.build());
        }
        response.build()
    }
}

/// Whether the document says that a request may be refused like this.
#[cfg(test)]
pub fn is_described(status: u16, code: Reason) -> bool {
    ALL.iter()
        .any(|refusal| refusal.status == status && refusal.codes.contains(&code))
}
