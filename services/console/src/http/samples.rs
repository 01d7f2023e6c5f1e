//! The last events of each kind, as they were received.

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::html::{self, Markup};
use super::respond;
use super::sources::SECTION;
use super::visit::Visit;
use crate::domain::model::{Sample, Source};
use crate::domain::words;

/// Of each of several: five of them are a small page still.
const MAX_LETTERS: usize = 8_000;
/// Of one that is looked at alone: no event has more, laid out.
const MAX_ALONE: usize = 400_000;

#[derive(Template)]
#[template(path = "samples.html")]
struct SamplesPage {
    frame: Frame,
    source: Source,
    tab: &'static str,
    name: String,
    names: Part<Vec<String>>,
    samples: Part<Vec<Shown>>,
    /// One is looked at alone.
    is_alone: bool,
}

/// A sample, as much of it as there is room for.
struct Shown {
    sample: Sample,
    text: Markup,
    is_cut: bool,
    letters: usize,
}

impl Shown {
    fn new(sample: Sample, most: usize) -> Self {
        let text = words::laid_out(&sample.raw);
        let letters = text.chars().count();
        Self {
            text: html::laid_out(&words::cut(&text, most)),
            is_cut: letters > most,
            letters,
            sample,
        }
    }

    /// Which one it is, in an address.
    fn key(sample: &Sample) -> String {
        let received = sample.time.map_or(0, |time| time.timestamp_micros());
        received.to_string()
    }
}

pub async fn list(visit: Visit) -> Page {
    let (account, id) = (visit.account(), visit.source());
    let (name, whole) = (visit.query.get("name"), visit.query.get("whole"));
    let (frame, source, names, samples) = tokio::join!(
        visit.frame("Samples", SECTION),
        visit.calls.source(account, id),
        visit.calls.event_names(account, id, ""),
        visit.calls.samples(account, id, name)
    );
    let source = visit.need(SECTION, source).await?;
    let names = names.map(|names| names.into_iter().take(50).map(|name| name.name).collect());
    let is_alone = !whole.is_empty();
    let shown = |samples: Vec<Sample>| {
        let wanted = samples.into_iter();
        let wanted = wanted.filter(|one| !is_alone || Shown::key(one) == whole);
        let most = if is_alone { MAX_ALONE } else { MAX_LETTERS };
        wanted.map(|one| Shown::new(one, most)).collect()
    };
    Ok(respond::page(&SamplesPage {
        frame: frame.under_source(&source),
        source,
        tab: "samples",
        name: name.to_owned(),
        names: names.into(),
        samples: samples.map(shown).into(),
        is_alone,
    }))
}
