//! Texts of every kind: plain ones, addresses, links.

mod phone;
mod plain;

use std::borrow::Cow;

use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use weir_json::{Raw, write_text as write_canonical};
use weir_values::options::Country;
use weir_values::{has_invisible_inside, trimmed_invisible};

use super::{Failure, scalar, string, token};

/// Semantics 2.3.
pub const MAX_TEXT: usize = 500;
pub const MAX_LONG_TEXT: usize = 4_000;
/// RFC 5321 with its erratum.
pub const MAX_EMAIL: usize = 254;
/// What browsers and mail programs still open.
pub const MAX_LINK: usize = 2_000;

/// A string, or a number or boolean as it is written: that loses nothing.
fn text_of(raw: Raw<'_>, limit: usize) -> Result<Cow<'_, str>, Failure> {
    bounded(scalar(raw)?, limit)
}

fn bounded(text: Cow<'_, str>, limit: usize) -> Result<Cow<'_, str>, Failure> {
    // Bytes are never fewer than characters: most texts need no counting.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Failure::TooLong);
    }
    Ok(text)
}

pub fn write_text(raw: Raw<'_>, limit: usize, out: &mut String) -> Result<(), Failure> {
    // Most texts are short, and canonical as they stand. Bytes are never fewer than characters.
    if let Some(quoted) = weir_json::plain(raw).filter(|quoted| quoted.len() - 2 <= limit) {
        out.push_str(quoted);
        return Ok(());
    }
    write_canonical(&text_of(raw, limit)?, out);
    Ok(())
}

/// A text that tells contacts apart: two that look alike must not be two (semantics 2.4b).
pub fn write_key_text(raw: Raw<'_>, limit: usize, out: &mut String) -> Result<(), Failure> {
    let text = scalar(raw)?;
    let text = bounded(Cow::Borrowed(trimmed_invisible(&text)), limit)?;
    if has_invisible_inside(&text) {
        return Err(Failure::Invisible);
    }
    write_canonical(&text, out);
    Ok(())
}

pub fn write_geo(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = text_of(raw, MAX_TEXT)?;
    write_canonical(text.trim(), out);
    Ok(())
}

pub fn write_email(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = string(raw)?;
    let address = trimmed_invisible(&text);
    if address.len() > MAX_EMAIL {
        return Err(Failure::TooLong);
    }
    if has_invisible_inside(address) {
        return Err(Failure::Invisible);
    }
    if !is_email(address) {
        return Err(Failure::Mismatch);
    }
    write_canonical(address, out);
    Ok(())
}

/// A plain address at a domain with a dot: no display name, no `[127.0.0.1]`.
pub fn is_email(address: &str) -> bool {
    (address.len() <= MAX_EMAIL && plain::is_plain_email(address)) || is_any_email(address)
}

fn is_any_email(address: &str) -> bool {
    let options = email_address::Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    address.len() <= MAX_EMAIL && EmailAddress::parse_with_options(address, options).is_ok()
}

/// A number with its country's code; without one it could be anybody's, unless it is known
/// where such numbers are from (semantics 2.4a).
pub fn write_phone(
    raw: Raw<'_>,
    country: Option<Country>,
    out: &mut String,
) -> Result<(), Failure> {
    let text = match country {
        // As a number a phone number has nothing but its digits.
        Some(_) if raw.iter().all(u8::is_ascii_digit) => token(raw)?,
        _ => string(raw)?,
    };
    let text = trimmed_invisible(&text);
    if text.len() > MAX_TEXT {
        return Err(Failure::Mismatch);
    }
    let number = match (text.starts_with('+'), country) {
        (true, _) => phone::read_plain(text).or_else(|| parse(text, None)),
        (false, Some(country)) if phone::is_national(text) => parse(text, Some(country)),
        (false, _) => None,
    };
    let number = number.ok_or(Failure::Mismatch)?;
    // E.164 has no place for an extension, and dropping it would lose it.
    if !number.extension().is_empty() || !is_valid(&number) {
        return Err(Failure::Mismatch);
    }
    write_canonical(&number.format_as(PhoneNumberFormat::E164), out);
    Ok(())
}

fn parse(text: &str, country: Option<Country>) -> Option<PhoneNumber> {
    let region = country.map(|country| {
        Region::from_code(country.as_str()).expect("a test holds that the library knows each")
    });
    PHONE_NUMBER_UTIL.parse(text, region).ok()
}

/// What `is_valid` answers. It tries the regions of a country code one by one and then asks
/// the first one that fits again; most numbers are of the main one, which is asked once here.
fn is_valid(number: &PhoneNumber) -> bool {
    let main = PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code);
    main.is_some_and(|region| number.is_valid_for_region(region)) || number.is_valid()
}

pub fn write_link(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = string(raw)?;
    let text = bounded(Cow::Borrowed(trimmed_invisible(&text)), MAX_LINK)?;
    if !plain::is_plain_link(&text) && !is_any_link(&text) {
        return Err(Failure::Mismatch);
    }
    write_canonical(&text, out);
    Ok(())
}

fn is_any_link(text: &str) -> bool {
    // `url` would repair these silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return false;
    }
    url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && text.contains("://"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_addresses_are_addresses(
            address in prop_oneof![
                "[a-zA-Z0-9.+_'-]{1,12}@[a-z0-9.-]{1,16}",
                "[ -~]{0,8}@[ -~]{0,8}",
                "[a-z]{60,70}@[a-z]{60,70}(\\.[a-z0-9-]{1,64}){1,2}",
                "[a-z@.<>\" é]{0,16}",
            ],
        ) {
            if plain::is_plain_email(&address) && address.len() <= MAX_EMAIL {
                prop_assert!(is_any_email(&address), "{address}");
            }
        }

        #[test]
        fn plain_links_are_links(
            link in prop_oneof![
                "https?://[a-z0-9.-]{0,20}[/?#]?[!-~]{0,20}",
                "https?://([a-z0-9-]{1,5}\\.){0,3}[a-z0-9]{1,5}(/[!-~]{0,20})?",
                "https?://(xn--|[0-9a-z-]{1,3}--|0x)[a-z0-9-]{1,5}(\\.[a-z0-9]{1,4}){0,3}/",
                "[htps]{1,5}:?/{0,3}[!-~é ]{0,20}",
            ],
        ) {
            if plain::is_plain_link(&link) {
                prop_assert!(is_any_link(&link), "{link}");
            }
        }

        #[test]
        fn numbers_are_valid_as_the_library_says(
            text in prop_oneof![
                "\\+(1|7|39|44|47|61|212|262|290|358|590|599)[0-9]{4,12}",
                "\\+[1-9][0-9]{4,14}",
                "\\+61[2-4][0-9]{8}",
                "\\+1[2-9][0-9]{2}[2-9][0-9]{6}",
                "\\+44[17][0-9]{9}",
                "\\+(800|808|870|878|881|882|883|888|979)[0-9]{4,11}",
            ],
        ) {
            if let Ok(number) = PHONE_NUMBER_UTIL.parse(&text, None) {
                prop_assert_eq!(is_valid(&number), number.is_valid(), "{}", text);
            }
        }
    }

    #[test]
    fn most_addresses_and_links_are_plain() {
        for address in [
            "lana.romeijn@example.org",
            "o'brien+a_b@mail-1.example.co.nz",
        ] {
            assert!(plain::is_plain_email(address), "{address}");
        }
        for link in [
            "https://shop.example.org/garden/orders/1?ref=a&b=%20#c",
            "http://a.b",
        ] {
            assert!(plain::is_plain_link(link), "{link}");
        }
    }
}
