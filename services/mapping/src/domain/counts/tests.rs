use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn key(source: u8, hour: i64, subject: &str, code: &str) -> CountKey {
    CountKey {
        source_id: SourceId(Uuid::from_u128(source.into())),
        hour: DateTime::from_timestamp(hour * 3_600, 0).unwrap(),
        subject: Subject::named(subject),
        status: 422,
        code: code.to_owned(),
    }
}

fn counted(count: i64, at: i64) -> Counted {
    let time = DateTime::from_timestamp(at, 0).unwrap();
    Counted {
        count,
        first_time: time,
        last_time: time,
    }
}

/// What is stored after some flushes, as the table would have it.
#[derive(Default)]
struct Table(HashMap<CountKey, Counted>);

impl Table {
    fn stored(&self, counts: &Counts) -> Stored {
        let mut subjects: HashMap<SourceHour, HashSet<String>> = HashMap::new();
        for key in self.0.keys() {
            if let Subject::Named(name) = &key.subject {
                let hour = (key.source_id, key.hour);
                subjects.entry(hour).or_default().insert(name.clone());
            }
        }
        let known = subjects_of(counts).into_iter().filter(|(hour, subject)| {
            subjects
                .get(hour)
                .is_some_and(|names| names.contains(*subject))
        });
        Stored {
            known: known.map(|(hour, name)| (hour, name.to_owned())).collect(),
            subjects: subjects
                .into_iter()
                .map(|(hour, names)| (hour, names.len()))
                .collect(),
        }
    }

    fn flush(&mut self, counts: Counts) {
        let stored = self.stored(&counts);
        for (key, more) in admit(counts, &stored) {
            let all = self.0.entry(key).and_modify(|all| all.add(more));
            all.or_insert(more);
        }
    }
}

proptest! {
    /// Semantics 7.3a.
    #[test]
    fn no_count_is_lost_and_no_hour_has_more_subjects_than_it_may(
        flushes in prop::collection::vec(
            prop::collection::vec((0..2_u8, 0..2_i64, 0..1_400_u16, 1..9_i64), 0..900), 1..4)
    ) {
        let mut table = Table::default();
        let mut sum = 0;
        for flush in flushes {
            let mut counts = Flush::default();
            for (source, hour, name, count) in flush {
                let code = if name % 2 == 0 { "NO_MAPPING" } else { "PAST_RETENTION" };
                let key = key(source, hour, &format!("name {name}"), code);
                counts.add(AccountId(Uuid::nil()), key, counted(count, 7));
                sum += count;
            }
            let added = counts.accounts.into_values().next();
            table.flush(added.unwrap_or_default().counts);
        }
        prop_assert_eq!(table.0.values().map(|counted| counted.count).sum::<i64>(), sum);
        let mut subjects: HashMap<SourceHour, HashSet<&Subject>> = HashMap::new();
        for key in table.0.keys() {
            if key.subject != Subject::Other {
                let hour = (key.source_id, key.hour);
                subjects.entry(hour).or_default().insert(&key.subject);
            }
        }
        prop_assert!(subjects.values().all(|names| names.len() <= MAX_SUBJECTS));
    }
}

#[test]
fn a_subject_that_was_taken_in_stays_and_later_ones_are_other() {
    let mut table = Table::default();
    let flush = |names: std::ops::Range<usize>| -> Counts {
        let names = names.map(|n| key(1, 1, &format!("name {n:05}"), "NO_MAPPING"));
        names.map(|key| (key, counted(1, 7))).collect()
    };
    table.flush(flush(0..900));
    table.flush(flush(800..1_500));
    let count = |subject: &Subject| {
        let of = table.0.iter().filter(|(key, _)| key.subject == *subject);
        of.map(|(_, counted)| counted.count).sum::<i64>()
    };
    assert_eq!(table.0.len(), 1_001);
    assert_eq!(count(&Subject::named("name 00850")), 2);
    assert_eq!(count(&Subject::named("name 00999")), 1);
    assert_eq!(count(&Subject::named("name 01000")), 0);
    assert_eq!(count(&Subject::Other), 500);
}

#[test]
fn a_subject_has_nothing_that_can_not_be_stored() {
    let Subject::Named(name) = Subject::named(" a\0b ") else {
        unreachable!()
    };
    assert_eq!(name, "a\u{fffd}b");
    assert_eq!(Subject::named("  "), Subject::named(""));
}

#[test]
fn a_range_is_whole_hours_and_ends_after_it_begins() {
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let now = time("2026-11-26T20:30:00Z");
    let range = |start: Option<&str>, end: Option<&str>| {
        read_range(start.map(time), end.map(time), now)
            .map(|(start, end)| (start.to_rfc3339(), end.to_rfc3339()))
    };
    let expect =
        |start: &str, end: &str| Ok((format!("{start}:00:00+00:00"), format!("{end}:00:00+00:00")));
    assert_eq!(range(None, None), expect("2026-11-25T20", "2026-11-26T21"));
    assert_eq!(
        range(Some("2026-11-26T18:59:59Z"), Some("2026-11-26T20:00:00Z")),
        expect("2026-11-26T18", "2026-11-26T20")
    );
    // Nothing is left of what was before.
    assert_eq!(
        range(Some("2020-01-01T00:00:00Z"), None),
        expect("2026-10-27T20", "2026-11-26T21")
    );
    assert!(range(Some("2026-11-26T18:00:00Z"), Some("2026-11-26T18:00:00Z")).is_err());
    assert!(range(Some("2027-01-01T00:00:00Z"), None).is_err());
}

#[test]
fn only_what_can_be_counted_is_asked_for() {
    let codes = [
        "NO_MAPPING",
        "EMAIL_INVALID",
        "OK",
        "KEY_UNKNOWN",
        "no_mapping",
    ];
    let codes = codes.map(str::to_owned);
    let wrong = |with_ok| -> Vec<String> {
        let invalid = read_codes(&codes, with_ok).into_iter();
        invalid.map(|invalid| invalid.field).collect()
    };
    assert_eq!(wrong(true), ["codes[3]", "codes[4]"]);
    assert_eq!(wrong(false), ["codes[2]", "codes[3]", "codes[4]"]);
}
