//! What was not stored, and why.

mod cures;

use std::collections::BTreeSet;

use askama::Template;
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::SECTION;
use super::visit::Visit;
use super::{html, respond};
use cures::{Cure, Standing};

use crate::domain::chart::by_hour;
use crate::domain::model::{Field, LogEntry, LogFilter, Outcome, Page as List, Source, Summary};
use crate::domain::{Time, words};

/// How far back a page looks: what the address says, hours, and words.
const RANGES: [(&str, i64, &str); 3] = [
    ("24h", 24, "24 hours"),
    ("7d", 168, "7 days"),
    ("30d", 720, "30 days"),
];
/// What a page shows of the reasons; a source whose events have many names has hundreds.
const REASONS: usize = 50;
/// Bars of a trend.
const BARS: usize = 24;

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    range: &'static str,
    ranges: [(&'static str, i64, &'static str); 3],
    outcome: Part<Outcome>,
    reasons: Vec<Reason>,
    /// Which of them are shown.
    from: usize,
    filter: LogFilter,
    code: String,
    entries: Part<List<LogEntry>>,
    query: String,
}

impl LogsPage {
    fn shown(&self) -> &[Reason] {
        let end = (self.from + REASONS).min(self.reasons.len());
        &self.reasons[self.from..end]
    }

    /// Where the reasons go on; none behind the last.
    fn next(&self) -> Option<usize> {
        let next = self.from + REASONS;
        (next < self.reasons.len()).then_some(next)
    }

    /// Each once.
    fn codes(&self) -> BTreeSet<&str> {
        let codes = self.reasons.iter().map(|one| &*one.summary.code);
        codes.collect()
    }
}

/// One reason, and how often.
struct Reason {
    summary: Summary,
    /// The name of the field or the event.
    subject: String,
    trend: html::Markup,
    cure: Cure,
}

pub async fn of_source(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let wanted = visit.query.get("range");
    let (range, hours, _) = RANGES
        .into_iter()
        .find(|(code, ..)| *code == wanted)
        .unwrap_or(RANGES[0]);
    let since = visit.now - TimeDelta::hours(hours - 1);
    let code = visit.query.all("code").join(" ");
    let from = visit.query.number("reasons").unwrap_or(0);
    let filter = LogFilter {
        codes: visit
            .query
            .all("code")
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect(),
        event_name: visit.query.get("event").to_owned(),
        field: visit.query.get("field").to_owned(),
        message_id: visit.query.get("message").to_owned(),
    };
    let (frame, source, outcome, entries, fields) = tokio::join!(
        visit.frame("Logs", SECTION),
        visit.calls.source(account, id),
        visit.calls.summary((account, id), since, true),
        visit
            .calls
            .log((account, id), &filter, visit.query.get("page")),
        visit.calls.fields(account)
    );
    let source = visit.need(SECTION, source).await?;
    let base = format!("/accounts/{account}/sources/{id}");
    let outcome = Part::from(outcome);
    let since_then = match &outcome.value {
        Some(outcome) => Standing::of(&visit, outcome, since).await,
        None => Standing::default(),
    };
    let reasons = outcome.value.as_ref().map_or_else(Vec::new, |outcome| {
        let fields = fields.as_deref().unwrap_or_default();
        reasons(outcome, fields, (&base, &since_then), (visit.now, hours))
    });
    let query = format!(
        "range={range}&code={}&event={}&field={}&message={}",
        html::query(&code),
        html::query(&filter.event_name),
        html::query(&filter.field),
        html::query(&filter.message_id)
    );
    Ok(respond::page(&LogsPage {
        frame: frame.under_source(&source),
        source,
        tab: "logs",
        range,
        ranges: RANGES,
        outcome,
        from: from.min(reasons.len()),
        reasons,
        filter,
        code,
        entries: entries.into(),
        query,
    }))
}

fn reasons(
    outcome: &Outcome,
    fields: &[Field],
    (base, standing): (&str, &Standing),
    (now, hours): (Time, i64),
) -> Vec<Reason> {
    let not_plain = outcome
        .summaries
        .iter()
        .filter(|one| one.status != 200 || one.code != "OK");
    let mut found: Vec<_> = not_plain.cloned().collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.count));
    let found = found.into_iter().map(|summary| Reason {
        trend: {
            let all = by_hour(&summary.hours, now, usize::try_from(hours).unwrap_or(BARS));
            let each = (all.len() / BARS).max(1);
            let bars: Vec<i64> = all.chunks(each).map(|part| part.iter().sum()).collect();
            html::trend(&bars, words::outcome(summary.status).0)
        },
        cure: cures::of(&summary, base, standing),
        subject: {
            let field = fields.iter().find(|field| field.id == summary.subject);
            field.map_or(&summary.subject, |field| &field.name).clone()
        },
        summary,
    });
    found.collect()
}

#[derive(Template)]
#[template(path = "all_logs.html")]
struct AllLogsPage {
    frame: Frame,
    sources: Part<Vec<(Source, Part<Outcome>)>>,
}

impl AllLogsPage {
    fn worst<'a>(&self, outcome: &'a Outcome) -> Vec<&'a Summary> {
        let mut found: Vec<_> = outcome
            .summaries
            .iter()
            .filter(|one| one.code != "OK")
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.count));
        found.truncate(5);
        found
    }
}

/// All sources of an account.
pub async fn of_account(visit: Visit) -> Page {
    let account = visit.account();
    let (frame, sources) = tokio::join!(visit.frame("Logs", "logs"), visit.calls.sources(account));
    let since = visit.now - TimeDelta::hours(23);
    let sources = match sources {
        Err(trouble) => Err(trouble),
        Ok(sources) => Ok(join_all(sources.into_iter().map(async |source| {
            let outcome = visit
                .calls
                .summary((account, &source.id), since, false)
                .await;
            (source, Part::from(outcome))
        }))
        .await),
    };
    Ok(respond::page(&AllLogsPage {
        frame,
        sources: sources.into(),
    }))
}
