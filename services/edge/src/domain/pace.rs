//! How slow a body may be.

use std::time::Duration;

/// Slower than any line that still works, in bytes a second.
const SLOWEST: u64 = 16 * 1024;
/// Nothing is said of its pace before.
const GRACE: Duration = Duration::from_secs(2);

/// By when, after reading began, more must be there of a body of which so many bytes are.
pub fn due(arrived: usize) -> Duration {
    let arrived = u64::try_from(arrived).unwrap_or(u64::MAX);
    let paid = Duration::from_micros(arrived.saturating_mul(1_000_000) / SLOWEST);
    paid.max(GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_two_seconds_and_then_one_for_each_16_kib() {
        for (arrived, millis) in [
            (0, 2_000),
            (1, 2_000),
            (32 * 1024, 2_000),
            (48 * 1024, 3_000),
            (1024 * 1024, 64_000),
        ] {
            assert_eq!(due(arrived), Duration::from_millis(millis), "{arrived}");
        }
        assert!(due(usize::MAX) > due(1 << 40));
    }
}
