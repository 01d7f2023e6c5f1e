//! Texts of every kind: plain ones, addresses, links, lists of choices.

use std::borrow::Cow;

use email_address::EmailAddress;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use weir_values::write_text as write_canonical;

use super::{Failure, string, token};
use crate::domain::json::{self, Kind, Raw};

/// Semantics 2.3.
pub const MAX_TEXT: usize = 500;
pub const MAX_LONG_TEXT: usize = 4_000;
/// RFC 5321 with its erratum.
pub const MAX_EMAIL: usize = 254;
/// What browsers and mail programs still open.
pub const MAX_LINK: usize = 2_000;
/// More choices than that are no selection.
pub const MAX_CHOICES: usize = 200;

/// A string, or a number or boolean as it is written: that loses nothing.
fn text_of(raw: Raw<'_>, limit: usize) -> Result<Cow<'_, str>, Failure> {
    let text = match json::kind(raw)? {
        Kind::String => string(raw)?,
        Kind::Number | Kind::Boolean => token(raw)?,
        _ => return Err(Failure::Mismatch),
    };
    bounded(text, limit)
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
    if let Some(quoted) = json::plain(raw).filter(|quoted| quoted.len() - 2 <= limit) {
        out.push_str(quoted);
        return Ok(());
    }
    write_canonical(&text_of(raw, limit)?, out);
    Ok(())
}

pub fn write_place(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = text_of(raw, MAX_TEXT)?;
    let name = text.trim();
    if name.is_empty() {
        return Err(Failure::Mismatch);
    }
    write_canonical(name, out);
    Ok(())
}

pub fn write_email(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = string(raw)?;
    let address = text.trim();
    if address.len() > MAX_EMAIL {
        return Err(Failure::TooLong);
    }
    if !is_email(address) {
        return Err(Failure::Mismatch);
    }
    write_canonical(address, out);
    Ok(())
}

/// A plain address at a domain with a dot: no display name, no `[127.0.0.1]`.
pub fn is_email(address: &str) -> bool {
    let options = email_address::Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    address.len() <= MAX_EMAIL && EmailAddress::parse_with_options(address, options).is_ok()
}

pub fn phone(raw: Raw<'_>) -> Result<String, Failure> {
    let text = string(raw)?;
    let text = text.trim();
    // Without a country code it could be anybody's.
    if !text.starts_with('+') || text.len() > MAX_TEXT {
        return Err(Failure::Mismatch);
    }
    let number = PHONE_NUMBER_UTIL
        .parse(text, None)
        .map_err(|_| Failure::Mismatch)?;
    // E.164 has no place for an extension, and dropping it would lose it.
    if !number.extension().is_empty() || !number.is_valid() {
        return Err(Failure::Mismatch);
    }
    Ok(number.format_as(PhoneNumberFormat::E164).into_owned())
}

pub fn write_link(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    let text = string(raw)?;
    let text = bounded(Cow::Borrowed(text.trim()), MAX_LINK)?;
    // `url` would repair these silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::Mismatch);
    }
    let url = url::Url::parse(&text).map_err(|_| Failure::Mismatch)?;
    if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
        return Err(Failure::Mismatch);
    }
    write_canonical(&text, out);
    Ok(())
}

/// A list of texts; a single text is a list of one.
pub fn write_choices(raw: Raw<'_>, out: &mut String) -> Result<(), Failure> {
    if json::kind(raw)? != Kind::Array {
        out.push('[');
        write_text(raw, MAX_TEXT, out)?;
        out.push(']');
        return Ok(());
    }
    let mut count = 0;
    let mut failed = None;
    out.push('[');
    json::array(raw, |choice| {
        if failed.is_none() {
            if count > 0 {
                out.push(',');
            }
            count += 1;
            failed = write_text(choice, MAX_TEXT, out).err();
        }
        Ok(())
    })?;
    out.push(']');
    match failed {
        Some(failure) => Err(failure),
        None if count > MAX_CHOICES => Err(Failure::TooLong),
        None => Ok(()),
    }
}
