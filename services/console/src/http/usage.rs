//! What an account uses of its limits, and what should be looked at.

use askama::Template;
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::Time;
use crate::domain::chart::{by_hour, forecast, percent};
use crate::domain::model::{Alert, Outcome, Page as List, Source, Usage, Used};

const SECTION: &str = "usage";
const DAYS: i64 = 30;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    usage: Part<Usage>,
    alerts: Part<List<Alert>>,
    backlog: Part<i64>,
    days: Vec<Day>,
    names: Vec<(String, String, i64)>,
    limited: i64,
    fault: String,
}

/// What was answered on one day, by all sources that could be asked.
struct Day {
    day: String,
    taken: i64,
    refused: i64,
    limited: i64,
}

/// One meter.
struct Gauge<'a> {
    name: &'static str,
    used: &'a Used,
    percent: i64,
    class: &'static str,
    forecast: Option<i64>,
}

impl UsagePage {
    fn gauges<'a>(&'a self, usage: &'a Usage) -> [Gauge<'a>; 2] {
        let gauge = |name, used: &'a Used| {
            let percent = percent(used.used, used.limit);
            let start = usage.end.map(|end| end - TimeDelta::days(1));
            Gauge {
                name,
                used,
                percent,
                class: match percent {
                    100.. => "full",
                    80.. => "near",
                    _ => "",
                },
                forecast: start.and_then(|start| forecast(used.used, start, self.frame.now)),
            }
        };
        [
            gauge("Contact profile events", &usage.profile),
            gauge("Activity events", &usage.activity),
        ]
    }
}

pub async fn alerts(visit: Visit) -> Page {
    Ok(respond::go(&format!(
        "/accounts/{}/usage#alerts",
        visit.account()
    )))
}

pub async fn page(visit: Visit) -> Page {
    show(&visit, String::new()).await
}

async fn show(visit: &Visit, fault: String) -> Page {
    let account = visit.account();
    let (frame, usage, alerts, backlog, sources) = tokio::join!(
        visit.frame("Usage", SECTION),
        visit.calls.usage(account),
        visit.calls.alerts(account, false, visit.query.get("page")),
        visit.calls.backlog(account),
        visit.calls.sources(account)
    );
    let since = visit.now - TimeDelta::days(DAYS - 1);
    let outcomes = sources.unwrap_or_default().into_iter().map(async |source| {
        let outcome = visit
            .calls
            .summary((account, &source.id), since, true)
            .await;
        (source, outcome.unwrap_or_default())
    });
    let outcomes = join_all(outcomes).await;
    let days = days(&outcomes, visit.now);
    Ok(respond::page(&UsagePage {
        frame,
        usage: usage.into(),
        alerts: alerts.into(),
        backlog: backlog.into(),
        limited: days.iter().map(|day| day.limited).sum(),
        days,
        names: names(&outcomes),
        fault,
    }))
}

fn days(outcomes: &[(Source, Outcome)], now: Time) -> Vec<Day> {
    let hours = usize::try_from(DAYS * 24).unwrap_or(0);
    let all = || outcomes.iter().flat_map(|(_, outcome)| &outcome.summaries);
    let series = |wanted: &dyn Fn(u32) -> bool| {
        let counted = all().filter(|one| one.status != 0 && wanted(one.status));
        let counts: Vec<_> = counted.flat_map(|one| one.hours.iter().copied()).collect();
        by_hour(&counts, now, hours)
    };
    let taken = series(&|status| matches!(status, 200 | 206));
    let refused = series(&|status| !matches!(status, 200 | 206));
    let limited = series(&|status| status == 429);
    let mut found: Vec<Day> = Vec::new();
    for back in 0..hours {
        let time = now - TimeDelta::hours(i64::try_from(back).unwrap_or(0));
        let day = time.format("%Y-%m-%d").to_string();
        let at = hours - 1 - back;
        if found.last().is_none_or(|last| last.day != day) {
            found.push(Day {
                day,
                taken: 0,
                refused: 0,
                limited: 0,
            });
        }
        if let Some(last) = found.last_mut() {
            last.taken += taken[at];
            last.refused += refused[at];
            last.limited += limited[at];
        }
    }
    found.retain(|day| day.taken + day.refused > 0);
    found
}

/// By source and event name, the most first.
fn names(outcomes: &[(Source, Outcome)]) -> Vec<(String, String, i64)> {
    let mut found: Vec<(String, String, i64)> = Vec::new();
    for (source, outcome) in outcomes {
        let taken = outcome
            .summaries
            .iter()
            .filter(|one| matches!(one.status, 200 | 206));
        for one in taken {
            let name = match one.subject.is_empty() {
                true => "identify",
                false => &one.subject,
            };
            let known = found
                .iter_mut()
                .find(|(of, known, _)| *of == source.name && known == name);
            match known {
                Some(known) => known.2 += one.count,
                None => found.push((source.name.clone(), name.to_owned(), one.count)),
            }
        }
    }
    found.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    found.truncate(20);
    found
}

pub async fn resolve(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    match visit.calls.resolve_alert(account, form.get("alert")).await {
        Ok(()) => Ok(respond::go(&format!(
            "/accounts/{account}/usage?done=alert#alerts"
        ))),
        Err(trouble) => show(&visit, trouble.says()).await,
    }
}
