//! One event under one snapshot: rejected, or its typed values (semantics 2, 4.1-4.4).

mod explain;
mod ignored;
mod outcome;
mod place;
mod rows;

use bytes::BytesMut;
use bytestring::ByteString;
use chrono::{SecondsFormat, TimeDelta};
use weir_json::Raw;
use weir_reasons::Reason;

use super::convert::LeftOut;
use super::event::{EventKind, RawEvent};
use super::log::{self, LogEntry, MAX_LINES};
use super::mapping::Activity;
use super::places::Places;
use super::snapshot::{CompiledActivity, ContactMapping, Snapshot};

pub use explain::{Explanation, RowSaid, TakenAs, explain};
pub use ignored::{Ignored, IgnoredKind, IgnoredValues};
use outcome::Tally;
pub use outcome::{MappedActivity, Outcome, Traits};
use rows::Said;

/// Semantics 2.1.
pub const NO_MAPPING: &str = "No mappings configured";

/// Room for texts of a batch, in bytes, taken at once.
const TEXTS: usize = 64 * 1024;
/// The values of a batch, in bytes: with what stands around them, and with what later stages
/// add, they fit into a message of 32 MiB.
pub const MAX_BATCH_TEXT: usize = 24 * 1024 * 1024;
/// What the values of one object may come to, in bytes: a path that leads to very many fields
/// multiplies what was sent. 200 objects of the longest kind are less.
const MAX_EVENT_TEXT: usize = 4 * 1024 * 1024;
// Fields and attributes: an event alone always fits.
const _: () = assert!(2 * MAX_EVENT_TEXT < MAX_BATCH_TEXT);

/// Maps the events of one batch, one after the other, and collects log lines.
#[derive(Debug)]
pub struct Mapper<'s, 'p, 'a> {
    snapshot: &'s Snapshot,
    /// Where addresses are, if that is known.
    places: Option<&'p Places>,
    /// Reused from event to event.
    found: Vec<Option<Raw<'a>>>,
    /// What became of each row of the object that was converted last.
    said: Vec<Said>,
    left_out: LeftOut<'a>,
    /// What an event becomes is written here, and handed out as a copy in `texts`.
    out: String,
    /// What was handed out stands side by side here: none has memory of its own.
    texts: BytesMut,
    /// How many bytes were handed out.
    produced: usize,
    /// The activity of the last track: most tracks of a batch have the same.
    last: Option<(&'a str, &'s CompiledActivity)>,
    log: Vec<LogEntry>,
    ignored: Ignored,
    /// Lines beyond are left out.
    max_lines: usize,
}

impl<'s, 'p, 'a> Mapper<'s, 'p, 'a> {
    pub fn new(snapshot: &'s Snapshot, places: Option<&'p Places>) -> Self {
        Self {
            snapshot,
            places,
            found: Vec::new(),
            said: Vec::new(),
            left_out: LeftOut::default(),
            out: String::new(),
            texts: BytesMut::with_capacity(TEXTS),
            produced: 0,
            last: None,
            log: Vec::new(),
            ignored: Ignored::default(),
            // A source keeps no more: of a batch that has more, later ones would push out the
            // first ones at once.
            max_lines: MAX_LINES,
        }
    }

    /// All values that were ignored.
    pub fn take_ignored(&mut self) -> Ignored {
        std::mem::take(&mut self.ignored)
    }

    /// The lines of the batch, oldest first; at most as many as a source keeps.
    pub fn into_log(self) -> Vec<LogEntry> {
        self.log
    }

    /// The lines since the last time; what was ignored is forgotten.
    pub fn take_log(&mut self) -> Vec<LogEntry> {
        self.ignored = Ignored::default();
        std::mem::take(&mut self.log)
    }

    /// Passes over an event that is not to be mapped.
    pub fn skip(&mut self) {
        self.ignored.begin_event();
    }

    /// Whether the batch has come to more than an answer may hold.
    pub fn is_outgrown(&self) -> bool {
        self.produced > MAX_BATCH_TEXT
    }

    /// Contact mapping first: without one nothing else is looked at.
    pub fn map(&mut self, event: &RawEvent<'a>) -> Outcome<'s> {
        self.ignored.begin_event();
        let snapshot = self.snapshot;
        let Some(contact) = &snapshot.contact else {
            return Outcome::NoMapping;
        };
        if event.kind != EventKind::Track {
            let (fields_json, traits) = self.fields(event, contact, true);
            return Outcome::Mapped {
                fields_json,
                traits,
                activity: None,
            };
        }
        let Some(compiled) = self.activity(event.event_name) else {
            return Outcome::NoMapping;
        };
        if let Some(message) = past_retention(&compiled.activity, event) {
            return Outcome::PastRetention(message);
        }
        let attributes_json = self.attributes(event, compiled);
        // Where a track happened describes the activity, not the contact (semantics 2.7).
        let (fields_json, traits) = self.fields(event, contact, false);
        Outcome::Mapped {
            fields_json,
            traits,
            activity: Some(MappedActivity {
                activity: &compiled.activity,
                attributes_json,
            }),
        }
    }

    fn activity(&mut self, event_name: &'a str) -> Option<&'s CompiledActivity> {
        if let Some((name, activity)) = self.last
            && name == event_name
        {
            return Some(activity);
        }
        let activity = self.snapshot.activities.get(event_name)?;
        self.last = Some((event_name, activity));
        Some(activity)
    }

    fn attributes(&mut self, event: &RawEvent<'a>, activity: &CompiledActivity) -> ByteString {
        self.said.clear();
        if event.properties.is_none() && !self.has_place(event) {
            return ByteString::from_static("{}");
        }
        let mut out = self.begin();
        if let Some(properties) = event.properties {
            // A null is nothing here: there is nothing to clear.
            let asked = activity.properties.of("properties", false);
            self.convert(event, &asked, properties, &mut out);
        }
        self.locate(event, &activity.location, &mut out);
        out.push('}');
        self.hand_out(out)
    }

    fn fields(
        &mut self,
        event: &RawEvent<'a>,
        contact: &ContactMapping,
        located: bool,
    ) -> (ByteString, Traits) {
        self.said.clear();
        let located = located && self.has_place(event);
        if event.traits.is_none() && !located {
            return (ByteString::new(), Traits::None);
        }
        let mut out = self.begin();
        let mut tally = Tally::default();
        if let Some(traits) = event.traits {
            let mapping = contact.traits.of("traits", self.snapshot.nulls_clear());
            tally = self.convert(event, &mapping, traits, &mut out);
        }
        if located {
            tally.values += self.locate(event, &contact.location, &mut out);
        }
        if out.len() == 1 {
            out.clear();
        } else {
            out.push('}');
        }
        (self.hand_out(out), tally.traits())
    }

    fn begin(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.push('{');
        out
    }

    fn hand_out(&mut self, out: String) -> ByteString {
        self.texts.extend_from_slice(out.as_bytes());
        self.produced += out.len();
        self.out = out;
        let copy = self.texts.split().freeze();
        ByteString::try_from(copy).expect("it is a copy of a text")
    }

    fn ignore(&mut self, event: &RawEvent<'_>, about: About<'_>, reason: String, value: Raw<'_>) {
        let subject = if about.field_id.is_empty() {
            about.path.as_str()
        } else {
            about.field_id
        };
        self.ignored.add(about.code, subject, about.count);
        if self.log.len() >= self.max_lines {
            return;
        }
        let entry = LogEntry {
            time: event.received.time,
            batch_id: event.received.batch_id.to_owned(),
            index: event.index,
            kind: event.kind,
            event_name: event.event_name.to_owned(),
            message_id: event.message_id.to_owned(),
            // The event itself goes on.
            status: 0,
            code: about.code.code().into(),
            path: about.path,
            field_id: about.field_id.to_owned(),
            reason,
            value: log::excerpt(value),
            count: about.count,
        };
        self.log.push(entry.bounded());
    }
}

/// What a line is about.
struct About<'a> {
    path: String,
    field_id: &'a str,
    code: Reason,
    count: i64,
}

fn past_retention(activity: &Activity, event: &RawEvent<'_>) -> Option<String> {
    let oldest = event.received.time - TimeDelta::days(activity.retention_days.into());
    (event.event_time < oldest).then(|| {
        format!(
            "The timestamp is past the activity's retention of {} days: the oldest that is accepted now is {}",
            activity.retention_days,
            oldest.to_rfc3339_opts(SecondsFormat::Secs, true),
        )
    })
}

#[cfg(test)]
pub mod tests;
