//! One activity: its attributes, and how long it is kept.

use askama::Template;
use weir_reasons::Reason;
use weir_values::ValueType;

use super::super::failure::Page;
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::{Post, Visit};
use super::super::{html, respond};
use crate::app::drafted::{self, Previewed};
use crate::domain::attributes::{Numbered, attribute_lines, attributes, numbered, push};
use crate::domain::draft::{differences, row_of};
use crate::domain::model::{
    ActivityMapping, Difference, Preview, PreviewedRow, Row, Source, Suggestion,
};
use crate::domain::{Fault, Form, Trouble, words};

/// What nobody has chosen yet.
const RETENTION_DAYS: u32 = 730;

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    work: Work,
    shapes: Vec<Shape>,
    preview: Option<Preview>,
    /// Attributes that are not in the preview, since they are wrong.
    left_out: usize,
    suggestions: Vec<Suggestion>,
    away: String,
    slots: (i64, i64),
}

/// Days that an activity may be kept.
const RETENTION: std::ops::RangeInclusive<i64> = 1..=730;

/// The activity while somebody works at it.
struct Work {
    name: String,
    retention_days: u32,
    lines: Vec<Numbered>,
    is_new: bool,
    /// The source's, that the page began with.
    version: i64,
    /// The number of the line that it is about (or none), and what.
    faults: Vec<(Option<usize>, String)>,
    /// What somebody else did meanwhile, and what differs from that.
    conflict: Option<(String, Vec<Difference>)>,
    new_property: String,
    new_type: Option<ValueType>,
    /// Whether there may be what is not saved.
    is_changed: bool,
}

impl Work {
    fn activity(&self) -> ActivityMapping {
        ActivityMapping {
            event_name: self.name.clone(),
            retention_days: self.retention_days,
            attributes: attributes(&self.lines),
        }
    }

    /// What is wrong, at the line that it is about; once, whoever says it.
    fn add(&mut self, fault: &Fault, place: Option<usize>) {
        let mut named = self.lines.iter().filter(|line| !line.row.path.is_empty());
        let line = place.and_then(|place| named.nth(place));
        let said = match line {
            Some(line) => {
                let says = fault.says.trim_end_matches('.');
                (Some(line.number), format!("{}: {says}.", line.row.target))
            }
            None => (None, fault.sentence()),
        };
        if !self.faults.contains(&said) {
            self.faults.push(said);
        }
    }

    /// Why it could not be saved.
    fn refused(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Invalid(faults) => {
                for fault in faults {
                    self.add(fault, row_of(fault));
                }
            }
            other => self.faults.push((None, other.says())),
        }
    }

    fn of_form(form: &Form) -> Self {
        Self {
            name: form.get("name").to_owned(),
            retention_days: form.number("retention").unwrap_or(RETENTION_DAYS),
            lines: attribute_lines(form),
            is_new: form.has("is_new"),
            version: form.number("version").unwrap_or_default(),
            faults: Vec::new(),
            conflict: None,
            new_property: form.get("new_property").to_owned(),
            new_type: ValueType::named(form.get("new_type")),
            is_changed: !form.get("do").is_empty(),
        }
    }
}

/// A line, with what its row would come to.
struct Shape {
    number: usize,
    row: Row,
    verdict: Option<PreviewedRow>,
    fault: String,
}

pub async fn edit(visit: Visit) -> Page {
    let name = visit.query.get("name").to_owned();
    if name.is_empty() {
        let path = format!("{}/add", all(&visit));
        return Ok(respond::go(&path));
    }
    let (account, id) = (visit.account(), visit.source());
    // The version before what it is of: what comes in between is then refused as unseen.
    let source = visit.calls.source(account, id).await;
    let source = visit.need(SECTION, source).await?;
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
                retention_days: RETENTION_DAYS,
                attributes: found.iter().map(suggested).collect(),
            }
        }
    };
    let work = Work {
        lines: numbered(&activity.attributes),
        name: activity.event_name,
        retention_days: activity.retention_days,
        is_new,
        version: source.mapping_version,
        ..Work::of_form(&Form::default())
    };
    show(&visit, work).await
}

/// Where all activities of the source are.
pub fn all(visit: &Visit) -> String {
    let (account, source) = (visit.account(), visit.source());
    format!("/accounts/{account}/sources/{source}/activities")
}

fn suggested(one: &Suggestion) -> Row {
    Row {
        of: one.of,
        format: one.formats.first().cloned().unwrap_or_default(),
        ..Row::new(&one.path, &one.path)
    }
}

async fn show(visit: &Visit, mut work: Work) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let activity = work.activity();
    let ask = async |attributes: Vec<Row>| {
        let draft = ActivityMapping {
            attributes,
            ..activity.clone()
        };
        visit.calls.preview_activity(account, id, &draft).await
    };
    let (frame, source, suggested, previewed) = tokio::join!(
        visit.frame("Activity", SECTION),
        visit.calls.source(account, id),
        visit.calls.suggestions(account, id, &activity.event_name),
        Box::pin(drafted::preview(&activity.attributes, ask))
    );
    let source = visit.need(SECTION, source).await?;
    let (mut suggestions, _) = suggested.unwrap_or_default();
    let rows = &activity.attributes;
    suggestions.retain(|one| !rows.iter().any(|row| row.path == one.path));
    for (place, fault) in &previewed.faults {
        work.add(fault, *place);
    }
    let away = previewed
        .trouble
        .as_ref()
        .map_or_else(String::new, |trouble| {
            format!("The preview is missing: {}", trouble.says())
        });
    let owner = frame.account.as_ref();
    let slots = owner.map_or((0, 0), |one| (one.mapped_activities, one.activity_slots));
    let frame = frame.under_source(&source);
    Ok(respond::page(&ActivityPage {
        frame: frame.under("Activities", &all(visit)),
        source,
        tab: "activities",
        shapes: shapes(&work, &previewed),
        left_out: previewed.left_out(),
        preview: previewed.preview,
        work,
        suggestions,
        away,
        slots,
    }))
}

/// What became of each line that names a property.
fn shapes(work: &Work, previewed: &Previewed) -> Vec<Shape> {
    let mut verdicts = previewed.verdicts.iter();
    let shape = |line: &Numbered| {
        let of_line = |(number, _): &&(Option<usize>, String)| *number == Some(line.number);
        let fault = work.faults.iter().find(of_line);
        Shape {
            number: line.number,
            row: line.row.clone(),
            verdict: match line.row.path.is_empty() {
                true => None,
                false => verdicts.next().cloned().flatten(),
            },
            fault: fault.map_or_else(String::new, |(_, says)| says.clone()),
        }
    };
    work.lines.iter().map(shape).collect()
}

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let mut work = Work::of_form(&form);
    let (what, of) = form
        .get("do")
        .split_once(':')
        .unwrap_or((form.get("do"), ""));
    match what {
        "save" => match form.whole("retention", "Kept for, in days", RETENTION) {
            Err(fault) if form.has("retention") => work.add(&fault, None),
            _ => return save(&visit, work).await,
        },
        "unmap" => {
            let name = html::query(&work.name);
            return Ok(respond::go(&format!("{}/unmap?name={name}", all(&visit))));
        }
        // Enter in the box of another property adds it.
        "row" | "enter" if !work.new_property.is_empty() => {
            let path = std::mem::take(&mut work.new_property);
            let row = Row {
                of: work.new_type,
                ..Row::new(&path, &path)
            };
            push(&mut work.lines, row);
        }
        "take" | "take-all" => {
            let (account, id) = (visit.account(), visit.source());
            let found = visit.calls.suggestions(account, id, &work.name).await;
            let (found, _) = found.unwrap_or_default();
            let wanted = found
                .iter()
                .filter(|one| what == "take-all" || one.path == of);
            for one in wanted {
                if !work.lines.iter().any(|line| line.row.path == one.path) {
                    push(&mut work.lines, suggested(one));
                }
            }
        }
        _ => {}
    }
    show(&visit, work).await
}

async fn save(visit: &Visit, mut work: Work) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let activity = work.activity();
    let put = async |version| {
        visit
            .calls
            .put_activity(account, id, &activity, Some(version))
            .await
    };
    let mut saved = put(work.version).await;
    if saved
        .as_ref()
        .is_err_and(|trouble| trouble.is(Reason::MappingChanged))
    {
        // The version before what it is of, as above.
        let source = visit.calls.source(account, id).await;
        let version = visit.need(SECTION, source).await?.mapping_version;
        let stands = visit.calls.activity_mapped(account, id, &work.name).await;
        let stands = visit.need(SECTION, stands).await?;
        if !work.is_new || stands.is_some() {
            work.overtaken(version, stands.as_ref());
            return show(visit, work).await;
        }
        // Another mapping of the source was saved: nothing that is in the way.
        saved = put(version).await;
    }
    match saved {
        Ok(version) if work.is_new => Ok(respond::go(&format!(
            "{}?done=activity&n={version}",
            all(visit)
        ))),
        Ok(version) => Ok(respond::go(&format!(
            "{}/edit?name={}&done=version&n={version}",
            all(visit),
            html::query(&work.name)
        ))),
        Err(trouble) => {
            work.refused(&trouble);
            show(visit, work).await
        }
    }
}

impl Work {
    /// Somebody else saved meanwhile: both are shown, and nothing is lost. To save again from here
    /// takes the place of what stands.
    fn overtaken(&mut self, version: i64, stands: Option<&ActivityMapping>) {
        let says = match stands {
            Some(_) if self.is_new => "Somebody else added this activity meanwhile.".to_owned(),
            Some(_) => format!("Somebody else saved version {version} meanwhile."),
            None => "Somebody else took this activity's mapping away meanwhile.".to_owned(),
        };
        let theirs = stands.map_or(&[][..], |stands| &stands.attributes);
        let mut found = differences(theirs, &attributes(&self.lines));
        let days = stands.map(|stands| stands.retention_days);
        if days != Some(self.retention_days) {
            found.push(Difference {
                target: "Kept for".to_owned(),
                before: days.map_or_else(String::new, |days| format!("{days} days")),
                after: format!("{} days", self.retention_days),
            });
        }
        self.is_new = stands.is_none();
        self.version = version;
        self.conflict = Some((says, found));
    }
}
