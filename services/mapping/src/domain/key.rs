//! API keys: what they look like, and the keyed hash that is all that is kept of them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;
use weir_access::HashKey;
use weir_ids::{AccountId, SourceId};
use weir_values::BlockedValues;

use super::invalid::Invalid;
use super::source::SourceKind;

const MIN_LENGTH: usize = 7;
const MAX_LENGTH: usize = 128;
/// The most that is shown of a key's beginning, and the least part of it that stays hidden.
const MAX_HINT: usize = 8;
const HINT_SHARE: usize = 3;
/// A key of this length shows its last characters, too: what is hidden is long enough.
const LONG: usize = 32;
const MAX_END: usize = 4;
/// How long keys are good that another one takes the place of.
const DEFAULT_OVERLAP: TimeDelta = TimeDelta::days(1);
const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);
/// A person can tell apart no more, and a request looks at all of them.
pub const MAX_VALID_KEYS: usize = 100;
/// A shorter secret could be guessed from a stolen table.
const MIN_SECRET: usize = 16;
/// One that takes the place of another, and two that were left over.
const MAX_SECRETS: usize = 4;

/// What is kept of a key.
pub type KeyHash = [u8; 32];

/// With what keys are hashed: the first secret hashes what is made and used, and what an older one
/// hashed is still found. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct KeySecret(Vec<Vec<u8>>);

impl KeySecret {
    /// One, or several with commas in between.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let secrets: Vec<Vec<u8>> = text
            .split(',')
            .map(|secret| secret.trim().as_bytes().to_vec())
            .collect();
        if secrets.iter().any(|secret| secret.len() < MIN_SECRET) {
            return Err(format!("must have at least {MIN_SECRET} characters"));
        }
        if secrets.len() > MAX_SECRETS {
            return Err(format!("must be at most {MAX_SECRETS} secrets"));
        }
        Ok(Self(secrets))
    }

    /// With what tokens are hashed: other services have it, and can't tell these from it. The first
    /// one hashes, as here.
    pub fn token_secrets(&self) -> Vec<[u8; 32]> {
        let secrets = self.0.iter();
        secrets
            .map(|secret| keyed(secret, b"tokens of weir"))
            .collect()
    }

    /// See [`Self::token_secrets`].
    pub fn token_key(&self) -> HashKey {
        HashKey::of(self.token_secrets())
    }

    /// HMAC-SHA256 of a key. Keys are found by it, so an answer's time tells nothing of a key.
    pub fn hash(&self, key: &ApiKey) -> KeyHash {
        keyed(&self.0[0], key.0.as_bytes())
    }

    /// By each secret, that of [`Self::hash`] first.
    pub fn hashes(&self, key: &ApiKey) -> Vec<KeyHash> {
        let secrets = self.0.iter();
        secrets
            .map(|secret| keyed(secret, key.0.as_bytes()))
            .collect()
    }
}

fn keyed(secret: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes secrets of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().into()
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

    /// The first characters, to tell keys apart, and the last ones of a long key; never more than
    /// a third of it.
    pub fn hint(&self) -> String {
        let length = self.0.len();
        let first = &self.0[..(length / HINT_SHARE).min(MAX_HINT)];
        if length < LONG {
            return first.to_owned();
        }
        format!("{first}…{}", &self.0[length - MAX_END..])
    }

    /// The key itself, for the one answer that shows it.
    pub fn reveal(self) -> String {
        self.0
    }
}

/// Whether a key, made under a request, is what the request asks for now: to end at this time, and
/// of this kind where it was to be generated. One that ends earlier may have been rotated since;
/// one that goes on for longer than is asked for is another wish, since nothing prolongs a key.
pub fn is_as_asked(made: &Key, generated: Option<&ApiKey>, end: Option<DateTime<Utc>>) -> bool {
    let region = |hint: &str| hint.split_once('-').map(|(region, _)| region.to_owned());
    let ends = end.is_none_or(|end| made.expire_time.is_some_and(|is| is <= end));
    ends && generated.is_none_or(|asked| region(&asked.hint()) == region(&made.hint))
}

/// A key as people see it afterwards.
#[derive(Debug, Clone)]
pub struct Key {
    pub key_id: Uuid,
    pub hint: String,
    pub create_time: DateTime<Utc>,
    pub revoke_time: Option<DateTime<Utc>>,
    /// It is good before this moment only.
    pub expire_time: Option<DateTime<Utc>>,
    pub last_use_time: Option<DateTime<Utc>>,
}

impl Key {
    /// Whether its end is past.
    pub fn is_past(&self, now: DateTime<Utc>) -> bool {
        self.expire_time.is_some_and(|end| end <= now)
    }

    /// Whether it opens the door.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.revoke_time.is_none() && !self.is_past(now)
    }

    /// Ends it at `time`, unless it ends sooner.
    pub fn end(&mut self, time: DateTime<Utc>) {
        self.expire_time = Some(self.expire_time.map_or(time, |end| end.min(time)));
    }
}

/// How long the keys before are still good: a day where nothing is said.
///
/// # Errors
/// Where it is negative, or longer than 30 days.
pub fn read_overlap(given: Option<TimeDelta>) -> Result<TimeDelta, Invalid> {
    let overlap = given.unwrap_or(DEFAULT_OVERLAP);
    if (TimeDelta::zero()..=MAX_OVERLAP).contains(&overlap) {
        return Ok(overlap);
    }
    Err(Invalid::new("overlap", "must be from 0 to 30 days"))
}

/// Whose a key is.
#[derive(Debug, Clone)]
pub struct FoundKey {
    pub key: Key,
    /// Under which it is stored: by an older secret, that is none of the first.
    pub hash: KeyHash,
    pub account_id: AccountId,
    pub source_id: SourceId,
    pub source_kind: SourceKind,
    /// See [`Source`](super::source::Source).
    pub is_paused: bool,
    pub allowed_origins: Vec<String>,
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
        assert_eq!(key.hint(), "pau-____…___8");
        let text = key.reveal();
        assert_eq!(text, format!("pau-{}8", "_".repeat(42)));
        assert!(ApiKey::given(&text).is_ok());
        assert!(ApiKey::generated("AU", [0; 32]).is_err());
        assert!(ApiKey::generated("aus", [0; 32]).is_err());
    }

    #[test]
    fn a_key_that_goes_on_for_longer_or_was_made_elsewhere_is_another_wish() {
        let end = |hour| Some(at(hour));
        let asked = |region| ApiKey::generated(region, [0; 32]).unwrap();
        let made = |expire_time| Key {
            hint: asked("us").hint(),
            expire_time,
            ..key()
        };
        for (is, asked_for, same) in [
            (None, None, true),
            (end(2), None, true),
            (end(2), end(2), true),
            (end(1), end(2), true),
            (end(3), end(2), false),
            (None, end(2), false),
        ] {
            let made = made(is);
            assert_eq!(is_as_asked(&made, None, asked_for), same, "{is:?}");
            assert_eq!(is_as_asked(&made, Some(&asked("us")), asked_for), same);
            assert!(!is_as_asked(&made, Some(&asked("eu")), asked_for));
        }
    }

    #[test]
    fn a_short_key_is_hinted_at_less() {
        assert_eq!(ApiKey::given("pau-key").unwrap().hint(), "pa");
        for text in ["", "short", "with space", "ünicode", &"x".repeat(129)] {
            assert!(ApiKey::given(text).is_err(), "{text}");
        }
    }

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    fn key() -> Key {
        Key {
            key_id: Uuid::nil(),
            hint: String::new(),
            create_time: at(0),
            revoke_time: None,
            expire_time: None,
            last_use_time: None,
        }
    }

    #[test]
    fn a_key_ends_at_the_earlier_of_both_ends() {
        let mut key = key();
        assert!(key.is_valid(at(1_000_000)));
        for (end, expected) in [(5, 5), (7, 5), (3, 3)] {
            key.end(at(end));
            assert_eq!(key.expire_time, Some(at(expected)));
        }
        assert!(key.is_valid(at(2)) && !key.is_valid(at(3)));
        key.revoke_time = Some(at(0));
        assert!(!key.is_valid(at(2)));
    }

    #[test]
    fn overlaps_are_bounded() {
        assert_eq!(read_overlap(None).unwrap(), TimeDelta::days(1));
        assert!(read_overlap(Some(TimeDelta::zero())).is_ok());
        assert!(read_overlap(Some(TimeDelta::days(30))).is_ok());
        assert!(read_overlap(Some(TimeDelta::days(31))).is_err());
        assert!(read_overlap(Some(TimeDelta::seconds(-1))).is_err());
    }

    #[test]
    fn the_hash_depends_on_the_secret_and_is_that_of_rfc_4231() {
        let key = ApiKey("what do ya want for nothing?".to_owned());
        let hash = |secret: &[u8]| KeySecret(vec![secret.to_vec()]).hash(&key);
        assert_eq!(hash(b"Jefe")[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_ne!(hash(b"Jefe"), hash(b"other"));
    }

    #[test]
    fn the_first_secret_hashes_and_those_behind_it_are_looked_for() {
        let [new, old] = ["the new one of a test", "the old one of a test"];
        let key = ApiKey::given("pau-key").unwrap();
        let both = KeySecret::read(&format!("{new}, {old}")).unwrap();
        let alone = |secret| KeySecret::read(secret).unwrap();
        assert_eq!(both.hash(&key), alone(new).hash(&key));
        assert_eq!(
            both.hashes(&key),
            [alone(new).hash(&key), alone(old).hash(&key)]
        );
        assert_eq!(both.token_secrets()[1], alone(old).token_secrets()[0]);
        let five = [new; 5].join(",");
        for wrong in [
            "",
            "short",
            &format!("{new},"),
            &format!("{new},short"),
            &five,
        ] {
            assert!(KeySecret::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_and_secrets_are_not_printed() {
        let secret = KeySecret::read("0123456789abcdef").unwrap();
        let key = ApiKey::given("pau-key").unwrap();
        assert_eq!(format!("{secret:?} {key:?}"), "KeySecret ApiKey");
    }
}
