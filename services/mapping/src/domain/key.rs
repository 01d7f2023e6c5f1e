//! API keys: what they look like, and the keyed hash that is all that is kept of them.

use std::fmt;

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_values::BlockedValues;

use super::invalid::Invalid;
use super::source::SourceKind;

const MIN_LENGTH: usize = 7;
const MAX_LENGTH: usize = 128;
/// The most that is shown of a key, and the least part of it that stays hidden.
const MAX_HINT: usize = 8;
const HINT_SHARE: usize = 3;
/// A shorter secret could be guessed from a stolen table.
const MIN_SECRET: usize = 16;

/// With what keys are hashed. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct KeySecret(Vec<u8>);

impl KeySecret {
    /// None when it is shorter than 16 bytes.
    pub fn new(secret: &str) -> Option<Self> {
        (secret.len() >= MIN_SECRET).then(|| Self(secret.as_bytes().to_vec()))
    }

    /// HMAC-SHA256 of a key. Keys are found by it, so an answer's time tells nothing of a key.
    pub fn hash(&self, key: &ApiKey) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes secrets of any length");
        mac.update(key.0.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

/// A key as it is sent. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

impl ApiKey {
    /// A key that somebody chose.
    ///
    /// # Errors
    /// Where it has spaces or another length than 7 to 128.
    pub fn given(text: &str) -> Result<Self, Invalid> {
        let shape = (MIN_LENGTH..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if shape {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "key",
            format!("must have {MIN_LENGTH} to {MAX_LENGTH} visible ASCII characters"),
        ))
    }

    /// A key of 256 random bits: `pau-` and 43 characters.
    ///
    /// # Errors
    /// Where the region is not two letters.
    pub fn generated(region: &str, random: [u8; 32]) -> Result<Self, Invalid> {
        let region = if region.is_empty() { "au" } else { region };
        if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Err(Invalid::new("region", "must be two lower-case letters"));
        }
        let random = BASE64URL_NOPAD.encode(&random);
        Ok(Self(format!("p{region}-{random}")))
    }

    /// The first characters, to tell keys apart; never more than a third of it.
    pub fn hint(&self) -> &str {
        &self.0[..(self.0.len() / HINT_SHARE).min(MAX_HINT)]
    }

    /// The key itself, for the one answer that shows it.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// A key as people see it afterwards.
#[derive(Debug, Clone)]
pub struct Key {
    pub key_id: Uuid,
    pub hint: String,
    pub create_time: DateTime<Utc>,
    pub revoke_time: Option<DateTime<Utc>>,
}

/// Whose a key is.
#[derive(Debug, Clone)]
pub struct FoundKey {
    pub key: Key,
    pub account_id: AccountId,
    pub source_id: SourceId,
    pub source_kind: SourceKind,
    /// Of its account; the edge reads ids by them (semantics 3.1).
    pub blocked_values: BlockedValues,
    pub blocked_values_version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_carry_256_bits_and_their_region() {
        let key = ApiKey::generated("", [0xff; 32]).unwrap();
        assert_eq!(key.hint(), "pau-____");
        let text = key.reveal();
        assert_eq!(text, format!("pau-{}8", "_".repeat(42)));
        assert!(ApiKey::given(&text).is_ok());
        assert!(ApiKey::generated("AU", [0; 32]).is_err());
        assert!(ApiKey::generated("aus", [0; 32]).is_err());
    }

    #[test]
    fn a_short_key_is_hinted_at_less() {
        assert_eq!(ApiKey::given("pau-key").unwrap().hint(), "pa");
        for text in ["", "short", "with space", "ünicode", &"x".repeat(129)] {
            assert!(ApiKey::given(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_hash_depends_on_the_secret_and_is_that_of_rfc_4231() {
        let key = ApiKey("what do ya want for nothing?".to_owned());
        let hash = |secret: &[u8]| KeySecret(secret.to_vec()).hash(&key);
        assert_eq!(hash(b"Jefe")[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_ne!(hash(b"Jefe"), hash(b"other"));
        assert!(KeySecret::new("short").is_none());
    }

    #[test]
    fn keys_and_secrets_are_not_printed() {
        let secret = KeySecret::new("0123456789abcdef").unwrap();
        let key = ApiKey::given("pau-key").unwrap();
        assert_eq!(format!("{secret:?} {key:?}"), "KeySecret ApiKey");
    }
}
