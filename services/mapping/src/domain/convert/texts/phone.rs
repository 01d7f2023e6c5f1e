//! Phone numbers of the form that most have, read without the regular expressions of the
//! library: `+`, digits, and what people put between them. Of these the library only cuts off
//! the country code, and then a prefix to dial inside the country, such as the 0 in
//! `+61 (0)2`: what may have one is not read here.

use std::ops::RangeInclusive;

use rlibphonenumber::PhoneNumber;

/// The library takes national numbers of this many digits.
const LENGTHS: RangeInclusive<u32> = 2..=17;
const MAX_COUNTRY_CODE: i32 = 999;

/// What the library would read, or nothing if it has to be asked. Whether there can be such a
/// number is not checked.
pub fn read_plain(text: &str) -> Option<PhoneNumber> {
    let mut country_code = 0;
    let mut national_number = 0;
    let mut length = 0;
    for byte in text.strip_prefix('+')?.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            // None of them starts an extension or a second number.
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' => continue,
            _ => return None,
        };
        // No country code is the start of another one.
        if length > 0 || is_country_code(country_code) {
            national_number = national_number * 10 + u64::from(digit);
            length += 1;
        } else {
            country_code = country_code * 10 + i32::from(digit);
        }
        // A zero in front is a prefix, or belongs to the number as in Italy: it is lost here.
        let lost = country_code == 0 || length > 0 && national_number == 0;
        if lost || country_code > MAX_COUNTRY_CODE || length > *LENGTHS.end() {
            return None;
        }
    }
    let plain = LENGTHS.contains(&length)
        && !may_have_prefix(country_code, national_number / 10_u64.pow(length - 2));
    plain.then(|| PhoneNumber {
        country_code,
        national_number,
        ..PhoneNumber::default()
    })
}

/// Whether a text without `+` is made of what numbers are written with: the library would take
/// letters for digits, as on old dials, and what is a date or a price for a number.
pub fn is_national(text: &str) -> bool {
    let is_of_numbers = |c: char| c.is_ascii_digit() || " -./()\u{a0}".contains(c);
    text.chars().all(is_of_numbers)
}

/// Country codes under which the library knows no prefix, or only such as start with 0,
/// but for those of [`may_have_prefix`].
const fn is_country_code(number: i32) -> bool {
    matches!(
        number,
        1 | 7 | 20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=53 | 55..=58 | 60..=66 | 81 | 82
            | 84 | 86 | 90..=95 | 98 | 211..=213 | 216 | 218 | 220..=258 | 260 | 262..=269 | 290
            | 291 | 297 | 299 | 350 | 351 | 353..=359 | 371..=374 | 376 | 377 | 380..=383
            | 385..=387 | 389 | 420 | 421 | 500..=505 | 507..=509 | 590..=599 | 670 | 673..=683
            | 685..=691 | 850 | 852 | 853 | 855 | 856 | 880 | 886 | 960..=968 | 970..=977
            | 992 | 994..=996 | 998
    )
}

/// Whether a national number that starts with these two digits may have a prefix in front
/// that does not start with 0.
const fn may_have_prefix(country_code: i32, start: u64) -> bool {
    match country_code {
        // 1
        1 => start < 20,
        // 8
        7 => matches!(start, 80..=89),
        // 180020 for text phones; 1831 and 1832 to hide or show one's own number
        44 | 61 => start == 18,
        // 90, and the number of a carrier
        55 => start == 90,
        // 11, 12 and 179, each with the number of a carrier
        86 => matches!(start, 11 | 12 | 17),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

    use super::*;
    use crate::domain::convert::texts::write_phone;

    /// As if no number was plain.
    fn written_by_the_library(text: &str) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(text, None).ok()?;
        (number.extension().is_empty() && number.is_valid())
            .then(|| format!("\"{}\"", number.format_as(PhoneNumberFormat::E164)))
    }

    fn written(text: &str) -> Option<String> {
        let mut out = String::new();
        let raw = format!("\"{text}\"");
        write_phone(raw.as_bytes(), None, &mut out)
            .ok()
            .map(|()| out)
    }

    fn any_country_code() -> impl Strategy<Value = i32> {
        let codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
        prop_oneof![
            8 => prop::sample::select(codes),
            // Those with rules of their own.
            4 => prop::sample::select(vec![1, 7, 44, 55, 61, 86]),
            1 => 0..2_000,
        ]
    }

    fn any_national_number() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "[0-9]{0,20}",
            8 => "[1-9][0-9]{5,11}",
            // Prefixes of some country.
            4 => "(0|00|1|8|80|90(21)?|06|183[12]|180020|1[12][0-9]{3}|179[0-9]{2})[0-9]{5,11}",
        ]
    }

    /// `digits` with what people put between them.
    fn spaced(digits: &str, separators: &[String]) -> String {
        let separators = separators
            .iter()
            .map(String::as_str)
            .chain([""].into_iter().cycle());
        digits
            .chars()
            .zip(separators)
            .flat_map(|(digit, separator)| [separator.to_owned(), digit.to_string()])
            .collect()
    }

    proptest! {
        #[test]
        fn plain_numbers_are_read_as_the_library_reads_them(
            code in any_country_code(),
            national in any_national_number(),
            separators in prop_oneof![
                3 => Just(Vec::new()),
                2 => prop::collection::vec("[ ./()-]{0,2}", 0..20),
                1 => prop::collection::vec("[ ./()x,;#~*+\u{a0}a-]{0,2}", 0..20),
            ],
            end in prop_oneof![
                4 => Just(String::new()),
                1 => "[ ./()-]{0,3}",
                1 => " ?(x|ext\\.?|#|;ext=|,,|;|/x|int|~) ?[0-9]{0,6}#?",
                1 => "[ ,]?[!-~é٣７＃]{0,4}",
            ],
        ) {
            let end = end.replace(['"', '\\'], "");
            let text = format!("+{}{end}", spaced(&format!("{code}{national}"), &separators));
            if let Some(number) = read_plain(&text) {
                prop_assert_eq!(Some(number), PHONE_NUMBER_UTIL.parse(&text, None).ok(), "{}", text);
            }
            prop_assert_eq!(written(&text), written_by_the_library(text.trim()), "{}", text);
        }
    }

    #[test]
    fn every_start_under_every_country_code_is_read_as_the_library_reads_it() {
        for code in PHONE_NUMBER_UTIL.get_supported_calling_codes() {
            for start in 10..100_u64 {
                for length in *LENGTHS.start()..=*LENGTHS.end() {
                    let rest = (start * 7_919 + u64::from(code.unsigned_abs())) * 104_729;
                    let national: String = format!("{start}{rest}{rest}")
                        .chars()
                        .take(length as usize)
                        .collect();
                    let text = format!("+{code}{national}");
                    if let Some(number) = read_plain(&text) {
                        let parsed = PHONE_NUMBER_UTIL.parse(&text, None).ok();
                        assert_eq!(Some(number), parsed, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn most_numbers_are_plain() {
        for text in [
            "+61412345678",
            "+1 (212) 555-0123",
            "+44 20 7946 0018",
            "+49 30/901820",
            "+33.1.23.45.67.89",
            "+353 1 679 5000",
        ] {
            assert!(read_plain(text).is_some(), "{text}");
        }
        for text in [
            "+61 (0)2 9876 5432",
            "+61 2 9876 5432 ext. 3",
            "+390612345678",
            "+1",
            "+061412345678",
            "++61412345678",
        ] {
            assert!(read_plain(text).is_none(), "{text}");
        }
    }
}
