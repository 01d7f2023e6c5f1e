//! What can be done about a reason, as things stand now: what was mapped since needs no mapping.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use weir_reasons::Reason;

use super::super::html;
use super::super::visit::Visit;
use crate::domain::model::{KeptFilter, Outcome, Summary};
use crate::domain::words;

/// Of so many names that were mapped since it is counted how many events are kept; more on one page
/// are rare, and lead to the kept events without a number.
const COUNTED: usize = 20;
/// A list of mapped activities that goes on for longer ends here.
const PAGES: usize = 20;

/// Where something can be done about a reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cure {
    pub words: String,
    pub path: String,
    /// In the place of what the reason means, where that is true no longer.
    pub says: String,
}

/// What stands now, of what was said never to be saved.
#[derive(Default)]
pub(super) struct Standing {
    /// Names of activities that are mapped.
    mapped: HashSet<String>,
    has_traits: bool,
    /// Kept events of a name that can be replayed, and whether there are more; of identifies, of
    /// none.
    kept: HashMap<String, (usize, bool)>,
}

impl Standing {
    /// Asked only where something was not mapped when it came.
    pub(super) async fn of(visit: &Visit, outcome: &Outcome) -> Self {
        let unmapped = outcome.summaries.iter().filter(|one| is_unmapped(one));
        let unmapped: Vec<&Summary> = unmapped.collect();
        if unmapped.is_empty() {
            return Self::default();
        }
        let (account, source) = (visit.account(), visit.source());
        let (mapped, rows) =
            tokio::join!(mapped(visit), visit.calls.contact_mapping(account, source));
        let mut standing = Self {
            mapped,
            has_traits: rows.is_ok_and(|(rows, _)| !rows.is_empty()),
            kept: HashMap::new(),
        };
        let cured = unmapped.iter().map(|one| &*one.subject);
        let cured = cured.filter(|name| standing.is_mapped(name));
        let asked = cured.take(COUNTED).map(async |name| {
            let filter = filter(name);
            let kept = visit.calls.kept(account, source, &filter, "").await;
            let kept = kept.ok()?;
            let own = kept.items.iter().filter(|one| one.event_name == name);
            Some((name.to_owned(), (own.count(), !kept.next.is_empty())))
        });
        let kept: Vec<_> = join_all(asked).await;
        standing.kept = kept.into_iter().flatten().collect();
        standing
    }

    fn is_mapped(&self, name: &str) -> bool {
        match name {
            "" => self.has_traits,
            name => self.mapped.contains(name),
        }
    }
}

fn is_unmapped(summary: &Summary) -> bool {
    summary.code == Reason::NoMapping.code()
}

fn filter(name: &str) -> KeptFilter {
    KeptFilter {
        codes: vec![Reason::NoMapping.code().to_owned()],
        event_names: match name {
            "" => Vec::new(),
            name => vec![name.to_owned()],
        },
        ..KeptFilter::default()
    }
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
        return mapped_since(&summary.subject, base, standing);
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
    }
}

/// What came before is kept for a week, and can be taken now.
fn mapped_since(name: &str, base: &str, standing: &Standing) -> Cure {
    let kept = standing.kept.get(name).copied();
    let code = Reason::NoMapping.code();
    let event = match name {
        "" => String::new(),
        name => format!("&event={}", html::query(name)),
    };
    let query = format!("code={code}{event}");
    match kept {
        Some((0, false)) => Cure {
            says: "Mapped since. None of them is left to be replayed.".to_owned(),
            ..Cure::default()
        },
        Some((count @ 1.., is_more)) => {
            let (more, events) = (
                if is_more { "more than " } else { "" },
                words::count(count as i64, "kept event"),
            );
            Cure {
                words: format!("Replay {more}{}", words::number(count as i64)),
                path: format!("{base}/kept/replay?{query}"),
                says: format!("Mapped since: {more}{events} can be replayed."),
            }
        }
        _ => Cure {
            words: "See kept events".to_owned(),
            path: format!("{base}/kept?{query}"),
            says: "Mapped since: what is kept of them can be replayed.".to_owned(),
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
            first: None,
            last: None,
            hours: Vec::new(),
            example: None,
        };
        let standing = Standing {
            mapped: ["Order Shipped", "Order Done"].map(str::to_owned).into(),
            has_traits: false,
            kept: [("Order Shipped", 50), ("Order Done", 0)]
                .map(|(name, count)| (name.to_owned(), (count, count == 50)))
                .into(),
        };
        let cure = |name: &str| of(&summary(name), "/s", &standing);
        let shipped = cure("Order Shipped");
        assert_eq!(shipped.words, "Replay more than 50");
        assert_eq!(
            shipped.path,
            "/s/kept/replay?code=NO_MAPPING&event=Order+Shipped"
        );
        assert!(shipped.says.starts_with("Mapped since: more than 50 kept"));
        let done = cure("Order Done");
        assert_eq!((&*done.words, &*done.path), ("", ""));
        assert!(done.says.starts_with("Mapped since. None"), "{done:?}");
        assert_eq!(cure("Order Sent").words, "Map it");
        assert_eq!(cure("").words, "Map the traits");
    }
}
