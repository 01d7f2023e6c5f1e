//! A point in time by which an answer must be there, handed on with every call.

use std::time::{Duration, Instant};

use tonic::{Request, Status};

/// What a call without a deadline gets.
const DEFAULT: Duration = Duration::from_secs(10);

/// When the caller stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The deadline that came with a call (`grpc-timeout`), else ten seconds.
    pub fn of<T>(request: &Request<T>) -> Self {
        Self::of_headers(request.metadata().as_ref())
    }

    /// As [`of`](Self::of), before a call is read.
    pub(crate) fn of_headers(headers: &http::HeaderMap) -> Self {
        let timeout = headers
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok())
            .and_then(parse_timeout);
        Self::after(timeout.unwrap_or(DEFAULT))
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// A call that carries what is left.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED when nothing is left: the call is not worth making.
    pub fn request<T>(self, message: T) -> Result<Request<T>, Status> {
        let remaining = self.remaining();
        if remaining.is_zero() {
            return Err(crate::late());
        }
        let mut request = Request::new(message);
        request.set_timeout(remaining);
        Ok(request)
    }
}

/// `grpc-timeout` is up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.saturating_mul(3_600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_survives_the_wire() {
        let sent = Deadline::after(Duration::from_secs(8));
        let request = sent.request(()).unwrap();
        let received = Deadline::of(&request);
        let lost = sent.remaining().abs_diff(received.remaining());
        assert!(lost < Duration::from_millis(100), "{lost:?}");
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_not_made() {
        let error = Deadline::after(Duration::ZERO).request(()).unwrap_err();
        assert_eq!(error.code(), tonic::Code::DeadlineExceeded);
    }

    #[test]
    fn odd_timeouts_are_no_timeouts() {
        for text in ["", "S", "5", "5x", "é", "-1S", "123456789H"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
    }
}
