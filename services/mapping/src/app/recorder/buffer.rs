//! What waits for Redis: merged by source, bounded, and kept while Redis is away.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::{Key, Note};
use crate::domain::event::EventKind;
use crate::domain::log::LogEntry;
use crate::domain::sample::{ListKey, MAX_NAMES, MAX_SAMPLES, Picked, Sample};
use crate::store::{Pending, Rings, Write};

/// What may wait, in bytes. A busy source leaves a few hundred kilobytes however long Redis is
/// away, since newer samples and lines take the place of older ones.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Tells somebody that what he noted is written, or kept.
type Told = oneshot::Sender<()>;

#[derive(Default)]
pub struct Buffer {
    sources: HashMap<Key, Source>,
    /// Those of `sources` in the order in which they came.
    order: VecDeque<Key>,
    /// What Redis did not take: it goes first, and under the same ids, since part of it may be
    /// there.
    unsent: Option<Write>,
    /// About all of it.
    bytes: usize,
}

#[derive(Default)]
struct Source {
    pending: Pending,
    bytes: usize,
    told: Vec<Told>,
}

/// A write on its way, and who waits for it.
pub struct Sending {
    pub write: Write,
    told: Vec<Told>,
}

impl Sending {
    /// It is written, or kept until it can be.
    pub fn tell(&mut self) {
        for told in self.told.drain(..) {
            // Nobody may wait for it any more.
            let _ = told.send(());
        }
    }
}

impl Buffer {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty() && self.unsent.is_none()
    }

    /// Takes a note in; false where there is no room for it.
    pub fn take(&mut self, note: Note) -> bool {
        if self.bytes >= MAX_BYTES {
            return false;
        }
        let source = self.sources.entry(note.key).or_insert_with(|| {
            self.order.push_back(note.key);
            Source::default()
        });
        merge(&mut source.pending, note.picked, note.log);
        source.pending.recent.extend(note.recent);
        source.told.extend(note.told);
        self.bytes -= source.bytes;
        source.bytes = source.pending.bytes();
        self.bytes += source.bytes;
        true
    }

    /// Tells all who wait for a write: it is kept, and comes when Redis is back.
    pub fn tell_all(&mut self) {
        for source in self.sources.values_mut() {
            for told in source.told.drain(..) {
                let _ = told.send(());
            }
        }
    }

    /// The next write.
    pub fn next(&mut self, rings: &Rings) -> Option<Sending> {
        if let Some(write) = self.unsent.take() {
            self.bytes -= write.bytes();
            return Some(Sending {
                write,
                told: Vec::new(),
            });
        }
        let key = self.order.pop_front()?;
        let source = self.sources.remove(&key)?;
        self.bytes -= source.bytes;
        Some(Sending {
            write: rings.prepare(key.0, key.1, &source.pending),
            told: source.told,
        })
    }

    /// Takes back the write that was [`next`](Self::next), since Redis was away.
    pub fn put_back(&mut self, write: Write) {
        self.bytes += write.bytes();
        self.unsent = Some(write);
    }
}

fn merge(pending: &mut Pending, picked: Picked, log: Vec<LogEntry>) {
    let mut newer: HashMap<ListKey, Vec<Sample>> = HashMap::new();
    for sample in picked.samples {
        let list = match sample.kind {
            EventKind::Track => ListKey::Tracks(sample.event_name.clone()),
            EventKind::Identify | EventKind::Member => ListKey::Identifies,
        };
        newer.entry(list).or_default().push(sample);
    }
    for (list, mut samples) in newer {
        let kept = pending.samples.entry(list).or_default();
        samples.append(kept);
        samples.truncate(MAX_SAMPLES);
        *kept = samples;
    }
    for (name, time) in picked.names {
        let seen = pending.names.entry(name).or_insert(time);
        *seen = time.max(*seen);
    }
    if pending.names.len() > 2 * MAX_NAMES {
        forget_oldest_names(pending);
    }
    pending.lines.extend(log);
}

/// They would fall out as soon as they are written.
fn forget_oldest_names(pending: &mut Pending) {
    let mut names: Vec<_> = pending.names.drain().collect();
    names.sort_unstable_by_key(|(_, time)| std::cmp::Reverse(*time));
    for (name, _) in names.drain(MAX_NAMES..) {
        pending.samples.remove(&ListKey::Tracks(name));
    }
    pending.names = names.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use weir_ids::{AccountId, SourceId};

    use super::*;

    fn sample(kind: EventKind, name: &str, raw: &str) -> Sample {
        Sample {
            receive_time: DateTime::UNIX_EPOCH,
            kind,
            event_name: name.to_owned(),
            raw: raw.to_owned(),
        }
    }

    fn note(key: Key, raws: &[&str]) -> Note {
        let sample = |raw: &&str| sample(EventKind::Identify, "", raw);
        Note {
            picked: Picked {
                samples: raws.iter().map(sample).collect(),
                names: vec![],
            },
            ..Note::of(key)
        }
    }

    fn key() -> Key {
        (AccountId::new(), SourceId::new())
    }

    #[test]
    fn the_newest_five_of_several_batches_are_kept() {
        let (mut buffer, key) = (Buffer::default(), key());
        assert!(buffer.take(note(key, &["3", "2", "1"])));
        assert!(buffer.take(note(key, &["7", "6", "5", "4"])));
        let raws: Vec<&str> = buffer.sources[&key].pending.samples[&ListKey::Identifies]
            .iter()
            .map(|sample| sample.raw.as_str())
            .collect();
        assert_eq!(raws, ["7", "6", "5", "4", "3"]);
    }

    #[test]
    fn what_waits_is_bounded_and_what_goes_makes_room() {
        let rings = Rings::nowhere();
        let mut buffer = Buffer::default();
        let large = "x".repeat(1024 * 1024);
        let mut taken = 0;
        while buffer.take(note(key(), &[&large])) {
            taken += 1;
        }
        assert_eq!(taken, 32, "each of a mebibyte, and a little");
        let sending = buffer.next(&rings).unwrap();
        assert!(buffer.take(note(key(), &["small"])));
        // Redis does not take it: it has room, and goes first.
        buffer.put_back(sending.write);
        assert!(!buffer.take(note(key(), &["one more"])));
        let mut writes = 0;
        while buffer.next(&rings).is_some() {
            writes += 1;
        }
        assert_eq!((writes, buffer.bytes, buffer.is_empty()), (33, 0, true));
    }

    #[test]
    fn of_very_many_names_the_newest_are_kept() {
        let (mut buffer, key) = (Buffer::default(), key());
        for batch in 0..30_i64 {
            let names = (0..100).map(|n| format!("name {batch} {n}"));
            let time = DateTime::from_timestamp(batch, 0).unwrap();
            let names: Vec<_> = names.map(|name| (name, time)).collect();
            let track = |(name, _): &(String, _)| sample(EventKind::Track, name, "{}");
            let picked = Picked {
                samples: names.iter().map(track).collect(),
                names,
            };
            buffer.take(Note {
                picked,
                ..note(key, &[])
            });
        }
        let pending = &buffer.sources[&key].pending;
        assert!(pending.names.len() <= 2 * MAX_NAMES);
        assert_eq!(pending.names.len(), pending.samples.len());
        assert!(pending.names.contains_key("name 29 0"));
    }
}
