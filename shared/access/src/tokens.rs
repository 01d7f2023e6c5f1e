//! The tokens that are good now (semantics 9.2), in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{Accounts, Caller, Refused, Role, Who};

/// What every token begins with: so that it is known for one where it leaked to.
pub const PREFIX: &str = "weir_";
/// The base64 of 256 bits behind it.
const LENGTH: usize = PREFIX.len() + 43;
/// As many live at once as one answer of mapping holds, and a few MiB of each service do.
pub const MAX_TOKENS: usize = 10_000;
/// For so long the last list stands where mapping is away.
pub const STANDS: TimeDelta = TimeDelta::seconds(60);
/// [`Shared::refreshed`] of a list that never came.
const NEVER: i64 = i64::MIN;

/// What is kept of a token.
pub type TokenHash = [u8; 32];

/// The token of 256 random bits, as it is shown once.
pub fn token(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random))
}

/// With what tokens are hashed: what is made, by the first key; what older ones hashed is found as
/// well. Never shown, not even by `Debug`.
#[derive(Clone)]
pub struct HashKey {
    first: Hmac<Sha256>,
    older: Vec<Hmac<Sha256>>,
}

impl HashKey {
    /// Of any length.
    pub fn new(key: &[u8]) -> Self {
        Self::of([key])
    }

    /// Several, of any length; without one it is the empty one.
    pub fn of(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mac = |key: &[u8]| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        let mut keys = keys.into_iter().map(|key| mac(key.as_ref()));
        Self {
            first: keys.next().unwrap_or_else(|| mac(&[])),
            older: keys.collect(),
        }
    }

    /// HMAC-SHA256 of a token. Tokens are found by it, so an answer's time tells nothing of one.
    pub fn hash(&self, token: &str) -> TokenHash {
        keyed(&self.first, token.as_bytes())
    }

    /// By which two know that they mean the same first key, without a word of it.
    pub fn name(&self) -> [u8; 8] {
        let hash = keyed(
            &self.first,
            b"the name of a key that tokens are hashed with",
        );
        *hash.first_chunk().expect("a hash is longer")
    }

    /// By each of the older ones.
    fn older(&self, token: &str) -> impl Iterator<Item = TokenHash> {
        self.older.iter().map(|key| keyed(key, token.as_bytes()))
    }
}

fn keyed(key: &Hmac<Sha256>, bytes: &[u8]) -> TokenHash {
    let mut mac = key.clone();
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// A hash to keep a token under from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rehashed {
    pub hash: TokenHash,
    /// [`HashKey::name`] of the key that made it.
    pub key: [u8; 8],
}

/// That a token was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub token: Uuid,
    /// When it was last.
    pub time: DateTime<Utc>,
    /// Where it was found by an older key.
    pub rehashed: Option<Rehashed>,
}

/// One token that was not revoked.
#[derive(Debug, Clone)]
pub struct LiveToken {
    /// By the list's key.
    pub hash: TokenHash,
    pub id: Uuid,
    pub name: Arc<str>,
    pub role: Role,
    pub accounts: Accounts,
    /// From then on it is not good any more.
    pub expire_time: Option<DateTime<Utc>>,
}

/// More tokens than a service holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} tokens, of which at most {MAX_TOKENS} can be alive")]
pub struct TooMany(pub usize);

/// The tokens that are good now. Clones are the same list.
#[derive(Clone)]
pub struct LiveTokens(Arc<Shared>);

struct Shared {
    list: ArcSwap<List>,
    /// When it was last known to be right, in microseconds.
    refreshed: AtomicI64,
}

struct List {
    key: HashKey,
    tokens: HashMap<TokenHash, Entry>,
}

struct Entry {
    caller: Caller,
    id: Uuid,
    expire_time: Option<DateTime<Utc>>,
    /// In microseconds; [`NEVER`] where it was not used since that was last told.
    used: Arc<AtomicI64>,
    /// By the first key, where that is not how it was found.
    rehashed: OnceLock<TokenHash>,
}

impl Default for LiveTokens {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveTokens {
    /// None are known yet, not even that there are none.
    pub fn new() -> Self {
        let list = List {
            key: HashKey::new(&[]),
            tokens: HashMap::new(),
        };
        Self(Arc::new(Shared {
            list: ArcSwap::from_pointee(list),
            refreshed: AtomicI64::new(NEVER),
        }))
    }

    /// These are all that are good, as of `now`.
    ///
    /// # Errors
    /// They are more than are held; those from before stay.
    pub fn replace(
        &self,
        key: HashKey,
        tokens: Vec<LiveToken>,
        now: DateTime<Utc>,
    ) -> Result<(), TooMany> {
        if tokens.len() > MAX_TOKENS {
            return Err(TooMany(tokens.len()));
        }
        let before = self.0.list.load();
        let entry = |token: LiveToken| {
            // A use that was not told yet is told later.
            let known = before.tokens.get(&token.hash);
            let used = known.map_or_else(
                || Arc::new(AtomicI64::new(NEVER)),
                |entry| Arc::clone(&entry.used),
            );
            let entry = Entry {
                id: token.id,
                expire_time: token.expire_time,
                used,
                rehashed: OnceLock::new(),
                caller: Caller {
                    who: Who::Token {
                        id: token.id,
                        name: token.name,
                    },
                    role: token.role,
                    accounts: token.accounts,
                },
            };
            (token.hash, entry)
        };
        let tokens = tokens.into_iter().map(entry).collect();
        self.0.list.store(Arc::new(List { key, tokens }));
        self.still_right(now);
        Ok(())
    }

    /// The list is as it was, as of `now`.
    pub fn still_right(&self, now: DateTime<Utc>) {
        let now = now.timestamp_micros();
        self.0.refreshed.store(now, Ordering::Release);
    }

    /// Whose token this is. Costs the same whether there is such a token or not, and next to
    /// nothing where the text can't be one.
    ///
    /// # Errors
    /// It is none that is good.
    pub fn find(&self, bearer: &str, now: DateTime<Utc>) -> Result<Caller, Refused> {
        if !is_token(bearer) {
            return Err(Refused::Unknown);
        }
        if !self.stands(now) {
            return Err(Refused::Unsure);
        }
        let list = self.0.list.load();
        let first = list.key.hash(bearer);
        let entry = list.tokens.get(&first);
        // All are computed, so that the time tells nothing.
        let older = |found: Option<_>, hash| found.or_else(|| list.tokens.get(&hash));
        let found = list.key.older(bearer).fold(entry, older);
        let found = found.ok_or(Refused::Unknown)?;
        if entry.is_none() {
            found.rehashed.get_or_init(|| first);
        }
        let entry = found;
        if entry.expire_time.is_some_and(|end| end <= now) {
            return Err(Refused::Expired);
        }
        let used = now.timestamp_micros();
        entry.used.fetch_max(used, Ordering::Relaxed);
        Ok(entry.caller.clone())
    }

    /// Which tokens were used since this was last asked, and when each was last.
    pub fn take_uses(&self) -> Vec<Use> {
        let list = self.0.list.load();
        let key = list.key.name();
        let taken = |entry: &Entry| {
            let used = entry.used.swap(NEVER, Ordering::Relaxed);
            let hash = entry.rehashed.get().copied();
            Some(Use {
                token: entry.id,
                time: DateTime::from_timestamp_micros(used)?,
                rehashed: hash.map(|hash| Rehashed { hash, key }),
            })
        };
        list.tokens.values().filter_map(taken).collect()
    }

    fn stands(&self, now: DateTime<Utc>) -> bool {
        let refreshed = self.0.refreshed.load(Ordering::Acquire);
        let age = now.timestamp_micros().saturating_sub(refreshed);
        refreshed != NEVER && TimeDelta::microseconds(age) <= STANDS
    }
}

impl fmt::Debug for LiveTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveTokens")
    }
}

/// Whether the text is made as tokens are: looked at before anything is computed.
fn is_token(text: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == LENGTH && text.starts_with(PREFIX) && text.bytes().all(is_character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_ids::AccountId;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn live(key: &HashKey, text: &str, end: Option<i64>) -> LiveToken {
        LiveToken {
            hash: key.hash(text),
            id: Uuid::from_u128(u128::from(text.as_bytes()[10])),
            name: "a team".into(),
            role: Role::Write,
            accounts: Accounts::only([AccountId(Uuid::nil())]),
            expire_time: end.map(at),
        }
    }

    // Semantics 9.2.
    #[test]
    fn a_token_is_found_until_it_is_revoked_or_expires() {
        let (tokens, key) = (LiveTokens::new(), HashKey::new(b"key"));
        let (one, other) = (token([1; 32]), token([2; 32]));
        let list = vec![live(&key, &one, None), live(&key, &other, Some(10))];
        tokens.replace(key.clone(), list, at(0)).unwrap();
        let caller = tokens.find(&one, at(1)).unwrap();
        assert_eq!(caller.role, Role::Write);
        assert!(matches!(&caller.who, Who::Token { name, .. } if &**name == "a team"));
        assert!(tokens.find(&other, at(9)).is_ok());
        assert_eq!(tokens.find(&other, at(10)), Err(Refused::Expired));
        let left = vec![live(&key, &other, Some(10))];
        tokens.replace(key, left, at(11)).unwrap();
        assert_eq!(tokens.find(&one, at(11)), Err(Refused::Unknown));
        // Of another key nothing is found.
        let list = vec![live(&HashKey::new(b"key"), &one, None)];
        tokens.replace(HashKey::new(b"new"), list, at(12)).unwrap();
        assert_eq!(tokens.find(&one, at(12)), Err(Refused::Unknown));
    }

    #[test]
    fn a_list_stands_for_a_minute() {
        let (tokens, key) = (LiveTokens::new(), HashKey::new(b"key"));
        let text = token([1; 32]);
        assert_eq!(tokens.find(&text, at(0)), Err(Refused::Unsure));
        let list = vec![live(&key, &text, None)];
        tokens.replace(key, list, at(0)).unwrap();
        assert!(tokens.find(&text, at(60)).is_ok());
        assert_eq!(tokens.find(&text, at(61)), Err(Refused::Unsure));
        assert_eq!(
            tokens.find(&token([2; 32]), at(61)),
            Err(Refused::Unsure),
            "nobody can say whether there is one"
        );
        tokens.still_right(at(61));
        assert!(tokens.find(&text, at(121)).is_ok());
    }

    #[test]
    fn more_than_are_held_leave_those_from_before() {
        let (tokens, key) = (LiveTokens::new(), HashKey::new(b"key"));
        let text = token([1; 32]);
        let one = live(&key, &text, None);
        tokens
            .replace(key.clone(), vec![one.clone()], at(0))
            .unwrap();
        let many = vec![one; MAX_TOKENS + 1];
        assert_eq!(
            tokens.replace(key, many, at(1)),
            Err(TooMany(MAX_TOKENS + 1))
        );
        assert!(tokens.find(&text, at(1)).is_ok());
    }

    #[test]
    fn a_use_is_told_once_and_outlives_a_new_list() {
        let (tokens, key) = (LiveTokens::new(), HashKey::new(b"key"));
        let (one, other) = (token([1; 32]), token([2; 32]));
        let list = vec![live(&key, &one, None), live(&key, &other, None)];
        tokens.replace(key.clone(), list.clone(), at(0)).unwrap();
        for second in [3, 5, 4] {
            tokens.find(&one, at(second)).unwrap();
        }
        tokens.replace(key, list.clone(), at(6)).unwrap();
        let used = Use {
            token: list[0].id,
            time: at(5),
            rehashed: None,
        };
        assert_eq!(tokens.take_uses(), [used]);
        assert_eq!(tokens.take_uses(), []);
    }

    #[test]
    fn what_an_older_key_hashed_is_found_and_told_by_the_hash_of_the_first() {
        let tokens = LiveTokens::new();
        let [old, new] = ["old", "new"].map(|key| HashKey::new(key.as_bytes()));
        let (before, since) = (token([1; 32]), token([2; 32]));
        let list = vec![live(&old, &before, None), live(&new, &since, None)];
        let both = HashKey::of(["new", "old"]);
        tokens.replace(both, list.clone(), at(0)).unwrap();
        for text in [&before, &since] {
            tokens.find(text, at(1)).unwrap();
        }
        assert_eq!(tokens.find(&token([3; 32]), at(1)), Err(Refused::Unknown));
        let mut uses = tokens.take_uses();
        uses.sort_by_key(|used| used.rehashed.is_none());
        let rehashed = Rehashed {
            hash: new.hash(&before),
            key: new.name(),
        };
        let told = uses.iter().map(|used| (used.token, used.rehashed));
        let expected = [(list[0].id, Some(rehashed)), (list[1].id, None)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_ne!(new.name(), old.name());
    }

    proptest! {
        #[test]
        fn what_is_no_token_is_refused(text in "(weir_)?[ -~]{0,60}|weir_[A-Za-z0-9_-]{43}.+") {
            let (tokens, key) = (LiveTokens::new(), HashKey::new(b"key"));
            let good = token([1; 32]);
            let list = vec![live(&key, &good, None)];
            tokens.replace(key, list, at(0)).unwrap();
            prop_assert_eq!(tokens.find(&text, at(0)), Err(Refused::Unknown));
        }

        #[test]
        fn a_token_is_as_long_as_it_must_be(random in any::<[u8; 32]>()) {
            prop_assert!(is_token(&token(random)));
        }
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        let key = HashKey::new(b"key");
        assert_eq!(
            format!("{key:?}{:?}", LiveTokens::new()),
            "HashKeyLiveTokens"
        );
    }
}
