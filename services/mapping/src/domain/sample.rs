//! Samples of what a source receives, for the person who maps (semantics 4.1, 7.1).

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::event::EventKind;
use super::mapping::is_event_name;

/// Kept of each list.
pub const MAX_SAMPLES: usize = 5;
/// Distinct event names that are kept.
pub const MAX_NAMES: usize = 500;
/// Segment itself takes events of at most 32 KB; more is cut.
const MAX_SAMPLE_BYTES: usize = 64 * 1024;
/// All samples of one batch together: what waits to be written must stay small.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// One event as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub receive_time: DateTime<Utc>,
    pub kind: EventKind,
    /// Of a track.
    pub event_name: String,
    pub raw: String,
}

/// Which list a sample belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListKey {
    Identifies,
    Tracks(String),
}

/// An event name that a source received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSeen {
    pub name: String,
    pub last_receive_time: DateTime<Utc>,
}

/// What a batch shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picked {
    /// Newest first.
    pub samples: Vec<Sample>,
    /// Distinct names of tracks, with when the last one was received.
    pub names: Vec<(String, DateTime<Utc>)>,
}

/// Picks the samples of a batch: the last five identifies and the last five tracks of each
/// name. A track whose name can't be mapped is of no list.
pub fn pick<'a>(events: impl DoubleEndedIterator<Item = Candidate<'a>>) -> Picked {
    // With when the last one of the name was received.
    let mut counts: HashMap<&str, (usize, DateTime<Utc>)> = HashMap::new();
    let mut identifies = 0;
    let mut bytes = 0;
    let mut samples = Vec::new();
    // The last name whose list was full: most tracks of a batch have the same.
    let mut full = None;
    for candidate in events.rev() {
        if candidate.kind == EventKind::Track && full == Some(candidate.event_name) {
            continue;
        }
        if candidate.kind == EventKind::Track && !is_event_name(candidate.event_name) {
            continue;
        }
        let count = match candidate.kind {
            EventKind::Track => {
                let first = (0, candidate.receive_time);
                &mut counts.entry(candidate.event_name).or_insert(first).0
            }
            EventKind::Identify | EventKind::Member => &mut identifies,
        };
        if *count == MAX_SAMPLES || bytes > MAX_BATCH_BYTES {
            if candidate.kind == EventKind::Track {
                full = Some(candidate.event_name);
            }
            continue;
        }
        *count += 1;
        let raw = &candidate.raw[..candidate.raw.len().min(MAX_SAMPLE_BYTES)];
        bytes += raw.len();
        samples.push(Sample {
            receive_time: candidate.receive_time,
            kind: candidate.kind,
            event_name: candidate.event_name.to_owned(),
            // PostgreSQL never sees it, so NUL may stay.
            raw: String::from_utf8_lossy(raw).into_owned(),
        });
    }
    let names = counts
        .into_iter()
        .map(|(name, (_, receive_time))| (name.to_owned(), receive_time))
        .collect();
    Picked { samples, names }
}

/// Letter by letter, so that a part of a name is found whatever stands around it: the small
/// form of a sigma depends on that.
pub fn caseless(text: &str) -> String {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// An event that may become a sample.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub receive_time: DateTime<Utc>,
    pub kind: EventKind,
    pub event_name: &'a str,
    pub raw: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_five_of_each_list_are_picked_newest_first() {
        let raws: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let candidates: Vec<Candidate<'_>> = raws
            .iter()
            .enumerate()
            .map(|(index, raw)| Candidate {
                receive_time: DateTime::from_timestamp_nanos(i64::try_from(index).unwrap()),
                kind: if index % 2 == 0 {
                    EventKind::Identify
                } else {
                    EventKind::Track
                },
                event_name: ["", "a", "", "b"][index % 4],
                raw: raw.as_bytes(),
            })
            .collect();
        let picked = pick(candidates.into_iter());
        let samples = picked.samples;
        let nanos = |time: &DateTime<Utc>| time.timestamp_nanos_opt().unwrap();
        let mut names: Vec<_> = picked.names.iter().map(|(_, time)| nanos(time)).collect();
        names.sort_unstable();
        assert_eq!(names, [37, 39], "the last one of each name");
        assert_eq!(nanos(&samples[0].receive_time), 39);
        let of = |kind, name: &str| -> Vec<&str> {
            samples
                .iter()
                .filter(|sample| sample.kind == kind && sample.event_name == name)
                .map(|sample| sample.raw.as_str())
                .collect()
        };
        assert_eq!(of(EventKind::Identify, ""), ["38", "36", "34", "32", "30"]);
        assert_eq!(of(EventKind::Track, "a"), ["37", "33", "29", "25", "21"]);
        assert_eq!(of(EventKind::Track, "b"), ["39", "35", "31", "27", "23"]);
        assert_eq!(samples.len(), 15);
    }

    #[test]
    fn any_part_is_found_in_any_case() {
        let found = |name: &str, part: &str| caseless(name).contains(&caseless(part));
        for (name, part) in [
            ("Sign-in button clicked", "IN BUTT"),
            ("ΟΔΟΣ ΜΟΥ", "οδος"),
            ("Οδοσήμανση", "ΟΔΟΣ"),
            ("Straße", "STRASSE"),
            ("ÉTÉ", "été"),
            ("Anything", ""),
        ] {
            assert!(found(name, part), "{name} {part}");
        }
        assert!(!found("Login", "logout"));
    }
}
