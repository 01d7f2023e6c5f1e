//! Texts that tell persons apart, or only look as if they did: what is cut off at their ends,
//! what makes them unusable, and which of them name nobody (semantics 2.4b, 3.1).
//!
//! One place, because who reads ids, who converts unique identifiers and who compares them must
//! agree.

/// Words that stand where a value was never filled in; in any ASCII case.
const WORDS: [&str; 16] = [
    "null",
    "nil",
    "none",
    "nan",
    "undefined",
    "unknown",
    "anonymous",
    "guest",
    "true",
    "false",
    "n/a",
    "na",
    "-1",
    "(null)",
    "(none)",
    "[object object]",
];

/// How templates begin and end.
const TEMPLATES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("${", "}")];

/// Unicode's category Cf, by code point.
const INVISIBLE: [(u32, u32); 21] = [
    (0x00ad, 0x00ad),
    (0x0600, 0x0605),
    (0x061c, 0x061c),
    (0x06dd, 0x06dd),
    (0x070f, 0x070f),
    (0x0890, 0x0891),
    (0x08e2, 0x08e2),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2064),
    (0x2066, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0x1_10bd, 0x1_10bd),
    (0x1_10cd, 0x1_10cd),
    (0x1_3430, 0x1_343f),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0001, 0xe_0001),
    (0xe_0020, 0xe_007f),
];

/// Whether a character is one that nobody sees: Unicode's category Cf, such as U+FEFF or
/// U+200B. White space is not.
pub fn is_invisible(c: char) -> bool {
    let code = u32::from(c);
    code >= 0xad
        && INVISIBLE
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&code))
}

/// Without the invisible characters and the white space at both ends.
pub fn trimmed_invisible(text: &str) -> &str {
    let graphic = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    // So begin and end most texts.
    if graphic(text.as_bytes().first()) && graphic(text.as_bytes().last()) {
        return text;
    }
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Whether a text has an invisible character between its ends: two texts that look alike may
/// differ by it.
pub fn has_invisible_inside(text: &str) -> bool {
    !text.is_ascii() && trimmed_invisible(text).chars().any(is_invisible)
}

/// Whether there is nothing in a text that a person sees: such a text is no value of any type
/// (semantics 2.4a).
pub fn is_blank(text: &str) -> bool {
    trimmed_invisible(text).is_empty()
}

/// Why a text means nobody (semantics 3.1), where an account has said nothing else
/// ([`BlockedRule`](crate::BlockedRule) says it where it has). A blank text does not mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    /// One of the words.
    Word,
    /// Zeros and dashes only.
    Zeros,
    /// Templates that were not filled in, and nothing else.
    Template,
}

/// Of a trimmed text.
pub(crate) fn default_for(text: &str) -> Option<Default> {
    let is_word = || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.bytes().next()? {
        b'{' | b'$' => is_template(text).then_some(Default::Template),
        _ if is_word() => Some(Default::Word),
        _ => {
            let zeros = text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
            zeros.then_some(Default::Zeros)
        }
    }
}

fn is_template(mut text: &str) -> bool {
    while !text.is_empty() {
        let Some(rest) = behind_template(text) else {
            return false;
        };
        text = rest.trim_start();
    }
    true
}

/// What stands behind the template that a text begins with.
fn behind_template(text: &str) -> Option<&str> {
    TEMPLATES.iter().find_map(|(begin, end)| {
        let inner = text.strip_prefix(begin)?;
        let length = inner.find(end)?;
        // Braces may be more than two.
        Some(inner[length + end.len()..].trim_start_matches('}'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn means_nobody(text: &str) -> bool {
        default_for(trimmed_invisible(text)).is_some()
    }

    #[test]
    fn placeholders_mean_nobody_in_any_case() {
        for text in [
            "null",
            "NULL",
            " Null ",
            "\u{feff}undefined",
            "N/A",
            "na",
            "NaN",
            "-1",
            "(None)",
            "[object Object]",
            "True",
            "0",
            "000",
            "-",
            "00000000-0000-0000-0000-000000000000",
            "{{ user.id }}",
            "{{{user.id}}}",
            "{{}}",
            "{% user %}",
            "${user.id}",
            "${USER}",
            "{{first}} {{last}}",
        ] {
            assert!(means_nobody(text), "{text}");
        }
    }

    #[test]
    fn whoever_is_named_is_somebody() {
        for text in [
            "",
            " ",
            "\u{200b}",
            "nullo",
            "x null",
            "10",
            "0a",
            "1",
            "-2",
            "{{first}}smith",
            "a{{b}}",
            "{{user",
            "${user",
            "{user}",
            "$user",
            "nu\u{200b}ll",
            // KELVIN SIGN is no k: letters are folded in ASCII only.
            "un\u{212a}nown",
            "gueſt",
        ] {
            assert!(!means_nobody(text), "{text}");
        }
    }

    #[test]
    fn what_nobody_sees_is_cut_off_at_the_ends_and_found_inside() {
        for (text, trimmed, inside) in [
            ("a@b.c", "a@b.c", false),
            ("\u{feff}a@b.c\u{200b} ", "a@b.c", false),
            ("\u{a0}\u{ad}\u{202a}a b\u{202e}\n", "a b", false),
            ("a\u{200b}b", "a\u{200b}b", true),
            (" a\u{e0041}b", "a\u{e0041}b", true),
            ("é\u{301}", "é\u{301}", false),
            ("\u{200b} \u{3000}", "", false),
        ] {
            assert_eq!(trimmed_invisible(text), trimmed, "{text:?}");
            assert_eq!(has_invisible_inside(text), inside, "{text:?}");
            assert_eq!(is_blank(text), trimmed.is_empty(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn invisible_is_what_unicode_calls_format(hidden in "\\p{Cf}", seen in "\\P{Cf}") {
            prop_assert!(hidden.chars().all(is_invisible), "{:x?}", hidden.chars().next().map(u32::from));
            prop_assert!(!seen.chars().any(is_invisible), "{:x?}", seen.chars().next().map(u32::from));
        }

        #[test]
        fn the_short_way_trims_the_same(text in "[ a\u{200b}\u{feff}é\t]{0,6}") {
            let slow = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
            prop_assert_eq!(trimmed_invisible(&text), slow);
        }
    }
}
