//! One event under one snapshot: rejected, or its typed values (semantics 2, 4.1-4.4).

use bytes::BytesMut;
use bytestring::ByteString;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use weir_reasons::Reason;

use super::json::{self, Kind, Raw};
use super::log::{self, LogEntry, MAX_LINES};
use super::mapping::Activity;
use super::snapshot::{CompiledActivity, CompiledMapping, ContactMapping, LOCATION, Snapshot};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Identify,
    Track,
    /// An audience member entry: an identify without a timestamp.
    Member,
}

/// An event as the edge split it: borrowed, and checked for JSON's syntax.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent<'a> {
    /// Its place in the batch, for log lines.
    pub index: u32,
    pub kind: EventKind,
    /// Objects.
    pub traits: Option<Raw<'a>>,
    pub properties: Option<Raw<'a>>,
    pub location: Option<Raw<'a>>,
    pub event_name: &'a str,
    pub event_time: DateTime<Utc>,
    pub message_id: &'a str,
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'s> {
    NoMapping,
    /// The message says what the activity's retention is.
    PastRetention(String),
    Mapped {
        /// A JSON object of canonical values, `null` to clear; empty when there is nothing.
        fields_json: ByteString,
        activity: Option<MappedActivity<'s>>,
    },
}

/// A track's activity and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedActivity<'s> {
    pub activity: &'s Activity,
    /// A JSON object of canonical values.
    pub attributes_json: ByteString,
}

/// Semantics 2.1; the message of the seed.
pub const NO_MAPPING: &str = "No mappings configured";

/// Room for texts of a batch, in bytes, taken at once.
const TEXTS: usize = 64 * 1024;

/// Maps the events of one batch, one after the other, and collects log lines.
#[derive(Debug)]
pub struct Mapper<'s, 'a> {
    snapshot: &'s Snapshot,
    receive_time: DateTime<Utc>,
    /// Stands for the batch in log lines.
    batch_id: &'a str,
    /// Reused from event to event.
    found: Vec<Option<Raw<'a>>>,
    written: Vec<bool>,
    /// What an event becomes is written here, and handed out as a copy in `texts`.
    out: String,
    /// What was handed out stands side by side here: none has memory of its own.
    texts: BytesMut,
    /// The activity of the last track: most tracks of a batch have the same.
    last: Option<(&'a str, &'s CompiledActivity)>,
    log: Vec<LogEntry>,
}

impl<'s, 'a> Mapper<'s, 'a> {
    pub fn new(snapshot: &'s Snapshot, receive_time: DateTime<Utc>, batch_id: &'a str) -> Self {
        Self {
            snapshot,
            receive_time,
            batch_id,
            found: Vec::new(),
            written: Vec::new(),
            out: String::new(),
            texts: BytesMut::with_capacity(TEXTS),
            last: None,
            log: Vec::new(),
        }
    }

    /// The lines of the batch, oldest first; at most as many as a source keeps.
    pub fn into_log(self) -> Vec<LogEntry> {
        self.log
    }

    /// Contact mapping first: without one nothing else is looked at.
    pub fn map(&mut self, event: &RawEvent<'a>) -> Outcome<'s> {
        let snapshot = self.snapshot;
        let Some(contact) = &snapshot.contact else {
            return Outcome::NoMapping;
        };
        if event.kind != EventKind::Track {
            return Outcome::Mapped {
                fields_json: self.fields(event, contact, event.location),
                activity: None,
            };
        }
        let Some(compiled) = self.activity(event.event_name) else {
            return Outcome::NoMapping;
        };
        if let Some(message) = past_retention(&compiled.activity, event, self.receive_time) {
            return Outcome::PastRetention(message);
        }
        let attributes_json = self.attributes(event, &compiled.properties);
        Outcome::Mapped {
            // A track's location describes the activity, not the contact (semantics 2.7).
            fields_json: self.fields(event, contact, None),
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

    fn attributes(&mut self, event: &RawEvent<'a>, mapping: &CompiledMapping) -> ByteString {
        let Some(properties) = event.properties else {
            return ByteString::from_static("{}");
        };
        let mut out = self.begin();
        self.convert(event, "properties", mapping, properties, false, &mut out);
        out.push('}');
        self.finish(out)
    }

    fn fields(
        &mut self,
        event: &RawEvent<'a>,
        contact: &ContactMapping,
        location: Option<Raw<'a>>,
    ) -> ByteString {
        self.written.clear();
        if event.traits.is_none() && location.is_none() {
            return ByteString::new();
        }
        let mut out = self.begin();
        if let Some(traits) = event.traits {
            self.convert(event, "traits", &contact.traits, traits, true, &mut out);
        }
        if let Some(location) = location {
            self.locate(event, contact, location, &mut out);
        }
        if out.len() == 1 {
            out.clear();
        } else {
            out.push('}');
        }
        self.finish(out)
    }

    fn begin(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.push('{');
        out
    }

    fn finish(&mut self, out: String) -> ByteString {
        self.texts.extend_from_slice(out.as_bytes());
        self.out = out;
        let copy = self.texts.split().freeze();
        ByteString::try_from(copy).expect("it is a copy of a text")
    }

    /// Appends what converts; logs what does not. With `nulls`, a null is a value too: it clears.
    fn convert(
        &mut self,
        event: &RawEvent<'a>,
        root: &str,
        mapping: &CompiledMapping,
        object: Raw<'a>,
        nulls: bool,
        out: &mut String,
    ) {
        self.written.clear();
        self.written.resize(mapping.pairs.len(), false);
        if mapping.paths.find(object, &mut self.found).is_err() {
            let about = About {
                path: root.to_owned(),
                field_id: "",
                code: Reason::ObjectInvalid,
            };
            self.ignore(event, about, "expected an object".to_owned(), object);
            return;
        }
        for (index, pair) in mapping.pairs.iter().enumerate() {
            let Some(raw) = self.found[pair.slot] else {
                continue;
            };
            let before = out.len();
            if before > 1 {
                out.push(',');
            }
            out.push_str(&pair.json_key);
            if json::kind(raw) == Ok(Kind::Null) {
                if nulls {
                    out.push_str("null");
                    self.written[index] = true;
                } else {
                    out.truncate(before);
                }
                continue;
            }
            match pair.converter.convert(raw, out) {
                Ok(()) => self.written[index] = true,
                Err(failure) => {
                    out.truncate(before);
                    let about = About {
                        path: format!("{root}.{}", pair.path.as_str()),
                        field_id: &pair.target,
                        code: pair.converter.code(failure),
                    };
                    self.ignore(event, about, pair.converter.reason(failure), raw);
                }
            }
        }
    }

    /// A mapped trait beats the location, where it was there and converted (semantics 2.7).
    fn locate(
        &mut self,
        event: &RawEvent<'a>,
        contact: &ContactMapping,
        location: Raw<'a>,
        out: &mut String,
    ) {
        let mut parts: [Option<Raw<'a>>; 4] = [None; 4];
        // Not an object: the edge would have said so; nothing is located then.
        let _ = json::object(location, |key, value| {
            let known = LOCATION.iter().position(|(name, _, _)| {
                key.len() == name.len() + 2 && &key[1..key.len() - 1] == name.as_bytes()
            });
            if let Some(index) = known {
                parts[index] = Some(value);
            }
            Ok(())
        });
        for (index, (name, field, converter)) in LOCATION.iter().enumerate() {
            let taken =
                contact.located[index].is_some_and(|pair| self.written.get(pair) == Some(&true));
            let Some(raw) = parts[index].filter(|raw| !taken && !is_blank(raw)) else {
                continue;
            };
            let before = out.len();
            if before > 1 {
                out.push(',');
            }
            out.push('"');
            out.push_str(field);
            out.push_str("\":");
            if let Err(failure) = converter.convert(raw, out) {
                out.truncate(before);
                let about = About {
                    path: format!("location.{name}"),
                    field_id: field,
                    code: converter.code(failure),
                };
                self.ignore(event, about, converter.reason(failure), raw);
            }
        }
    }

    /// A source keeps 500 lines: of a batch that has more, later ones would push out the first
    /// ones at once.
    fn ignore(&mut self, event: &RawEvent<'_>, about: About<'_>, reason: String, value: Raw<'_>) {
        if self.log.len() == MAX_LINES {
            return;
        }
        let entry = LogEntry {
            time: self.receive_time,
            batch_id: self.batch_id.to_owned(),
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
            count: 1,
        };
        self.log.push(entry.bounded());
    }
}

/// What a line is about.
struct About<'a> {
    path: String,
    field_id: &'a str,
    code: Reason,
}

/// The client sends unknown parts of a location as null or as an empty text.
fn is_blank(raw: Raw<'_>) -> bool {
    matches!(raw, b"null" | b"\"\"")
}

fn past_retention(
    activity: &Activity,
    event: &RawEvent<'_>,
    receive_time: DateTime<Utc>,
) -> Option<String> {
    let oldest = receive_time - TimeDelta::days(activity.retention_days.into());
    (event.event_time < oldest).then(|| {
        format!(
            "The timestamp is past the activity's retention of {} days: the oldest that is accepted now is {}",
            activity.retention_days,
            oldest.to_rfc3339_opts(SecondsFormat::Secs, true),
        )
    })
}

#[cfg(test)]
mod tests;
