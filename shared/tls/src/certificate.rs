//! What a certificate says.

use std::net::IpAddr;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What is to be known of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Unix seconds; good from then on.
    pub not_before: i64,
    /// Unix seconds; good until then.
    pub not_after: i64,
    /// Those by which somebody is known: of DNS, in small letters, and URIs (`spiffe://…`).
    pub names: Vec<String>,
    /// Addresses of hosts.
    pub addresses: Vec<IpAddr>,
}

impl Facts {
    /// Days that are left of it; less than none where it has expired.
    pub fn days_left(&self, now: i64) -> f64 {
        (self.not_after - now) as f64 / 86_400.0
    }
}

/// Reads a certificate; none where it is none.
pub fn facts(certificate: &[u8]) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let all = alternatives.map_or(&[][..], |found| &found.value.general_names);
    Some(Facts {
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
        names: all.iter().filter_map(name).collect(),
        addresses: all.iter().filter_map(address).collect(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn address(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(bytes) = name else {
        return None;
    };
    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
        .ok()
}

/// By what a password's proof is bound to the connection that it is given on (RFC 5929,
/// `tls-server-end-point`): a hash of the server's certificate, by the function of its signature.
/// None where that has none.
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        // MD5 and SHA-1 count as SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => {
            Some(Sha384::digest(certificate).to_vec())
        }
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => {
            Some(Sha512::digest(certificate).to_vec())
        }
        _ => None,
    }
}

/// By the clock that certificates are judged by.
pub(crate) fn now() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// As people read it.
pub fn date(seconds: i64) -> String {
    match DateTime::from_timestamp(seconds, 0) {
        Some(time) => time.format("%Y-%m-%d %H:%MZ").to_string(),
        None => seconds.to_string(),
    }
}
