//! A chart of days: bars on one axis, words instead of a legend.

use std::fmt::Write;

use super::html::{Markup, escaped};
use crate::domain::{chart, words};

const HEIGHT: u32 = 72;
/// Of a bar with the room beside it.
const STEP: usize = 7;

/// Bars of these days, the oldest first. A limit is drawn where it can be seen beside them.
pub fn days(
    name: &str,
    days: &[String],
    counts: &[i64],
    limit: Option<i64>,
    class: &str,
) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0);
    let limit = limit.filter(|limit| *limit > 0 && *limit <= most.saturating_mul(4));
    let mut scaled = counts.to_vec();
    scaled.extend(limit);
    let heights = chart::heights(&scaled, HEIGHT);
    let (width, base) = (counts.len() * STEP, HEIGHT + 2);
    let (first, last) = (days.first(), days.last());
    let (first, last) = (first.map_or("", |day| day), last.map_or("", |day| day));
    let best = counts.iter().position(|count| *count == most && most > 0);
    let best = best.map_or_else(String::new, |place| {
        format!("most on {}: {}", days[place], words::number(most))
    });
    let sum = words::number(counts.iter().sum());
    let label = escaped(&format!("{name}, {first} to {last}: {sum}; {best}"));
    let mut svg = format!(
        r#"<figure class="chart {class}"><figcaption><strong>{}</strong> <span>{sum}</span></figcaption><svg viewBox="0 0 {width} {}" preserveAspectRatio="none" role="img" aria-label="{label}"><line x1="0" y1="{base}" x2="{width}" y2="{base}" class="axis"/>"#,
        escaped(name),
        base + 1
    );
    for (place, height) in heights.iter().take(counts.len()).enumerate() {
        if *height > 0 {
            let (x, y) = (place * STEP + 1, base - height);
            let _ = write!(
                svg,
                r#"<rect x="{x}" y="{y}" width="5" height="{height}" class="bar"/>"#
            );
        }
    }
    let mut said = vec![best];
    if let Some(limit) = limit {
        let y = base - heights.last().copied().unwrap_or(0);
        let _ = write!(
            svg,
            r#"<line x1="0" y1="{y}" x2="{width}" y2="{y}" class="limit"/>"#
        );
        said.push(format!("line: today's limit, {}", words::number(limit)));
    }
    said.retain(|words| !words.is_empty());
    let said = escaped(&said.join(" · "));
    let _ = write!(
        svg,
        r#"</svg><p class="help ends"><span>{first}</span><span>{said}</span><span>today</span></p></figure>"#
    );
    Markup(svg)
}

#[cfg(test)]
mod tests {
    fn drawn(counts: &[i64], limit: Option<i64>) -> String {
        let days: Vec<_> = (1..=counts.len())
            .map(|day| format!("2026-11-0{day}"))
            .collect();
        super::days("Units", &days, counts, limit, "").to_string()
    }

    #[test]
    fn a_chart_says_what_it_draws() {
        let svg = drawn(&[0, 1_500, 20], Some(2_000));
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("most on 2026-11-02: 1,500"));
        assert!(svg.contains("class=\"limit\"") && svg.contains("today&#39;s limit, 2,000"));
        assert!(!svg.contains("style="), "the policy allows none");
    }

    #[test]
    fn a_limit_that_is_far_off_does_not_flatten_the_bars() {
        assert!(!drawn(&[1, 2], Some(1_000)).contains("class=\"limit\""));
        assert!(!drawn(&[], Some(1_000)).contains("class=\"limit\""));
        assert!(!drawn(&[0, 0], None).contains("<rect"));
    }
}
