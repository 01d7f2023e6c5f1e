//! How much of an account a page of a file reads at once.
//!
//! Rows weigh from a hundred bytes to three million. A page that asks for a number of rows and
//! keeps some megabytes of them has PostgreSQL read, send and throw away the rest, a thousand
//! times what is kept; or runs into the time that a statement has. So pages are asked for by what
//! the rows before them weighed, and a statement of its own accord stops where the next rows turn
//! out to be many times heavier.

/// Rows that are asked for at most: many enough that the way there and back does not count, few
/// enough that a page is there in no time.
const MOST_ROWS: i64 = 2_000;
/// Rows that are asked for first, when nothing is known of them yet.
const FIRST_ROWS: i64 = 8;
/// What a page is to have, in bytes: half of what it may, so that few rows are thrown away where
/// they weigh more than those before.
const WANTED_BYTES: usize = PAGE_BYTES / 2;

/// Of a page, in bytes: what is behind them is asked for again. They bound what an export holds.
pub const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Of a page, in bytes as PostgreSQL keeps them, which it knows without reading a value: what it
/// compressed is up to a hundred times that, some half a second of reading.
pub const PAGE_STORED_BYTES: i64 = 2 * 1024 * 1024;

/// The rows that the next page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion(i64);

impl Portion {
    /// Of the first page.
    pub const FIRST: Self = Self(FIRST_ROWS);

    /// As many as this, from 1 on.
    pub fn rows(&self) -> i64 {
        self.0
    }

    /// Behind a page of which so many rows were read, which had so many bytes, and the last of them
    /// so many: where that one went beyond what a page may have, more of its kind follow.
    pub fn behind(rows: usize, bytes: usize, last: usize) -> Self {
        let each = bytes / rows.max(1);
        let each = if bytes > PAGE_BYTES {
            each.max(last)
        } else {
            each
        };
        let next = WANTED_BYTES / each.max(1);
        Self(i64::try_from(next).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_what_rows_weighed() {
        for (rows, bytes, last, next) in [
            (8, 8 * 200, 200, 2_000),
            (8, 0, 0, 2_000),
            (0, 0, 0, 2_000),
            (2_000, 2_000 * 1_024, 1_024, 2_000),
            (29, 29 * 298_000, 298_000, 14),
            (3, 3 * 3_000_000, 3_000_000, 1),
            (1, usize::MAX, usize::MAX, 1),
            (1_000, 1_000 * 4_096, 4_096, 1_024),
            // Some that weigh nothing, and then others.
            (1_028, 1_000 * 100 + 28 * 300_000, 300_000, 13),
            (1_004, 1_000 * 100 + 4 * 300_000, 300_000, 2_000),
        ] {
            let portion = Portion::behind(rows, bytes, last);
            assert_eq!(portion.rows(), next, "{rows}, {bytes}");
        }
    }

    #[test]
    fn rows_of_one_weight_are_not_thrown_away() {
        for weight in [100, 2_000, 14_000, 298_000, 3_000_000] {
            let next = Portion::behind(8, 8 * weight, weight).rows();
            assert!(usize::try_from(next).unwrap() * weight <= PAGE_BYTES);
        }
    }
}
