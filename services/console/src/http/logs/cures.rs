//! What can be done about a reason, as things stand now: what was mapped since needs no mapping.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use weir_reasons::Reason;

use super::super::html;
use super::super::visit::Visit;
use crate::domain::model::{KeptCount, Outcome, Summary};
use crate::domain::{Time, words};

/// Of so many reasons and names it is told how many events are kept; as many as mapping tells.
const COUNTED: usize = 1_000;
/// What is kept of a source and reason, of those that came in one second (semantics 7.5).
const PER_SECOND: i64 = 50;
/// What the subjects beyond the first thousand of an hour are counted under.
const REST: &str = "other";
/// A list of mapped activities that goes on for longer ends here.
const PAGES: usize = 20;

/// Where something can be done about a reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cure {
    pub words: String,
    pub path: String,
    /// In the place of what the reason means, where that is true no longer.
    pub says: String,
    /// How many of its events were kept, where not all were.
    pub note: String,
}

/// What stands now, of what was said never to be saved.
#[derive(Default)]
pub(super) struct Standing {
    /// Names of activities that are mapped.
    mapped: HashSet<String>,
    has_traits: bool,
    /// Reasons of which more came in an hour than are kept of a second: of others all are kept.
    crowded: HashSet<String>,
    /// Since when what came may be kept.
    week: Option<Time>,
    /// Of the time that is looked at, and of all that is kept.
    kept: Option<(KeptCounts, KeptCounts)>,
}

/// By reason and event name: how many are kept, and of these how many were stored since.
#[derive(Default)]
struct KeptCounts {
    of: HashMap<(String, String), (i64, i64)>,
    is_whole: bool,
}

impl KeptCounts {
    fn new(counts: Vec<KeptCount>) -> Self {
        Self {
            is_whole: counts.len() < COUNTED,
            of: counts
                .into_iter()
                .map(|one| ((one.code, one.event_name), (one.count, one.done)))
                .collect(),
        }
    }

    /// None where that is not known.
    fn of(&self, summary: &Summary) -> Option<(i64, i64)> {
        let key = (summary.code.clone(), summary.subject.clone());
        let found = self.of.get(&key).copied();
        found.or_else(|| self.is_whole.then_some((0, 0)))
    }

    /// Whether anything of the name is kept, be it for another reason by now.
    fn has(&self, name: &str) -> bool {
        self.of.keys().any(|(_, known)| known == name)
    }
}

impl Standing {
    /// Asked only where something is kept, or was not mapped when it came.
    pub(super) async fn of(visit: &Visit, outcome: &Outcome, since: Time) -> Self {
        if !outcome.summaries.iter().any(is_kept) {
            return Self::default();
        }
        let (account, source) = (visit.account(), visit.source());
        let mapped = async {
            match outcome.summaries.iter().any(is_unmapped) {
                true => tokio::join!(mapped(visit), visit.calls.contact_mapping(account, source)),
                false => (HashSet::new(), Ok(Default::default())),
            }
        };
        let ((mapped, rows), of_range, of_all) = tokio::join!(
            mapped,
            visit.calls.kept_counts((account, source), Some(since)),
            visit.calls.kept_counts((account, source), None)
        );
        let counts = of_range.ok().zip(of_all.ok());
        Self {
            mapped,
            has_traits: rows.is_ok_and(|(rows, _)| !rows.is_empty()),
            crowded: crowded(outcome),
            week: Some(visit.now - TimeDelta::days(7)),
            kept: counts.map(|(range, all)| (KeptCounts::new(range), KeptCounts::new(all))),
        }
    }

    fn is_mapped(&self, name: &str) -> bool {
        match name {
            "" => self.has_traits,
            name => self.mapped.contains(name),
        }
    }

    /// How many of its events were kept, where that is not all of them (semantics 7.5).
    fn note(&self, summary: &Summary) -> String {
        let Some((range, _)) = &self.kept else {
            return String::new();
        };
        let in_time = summary.first.zip(self.week);
        let in_time = in_time.is_some_and(|(first, week)| first >= week);
        // A limit's events come again by themselves, and would count as often as they came.
        let once = matches!(summary.status, 206 | 400 | 422);
        let asked = is_kept(summary) && once && in_time && summary.subject != REST;
        if !asked || !self.crowded.contains(&summary.code) {
            return String::new();
        }
        let all = words::number(summary.count);
        match range.of(summary) {
            Some((0, _)) => {
                format!("None of the {all} was kept: too many came at once. Have them sent again.")
            }
            Some((kept, _)) if kept < summary.count => format!(
                "{} of {all} were kept; the others came too many at once: have them sent again.",
                words::number(kept)
            ),
            _ => String::new(),
        }
    }
}

/// Whether events of this outcome are kept at all.
fn is_kept(summary: &Summary) -> bool {
    let never = [
        Reason::NothingNew,
        Reason::ContactDeferred,
        Reason::ContactDeleted,
    ];
    matches!(summary.status, 206 | 400 | 422 | 429)
        && !never.iter().any(|code| code.code() == summary.code)
}

/// Reasons of which more events came in some hour than are kept of a second.
fn crowded(outcome: &Outcome) -> HashSet<String> {
    let mut of_hour: HashMap<(&str, Time), i64> = HashMap::new();
    for one in outcome.summaries.iter().filter(|one| is_kept(one)) {
        for (hour, count) in &one.hours {
            *of_hour.entry((&one.code, *hour)).or_default() += count;
        }
    }
    let crowded = of_hour.into_iter().filter(|(_, count)| *count > PER_SECOND);
    crowded.map(|((code, _), _)| code.to_owned()).collect()
}

fn is_unmapped(summary: &Summary) -> bool {
    summary.code == Reason::NoMapping.code()
}

async fn mapped(visit: &Visit) -> HashSet<String> {
    let (mut names, mut token) = (HashSet::new(), String::new());
    for _ in 0..PAGES {
        let (account, source) = (visit.account(), visit.source());
        let page = visit.calls.activities_mapped(account, source, &token).await;
        let Ok(page) = page else { break };
        names.extend(page.items.into_iter().map(|one| one.event_name));
        token = page.next;
        if token.is_empty() {
            break;
        }
    }
    names
}

pub(super) fn of(summary: &Summary, base: &str, standing: &Standing) -> Cure {
    if is_unmapped(summary) && standing.is_mapped(&summary.subject) {
        return mapped_since(summary, base, standing);
    }
    let subject = html::query(&summary.subject);
    let (words, path) = match &*summary.code {
        "NO_MAPPING" if summary.subject.is_empty() => ("Map the traits", format!("{base}/map")),
        "NO_MAPPING" => ("Map it", format!("{base}/activities/edit?name={subject}")),
        "PAST_RETENTION" => (
            "Change its retention",
            format!("{base}/activities/edit?name={subject}"),
        ),
        "DATE_FORMAT_MISMATCH" | "TIME_FORMAT_MISMATCH" => {
            ("Choose the format", format_page(summary, base))
        }
        "EXISTING_ONLY" | "CONTACT_EXISTING_ONLY" => {
            ("Look at the merge settings", format!("{base}/settings"))
        }
        "PROFILE_LIMIT" | "ACTIVITY_LIMIT" | "CONTACT_LIMIT" => {
            let account = base.split("/sources").next().unwrap_or_default();
            ("Look at the usage", format!("{account}/usage"))
        }
        // It is counted, and stands in no log (semantics 7.5).
        "NOTHING_NEW" => ("", String::new()),
        code => ("See entries", format!("{base}/logs?code={code}#entries")),
    };
    Cure {
        words: words.to_owned(),
        path,
        says: String::new(),
        note: standing.note(summary),
    }
}

/// What was kept of what came before can be taken now.
fn mapped_since(summary: &Summary, base: &str, standing: &Standing) -> Cure {
    let code = Reason::NoMapping.code();
    let event = match &*summary.subject {
        "" => String::new(),
        name => format!("&event={}", html::query(name)),
    };
    let query = format!("code={code}{event}");
    let all = standing.kept.as_ref().map(|(_, all)| all);
    let note = standing.note(summary);
    let told = |says: &str| Cure {
        says: says.to_owned(),
        note: note.clone(),
        ..Cure::default()
    };
    match all.and_then(|all| Some((all, all.of(summary)?))) {
        Some((_, (count, done))) if count > done => {
            let left = count - done;
            Cure {
                words: format!("Replay {}", words::number(left)),
                path: format!("{base}/kept/replay?{query}"),
                ..told(&format!(
                    "Mapped since: {} can be replayed.",
                    words::count(left, "kept event")
                ))
            }
        }
        Some((_, (1.., _))) => told("Mapped since. All that was kept of them was stored since."),
        Some((all, _)) if all.has(&summary.subject) => {
            told("Mapped since. None of them is left to be replayed.")
        }
        Some(_) => told("Mapped since. None of them is kept, so that none can be replayed."),
        None => Cure {
            words: "See kept events".to_owned(),
            path: format!("{base}/kept?{query}"),
            ..told("Mapped since: what is kept of them can be replayed.")
        },
    }
}

/// Where the format is chosen: of a property its activity, of a trait the map.
fn format_page(summary: &Summary, base: &str) -> String {
    let example = summary.example.as_ref();
    let property = example.filter(|entry| entry.path.starts_with("properties"));
    match property {
        Some(entry) => {
            let name = html::query(&entry.event_name);
            format!("{base}/activities/edit?name={name}")
        }
        None => format!("{base}/map?q={}", html::query(&summary.subject)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::LogEntry;

    #[test]
    fn a_format_is_chosen_where_its_row_is() {
        let summary = |path: &str| Summary {
            status: 206,
            code: "DATE_FORMAT_MISMATCH".to_owned(),
            subject: "when".to_owned(),
            count: 1,
            first: None,
            last: None,
            hours: Vec::new(),
            example: Some(LogEntry {
                path: path.to_owned(),
                event_name: "order sent".to_owned(),
                ..LogEntry::default()
            }),
        };
        let standing = Standing::default();
        let cure = |one: &Summary| of(one, "/s", &standing);
        let of_property = cure(&summary("properties.when")).path;
        assert_eq!(of_property, "/s/activities/edit?name=order+sent");
        assert_eq!(cure(&summary("traits.when")).path, "/s/map?q=when");
    }

    #[test]
    fn what_was_mapped_since_is_replayed_and_not_mapped_again() {
        let summary = |subject: &str| Summary {
            status: 422,
            code: "NO_MAPPING".to_owned(),
            subject: subject.to_owned(),
            count: 64,
            first: Some(Time::UNIX_EPOCH),
            last: None,
            hours: Vec::new(),
            example: None,
        };
        let kept = |counts: &[(&str, &str, i64, i64)]| {
            let counts = counts.iter().map(|(code, name, count, done)| KeptCount {
                code: (*code).to_owned(),
                event_name: (*name).to_owned(),
                count: *count,
                done: *done,
            });
            KeptCounts::new(counts.collect())
        };
        let of_range = [
            ("NO_MAPPING", "Shipped", 50, 0),
            ("NO_MAPPING", "Done", 64, 64),
        ];
        let of_all = [
            ("NO_MAPPING", "Shipped", 53, 0),
            ("NO_MAPPING", "Done", 64, 64),
            ("INTEGER_INVALID", "Half", 64, 0),
        ];
        let names = ["Shipped", "Done", "Half", "Video"];
        let standing = Standing {
            mapped: names.map(str::to_owned).into(),
            has_traits: false,
            crowded: ["NO_MAPPING".to_owned()].into(),
            week: Some(Time::UNIX_EPOCH),
            kept: Some((kept(&of_range), kept(&of_all))),
        };
        let cure = |name: &str| of(&summary(name), "/s", &standing);
        let shipped = cure("Shipped");
        assert_eq!(shipped.words, "Replay 53");
        assert_eq!(shipped.path, "/s/kept/replay?code=NO_MAPPING&event=Shipped");
        assert_eq!(
            shipped.says,
            "Mapped since: 53 kept events can be replayed."
        );
        let note = "50 of 64 were kept; the others came too many at once: have them sent again.";
        assert_eq!(shipped.note, note);
        // All of them were replayed, some have another reason since, and none was ever kept.
        for (name, says, note) in [
            ("Done", "All that was kept of them was stored since.", ""),
            (
                "Half",
                "None of them is left to be replayed.",
                "None of the 64",
            ),
            (
                "Video",
                "None of them is kept,",
                "None of the 64 was kept: too",
            ),
        ] {
            let cure = cure(name);
            assert_eq!((&*cure.words, &*cure.path), ("", ""));
            let expected = format!("Mapped since. {says}");
            assert!(cure.says.starts_with(&expected), "{cure:?}");
            assert!(cure.note.starts_with(note), "{cure:?}");
            assert_eq!(cure.note.is_empty(), note.is_empty());
        }
        assert_eq!(cure("Sent").words, "Map it");
        assert!(cure("Sent").note.starts_with("None of the 64 was kept"));
        assert_eq!(cure("").words, "Map the traits");
    }

    /// Semantics 7.5.
    #[test]
    fn what_did_not_come_by_the_fifty_is_not_said_to_be_too_many() {
        let of = |name: &str, count| Summary {
            status: 422,
            code: "NO_MAPPING".to_owned(),
            subject: name.to_owned(),
            count,
            first: None,
            last: None,
            hours: vec![(Time::UNIX_EPOCH, count)],
            example: None,
        };
        let of_hours = crowded;
        let crowded = |counts: &[i64]| {
            let summaries = counts.iter().map(|count| of("e", *count)).collect();
            let outcome = Outcome {
                summaries,
                ..Outcome::default()
            };
            !of_hours(&outcome).is_empty()
        };
        assert!(!crowded(&[50]) && crowded(&[60]) && crowded(&[40, 12]));
    }
}
