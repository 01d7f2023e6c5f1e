//! Rings in Redis: the last samples, event names, log lines and recent events of each source.
//!
//! Their loss harms nobody: they help the person who maps. **Invariant:** at every moment, and
//! whatever breaks off in between, a source has at most 500 event names, samples of these alone,
//! 500 lines of either kind and 500 recent events: all that a write changes, it changes in one
//! script. Every key has a time to live, and those of one account lie in one slot of a cluster.

mod person;
mod recent;
mod stored;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use redis::Script;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_redis::{AddressError, RedisOptions};

use super::link::{Link, RingsAway};
use crate::domain::folded::{Lines, MAX_FOLDED};
use crate::domain::log::{LogEntry, MAX_LINES};
use crate::domain::recent::{MAX_RECENT, Noted};
use crate::domain::sample::{ListKey, MAX_NAMES, MAX_SAMPLES, NameSeen, Sample};
use crate::metrics;
use stored::{StoredEntry, StoredSample};

/// What a source left behind is forgotten when it was silent for so long: longer than a month,
/// so that what happens monthly is there when it is looked for.
const TIME_TO_LIVE: Duration = Duration::from_hours(35 * 24);
/// A write that is sent again comes within seconds, and after an outage as the first; a source has
/// some tens a second where it is busy.
const MAX_WRITES: usize = 256;
/// As the script takes them.
const LIMITS: [usize; 6] = [
    MAX_WRITES,
    MAX_SAMPLES,
    MAX_NAMES,
    MAX_LINES,
    MAX_FOLDED,
    MAX_RECENT,
];
/// Around a sample, a name or half of a line, in bytes.
const BESIDE: usize = 256;
/// Redis does nothing else while it runs a script: what is larger goes in several.
const MAX_SCRIPT_BYTES: usize = 1024 * 1024;
/// Of a hash of an event's name, in hex.
const DIGEST: usize = 32;

/// What waits to be written for one source.
#[derive(Debug, Default)]
pub struct Pending {
    /// Of each list at most the newest five, newest first.
    pub samples: HashMap<ListKey, Vec<Sample>>,
    /// Those of all tracks among the samples, and more.
    pub names: HashMap<String, DateTime<Utc>>,
    pub lines: Lines,
    pub recent: Noted,
}

impl Pending {
    /// About how many it comes to.
    pub fn bytes(&self) -> usize {
        let samples = self.samples.values().flatten();
        let samples: usize = samples.map(|sample| sample.raw.len() + BESIDE).sum();
        let lines = self.lines.own.len() + self.lines.folded.len();
        let lines = lines + self.recent.events.len();
        samples + (self.names.len() + 2 * lines) * BESIDE
    }
}

/// A write on its way: what Redis has not taken of it yet, each script with its id.
#[derive(Debug)]
pub struct Write {
    keys: Keys,
    chunks: VecDeque<(Uuid, Operation)>,
}

impl Write {
    /// About how many it comes to.
    pub fn bytes(&self) -> usize {
        let chunks = self.chunks.iter();
        let arguments = chunks.flat_map(|(_, operations)| operations);
        arguments.map(Vec::len).sum()
    }
}

/// The rings of all sources.
#[derive(Clone)]
pub struct Rings {
    link: Link,
    writing: Arc<Script>,
}

impl Rings {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where `url` is not one, or a file can't be used.
    pub fn connect(url: &str, options: &RedisOptions) -> Result<Self, AddressError> {
        Ok(Self {
            link: Link::new(url, options)?,
            writing: Arc::new(Script::new(include_str!("rings/write.lua"))),
        })
    }

    /// Whether Redis answers.
    pub async fn answer(&self) -> bool {
        self.link.answers().await
    }

    /// Those of a Redis that is not there.
    #[cfg(test)]
    pub fn nowhere() -> Self {
        Self::connect("redis://127.0.0.1:1", &RedisOptions::default()).unwrap()
    }

    /// What writes everything that waits for one source: most times one round trip.
    pub fn prepare(&self, account: AccountId, source: SourceId, pending: &Pending) -> Write {
        let chunks = chunks(operations(pending)).into_iter();
        Write {
            keys: Keys { account, source },
            chunks: chunks.map(|chunk| (weir_ids::fresh(), chunk)).collect(),
        }
    }

    /// Sends what is left of a write. It may be sent again, soon: what Redis took is known by its
    /// id.
    pub async fn send(&self, write: &mut Write) -> Result<(), RingsAway> {
        let keys = &write.keys;
        while let Some((id, operations)) = write.chunks.front() {
            let mut invocation = self.writing.key(keys.of("writes"));
            for key in [
                keys.names(),
                keys.samples(&ListKey::Identifies),
                keys.log(),
                keys.folded(),
                keys.counts(),
                keys.of("folded:order"),
                keys.of("recent"),
                keys.of("recent:left_out"),
            ] {
                invocation.key(key);
            }
            invocation.arg(id.as_bytes());
            invocation.arg(TIME_TO_LIVE.as_secs());
            for limit in LIMITS {
                invocation.arg(limit);
            }
            invocation.arg(keys.tracks());
            for argument in operations {
                invocation.arg(argument);
            }
            let _: i64 = self.link.ask(&invocation).await?;
            write.chunks.pop_front();
        }
        Ok(())
    }

    /// Forgets everything of a source; answers how many keys that were.
    pub async fn erase(&self, account: AccountId, source: SourceId) -> Result<i64, RingsAway> {
        let keys = Keys { account, source };
        let names = self.names(account, source).await?;
        let lists = names.into_iter().map(|seen| ListKey::Tracks(seen.name));
        let mut asked = redis::pipe();
        for list in lists.chain([ListKey::Identifies]) {
            asked.del(keys.samples(&list));
        }
        // What can't be read as a name any more ends by itself.
        for what in [
            "event_names",
            "log",
            "folded",
            "folded:counts",
            "folded:order",
            "recent",
            "recent:left_out",
            "writes",
        ] {
            asked.del(keys.of(what));
        }
        let erased: Vec<i64> = self.link.ask(&asked).await?;
        Ok(erased.iter().sum())
    }

    /// Newest first.
    pub async fn samples(
        &self,
        account: AccountId,
        source: SourceId,
        list: &ListKey,
    ) -> Result<Vec<Sample>, RingsAway> {
        let keys = Keys { account, source };
        let mut asked = redis::pipe();
        asked.lrange(keys.samples(list), 0, -1);
        let (stored,): (Vec<Vec<u8>>,) = self.link.ask(&asked).await?;
        let read = |json: &Vec<u8>| readable::<StoredSample>(json).map(Sample::from);
        Ok(stored.iter().filter_map(read).collect())
    }

    /// In no order.
    pub async fn names(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Vec<NameSeen>, RingsAway> {
        let keys = Keys { account, source };
        let mut asked = redis::pipe();
        asked.zrange_withscores(keys.names(), 0, -1);
        let (found,): (Vec<(String, i64)>,) = self.link.ask(&asked).await?;
        let read = |(member, micros): (String, i64)| NameSeen {
            name: member.get(DIGEST..).unwrap_or_default().to_owned(),
            last_receive_time: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        };
        Ok(found.into_iter().map(read).collect())
    }

    /// Of both kinds, in no order; each with an id, which grows from line to line.
    pub async fn log(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Vec<(Uuid, LogEntry)>, RingsAway> {
        let keys = Keys { account, source };
        let mut asked = redis::pipe();
        asked.lrange(keys.log(), 0, -1);
        asked.hgetall(keys.folded()).hgetall(keys.counts());
        type Found = (
            Vec<Vec<u8>>,
            HashMap<Vec<u8>, Vec<u8>>,
            HashMap<Vec<u8>, i64>,
        );
        let (own, folded, counts): Found = self.link.ask(&asked).await?;
        let own = own.iter().filter_map(|json| readable(json));
        let folded = folded.iter().filter_map(|(key, json)| {
            let mut entry: StoredEntry = readable(json)?;
            entry.count = counts.get(key).copied().unwrap_or(entry.count);
            Some(entry)
        });
        let read = |entry: StoredEntry| (entry.id, entry.into());
        Ok(own.chain(folded).map(read).collect())
    }
}

/// One that can't be read is left out.
fn readable<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(json).ok();
    if read.is_none() {
        tracing::error!("an entry in Redis can't be read");
        metrics::unreadable_rows().increment(1);
    }
    read
}

/// An operation of the script and its arguments.
type Operation = Vec<Vec<u8>>;

fn operations(pending: &Pending) -> Vec<Operation> {
    let mut operations = Vec::new();
    if let Some(samples) = pending.samples.get(&ListKey::Identifies) {
        let mut operation = vec![b"identifies".to_vec(), number(samples.len())];
        operation.extend(oldest_first(samples));
        operations.push(operation);
    }
    // Older ones would fall out at once.
    let mut names: Vec<(&String, &DateTime<Utc>)> = pending.names.iter().collect();
    names.sort_unstable_by_key(|(_, time)| std::cmp::Reverse(**time));
    names.truncate(MAX_NAMES);
    for (name, time) in names {
        let list = ListKey::Tracks(name.clone());
        let samples = pending.samples.get(&list).map_or(&[][..], Vec::as_slice);
        let mut operation = vec![
            b"name".to_vec(),
            number(time.timestamp_micros()),
            format!("{}{name}", digest(name)).into_bytes(),
            number(samples.len()),
        ];
        operation.extend(oldest_first(samples));
        operations.push(operation);
    }
    if !pending.lines.own.is_empty() {
        let mut operation = vec![b"lines".to_vec(), number(pending.lines.own.len())];
        operation.extend(pending.lines.own.iter().map(line));
        operations.push(operation);
    }
    for (key, entry) in &pending.lines.folded {
        operations.push(vec![
            b"folded".to_vec(),
            number(entry.time.timestamp_micros()),
            key.clone().into_bytes(),
            number(entry.count),
            line(entry),
        ]);
    }
    recent::operations(&pending.recent, &mut operations);
    operations
}

/// The arguments of one script each; an operation is never torn apart.
fn chunks(operations: Vec<Operation>) -> Vec<Operation> {
    let mut chunks: Vec<Operation> = Vec::new();
    let mut bytes = 0;
    for operation in operations {
        let size: usize = operation.iter().map(Vec::len).sum();
        bytes += size;
        match chunks.last_mut() {
            Some(chunk) if bytes <= MAX_SCRIPT_BYTES => chunk.extend(operation),
            _ => {
                chunks.push(operation);
                bytes = size;
            }
        }
    }
    chunks
}

fn oldest_first(samples: &[Sample]) -> impl Iterator<Item = Vec<u8>> {
    let json = |sample| json(&StoredSample::from(sample));
    samples.iter().rev().map(json)
}

fn line(entry: &LogEntry) -> Vec<u8> {
    json(&StoredEntry::from(entry))
}

fn json(stored: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(stored).expect("texts and numbers are always JSON")
}

fn number(number: impl ToString) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Event names may be long, and hold anything: keys end with a hash of them.
fn digest(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    HEXLOWER.encode(&digest[..DIGEST / 2])
}

/// The one place that makes keys.
#[derive(Debug)]
struct Keys {
    account: AccountId,
    source: SourceId,
}

impl Keys {
    fn of(&self, what: &str) -> String {
        format!("weir:{{{}}}:{}:{what}", self.account, self.source)
    }

    fn samples(&self, list: &ListKey) -> String {
        match list {
            ListKey::Identifies => self.of("samples:identify"),
            ListKey::Tracks(name) => format!("{}{}", self.tracks(), digest(name)),
        }
    }

    fn tracks(&self) -> String {
        self.of("samples:track:")
    }

    /// A sorted set of digests, each with its name behind it, by the last receive time.
    fn names(&self) -> String {
        self.of("event_names")
    }

    fn log(&self) -> String {
        self.of("log")
    }

    fn folded(&self) -> String {
        self.of("folded")
    }

    fn counts(&self) -> String {
        self.of("folded:counts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_before_its_bytes_do_and_an_operation_stays_whole() {
        let operation = |size: usize| vec![b"name".to_vec(), vec![b'x'; size]];
        let sizes = [
            10,
            MAX_SCRIPT_BYTES - 100,
            200,
            300,
            2 * MAX_SCRIPT_BYTES,
            5,
        ];
        let chunks = chunks(sizes.into_iter().map(operation).collect());
        let lengths: Vec<Vec<usize>> = chunks
            .iter()
            .map(|chunk| chunk.iter().skip(1).step_by(2).map(Vec::len).collect())
            .collect();
        let expected: [&[usize]; 4] = [
            &[10, MAX_SCRIPT_BYTES - 100],
            &[200, 300],
            &[2 * MAX_SCRIPT_BYTES],
            &[5],
        ];
        assert_eq!(lengths, expected);
    }

    #[test]
    fn only_the_newest_names_are_written() {
        let time = |number: i64| DateTime::from_timestamp_micros(number).unwrap();
        let pending = Pending {
            names: (0..600).map(|n| (format!("{n}"), time(n))).collect(),
            ..Pending::default()
        };
        let operations = operations(&pending);
        assert_eq!(operations.len(), MAX_NAMES);
        assert!(operations[499][2].ends_with(b"100"));
    }
}
