//! What was counted and not told yet. Pure.

use std::collections::HashMap;

use crate::fold::{Fold, Key, Tally};
use crate::{MAX_COUNTS, MAX_SUBJECTS};

/// Counts in memory, of some 200 bytes each: a second has a few; so many only where mapping is
/// away for long, or many sources have many event names.
const MAX_PENDING: usize = 50_000;
/// In characters; event names and paths are no longer.
const MAX_SUBJECT: usize = 255;

/// By source.
#[derive(Debug, Default)]
pub struct Pending {
    sources: HashMap<String, HashMap<String, Source>>,
    /// How many counts there are.
    size: usize,
}

/// By the hour's beginning.
type Source = HashMap<i64, Hour>;

#[derive(Debug, Default)]
struct Hour {
    subjects: HashMap<String, Vec<Count>>,
    /// What is beyond the first thousand subjects.
    other: Vec<Count>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub status: u16,
    pub code: &'static str,
    pub tally: Tally,
}

/// One count of a source, as it is told. Without a subject it stands for many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub account_id: String,
    pub source_id: String,
    pub hour: i64,
    pub subject: Option<String>,
    pub count: Count,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Adds a batch. Answers how many could not be counted.
    pub fn add(&mut self, account_id: &str, source_id: &str, fold: Fold<'_>) -> i64 {
        let source = entry(entry(&mut self.sources, account_id), source_id);
        let (mut lost, mut more) = (0, 0);
        for (hour, key, tally) in fold.into_counts() {
            let room = MAX_PENDING.saturating_sub(self.size + more);
            match source.entry(hour).or_default().add(key, tally, room) {
                Added::To => {}
                Added::New => more += 1,
                Added::Lost => lost += tally.count,
            }
        }
        self.size += more;
        lost
    }

    /// Takes all of it, in parts that are told one by one.
    pub fn take(&mut self) -> Vec<Vec<Told>> {
        let mut all = Vec::with_capacity(self.size);
        for (account_id, sources) in std::mem::take(&mut self.sources) {
            for (source_id, hours) in sources {
                for (hour, of_hour) in hours {
                    let told = |subject: Option<&String>, count| Told {
                        account_id: account_id.clone(),
                        source_id: source_id.clone(),
                        hour,
                        subject: subject.cloned(),
                        count,
                    };
                    for (subject, counts) in of_hour.subjects {
                        all.extend(counts.iter().map(|count| told(Some(&subject), *count)));
                    }
                    all.extend(of_hour.other.iter().map(|count| told(None, *count)));
                }
            }
        }
        self.size = 0;
        let mut parts = Vec::new();
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(MAX_COUNTS));
            parts.push(std::mem::replace(&mut all, rest));
        }
        parts
    }
}

enum Added {
    /// To a count that was there.
    To,
    New,
    /// There is no room for another one.
    Lost,
}

impl Hour {
    fn add(&mut self, key: Key<'_>, tally: Tally, room: usize) -> Added {
        let subject = cut(key.subject);
        let is_full = self.subjects.len() >= MAX_SUBJECTS;
        let counts = match self.subjects.get_mut(subject) {
            Some(counts) => counts,
            None if is_full || room == 0 => &mut self.other,
            None => self.subjects.entry(subject.to_owned()).or_default(),
        };
        let same = |count: &&mut Count| count.status == key.status && count.code == key.code;
        if let Some(count) = counts.iter_mut().find(same) {
            count.tally.add(tally);
            return Added::To;
        }
        if room == 0 {
            return Added::Lost;
        }
        counts.push(Count {
            status: key.status,
            code: key.code,
            tally,
        });
        Added::New
    }
}

/// The entry of a key that is there most times, and is copied only where it is not.
fn entry<'m, T: Default>(map: &'m mut HashMap<String, T>, key: &str) -> &'m mut T {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), T::default());
    }
    map.get_mut(key).expect("it is there, or was put there")
}

fn cut(subject: &str) -> &str {
    if subject.len() <= MAX_SUBJECT {
        return subject;
    }
    let end = subject.char_indices().nth(MAX_SUBJECT);
    end.map_or(subject, |(end, _)| &subject[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> Fold<'a> {
        let mut fold = Fold::default();
        for subject in names {
            let key = Key {
                status: 422,
                code: "NO_MAPPING",
                subject,
            };
            fold.add(key, 7, 1);
        }
        fold
    }

    fn sum(parts: &[Vec<Told>]) -> i64 {
        let counts = parts.iter().flatten();
        counts.map(|told| told.count.tally.count).sum()
    }

    /// Semantics 7.3a.
    #[test]
    fn beyond_a_thousand_subjects_of_an_hour_it_is_other() {
        let names: Vec<String> = (0..3_000).map(|n| format!("name {n}")).collect();
        let mut pending = Pending::default();
        for _ in 0..2 {
            let all = names.iter().map(String::as_str);
            assert_eq!(pending.add("a", "s", fold(all)), 0);
        }
        assert_eq!(pending.add("a", "another", fold(["name 1"])), 0);
        let parts = pending.take();
        assert!(pending.is_empty());
        assert_eq!(sum(&parts), 6_001);
        let other = |told: &&Told| told.subject.is_none();
        let others: Vec<_> = parts.iter().flatten().filter(other).collect();
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].count.tally.count, 4_000);
    }

    #[test]
    fn what_has_no_room_is_answered_for_and_what_has_a_count_goes_on() {
        let names: Vec<String> = (0..900).map(|n| format!("name {n}")).collect();
        let mut pending = Pending::default();
        let mut lost = 0;
        for source in 0..80 {
            let all = names.iter().map(String::as_str);
            lost += pending.add("a", &source.to_string(), fold(all));
        }
        assert_eq!(pending.add("a", "0", fold(["name 1"])), 0);
        let parts = pending.take();
        assert!(lost > 0);
        assert_eq!(sum(&parts) + lost, 80 * 900 + 1);
        assert!(parts.iter().all(|part| part.len() <= MAX_COUNTS));
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), MAX_PENDING);
    }

    #[test]
    fn a_subject_is_cut_by_characters() {
        let long = "é".repeat(300);
        let mut pending = Pending::default();
        pending.add("a", "s", fold([long.as_str()]));
        let told = pending.take().remove(0).remove(0);
        assert_eq!(told.subject.unwrap().chars().count(), 255);
    }
}
