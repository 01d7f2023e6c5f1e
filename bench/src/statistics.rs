//! Percentiles, medians and ratios: pure arithmetic over what was measured.

use std::time::Duration;

/// The smallest value that at least `percent` of the values do not exceed (nearest rank);
/// zero of nothing. Sorts the values.
pub fn percentile(values: &mut [Duration], percent: f64) -> Duration {
    if values.is_empty() {
        return Duration::ZERO;
    }
    values.sort_unstable();
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// The middle one, or the mean of the two in the middle; zero of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

/// `part / whole`; none where there is no whole.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// The mean; zero of nothing.
pub fn mean(values: &[f64]) -> f64 {
    ratio(values.iter().sum(), values.len() as f64).unwrap_or(0.0)
}

/// Microseconds per event.
pub fn micros_per(seconds: f64, events: u64) -> f64 {
    ratio(seconds * 1e6, events as f64).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[u64], percent: f64, expected: u64) {
        let mut values: Vec<Duration> = values.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(
            percentile(&mut values, percent),
            Duration::from_millis(expected)
        );
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        check(&[], 50.0, 0);
        check(&[5], 50.0, 5);
        check(&[5], 99.0, 5);
        check(&[3, 1, 2], 50.0, 2);
        check(&[4, 3, 2, 1], 50.0, 2);
        let hundred: Vec<u64> = (1..=100).rev().collect();
        check(&hundred, 50.0, 50);
        check(&hundred, 99.0, 99);
        check(&hundred, 100.0, 100);
    }

    #[test]
    fn a_median_ignores_the_outlier() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 100.0, 1.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), 3.0);
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(3.0, 4.0), Some(0.75));
        assert_eq!(micros_per(1.0, 0), 0.0);
        assert_eq!(micros_per(1.0, 1_000_000), 1.0);
    }
}
