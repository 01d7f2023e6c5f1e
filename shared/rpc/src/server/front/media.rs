//! How a body is written, by its media type.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// What a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Proto,
}

/// What can be called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// The message itself.
    Unary(Form),
    /// Messages, each in an envelope.
    Stream(Form),
    /// gRPC-Web, of any kind.
    Web,
}

impl Media {
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let mut parts = text.split(';').map(str::trim);
        let media = match parts.next()?.to_ascii_lowercase().as_str() {
            "application/json" => Self::Unary(Form::Json),
            "application/proto" => Self::Unary(Form::Proto),
            "application/connect+json" => Self::Stream(Form::Json),
            "application/connect+proto" => Self::Stream(Form::Proto),
            "application/grpc-web"
            | "application/grpc-web+proto"
            | "application/grpc-web-text"
            | "application/grpc-web-text+proto" => return Some(Self::Web),
            _ => return None,
        };
        let is_utf8 = parts.all(|part| match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        });
        is_utf8.then_some(media)
    }
}

impl Form {
    pub fn media(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    pub fn stream_media(self) -> &'static str {
        match self {
            Self::Json => "application/connect+json",
            Self::Proto => "application/connect+proto",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_as_http_has_them() {
        let read = |text: &str| {
            Media::of(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                text.parse().unwrap(),
            )]))
        };
        for text in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"; v=1",
        ] {
            assert_eq!(read(text), Some(Media::Unary(Form::Json)), "{text}");
        }
        assert_eq!(
            read("application/connect+proto"),
            Some(Media::Stream(Form::Proto))
        );
        assert_eq!(read("application/grpc-web-text+proto"), Some(Media::Web));
        for text in [
            "",
            ";",
            "text/json",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/grpc",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), None);
    }
}
