//! The trace context in gRPC metadata, and the id of the request of a person.

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Writes the present span's context, where there is one that is traced.
pub(crate) fn inject(headers: &mut http::HeaderMap) {
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Carrier(headers));
    });
}

/// The header of a request that a person made of a page: it goes along with all calls for it, and
/// stands in what is logged of them.
pub const REQUEST_ID: &str = "x-request-id";
/// One that is longer, or has other signs than an id, is nobody's.
const MAX_REQUEST_ID: usize = 64;

/// The one that a call carries.
pub(crate) fn request_id(headers: &http::HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (id.len() <= MAX_REQUEST_ID && !id.is_empty() && id.bytes().all(is_one)).then_some(id)
}

/// Writes the id of its trace into a span that has the field `trace_id`, for all lines that are
/// logged within; nothing where nobody collects traces.
pub fn tell_trace(span: &tracing::Span) {
    let context = span.context();
    let of_trace = context.span().span_context().clone();
    if of_trace.is_valid() {
        span.record("trace_id", tracing::field::display(of_trace.trace_id()));
    }
}

/// Makes `span` a child of the caller's.
pub(crate) fn adopt(span: &tracing::Span, headers: &http::HeaderMap) {
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(headers))
    });
    // Fails only where the span is not recorded at all.
    let _ = span.set_parent(parent);
    tell_trace(span);
}

struct Carrier<'a>(&'a mut http::HeaderMap);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (key.parse::<http::HeaderName>(), value.parse()) {
            self.0.insert(key, value);
        }
    }
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_taken_for_one() {
        let of = |value: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(REQUEST_ID, value.parse().unwrap());
            request_id(&headers).map(str::to_owned)
        };
        let id = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
        assert_eq!(of(id).as_deref(), Some(id));
        for other in ["", "a b", "lana@example.org", &"a".repeat(65)] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(request_id(&http::HeaderMap::new()), None);
    }
}
