//! What is served here, for programs: an OpenAPI 3.1 document, made of the routes themselves.

mod classic;
mod events;
mod operations;
mod outcomes;
mod refusals;
mod samples;

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, Server,
};

use super::answer::{Audience, Me};
use super::classic::Endpoint;
use super::methods::Methods;
use super::problem::Details;
use super::routes::Route;

/// The names of the ways to say who asks.
const KEY: &str = "key";
const WRITE_KEY: &str = "writeKey";

const ABOUT: &str = "\
Where Segment (Actions) and, below `/classic`, Segment's SDKs send their events, and anybody else \
who has an API key of a data source.

**Batches.** A request carries a JSON array of at most 1,000 events and 16 MiB (once inflated), \
or a single event. Each event is answered for itself: whatever is wrong with one changes nothing \
for its neighbours. A 207 lists an outcome for each in `results`, in the order they came in, and \
those that are not 200 in `errors` once more.

**Again.** Whatever is sent again with the same `message_id`, `timestamp` and content is a repeat: \
200, stored and charged once. 408, 500 and 503 of a request, and 429 and 500 of an event, may be \
sent again as they are; all else fails again as long as nothing is changed.

**Refused as a whole.** What is not 2xx has problem details (RFC 9457) with a reason `code`, and \
a status line that says what to do. Besides what stands at each path: a path that is not here is \
404 `PATH_UNKNOWN`; a head that is not there after 8 seconds is 408 `BODY_TOO_SLOW`; where as many \
connections are open as there is room for it is 503 `OVERLOADED`; what is not HTTP/1.1, or has a \
head of more than 32 KiB, is 400, 414 or 431 without a body. Where GET is taken, so is HEAD.";

static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
    let text = document().to_json();
    text.expect("a document that is made here is JSON").into()
});

/// The document.
pub fn text() -> Bytes {
    TEXT.clone()
}

fn routes() -> impl Iterator<Item = (&'static str, Route)> {
    let plain = Route::ALL.into_iter().map(|route| (route.path().0, route));
    // The letters that stand for these are told of in words.
    let classic = Endpoint::DESCRIBED.into_iter();
    plain.chain(classic.map(|(path, endpoint)| (path, Route::Classic(endpoint))))
}

fn document() -> OpenApi {
    let mut paths = Paths::new();
    for (path, route) in routes() {
        let (_, methods) = route.path();
        let method = match methods {
            Methods::Get | Methods::GetFromPages => HttpMethod::Get,
            Methods::Post | Methods::PostFromPages => HttpMethod::Post,
            Methods::Put => HttpMethod::Put,
        };
        paths.add_path_operation(path, vec![method], operations::of(route, path));
    }
    let mut license = License::new(env!("CARGO_PKG_LICENSE"));
    license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
    let info = InfoBuilder::new()
        .title("Weir edge")
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license))
        .description(Some(ABOUT));
    let tags = operations::TAGS.map(|(name, about)| {
        let tag = TagBuilder::new().name(name).description(Some(about));
        tag.build()
    });
    OpenApiBuilder::new()
        .info(info)
        // Wherever it was read from.
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components()))
        .build()
}

fn components() -> Components {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API key of a data source of the kind `segment_actions`: \
             `Authorization: Bearer KEY`.",
        ));
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "An API key of a data source of the kind `segment_classic` as the user, with an empty \
             password. It may stand in the body as well, as `writeKey`.",
        ));
    ComponentsBuilder::new()
        .security_scheme(KEY, SecurityScheme::Http(bearer.build()))
        .security_scheme(WRITE_KEY, SecurityScheme::Http(basic.build()))
        .schemas_from_iter(events::schemas())
        .schemas_from_iter(classic::schemas())
        .schemas_from_iter(outcomes::schemas())
        .schema_from::<Me<'_>>()
        .schema_from::<Audience<'_>>()
        .schema_from::<Details<'_>>()
        .response(outcomes::ANSWER, outcomes::answer())
        .responses_from_iter(refusals::responses())
        .build()
}

#[cfg(test)]
pub use refusals::is_described;
