//! What the map page shows of a draft.

use std::collections::HashMap;

use askama::Template;
use weir_values::ValueType;

use super::super::failure::Page;
use super::super::frame::Frame;
use super::super::sources::SECTION;
use super::super::visit::Visit;
use super::super::{html, respond};
use super::named;
use crate::app::drafted;
use crate::domain::came::{Came, MAX_LETTERS};
use crate::domain::draft::{Draft, Line, differences};
use crate::domain::model::{
    Account, Difference, Field, KeptFilter, Preview, PreviewedRow, Reindex, Row, Source, Status,
    Suggestion,
};
use crate::domain::{unique, words};

/// What stands, when the form was sent or the page was asked for.
pub struct Saved {
    pub source: Source,
    pub account: Account,
    pub fields: Vec<Field>,
    pub rows: Vec<Row>,
    pub version: i64,
}

impl Saved {
    pub async fn load(visit: &Visit) -> Result<Self, axum::response::Response> {
        let (account, id) = (visit.account(), visit.source());
        let (source, owner, fields, mapping) = tokio::join!(
            visit.calls.source(account, id),
            visit.calls.account(account),
            visit.calls.fields(account),
            visit.calls.contact_mapping(account, id)
        );
        // Of the same answer as the rows: another one's would let what came between be overwritten.
        let (rows, version) = visit.need(SECTION, mapping).await?;
        let source = visit.need(SECTION, source).await?;
        Ok(Self {
            version,
            source,
            account: visit.need(SECTION, owner).await?,
            fields: visit.need(SECTION, fields).await?,
            rows,
        })
    }

    /// All that a draft would change, with names instead of ids.
    pub fn differences(&self, draft: &Draft, rows: &[Row]) -> Vec<Difference> {
        let mut found = named(differences(&self.rows, rows), &self.fields);
        found.extend(unique::difference(self.unique(), &draft.unique, |id| {
            self.name_of(id)
        }));
        found
    }

    fn name_of(&self, field: &str) -> String {
        let found = self.fields.iter().find(|one| one.id == field);
        found.map_or_else(|| field.to_owned(), |one| one.name.clone())
    }

    pub fn unique(&self) -> &[String] {
        &self.account.unique_identifiers
    }
}

/// What is said beside the draft.
#[derive(Default)]
pub struct Shown {
    pub search: String,
    /// That the draft began with.
    pub version: Option<i64>,
    /// The account's unique identifiers that the draft began with.
    pub unique_was: Option<Vec<String>>,
    /// The field it is about (or nothing), and what.
    pub faults: Vec<(String, String)>,
    pub says: String,
    /// What somebody else did meanwhile, and what differs from that.
    pub conflict: Option<(String, Vec<Difference>)>,
    /// The version that the mapping was saved as, where only what tells contacts apart was not.
    pub saved_as: Option<i64>,
    /// Contacts, those that would be merged, and values that would be lost.
    pub reindex: Option<(i64, i64, i64)>,
    pub focus: String,
    pub new_name: String,
    pub new_type: Option<ValueType>,
}

/// A path that came in.
struct Trait {
    path: String,
    /// In so many events; none where nobody counted.
    seen: Option<u32>,
    examples: Vec<String>,
    /// The field that it fills in the draft.
    fills: String,
    /// Of a suggestion.
    suggested: String,
    why: String,
}

/// A field's line, with what its row would come to.
struct Shape {
    line: Line,
    verdict: Option<PreviewedRow>,
    fault: String,
    is_unique: bool,
    words: String,
}

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    shown: Shown,
    version: i64,
    unique_was: String,
    /// Whether there is any row of a version.
    is_saved: bool,
    traits: Vec<Trait>,
    event_count: u32,
    shapes: Vec<Shape>,
    unique: Vec<(String, String)>,
    preview: Option<Preview>,
    /// Rows that are not in the preview, since they are wrong.
    left_out: usize,
    refused: usize,
    differences: Vec<Difference>,
    /// Whether there is what leaving would lose.
    is_changed: bool,
    /// Those that are taken at once.
    suggestions: usize,
    /// Fields that the search finds.
    found: usize,
    kept: usize,
    /// What tells contacts apart is about to become something else.
    under_way: Option<Reindex>,
    away: Vec<String>,
}

pub async fn show(visit: &Visit, saved: Saved, draft: Draft, mut shown: Shown) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let rows = draft.rows(&saved.rows);
    let ask = async |rows: Vec<Row>| visit.calls.preview_contact(account, id, &rows).await;
    let all = KeptFilter::default();
    let (frame, suggested, mut previewed, kept, samples, reindex) = tokio::join!(
        visit.frame("Map", SECTION),
        visit.calls.suggestions(account, id, ""),
        Box::pin(drafted::preview(&rows, ask)),
        visit.calls.kept(account, id, &all, ""),
        visit.calls.samples(account, id, ""),
        visit.calls.reindex(account)
    );
    let mut away = Vec::new();
    let (suggestions, event_count) = suggested.unwrap_or_else(|trouble| {
        away.push(format!("What came in is not shown: {}", trouble.says()));
        (Vec::new(), 0)
    });
    for (place, fault) in &previewed.faults {
        let row = place.and_then(|place| rows.get(place));
        shown.add_one(fault, row, &saved.fields);
    }
    if let Some(trouble) = &previewed.trouble {
        away.push(format!("The preview is missing: {}", trouble.says()));
    }
    let (left_out, preview) = (previewed.left_out(), previewed.preview.take());
    let verdicts = verdicts(&rows, &previewed.verdicts);
    let names = |id: &str| saved.name_of(id);
    let came = Came::of(samples.iter().flatten().map(|sample| &*sample.raw));
    let traits = traits(&draft, &rows, &verdicts, &suggestions, &came, &names);
    let shapes = draft
        .lines
        .iter()
        .map(|line| shape(line, &draft, &verdicts, &shown));
    let events = preview.as_ref().map_or(&[][..], |preview| &preview.events);
    let differences = saved.differences(&draft, &rows);
    let is_begun = !draft.faults(&saved.rows).is_empty() || !shown.new_name.is_empty();
    let is_changed = is_begun || !differences.is_empty();
    let page = MapPage {
        frame: frame.under_source(&saved.source),
        tab: "map",
        is_saved: !saved.rows.is_empty(),
        version: shown.version.unwrap_or(saved.version),
        unique_was: match &shown.unique_was {
            Some(was) => was.join(","),
            None => saved.unique().join(","),
        },
        event_count,
        shapes: shapes.collect(),
        unique: draft
            .unique
            .iter()
            .map(|id| (id.clone(), names(id)))
            .collect(),
        refused: events.iter().filter(|event| event.status >= 400).count(),
        differences,
        suggestions: draft.takes(&suggestions).len(),
        found: draft.lines.iter().filter(|line| line.found).count(),
        is_changed,
        kept: kept.map_or(0, |kept| kept.items.len()),
        under_way: reindex.ok().filter(Reindex::is_under_way),
        traits,
        preview,
        left_out,
        shown,
        away,
        source: saved.source,
    };
    Ok(respond::page(&page))
}

/// What became of each row, by its field.
fn verdicts<'a>(
    rows: &'a [Row],
    verdicts: &'a [Option<PreviewedRow>],
) -> HashMap<&'a str, &'a PreviewedRow> {
    let targets = rows.iter().map(|row| &*row.target);
    let of_each = targets.zip(verdicts);
    of_each
        .filter_map(|(target, verdict)| Some((target, verdict.as_ref()?)))
        .collect()
}

fn shape(
    line: &Line,
    draft: &Draft,
    verdicts: &HashMap<&str, &PreviewedRow>,
    shown: &Shown,
) -> Shape {
    let id = &*line.field.id;
    let fault = shown.faults.iter().find(|(field, _)| field == id);
    let row = &line.row;
    Shape {
        verdict: verdicts.get(id).copied().cloned().filter(|_| line.on),
        fault: fault.map_or_else(String::new, |(_, says)| says.clone()),
        is_unique: draft.unique.iter().any(|one| one == id),
        words: format!(
            "{} {id} {} {}",
            line.field.name,
            row.path,
            row.more_paths.join(" ")
        ),
        line: line.clone(),
    }
}

/// So many traits have all of their examples beside them; those behind have one.
const MANY: usize = 50;

fn traits(
    draft: &Draft,
    rows: &[Row],
    verdicts: &HashMap<&str, &PreviewedRow>,
    suggestions: &[Suggestion],
    came: &Came,
    names: &impl Fn(&str) -> String,
) -> Vec<Trait> {
    let mut found: Vec<Trait> = Vec::new();
    for row in rows {
        let verdict = verdicts.get(&*row.target);
        for path in std::iter::once(&row.path).chain(&row.more_paths) {
            // As it was sent: what it is stored as stands beside its field.
            let mut examples = came.examples(path);
            if examples.is_empty() {
                let refused = verdict.into_iter().flat_map(|verdict| &verdict.refused);
                let of_path = refused.filter(|value| value.path.ends_with(&**path));
                examples.extend(of_path.map(|value| value.value.clone()).take(3));
            }
            found.push(Trait {
                path: path.clone(),
                seen: verdict.map(|verdict| verdict.seen()),
                examples,
                fills: names(&row.target),
                suggested: String::new(),
                why: String::new(),
            });
        }
    }
    for one in suggestions {
        let examples = one
            .examples
            .iter()
            .map(|example| words::cut(example, MAX_LETTERS));
        if let Some(known) = found.iter_mut().find(|known| known.path == one.path) {
            known.examples = examples.collect();
            known.seen = known.seen.max(Some(one.seen));
            continue;
        }
        found.push(Trait {
            path: one.path.clone(),
            seen: Some(one.seen),
            examples: examples.collect(),
            fills: String::new(),
            suggested: match one.field.is_empty() {
                true => String::new(),
                false => names(&one.field),
            },
            why: why(one, draft),
        });
    }
    for behind in found.iter_mut().skip(MANY) {
        behind.examples.truncate(1);
    }
    found
}

/// Why it is suggested, where it is; and what its values are, where it is not.
fn why(one: &Suggestion, draft: &Draft) -> String {
    let Some(field) = draft.field(&one.field) else {
        return one.is();
    };
    let fits = match one.misfits {
        0 => "its name fits, and so do its values".to_owned(),
        misfits => {
            // No more are looked at.
            let (values, are) = (one.values.min(100), if misfits == 1 { "is" } else { "are" });
            let what = words::no_value(field.of);
            format!("its name fits; {misfits} of {values} values {are} {what}")
        }
    };
    let fits = match one.is_ambiguous() {
        true => format!(
            "{fits}, as {}: look which is meant",
            one.formats.join(" and as ")
        ),
        false => fits,
    };
    match draft.path_of(&one.field) {
        "" => fits,
        path => format!("{fits}; looked at where {path} is empty"),
    }
}
