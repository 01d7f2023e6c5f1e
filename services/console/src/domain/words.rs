//! Words for what the APIs say in codes.

use chrono::TimeDelta;
use weir_reasons::Reason;
use weir_values::ValueType;

use super::Time;

/// The formats that a date may be chosen to have (semantics 2.5).
pub const DATE_FORMATS: [&str; 15] = [
    "ISO 8601",
    "YYYY-MM-DD",
    "DD-MM-YYYY",
    "MM-DD-YYYY",
    "YYYY/MM/DD",
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "YYYY.MM.DD",
    "DD.MM.YYYY",
    "MM.DD.YYYY",
    "YYYY-MM-DD HH:mm",
    "YYYY-MM-DD HH:mm:ss",
    "RFC 2822",
    "Unix seconds",
    "Unix milliseconds",
];

/// As well, of a time of day.
pub const TIME_FORMATS: [&str; 3] = ["HH:mm", "HH:mm:ss", "h:mm A"];

/// How long activities may be kept (semantics 4.4).
pub const RETENTIONS: [(u32, &str); 5] = [
    (30, "30 days"),
    (90, "90 days"),
    (180, "180 days"),
    (365, "1 year"),
    (730, "2 years"),
];

/// The formats of a type; none where it has none.
pub fn formats(of: ValueType) -> &'static [&'static str] {
    match of {
        ValueType::Date | ValueType::TimeAndDate => &DATE_FORMATS,
        ValueType::Time => &TIME_FORMATS,
        _ => &[],
    }
}

/// A type, as people say it.
pub fn type_name(of: ValueType) -> &'static str {
    match of {
        ValueType::Text => "Text",
        ValueType::LongText => "Long text",
        ValueType::Email => "E-mail",
        ValueType::Phone => "Phone",
        ValueType::Link => "Link",
        ValueType::Integer => "Whole number",
        ValueType::Decimal => "Decimal",
        ValueType::Currency => "Currency",
        ValueType::Boolean => "Yes or no",
        ValueType::Date => "Date",
        ValueType::TimeAndDate => "Time and date",
        ValueType::Time => "Time",
        ValueType::SingleSelect => "Single select",
        ValueType::MultiSelect => "Multi select",
        ValueType::Object => "Object",
        ValueType::Geo => "Place",
    }
}

/// What a value is that this type does not take: `no e-mail address`.
pub fn no_value(of: ValueType) -> &'static str {
    match of {
        ValueType::Email => "no e-mail address",
        ValueType::Phone => "no phone number",
        ValueType::Link => "no link",
        ValueType::Integer => "no whole number",
        ValueType::Decimal | ValueType::Currency => "no number",
        ValueType::Boolean => "neither yes nor no",
        _ => "nothing that it takes",
    }
}

/// A kind of JSON, as people say it.
pub fn kind(kind: &str) -> &str {
    match kind {
        "string" => "Text",
        "number" => "Number",
        "boolean" => "Yes or no",
        "array" => "List",
        "object" => "Object",
        other => other,
    }
}

/// An outcome: its class in the style sheet, its sign, its words (semantics 1).
pub fn outcome(status: u32) -> (&'static str, &'static str, &'static str) {
    match status {
        200 => ("ok", "✓", "Stored"),
        206 => ("part", "◐", "Contact not stored"),
        400 => ("bad", "✕", "Invalid"),
        422 => ("bad", "⊘", "Not taken"),
        429 => ("limit", "⧗", "Over the limit"),
        500 => ("fail", "!", "Our fault"),
        0 => ("ignored", "–", "Value ignored"),
        _ => ("ignored", "·", "Other"),
    }
}

/// What a reason code means, in a sentence; empty for one that this version does not know.
pub fn meaning(code: &str) -> &'static str {
    match code {
        "" | "OK" => "The event was processed.",
        code => Reason::of_code(code).map_or("", Reason::meaning),
    }
}

/// What to do about it.
pub fn cure(code: &str) -> &'static str {
    Reason::of_code(code).map_or("", Reason::cure)
}

/// A word of a code with underscores, or of an enum: `HELD_BACK` is `held back`.
pub fn plain(code: &str) -> String {
    code.replace('_', " ").to_lowercase()
}

/// `1,204`
pub fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut said = String::with_capacity(digits.len() + 4);
    if number < 0 {
        said.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// `1 event`, `2 events`
pub fn count(number: i64, one: &str) -> String {
    let ending = match (number, one.strip_suffix('y')) {
        (1, _) => one.to_owned(),
        // Behind a vowel the y stays: days, keys.
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    };
    format!("{} {ending}", self::number(number))
}

/// `3 minutes ago`, `in 2 hours`
pub fn ago(time: Time, now: Time) -> String {
    let passed = now - time;
    let (length, is_past) = match passed >= TimeDelta::zero() {
        true => (passed, true),
        false => (-passed, false),
    };
    let seconds = length.num_seconds();
    let (number, unit) = match seconds {
        0..=4 => return "just now".to_owned(),
        5..=59 => (seconds, "second"),
        60..=3_599 => (seconds / 60, "minute"),
        3_600..=86_399 => (seconds / 3_600, "hour"),
        86_400..=5_183_999 => (seconds / 86_400, "day"),
        5_184_000..=63_071_999 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    let said = count(number, unit);
    if is_past {
        format!("{said} ago")
    } else {
        format!("in {said}")
    }
}

/// The beginning and the end of an id that is too long for a row.
pub fn short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 16 {
        return id.to_owned();
    }
    let begin: String = letters[..8].iter().collect();
    let end: String = letters[letters.len() - 4..].iter().collect();
    format!("{begin}…{end}")
}

/// The beginning of a text that is too long.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// JSON with line breaks and indents between its parts, which stay as they are; of what is no JSON
/// nothing is lost either.
pub fn laid_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let broken = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(40)));
    };
    let mut letters = json.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match letter {
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(|next| next.is_whitespace()).is_some() {}
                if letters
                    .peek()
                    .is_some_and(|next| !matches!(next, '}' | ']'))
                {
                    depth += 1;
                    broken(&mut out, depth);
                } else if let Some(end) = letters.next() {
                    out.push(end);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                broken(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                broken(&mut out, depth);
            }
            ':' => out.push_str(": "),
            letter if letter.is_whitespace() => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_counts_read_well() {
        assert_eq!(number(1_204), "1,204");
        assert_eq!(number(-1_234_567), "-1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(2_000, "activity"), "2,000 activities");
        assert_eq!(count(0, "key"), "0 keys");
        assert_eq!(count(29, "day"), "29 days");
        assert_eq!(count(2, "survey"), "2 surveys");
        assert_eq!(count(2, "reply"), "2 replies");
    }

    #[test]
    fn times_are_told_from_now() {
        let now: Time = "2026-11-27T04:20:00Z".parse().unwrap();
        let ago = |seconds| ago(now - TimeDelta::seconds(seconds), now);
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(61), "1 minute ago");
        assert_eq!(ago(7_200), "2 hours ago");
        assert_eq!(ago(-7_200), "in 2 hours");
        assert_eq!(ago(-86_400 * 29), "in 29 days");
        assert_eq!(ago(86_400 * 400), "13 months ago");
    }

    #[test]
    fn long_ids_keep_both_ends() {
        assert_eq!(short("abc"), "abc");
        assert_eq!(
            short("01a21b2f-3961-7162-ab23-af778e796ff8"),
            "01a21b2f…6ff8"
        );
        assert_eq!(cut("héllo", 2), "hé…");
        assert_eq!(cut("hé", 2), "hé");
    }

    #[test]
    fn an_event_is_laid_out_and_stays_what_it_was() {
        let event = r#"{"a":[1e999,{}],"b":"x, {\"y\": 1}" , "c":[]}"#;
        let shown = laid_out(event);
        assert_eq!(
            shown,
            "{\n  \"a\": [\n    1e999,\n    {}\n  ],\n  \"b\": \"x, {\\\"y\\\": 1}\",\n  \"c\": []\n}"
        );
        assert_eq!(laid_out("[[["), "[\n  [\n    [");
        assert_eq!(laid_out("no json"), "nojson");
    }

    #[test]
    fn every_reason_can_be_told() {
        for reason in Reason::ALL {
            assert!(!meaning(reason.code()).is_empty());
            assert!(!cure(reason.code()).is_empty());
        }
        assert_eq!(meaning("NO_SUCH_CODE"), "");
    }
}
