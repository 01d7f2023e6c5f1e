//! What is told of an account at a glance; nothing where it is not known.

/// Beside the names of the sections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    pub sources: Option<usize>,
    /// Events of the last 24 hours of which nothing is stored.
    pub not_stored: Option<i64>,
    /// Per cent of the limit that is nearer.
    pub used: Option<i64>,
    /// Whether all services answer.
    pub well: Option<bool>,
}

/// `940`, `1.2k`, `48k`, `3.1M`: as short as there is room for, and never more than there are.
pub fn short(count: i64) -> String {
    if count < 1_000 {
        return count.to_string();
    }
    let (unit, of) = if count < 1_000_000 {
        ("k", 1_000)
    } else {
        ("M", 1_000_000)
    };
    match count / of {
        whole @ ..10 => format!("{whole}.{}{unit}", count % of * 10 / of),
        whole => format!("{whole}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_more_than_there_are() {
        for (count, said) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0k"),
            (1_299, "1.2k"),
            (9_999, "9.9k"),
            (10_000, "10k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
            (48_210_000, "48M"),
        ] {
            assert_eq!(short(count), said);
        }
    }
}
