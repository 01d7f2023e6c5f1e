//! Names and labels, declared once. No label names an account.

use std::time::Duration;

use tonic::Code;

/// Requests answered, by `endpoint` and `status`.
const REQUESTS: &str = "edge.requests";
/// From the request's head to its answer, by `endpoint`.
const DURATION: &str = "edge.request.duration_seconds";
/// Events answered, by `status`.
const EVENTS: &str = "edge.events";
/// Requests turned away before any work, by `reason`.
const SHED: &str = "edge.shed";
/// Tries of hops that failed, by `hop` and `code`.
const HOP_FAILURES: &str = "edge.hop.failures";
/// Batches left to the quota service's sweeper, because what they stored is not certain.
const UNSETTLED: &str = "edge.batches.unsettled";

pub fn request(endpoint: &'static str, status: u16, elapsed: Duration) {
    let status = status.to_string();
    metrics::counter!(REQUESTS, "endpoint" => endpoint, "status" => status).increment(1);
    metrics::histogram!(DURATION, "endpoint" => endpoint).record(elapsed.as_secs_f64());
}

pub fn events(status: u16, count: u64) {
    metrics::counter!(EVENTS, "status" => status.to_string()).increment(count);
}

pub fn shed(reason: &'static str) {
    metrics::counter!(SHED, "reason" => reason).increment(1);
}

pub fn hop_failed(hop: &'static str, code: Code) {
    metrics::counter!(HOP_FAILURES, "hop" => hop, "code" => format!("{code:?}")).increment(1);
}

pub fn unsettled() {
    metrics::counter!(UNSETTLED).increment(1);
}
