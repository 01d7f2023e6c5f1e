//! Activities of a source: which events are stored, as what, and for how long.

use askama::Template;
use chrono::TimeDelta;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::sources::SECTION;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::draft::attribute_rows;
use crate::domain::model::{
    ActivityMapping, EventName, Page as List, Preview, PreviewedRow, Row, Source, Suggestion,
};
use crate::domain::{Form, words};

#[derive(Template)]
#[template(path = "activities.html")]
struct ActivitiesPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    activities: Part<List<ActivityMapping>>,
    /// Taken of each within a day.
    rates: Vec<(String, i64)>,
    /// Names that came and are not mapped.
    unmapped: usize,
}

impl ActivitiesPage {
    fn rate(&self, name: &str) -> i64 {
        let of_name = self.rates.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, count)| count).sum()
    }
}

pub async fn list(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(23);
    let (frame, source, activities, names, summary) = tokio::join!(
        visit.frame("Activities", SECTION),
        visit.calls.source(account, id),
        visit
            .calls
            .activities_mapped(account, id, visit.query.get("page")),
        visit.calls.event_names(account, id, ""),
        visit.calls.summary((account, id), since, true)
    );
    let source = visit.need(SECTION, source).await?;
    let names = names.unwrap_or_default();
    let taken = summary.unwrap_or_default().summaries.into_iter();
    let taken = taken.filter(|one| matches!(one.status, 200 | 206));
    Ok(respond::page(&ActivitiesPage {
        frame: frame.under_source(&source),
        source,
        tab: "activities",
        activities: activities.into(),
        rates: taken.map(|one| (one.subject, one.count)).collect(),
        unmapped: names.iter().filter(|name| !name.mapped).count(),
    }))
}

#[derive(Template)]
#[template(path = "add_activity.html")]
struct AddPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    search: String,
    names: Part<Vec<EventName>>,
    /// When a track came last, whatever its name.
    last: Option<crate::domain::Time>,
}

/// Which event is to be mapped: one that came, or one that is entered by hand.
pub async fn add(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let search = visit.query.get("q");
    let (frame, source, names, all) = tokio::join!(
        visit.frame("Select activity", SECTION),
        visit.calls.source(account, id),
        visit.calls.event_names(account, id, search),
        visit.calls.event_names(account, id, "")
    );
    let source = visit.need(SECTION, source).await?;
    let all = all.unwrap_or_default();
    Ok(respond::page(&AddPage {
        frame: frame.under_source(&source),
        source,
        tab: "activities",
        search: search.to_owned(),
        names: names.into(),
        last: all.first().and_then(|name| name.last),
    }))
}

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    activity: ActivityMapping,
    is_new: bool,
    version: i64,
    rows: Vec<Row>,
    preview: Option<Preview>,
    suggestions: Vec<Suggestion>,
    fault: String,
    away: String,
    slots: (i64, i64),
}

impl ActivityPage {
    /// What became of a row.
    fn verdict(&self, row: &usize) -> Option<&PreviewedRow> {
        self.preview.as_ref()?.rows.get(*row)
    }
}

pub async fn edit(visit: Visit) -> Page {
    let name = visit.query.get("name").to_owned();
    if name.is_empty() {
        let path = format!(
            "/accounts/{}/sources/{}/activities/add",
            visit.account(),
            visit.source()
        );
        return Ok(respond::go(&path));
    }
    let (account, id) = (visit.account(), visit.source());
    let saved = visit.calls.activity_mapped(account, id, &name).await;
    let saved = visit.need(SECTION, saved).await?;
    let is_new = saved.is_none();
    let activity = match saved {
        Some(activity) => activity,
        // What its properties look like is a beginning.
        None => {
            let found = visit.calls.suggestions(account, id, &name).await;
            let (found, _) = found.unwrap_or_default();
            ActivityMapping {
                event_name: name,
                retention_days: 730,
                attributes: found.iter().map(suggested).collect(),
            }
        }
    };
    show(&visit, activity, is_new, None, String::new()).await
}

fn suggested(one: &Suggestion) -> Row {
    Row {
        of: one.of,
        format: one.formats.first().cloned().unwrap_or_default(),
        ..Row::new(&one.path, &one.path)
    }
}

async fn show(
    visit: &Visit,
    activity: ActivityMapping,
    is_new: bool,
    version: Option<i64>,
    fault: String,
) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let previewing = async {
        match activity.attributes.is_empty() {
            true => Ok(None),
            false => visit
                .calls
                .preview_activity(account, id, &activity)
                .await
                .map(Some),
        }
    };
    let (frame, source, suggested, preview) = tokio::join!(
        visit.frame("Activity", SECTION),
        visit.calls.source(account, id),
        visit.calls.suggestions(account, id, &activity.event_name),
        previewing
    );
    let source = visit.need(SECTION, source).await?;
    let (mut suggestions, _) = suggested.unwrap_or_default();
    let rows = activity.attributes.clone();
    suggestions.retain(|one| !rows.iter().any(|row| row.path == one.path));
    let (mut fault, mut away) = (fault, String::new());
    let preview = preview.unwrap_or_else(|trouble| {
        match trouble.status() {
            422 if fault.is_empty() => fault = trouble.says(),
            422 => {}
            _ => away = format!("The preview is missing: {}", trouble.says()),
        }
        None
    });
    let owner = frame.account.as_ref();
    let slots = owner.map_or((0, 0), |one| (one.mapped_activities, one.activity_slots));
    let base = frame.base();
    let frame = frame.under_source(&source);
    let above = format!("{base}/sources/{id}/activities");
    Ok(respond::page(&ActivityPage {
        frame: frame.under("Activities", &above),
        version: version.unwrap_or(source.mapping_version),
        source,
        tab: "activities",
        activity,
        is_new,
        rows,
        preview,
        suggestions,
        fault,
        away,
        slots,
    }))
}

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let (account, id) = (visit.account(), visit.source());
    let name = form.get("name").to_owned();
    let mut activity = ActivityMapping {
        retention_days: form.number("retention").unwrap_or(730),
        attributes: attribute_rows(&form),
        event_name: name,
    };
    let is_new = form.has("is_new");
    let version: Option<i64> = form.number("version");
    let here = format!("/accounts/{account}/sources/{id}/activities");
    let (what, of) = form
        .get("do")
        .split_once(':')
        .unwrap_or((form.get("do"), ""));
    match what {
        "save" => {
            let expected = if is_new { None } else { version };
            let saved = visit
                .calls
                .put_activity(account, id, &activity, expected)
                .await;
            match saved {
                Ok(version) if is_new => {
                    Ok(respond::go(&format!("{here}?done=activity&n={version}")))
                }
                Ok(version) => Ok(respond::go(&format!(
                    "{here}/edit?name={}&done=version&n={version}",
                    html::query(&activity.event_name)
                ))),
                Err(trouble) => {
                    let version = newer(&visit, &trouble, version).await;
                    show(&visit, activity, is_new, version, trouble.says()).await
                }
            }
        }
        "unmap" => {
            let gone = visit
                .calls
                .unmap_activity(account, id, &activity.event_name)
                .await;
            visit.need(SECTION, gone).await?;
            Ok(respond::go(&format!("{here}?done=unmapped")))
        }
        what => {
            add_rows(&visit, &form, &mut activity, what, of).await;
            show(&visit, activity, is_new, version, String::new()).await
        }
    }
}

/// Once somebody has seen that another one saved meanwhile, saving again replaces that.
async fn newer(
    visit: &Visit,
    trouble: &crate::domain::Trouble,
    version: Option<i64>,
) -> Option<i64> {
    if !trouble.is(weir_reasons::Reason::MappingChanged) {
        return version;
    }
    let source = visit.calls.source(visit.account(), visit.source()).await;
    source.map_or(version, |source| Some(source.mapping_version))
}

async fn add_rows(
    visit: &Visit,
    form: &Form,
    activity: &mut ActivityMapping,
    what: &str,
    of: &str,
) {
    match what {
        "row" => {
            let path = form.get("new_property");
            if !path.is_empty() {
                let of = weir_values::ValueType::named(form.get("new_type"));
                activity.attributes.push(Row {
                    of,
                    ..Row::new(path, path)
                });
            }
        }
        "take" | "take-all" => {
            let name = &activity.event_name;
            let found = visit
                .calls
                .suggestions(visit.account(), visit.source(), name)
                .await;
            let (found, _) = found.unwrap_or_default();
            let wanted = found
                .iter()
                .filter(|one| what == "take-all" || one.path == of);
            for one in wanted {
                if !activity.attributes.iter().any(|row| row.path == one.path) {
                    activity.attributes.push(suggested(one));
                }
            }
        }
        "drop" => {
            if let Ok(number) = of.parse::<usize>()
                && number < activity.attributes.len()
            {
                activity.attributes.remove(number);
            }
        }
        _ => {}
    }
}
