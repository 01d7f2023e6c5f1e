//! Limits, as they are told (semantics 6.1, 6.4a).

use crate::domain::text::grouped;
use crate::domain::time;

/// The limits that stood when the batch was admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub profile: Limit,
    pub activity: Limit,
    /// Unix time in microseconds.
    pub window_end: i64,
}

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    pub value: i64,
    /// What it is the product of: the plan's factor, its contacts, and how many activities are
    /// mapped, where it is about these.
    pub factors: (i64, i64, Option<i64>),
    /// Units were short, but the limit is not reached: the others are reserved by batches that
    /// are under way.
    pub is_in_flight: bool,
}

impl Limit {
    /// Says that it is reached, how it comes about, and until when.
    pub(super) fn reached(&self, what: &str, window_end: i64) -> String {
        let limit = self.shown();
        let end = time::shown(window_end);
        format!(
            "the limit of {limit} {what} events in 24 hours is reached; the window ends at {end}"
        )
    }

    /// `5 × 5,000 × 5 = 125,000`; the number alone where the plan has changed meanwhile.
    fn shown(&self) -> String {
        let value = grouped(self.value);
        let (factor, contacts, activities) = self.factors;
        let product = factor
            .checked_mul(contacts)
            .and_then(|product| product.checked_mul(activities.unwrap_or(1)));
        if product != Some(self.value) {
            return value;
        }
        let (factor, contacts) = (grouped(factor), grouped(contacts));
        match activities.map(grouped) {
            Some(activities) => format!("{factor} × {contacts} × {activities} = {value}"),
            None => format!("{factor} × {contacts} = {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_as_the_product_that_it_is() {
        let shown = |value, factors| {
            Limit {
                value,
                factors,
                is_in_flight: false,
            }
            .shown()
        };
        let five = (5, 5_000, Some(5));
        assert_eq!(shown(125_000, five), "5 × 5,000 × 5 = 125,000");
        assert_eq!(shown(50_000, (10, 5_000, None)), "10 × 5,000 = 50,000");
        assert_eq!(shown(0, (5, 5_000, Some(0))), "5 × 5,000 × 0 = 0");
        assert_eq!(shown(250_000, five), "250,000", "the plan has changed");
        assert_eq!(shown(7, (i64::MAX, 2, None)), "7");
    }
}
