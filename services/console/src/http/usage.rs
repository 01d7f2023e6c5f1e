//! What an account uses of its limits, on what, and what should be looked at.

use std::collections::HashMap;

use askama::Template;
use futures_util::future::join_all;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{bars, html, respond};
use crate::clients::Answer;
use crate::domain::chart::{self, percent};
use crate::domain::model::{Alert, History, Page as List, Source, Spending, Usage, Used};

const SECTION: &str = "usage";
/// Today and the 89 days before.
const DAYS: i64 = 90;
/// How far back spending is told: what the address says, days, and words.
const RANGES: [(&str, i64, &str); 4] = [
    ("1", 1, "Today"),
    ("7", 7, "7 days"),
    ("30", 30, "30 days"),
    ("90", DAYS, "90 days"),
];

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    usage: Part<Usage>,
    history: Part<History>,
    spending: Part<Spending>,
    /// Names of sources, by their ids.
    sources: HashMap<String, String>,
    alerts: Part<List<Alert>>,
    backlog: Part<i64>,
    range: &'static str,
    ranges: [(&'static str, i64, &'static str); 4],
    limited: Limited,
    fault: String,
}

/// Events of the last 30 days that a limit met.
#[derive(Default)]
struct Limited {
    /// 429: nothing of them is stored.
    whole: i64,
    /// 206: their activities are.
    contacts: i64,
}

/// One meter.
struct Gauge<'a> {
    name: &'static str,
    used: &'a Used,
    percent: i64,
    class: &'static str,
    forecast: Option<i64>,
    /// What becomes of events without a unit.
    beyond: &'static str,
}

impl Gauge<'_> {
    /// By how many units the day goes beyond its limit, if it goes on as days do.
    fn excess(&self) -> i64 {
        let forecast = self.forecast.unwrap_or_default();
        (forecast - self.used.limit).max(0)
    }
}

impl UsagePage {
    fn gauges<'a>(&'a self, usage: &'a Usage) -> [Gauge<'a>; 2] {
        let gauge = |name, used: &'a Used, forecast, beyond| {
            let percent = percent(used.used, used.limit);
            Gauge {
                name,
                used,
                percent,
                class: match percent {
                    100.. => "full",
                    80.. => "near",
                    _ => "",
                },
                forecast,
                beyond,
            }
        };
        let history = self.history.value.as_ref();
        let profile = history.and_then(|history| history.profile_forecast);
        let activity = history.and_then(|history| history.activity_forecast);
        [
            gauge(
                "Contact profile events",
                &usage.profile,
                profile,
                "Identifies are answered 429, and contacts of tracks are not stored (206)",
            ),
            gauge(
                "Activity events",
                &usage.activity,
                activity,
                "Tracks are answered 429",
            ),
        ]
    }

    /// What was used on each day, drawn.
    fn charts(&self, history: &History) -> Vec<html::Markup> {
        let days = chart::days(self.frame.now, DAYS);
        let counts = |of: fn(&crate::domain::model::Window) -> i64, today: i64| -> Vec<i64> {
            let by_day: HashMap<_, _> = history
                .windows
                .iter()
                .map(|one| (&*one.day, of(one)))
                .collect();
            let mut counts: Vec<_> = days
                .iter()
                .map(|day| by_day.get(&**day).copied().unwrap_or(0))
                .collect();
            if let Some(last) = counts.last_mut() {
                *last = today;
            }
            counts
        };
        let usage = self.usage.value.as_ref();
        let today = |of: fn(&Usage) -> &Used| usage.map_or(0, |usage| of(usage).used);
        let limit = |of: fn(&Usage) -> &Used| usage.map(|usage| of(usage).limit);
        let profile = counts(|one| one.profile, today(|usage| &usage.profile));
        let activity = counts(|one| one.activity, today(|usage| &usage.activity));
        let rejected = counts(
            |one| one.rejected.unwrap_or(0),
            history.rejected.unwrap_or(0),
        );
        let mut charts = vec![
            bars::days(
                "Profile units",
                &days,
                &profile,
                limit(|one| &one.profile),
                "",
            ),
            bars::days(
                "Activity units",
                &days,
                &activity,
                limit(|one| &one.activity),
                "",
            ),
        ];
        if rejected.iter().any(|count| *count > 0) {
            charts.push(bars::days(
                "Rejected events",
                &days,
                &rejected,
                None,
                "over",
            ));
        }
        charts
    }

    fn source(&self, id: &str) -> &str {
        self.sources
            .get(id)
            .map_or("a source that was deleted", |name| name)
    }

    /// How much of all units of the range something took.
    fn share(&self, spending: &Spending, profile: i64, activity: i64) -> i64 {
        let all = spending.profile + spending.activity;
        if all == 0 {
            0
        } else {
            percent(profile + activity, all)
        }
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
    let (account, wanted) = (visit.account(), visit.query.get("days"));
    let range = RANGES.into_iter().find(|(code, ..)| *code == wanted);
    let (range, days, _) = range.unwrap_or(RANGES[0]);
    let days = chart::days(visit.now, days);
    let (first, last) = (&*days[0], &*days[days.len() - 1]);
    let (frame, usage, history, spending, alerts, backlog, sources) = tokio::join!(
        visit.frame("Usage", SECTION),
        visit.calls.usage(account),
        visit.calls.usage_history(account),
        visit
            .calls
            .spending(account, (first, last), visit.query.get("after")),
        visit.calls.alerts(account, false, visit.query.get("page")),
        visit.calls.backlog(account),
        visit.calls.sources(account)
    );
    let sources = sources.unwrap_or_default();
    let limited = limited(visit, &sources).await;
    let names = sources.into_iter().map(|source| (source.id, source.name));
    let status = respond::status_of(&fault);
    let page = UsagePage {
        frame,
        usage: usage.into(),
        history: history.into(),
        spending: spending.into(),
        sources: names.collect(),
        alerts: alerts.into(),
        backlog: backlog.into(),
        range,
        ranges: RANGES,
        limited: limited.unwrap_or_default(),
        fault,
    };
    Ok(respond::with_status(status, &page))
}

/// Asked by code: few rows, however much was received.
async fn limited(visit: &Visit, sources: &[Source]) -> Answer<Limited> {
    let asked = sources.iter().map(async |source| {
        let of = (visit.account(), &*source.id);
        visit.calls.limited(of, visit.now).await
    });
    let mut sum = Limited::default();
    for counted in join_all(asked).await {
        let (whole, contacts) = counted?;
        sum.whole += whole;
        sum.contacts += contacts;
    }
    Ok(sum)
}

pub async fn resolve(post: Post) -> Page {
    let Post { visit, form } = post;
    let account = visit.account();
    match visit.calls.resolve_alert(account, form.get("alert")).await {
        Ok(()) => Ok(respond::go(&format!(
            "/accounts/{account}/usage?done=alert#alerts"
        ))),
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            show(&visit, says).await
        }
    }
}
