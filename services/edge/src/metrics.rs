//! Names and labels, declared once. No label names an account.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tonic::Code;
use weir_reasons::Reason;

const REQUESTS: &str = "edge.requests_total";
const DURATION: &str = "edge.request.duration_seconds";
const EVENTS: &str = "edge.events_total";
const SHED: &str = "edge.shed_total";
const HOP_FAILURES: &str = "edge.hop.failures_total";
const UNSETTLED: &str = "edge.batches.unsettled_total";
const QUEUE_WAIT: &str = "edge.queue.wait_seconds";
const QUEUED: &str = "edge.queue.events";
const BATCH_EVENTS: &str = "edge.batch.events";
const BATCH_REQUESTS: &str = "edge.batch.requests";
const PARTED: &str = "edge.batches.parted_total";
const LOG_LINES_LOST: &str = "edge.log_lines.lost_total";
const NOT_KEPT: &str = "edge.kept_events.left_out_total";
const RECENT_LOST: &str = "edge.recent_events.lost_total";
const PANICS: &str = "edge.request.panics_total";

/// Says what each of them means.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by endpoint and status.");
    describe_histogram!(
        DURATION,
        "From the request's head to its answer, by endpoint."
    );
    describe_counter!(EVENTS, "Events answered, by status and reason code.");
    describe_counter!(SHED, "Work turned away before it began, by reason.");
    describe_counter!(
        HOP_FAILURES,
        "Tries of calls to services that failed, by hop and gRPC code."
    );
    describe_counter!(
        UNSETTLED,
        "Batches left to the quota service's sweeper, because what they stored is not certain."
    );
    describe_histogram!(
        QUEUE_WAIT,
        "How long requests waited for their turn, once they were read."
    );
    describe_gauge!(QUEUED, "Events that wait for their turn.");
    describe_histogram!(BATCH_EVENTS, "Events that went on together.");
    describe_histogram!(BATCH_REQUESTS, "Requests that went on together.");
    describe_counter!(
        PARTED,
        "Times that a batch was taken apart, by why: its size, or a failure for something in it."
    );
    describe_counter!(
        LOG_LINES_LOST,
        "Lines that a source's log did not get, because mapping was away or behind."
    );
    describe_counter!(
        NOT_KEPT,
        "Events that were to be kept for replay and are not, by why: more of a reason than a \
         second has room for, its size, a full queue, mapping away."
    );
    describe_counter!(
        RECENT_LOST,
        "Events that were to be among a source's recent ones and are not, by why: a full queue, \
         mapping away."
    );
    describe_counter!(PANICS, "Requests that ended by a panic.");
    // Whoever asks for an increase has to see it from 0 on.
    counter!(PANICS).increment(0);
}

pub fn request(endpoint: &'static str, status: u16, elapsed: Duration) {
    let status = status.to_string();
    counter!(REQUESTS, "endpoint" => endpoint, "status" => status).increment(1);
    histogram!(DURATION, "endpoint" => endpoint).record(elapsed.as_secs_f64());
}

/// `code` is none for a plain success.
pub fn events(status: u16, code: Option<Reason>, count: u64) {
    let code = code.map_or("OK", Reason::code);
    counter!(EVENTS, "status" => status.to_string(), "code" => code).increment(count);
}

pub fn shed(reason: &'static str) {
    counter!(SHED, "reason" => reason).increment(1);
}

pub fn hop_failed(hop: &'static str, code: Code) {
    counter!(HOP_FAILURES, "hop" => hop, "code" => format!("{code:?}")).increment(1);
}

pub fn unsettled() {
    counter!(UNSETTLED).increment(1);
}

pub fn waited(waited: Duration) {
    histogram!(QUEUE_WAIT).record(waited.as_secs_f64());
}

pub fn waiting(events: usize) {
    gauge!(QUEUED).set(events as f64);
}

pub fn batch(requests: usize, events: usize) {
    histogram!(BATCH_REQUESTS).record(requests as f64);
    histogram!(BATCH_EVENTS).record(events as f64);
}

pub fn parted(why: &'static str) {
    counter!(PARTED, "why" => why).increment(1);
}

pub fn log_lines_lost(count: u32) {
    counter!(LOG_LINES_LOST).increment(u64::from(count));
}

pub fn panicked() {
    counter!(PANICS).increment(1);
}

pub fn not_kept(why: &'static str) {
    not_kept_of(why, 1);
}

pub fn not_kept_of(why: &'static str, count: usize) {
    counter!(NOT_KEPT, "why" => why).increment(count as u64);
}

pub fn recent_events_lost(why: &'static str, count: usize) {
    counter!(RECENT_LOST, "why" => why).increment(count as u64);
}
