//! Which pages of a browser may call.

use std::str::FromStr;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may keep in mind that a page may call.
const MAX_AGE: Duration = Duration::from_secs(7_200);

/// The pages that may call: their exact origins, none where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsOrigins(Vec<HeaderValue>);

/// Why a text is no list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin such as https://weir.example.org or http://localhost:3000")]
pub struct NotAnOrigin(String);

/// Origins with commas in between, as browsers write them: all in small letters, without a path,
/// and without the port where it is the usual one.
impl FromStr for CorsOrigins {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let given = text.split(',').map(str::trim);
        let origins = given.filter(|text| !text.is_empty()).map(origin);
        Ok(Self(origins.collect::<Result<_, _>>()?))
    }
}

fn origin(text: &str) -> Result<HeaderValue, NotAnOrigin> {
    let wrong = || NotAnOrigin(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong());
    };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong()),
    };
    let written = match uri.port_u16() {
        Some(port) if port != usual => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    };
    // A star would be taken for a name, and would match nobody.
    if written != text || text != text.to_ascii_lowercase() || text.contains('*') {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// None where no page may call.
pub(super) fn layer(origins: &CorsOrigins) -> Option<CorsLayer> {
    if origins.0.is_empty() {
        return None;
    }
    let taken = [
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "traceparent",
        "tracestate",
        "x-grpc-web",
        "x-user-agent",
    ];
    let shown = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.0.iter().cloned()))
        .allow_methods([Method::POST])
        .allow_headers(
            [AUTHORIZATION, CONTENT_TYPE]
                .into_iter()
                .chain(taken.map(HeaderName::from_static))
                .collect::<Vec<_>>(),
        )
        .expose_headers(shown.map(HeaderName::from_static))
        .max_age(MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let read = |text: &str| text.parse::<CorsOrigins>().map(|origins| origins.0.len());
        for (text, count) in [
            ("", 0),
            (" , ", 0),
            ("https://weir.example.org", 1),
            ("http://localhost:3000, http://[::1]:8000", 2),
        ] {
            assert_eq!(read(text), Ok(count), "{text}");
        }
        for text in [
            "*",
            "null",
            "weir.example.org",
            "https://weir.example.org/",
            "https://weir.example.org/console",
            "https://weir.example.org:443",
            "https://Weir.example.org",
            "https://*.example.org",
            "https://a@example.org",
            "ftp://example.org",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
