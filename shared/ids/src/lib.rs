//! Ids that can't be mixed up, and the keys by which repeats are recognised.
//!
//! Ids are UUIDs; those that Weir makes are of version 7, so that B-trees stay local.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

/// A text that is not a UUID where an id was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID such as 018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00")]
pub struct InvalidId;

/// An id of what has no type of its own, ordered by time.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh() -> Uuid {
    Uuid::now_v7()
}

/// One that says nothing of its time, and that nobody can guess.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn random() -> Uuid {
    Uuid::new_v4()
}

/// The id that a text of somebody's own choice stands for: the same for the same text, in every
/// build. A UUID stands for itself.
pub fn of_text(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| {
        let digest = hash(0, &[], &[text.as_bytes()]);
        uuid::Builder::from_custom_bytes(digest.to_be_bytes()).into_uuid()
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by time.
            pub fn new() -> Self {
                Self(fresh())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    };
}

id!(
    /// A tenant.
    AccountId
);
id!(
    /// Where events of an account come from.
    SourceId
);
id!(
    /// A person; the oldest id survives a merge, so the order is that of age.
    ContactId
);
id!(
    /// The definition of an activity within an account.
    ActivityId
);
id!(
    /// An audience of an account.
    AudienceId
);
id!(
    /// One batch on its way through the services; the key of its usage rows.
    BatchId
);

/// Sixteen bytes that stand for something that may come again: the time in front, so that
/// an index on them grows at one end, and a hash of the rest behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimedKey(pub Uuid);

impl TimedKey {
    /// 48 bits of milliseconds (clamped at both ends) and 80 bits of XXH3: two keys of one
    /// account clash by chance once in 2^40 events of the same millisecond. Whoever makes two
    /// events that clash has one of their own events taken for a repeat, and no one else's.
    pub fn new(unix_micros: i64, parts: &[&[u8]]) -> Self {
        let digest = hash(0, &unix_micros.to_be_bytes(), parts).to_be_bytes();
        let millis = u64::try_from(unix_micros.div_euclid(1_000))
            .unwrap_or(0)
            .min((1 << 48) - 1);
        let mut bytes = [0_u8; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        Self(Uuid::from_bytes(bytes))
    }
}

/// See [`fingerprint`].
pub type Fingerprint = [u8; 16];

/// 128 bits that stand for a list of parts within this process, wherever the parts themselves
/// would take too much room. Every process has a seed of its own, so that nobody can prepare
/// two lists with the same.
pub fn fingerprint(parts: &[&[u8]]) -> Fingerprint {
    #[expect(clippy::disallowed_methods, reason = "a seed, once for each process")]
    static SEED: LazyLock<u64> =
        LazyLock::new(|| getrandom::u64().expect("the system has random numbers"));
    hash(*SEED, &[], parts).to_be_bytes()
}

/// Room for the parts of an identifier, and of most events.
const SHORT: usize = 192;
const LONG: usize = 1_024;

/// A head, and parts with their lengths, so that no two lists of parts look alike.
fn hash(seed: u64, head: &[u8], parts: &[&[u8]]) -> u128 {
    let lengths = parts.iter().map(|part| size_of::<u64>() + part.len());
    let length = head.len() + lengths.sum::<usize>();
    // Put together first, which is quicker than to begin a hash that takes them by and by.
    if length <= SHORT {
        in_one_go::<SHORT>(seed, head, parts)
    } else if length <= LONG {
        in_one_go::<LONG>(seed, head, parts)
    } else {
        let mut hash = Xxh3::with_seed(seed);
        write(head, parts, |bytes| hash.update(bytes));
        hash.digest128()
    }
}

/// As [`hash`], where all of it has `LENGTH` bytes at most.
fn in_one_go<const LENGTH: usize>(seed: u64, head: &[u8], parts: &[&[u8]]) -> u128 {
    let mut all = [0; LENGTH];
    let mut end = 0;
    write(head, parts, |bytes| {
        all[end..end + bytes.len()].copy_from_slice(bytes);
        end += bytes.len();
    });
    xxh3_128_with_seed(&all[..end], seed)
}

fn write(head: &[u8], parts: &[&[u8]], mut to: impl FnMut(&[u8])) {
    to(head);
    for part in parts {
        to(&(part.len() as u64).to_be_bytes());
        to(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_by_time_and_differ_by_content() {
        let early = TimedKey::new(1_000_000, &[b"a", b"bc"]);
        let late = TimedKey::new(2_000_000, &[b"a", b"bc"]);
        assert!(early < late);
        assert_eq!(early, TimedKey::new(1_000_000, &[b"a", b"bc"]));
        assert_ne!(early, TimedKey::new(1_000_000, &[b"ab", b"c"]));
        assert_ne!(early, TimedKey::new(1_000_001, &[b"a", b"bc"]));
    }

    #[test]
    fn keys_are_the_same_in_every_build() {
        // They are stored: with others, what comes again would be stored once more.
        let long = [b'x'; 300];
        for (parts, key) in [
            (
                &[&b"a"[..], b"bc"][..],
                "01a20d6d-5a00-f165-928f-80edb1a214a9",
            ),
            (&[&long[..]][..], "01a20d6d-5a00-0eb4-093c-b726987f2930"),
        ] {
            let made = TimedKey::new(1_795_521_600_000_001, parts);
            assert_eq!(made.0.to_string(), key);
        }
    }

    #[test]
    fn a_text_stands_for_an_id_that_is_the_same_in_every_build() {
        // They are stored: with others, a wish that is tried again would be done again.
        let id = of_text("mine-1");
        assert_eq!(id.to_string(), "4c5a9088-dc72-848a-af06-cba782a89693");
        assert_ne!(id, of_text("mine-2"));
        let own = random();
        assert_eq!(of_text(&own.to_string().to_uppercase()), own);
    }

    #[test]
    fn what_is_hashed_in_one_go_hashes_as_by_and_by() {
        for length in [0, 7, 170, 171, 172, 900, 1_000, 1_003, 1_004, 5_000] {
            let part = vec![b'x'; length];
            let mut by_and_by = Xxh3::with_seed(7);
            write(b"head", &[&part, b"y"], |bytes| by_and_by.update(bytes));
            assert_eq!(hash(7, b"head", &[&part, b"y"]), by_and_by.digest128());
        }
    }

    #[test]
    fn fingerprints_tell_where_one_part_ends() {
        assert_eq!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"ab", b"c"]));
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }

    #[test]
    fn times_outside_of_the_range_still_make_keys() {
        assert_ne!(
            TimedKey::new(i64::MIN, &[b"a"]),
            TimedKey::new(i64::MIN, &[b"b"])
        );
        assert!(TimedKey::new(i64::MIN, &[]) < TimedKey::new(i64::MAX, &[]));
    }

    #[test]
    fn a_text_that_is_no_uuid_is_refused() {
        assert_eq!("lana".parse::<AccountId>(), Err(InvalidId));
    }
}
