//! Pieces of pages that many have. Whatever is not written here is escaped.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;
use weir_values::ValueType;

use crate::domain::draft::OWN;
use crate::domain::words;
use crate::domain::{Time, chart};

/// Characters of a value among those of 200 fields: with more the page would not be small any more.
const BRIEF: usize = 40;

/// A number of whatever kind, or a reference to one: templates pass both.
pub trait Count {
    fn count(&self) -> i64;
}

macro_rules! counts {
    ($($of:ty)*) => {$(
        impl Count for $of {
            fn count(&self) -> i64 {
                i64::try_from(*self).unwrap_or(i64::MAX)
            }
        }
    )*};
}
counts!(i64 i32 u32 usize u64 u128);

impl<T: Count> Count for &T {
    fn count(&self) -> i64 {
        T::count(self)
    }
}

/// A time, or none; or a reference to that.
pub trait When {
    fn when(&self) -> Option<Time>;
}

impl When for Option<Time> {
    fn when(&self) -> Option<Time> {
        *self
    }
}

impl When for Time {
    fn when(&self) -> Option<Time> {
        Some(*self)
    }
}

impl<T: When> When for &T {
    fn when(&self) -> Option<Time> {
        T::when(self)
    }
}

/// HTML that was made here.
#[derive(Debug, Clone, Default)]
pub struct Markup(pub(super) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// As text, wherever it stands.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A field of a form that nobody sees.
pub fn hidden(name: &str, value: &str) -> Markup {
    let (name, value) = (escaped(name), escaped(value));
    Markup(format!(
        r#"<input type="hidden" name="{name}" value="{value}">"#
    ))
}

/// How long ago, and when that was; the script says it in the reader's zone.
pub fn time(time: impl When, now: Time) -> Markup {
    let Some(time) = time.when() else {
        return Markup(r#"<span class="muted">–</span>"#.to_owned());
    };
    let (exact, ago) = (time.format("%Y-%m-%d %H:%M:%S UTC"), words::ago(time, now));
    let stamp = time.format("%Y-%m-%dT%H:%M:%SZ");
    Markup(format!(
        r#"<time datetime="{stamp}" title="{exact}">{ago}</time>"#
    ))
}

/// Both beside each other, where one thing is looked at.
pub fn time_in_full(time: impl When, now: Time) -> Markup {
    let Some(at) = time.when() else {
        return self::time(time, now);
    };
    let (exact, ago) = (at.format("%Y-%m-%d %H:%M:%S UTC"), words::ago(at, now));
    let stamp = at.format("%Y-%m-%dT%H:%M:%SZ");
    Markup(format!(
        r#"<time datetime="{stamp}" title="{exact}">{ago}<span class="at"> ({exact})</span></time>"#
    ))
}

/// The time of the day, of a page that is shown anew; the script says it in the reader's zone.
pub fn clock(time: impl When) -> Markup {
    let Some(time) = time.when() else {
        return Markup(String::new());
    };
    let (stamp, said) = (
        time.format("%Y-%m-%dT%H:%M:%SZ"),
        time.format("%H:%M:%S UTC"),
    );
    let exact = time.format("%Y-%m-%d %H:%M:%S UTC");
    Markup(format!(
        r#"<time datetime="{stamp}" title="{exact}" data-clock="1">{said}</time>"#
    ))
}

/// An answer to an event: sign, number, words.
pub fn outcome(status: impl Count) -> Markup {
    let status = u32::try_from(status.count()).unwrap_or_default();
    let (class, sign, word) = words::outcome(status);
    let shown = match status {
        0 => String::new(),
        status => format!("{status} "),
    };
    Markup(format!(
        r#"<span class="outcome {class}"><span aria-hidden="true">{sign}</span> {shown}{word}</span>"#
    ))
}

/// A state: class and words.
pub fn state(class: &str, word: &str) -> Markup {
    let sign = match class {
        "ok" => "✓",
        "part" => "◐",
        "bad" => "✕",
        "limit" => "⧗",
        "fail" => "!",
        _ => "○",
    };
    let word = escaped(word);
    Markup(format!(
        r#"<span class="outcome {class}"><span aria-hidden="true">{sign}</span> {word}</span>"#
    ))
}

/// A number beside a section's name, and what it counts.
pub fn figure(number: &str, says: &str, class: &str) -> Markup {
    let (number, says) = (escaped(number), escaped(says));
    Markup(format!(
        r#"<span class="figure {class}" title="{says}"><span aria-hidden="true">{number}</span><span class="off-screen">, {says}</span></span>"#
    ))
}

/// An id, cut in the middle; whole where one looks, and one click copies it.
pub fn id(id: &str) -> Markup {
    if id.is_empty() {
        return Markup(r#"<span class="muted">–</span>"#.to_owned());
    }
    // No id is longer; what is one in name alone does not fill the page.
    let whole = words::cut(id, 1_000);
    let (whole, short) = (escaped(&whole), escaped(&words::short(id)));
    Markup(format!(
        r#"<bdi class="id" title="{whole}" data-copy="{whole}">{short}</bdi>"#
    ))
}

/// A value of an event: text, whatever is in it, and whatever direction it is written in.
pub fn value(text: &str) -> Markup {
    if text.is_empty() {
        return Markup(r#"<span class="muted">empty</span>"#.to_owned());
    }
    let short = words::cut(text, 300);
    let (short, whole) = (escaped(&short), escaped(&words::cut(text, 4_000)));
    if short == whole {
        return Markup(format!(r#"<bdi class="value">{short}</bdi>"#));
    }
    Markup(format!(
        r#"<details class="long"><summary><bdi class="value">{short}</bdi></summary><bdi class="value">{whole}</bdi></details>"#
    ))
}

/// The beginning of a value, for a list of many: the whole of it stands elsewhere.
pub fn brief(text: &str) -> Markup {
    if text.is_empty() {
        return value(text);
    }
    let text = escaped(&words::cut(text, BRIEF));
    Markup(format!(r#"<bdi class="value">{text}</bdi>"#))
}

/// `1,204`
pub fn number(number: impl Count) -> String {
    words::number(number.count())
}

/// The number, and words that it counts.
pub fn count(how_many: impl Count, one: &str) -> String {
    words::count(how_many.count(), one)
}

/// An event as it came, with line breaks: every letter of it stays as it was sent.
pub fn pretty(raw: &str) -> Markup {
    laid_out(&words::cut(&words::laid_out(raw), 20_000))
}

/// What has its line breaks already.
pub fn laid_out(text: &str) -> Markup {
    let text = escaped(text);
    Markup(format!(r#"<pre tabindex="0"><bdi>{text}</bdi></pre>"#))
}

/// The beginning of an event as it came, for a list: the whole of it stands elsewhere.
pub fn beginning(raw: &str) -> Markup {
    let text = escaped(&words::cut(raw, 300));
    Markup(format!(r#"<bdi class="value">{text}</bdi>"#))
}

/// Bars of 24 hours: what was taken below, what was not above, and the numbers for whoever does
/// not see them.
pub fn spark(taken: &[i64], refused: &[i64]) -> Markup {
    const HEIGHT: u32 = 24;
    let both: Vec<i64> = taken.iter().zip(refused).map(|(a, b)| a + b).collect();
    let (all, good): (i64, i64) = (both.iter().sum(), taken.iter().sum());
    let bad = all - good;
    let label = format!(
        "{} in the last {} hours, {} of them not stored",
        words::count(all, "event"),
        both.len(),
        words::number(bad)
    );
    let whole = chart::heights(&both, HEIGHT);
    let most = both.iter().copied().max().unwrap_or(0).max(1);
    let width = both.len() * 5;
    let mut svg = format!(
        r#"<svg class="spark" viewBox="0 0 {width} 26" width="{width}" height="26" role="img" aria-label="{label}"><title>{label}</title><line x1="0" y1="25.5" x2="{width}" y2="25.5" class="axis"/>"#
    );
    for (place, height) in whole.iter().enumerate() {
        let x = place * 5;
        let not = u32::try_from(refused[place] * i64::from(HEIGHT) / most).unwrap_or(0);
        let not = not.max(u32::from(refused[place] > 0)).min(*height);
        let fine = height - not;
        if fine > 0 {
            let y = 25 - fine;
            let _ = write!(
                svg,
                r#"<rect x="{x}" y="{y}" width="4" height="{fine}" class="good"/>"#
            );
        }
        if not > 0 {
            let y = 25 - height;
            let _ = write!(
                svg,
                r#"<rect x="{x}" y="{y}" width="4" height="{not}" class="not"/>"#
            );
        }
    }
    svg.push_str("</svg>");
    Markup(svg)
}

/// Bars of one kind.
pub fn trend(counts: &[i64], class: &str) -> Markup {
    let width = counts.len() * 5;
    let mut svg = format!(
        r#"<svg class="spark {class}" viewBox="0 0 {width} 26" width="{width}" height="26" aria-hidden="true"><line x1="0" y1="25.5" x2="{width}" y2="25.5" class="axis"/>"#
    );
    for (place, height) in chart::heights(counts, 24).iter().enumerate() {
        if *height > 0 {
            let (x, y) = (place * 5, 25 - height);
            let _ = write!(
                svg,
                r#"<rect x="{x}" y="{y}" width="4" height="{height}" class="bar"/>"#
            );
        }
    }
    svg.push_str("</svg>");
    Markup(svg)
}

/// A bar that is filled so far.
pub fn meter(percent: impl Count, class: &str) -> Markup {
    let percent = percent.count().clamp(0, 100);
    Markup(format!(
        r#"<svg class="meter {class}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{percent} %"><rect width="100" height="8" class="track"/><rect width="{percent}" height="8" class="fill"/></svg>"#
    ))
}

/// The choices of a select: value and words.
pub fn options(choices: &[(&str, &str)], chosen: &str) -> Markup {
    let mut html = String::new();
    for (value, words) in choices {
        let selected = if *value == chosen { " selected" } else { "" };
        let (value, words) = (escaped(value), escaped(words));
        let _ = write!(
            html,
            r#"<option value="{value}"{selected}>{words}</option>"#
        );
    }
    Markup(html)
}

/// All types, for a select.
pub fn types(chosen: Option<&ValueType>) -> Markup {
    let all = ValueType::NAMES.map(|(name, of)| (name, words::type_name(of)));
    options(&all, chosen.map_or("text", |of| of.name()))
}

/// The formats of a type, for a select, and one of one's own; empty where it has none.
pub fn formats(of: &ValueType, chosen: &str) -> Markup {
    let usual = words::formats(*of);
    if usual.is_empty() {
        return Markup(String::new());
    }
    let nothing = match of {
        ValueType::Time => "HH:mm or HH:mm:ss",
        _ => "Choose a format",
    };
    let mut choices = vec![("", nothing)];
    choices.extend(usual.iter().map(|format| (*format, *format)));
    choices.push((OWN, "A format of your own"));
    let is_own = !chosen.is_empty() && !usual.contains(&chosen);
    options(&choices, if is_own { OWN } else { chosen })
}

pub fn type_name(of: &ValueType) -> &'static str {
    words::type_name(*of)
}

/// Whether values of a type are written in formats.
pub fn has_formats(of: &ValueType) -> bool {
    !words::formats(*of).is_empty()
}

/// Whether it is none of the usual ones.
pub fn is_own_format(of: &ValueType, format: &str) -> bool {
    !format.is_empty() && !words::formats(*of).contains(&format)
}

/// For a part of an address.
pub fn query(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\" onmouseover='x' \u{202e}gnp.exe";

    #[test]
    fn a_time_stands_beside_how_long_ago_it_is_where_one_thing_is_looked_at() {
        let at = Time::UNIX_EPOCH;
        let now = at + chrono::TimeDelta::minutes(3);
        let exact = "1970-01-01 00:00:00 UTC";
        let tag =
            format!("<time datetime=\"1970-01-01T00:00:00Z\" title=\"{exact}\">3 minutes ago");
        assert_eq!(time(at, now).to_string(), format!("{tag}</time>"));
        assert_eq!(
            time_in_full(Some(at), now).to_string(),
            format!("{tag}<span class=\"at\"> ({exact})</span></time>")
        );
        let none = time_in_full(None::<Time>, now).to_string();
        assert_eq!(none, time(None::<Time>, now).to_string());
    }

    #[test]
    fn what_people_send_is_text_everywhere() {
        let now = Time::UNIX_EPOCH;
        let pieces = [
            hidden(HOSTILE, HOSTILE),
            id(HOSTILE),
            value(HOSTILE),
            value(&HOSTILE.repeat(50)),
            pretty(HOSTILE),
            beginning(HOSTILE),
            brief(HOSTILE),
            pretty(&format!("{{\"a\": {}}}", serde_json::json!(HOSTILE))),
            state("ok", HOSTILE),
            options(&[(HOSTILE, HOSTILE)], ""),
            time(Some(now), now),
        ];
        for piece in pieces {
            let html = piece.to_string();
            assert!(!html.contains("<script"), "{html}");
            assert!(!html.contains("\" onmouse"), "{html}");
            assert!(!html.contains("onmouseover='x'"), "{html}");
        }
        // Its own direction, and nobody else's.
        assert!(value(HOSTILE).to_string().starts_with("<bdi"));
    }

    #[test]
    fn a_spark_line_says_its_numbers() {
        let svg = spark(&[0, 5, 10], &[0, 0, 2]).to_string();
        assert!(svg.contains("17 events in the last 3 hours, 2 of them not stored"));
        assert_eq!(svg.matches("class=\"good\"").count(), 2);
        assert_eq!(svg.matches("class=\"not\"").count(), 1);
        assert!(!svg.contains("style="), "the policy allows none");
    }

    #[test]
    fn a_format_of_ones_own_is_chosen_as_such() {
        let own = formats(&ValueType::Date, "YYYY[T]MM").to_string();
        assert!(own.contains("value=\"own\" selected"));
        let usual = formats(&ValueType::Date, "DD-MM-YYYY").to_string();
        assert!(usual.contains("value=\"DD-MM-YYYY\" selected"));
        assert!(formats(&ValueType::Text, "").to_string().is_empty());
    }
}
