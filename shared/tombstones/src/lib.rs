//! What stays of a person who was deleted: keyed hashes of what he was found by, for 30 days, so
//! that late retries do not bring him back (semantics 3.9).
//!
//! Every service that would take such an event keeps them in its own schema:
//!
//! - its `accounts` has `last_delete_time timestamptz` and `erasure_key bytea`, which are there
//!   once somebody of the account was deleted: who stores a batch reads both with the account's
//!   row, and looks no further where its events are all younger;
//! - its table `deletions` has a row for each hash: [`sql::LOOK_UP`], [`sql::NOTE`].
//!
//! **Invariant:** who stores a batch holds the account's row shared until it commits, and a
//! deletion has it for itself ([`sql::BEGIN`]). So a deletion finds all that was stored before
//! it, and whoever stores after it sees its hashes.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod sql;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// For how long hashes are kept: no sender tries again for longer.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// The kind of a contact's own id, among those of identifiers.
pub const CONTACT: &str = "c";

/// What is kept of an identifier.
pub type Print = [u8; 16];

/// An account's secret for its hashes: who has the table alone can't try names out.
#[derive(Clone, PartialEq, Eq)]
pub struct ErasureKey([u8; 32]);

impl ErasureKey {
    /// One that nobody can guess.
    pub fn fresh() -> Self {
        let mut key = [0; 32];
        for half in key.chunks_exact_mut(16) {
            half.copy_from_slice(weir_ids::random().as_bytes());
        }
        Self(key)
    }

    /// As it is stored; none where that is no key.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// To be stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Stands for an identifier.
    pub fn print(&self, kind: &str, value: &[u8]) -> Print {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&(kind.len() as u64).to_be_bytes());
        mac.update(kind.as_bytes());
        mac.update(value);
        let hash = mac.finalize().into_bytes();
        *hash.first_chunk().expect("it is longer")
    }
}

/// What an account's row says of deletions.
#[derive(Clone)]
pub struct Erased {
    /// When somebody was deleted last.
    pub last: DateTime<Utc>,
    /// Of the hashes.
    pub key: ErasureKey,
}

impl Erased {
    /// From the columns of an account's row. None where nobody was deleted, or so long ago that
    /// nothing is left of it.
    pub fn of(last: Option<DateTime<Utc>>, key: Option<&[u8]>, now: DateTime<Utc>) -> Option<Self> {
        let last = last.filter(|last| now - *last < KEPT)?;
        let key = ErasureKey::read(key?)?;
        Some(Self { last, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_stands_for_kind_and_value_under_its_accounts_key() {
        let (one, other) = (ErasureKey::fresh(), ErasureKey::fresh());
        let lana = one.print("u", b"lana");
        assert_eq!(lana, one.print("u", b"lana"));
        assert_eq!(
            lana,
            ErasureKey::read(one.bytes()).unwrap().print("u", b"lana")
        );
        for another in [
            one.print("a", b"lana"),
            one.print("u", b"lan"),
            one.print("ul", b"ana"),
            other.print("u", b"lana"),
        ] {
            assert_ne!(lana, another);
        }
    }

    #[test]
    fn what_was_deleted_long_ago_is_not_looked_for() {
        let now: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
        let key = ErasureKey::fresh();
        let of = |ago: i64, key| Erased::of(Some(now - TimeDelta::days(ago)), key, now).is_some();
        assert!(of(29, Some(key.bytes())));
        assert!(!of(30, Some(key.bytes())) && !of(1, None) && !of(1, Some(b"short")));
        assert!(Erased::of(None, Some(key.bytes()), now).is_none());
    }
}
