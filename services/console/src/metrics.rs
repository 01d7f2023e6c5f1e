//! Names and labels, declared once. No label names an account or a person.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "console.requests_total";
const DURATION: &str = "console.request.duration_seconds";
const SIGN_INS: &str = "console.sign_ins_total";

/// Says what each of them means.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by method and status.");
    describe_histogram!(DURATION, "From a request's head to its answer, by method.");
    describe_counter!(SIGN_INS, "Tries to sign in, by way and outcome.");
}

pub fn request(method: &'static str, status: u16, took: Duration) {
    counter!(REQUESTS, "method" => method, "status" => status.to_string()).increment(1);
    histogram!(DURATION, "method" => method).record(took.as_secs_f64());
}

pub fn sign_in(way: &'static str, outcome: &'static str) {
    counter!(SIGN_INS, "way" => way, "outcome" => outcome).increment(1);
}
