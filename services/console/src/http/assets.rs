//! The style sheet and the script: one of each, within the program.

use std::sync::LazyLock;

use ::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("../../assets/console.css");
const SCRIPT: &str = concat!(
    include_str!("../../assets/console.js"),
    include_str!("../../assets/times.js"),
    include_str!("../../assets/kept.js")
);
const ICON: &str = include_str!("../../assets/icon.svg");

/// Another one with each change, so that browsers may keep what they have.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = ring::digest::digest(
        &ring::digest::SHA256,
        [STYLE, SCRIPT, ICON].concat().as_bytes(),
    );
    data_encoding::HEXLOWER.encode(&all.as_ref()[..6])
});

pub fn version() -> &'static str {
    &VERSION
}

pub async fn style() -> Response {
    kept("text/css; charset=utf-8", STYLE)
}

pub async fn script() -> Response {
    kept("text/javascript; charset=utf-8", SCRIPT)
}

pub async fn icon() -> Response {
    kept("image/svg+xml", ICON)
}

fn kept(kind: &'static str, text: &'static str) -> Response {
    let known = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        known(header::CONTENT_TYPE, kind),
        known(header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, text).into_response()
}
