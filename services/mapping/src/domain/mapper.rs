//! One event under one snapshot: rejected, or its typed values (semantics 2, 4.1-4.4).

mod outcome;

use bytes::BytesMut;
use bytestring::ByteString;
use chrono::{SecondsFormat, TimeDelta};
use weir_json::Raw;
use weir_reasons::Reason;

use super::convert::{Failure, LeftOut, Taken};
use super::event::{EventKind, RawEvent};
use super::log::{self, LogEntry, MAX_LINES};
use super::mapping::Activity;
use super::snapshot::{
    Asked, CompiledActivity, CompiledMapping, CompiledPair, ContactMapping, Snapshot,
};

use outcome::Tally;
pub use outcome::{MappedActivity, Outcome, Traits};

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
pub struct Mapper<'s, 'a> {
    snapshot: &'s Snapshot,
    /// Reused from event to event.
    found: Vec<Option<Raw<'a>>>,
    written: Vec<bool>,
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
}

impl<'s, 'a> Mapper<'s, 'a> {
    pub fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            found: Vec::new(),
            written: Vec::new(),
            left_out: LeftOut::default(),
            out: String::new(),
            texts: BytesMut::with_capacity(TEXTS),
            produced: 0,
            last: None,
            log: Vec::new(),
        }
    }

    /// The lines of the batch, oldest first; at most as many as a source keeps.
    pub fn into_log(self) -> Vec<LogEntry> {
        self.log
    }

    /// The lines since the last time.
    pub fn take_log(&mut self) -> Vec<LogEntry> {
        std::mem::take(&mut self.log)
    }

    /// Whether the batch has come to more than an answer may hold.
    pub fn is_outgrown(&self) -> bool {
        self.produced > MAX_BATCH_TEXT
    }

    /// Contact mapping first: without one nothing else is looked at.
    pub fn map(&mut self, event: &RawEvent<'a>) -> Outcome<'s> {
        let snapshot = self.snapshot;
        let Some(contact) = &snapshot.contact else {
            return Outcome::NoMapping;
        };
        if event.kind != EventKind::Track {
            let (fields_json, traits) = self.fields(event, contact, event.location);
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
        let attributes_json = self.attributes(event, &compiled.properties);
        // A track's location describes the activity, not the contact (semantics 2.7).
        let (fields_json, traits) = self.fields(event, contact, None);
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

    fn attributes(&mut self, event: &RawEvent<'a>, mapping: &CompiledMapping) -> ByteString {
        let Some(properties) = event.properties else {
            return ByteString::from_static("{}");
        };
        let mut out = self.begin();
        // A null is nothing here: there is nothing to clear.
        self.convert(
            event,
            &mapping.of("properties", false),
            properties,
            &mut out,
        );
        out.push('}');
        self.finish(out)
    }

    fn fields(
        &mut self,
        event: &RawEvent<'a>,
        contact: &ContactMapping,
        location: Option<Raw<'a>>,
    ) -> (ByteString, Traits) {
        self.written.clear();
        if event.traits.is_none() && location.is_none() {
            return (ByteString::new(), Traits::None);
        }
        let mut out = self.begin();
        let mut tally = Tally::default();
        if let Some(traits) = event.traits {
            let mapping = contact.traits.of("traits", self.snapshot.nulls_clear());
            tally = self.convert(event, &mapping, traits, &mut out);
        }
        if let Some(location) = location {
            tally.values += self.locate(event, contact, location, &mut out);
        }
        if out.len() == 1 {
            out.clear();
        } else {
            out.push('}');
        }
        (self.finish(out), tally.traits())
    }

    fn begin(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.push('{');
        out
    }

    fn finish(&mut self, out: String) -> ByteString {
        self.texts.extend_from_slice(out.as_bytes());
        self.produced += out.len();
        self.out = out;
        let copy = self.texts.split().freeze();
        ByteString::try_from(copy).expect("it is a copy of a text")
    }

    /// Appends what converts; logs what does not.
    fn convert(
        &mut self,
        event: &RawEvent<'a>,
        asked: &Asked<'_>,
        object: Raw<'a>,
        out: &mut String,
    ) -> Tally {
        let mut tally = Tally::default();
        self.written.clear();
        self.written.resize(asked.mapping.pairs.len(), false);
        if weir_json::is_empty_list(object) {
            // An object of PHP that has nothing in it (semantics 2.6).
            return tally;
        }
        if asked.mapping.paths.find(object, &mut self.found).is_err() {
            let about = About {
                path: asked.root.to_owned(),
                field_id: "",
                code: Reason::ObjectInvalid,
                count: 1,
            };
            self.ignore(event, about, "expected an object".to_owned(), object);
            return tally;
        }
        let mut left_out = std::mem::take(&mut self.left_out);
        for (index, pair) in asked.mapping.pairs.iter().enumerate() {
            let Some(raw) = self.found[pair.slot].and_then(|found| pair.reach(found)) else {
                continue;
            };
            let before = out.len();
            if before > 1 {
                out.push(',');
            }
            out.push_str(&pair.json_key);
            let start = out.len();
            left_out.clear();
            let mut taken = pair.convert(raw, out, &mut left_out);
            if out.len() > MAX_EVENT_TEXT {
                taken = taken.and(Err(Failure::EventTooLong));
            }
            match taken {
                Ok(Taken::Value) => tally.values += 1,
                Ok(Taken::Null) if asked.nulls_clear => {
                    out.truncate(start);
                    out.push_str("null");
                    tally.clears += 1;
                }
                _ => out.truncate(before),
            }
            self.written[index] = out.len() > before;
            if let Err(failure) = taken {
                tally.ignored += 1;
                self.ignore_value(event, asked.root, pair, failure, raw);
            } else if !left_out.is_empty() {
                tally.ignored += usize::from(taken == Ok(Taken::Nothing));
                self.ignore_elements(event, asked.root, pair, &left_out);
            }
        }
        self.left_out = left_out;
        tally
    }

    fn ignore_value(
        &mut self,
        event: &RawEvent<'a>,
        root: &str,
        pair: &CompiledPair,
        failure: Failure,
        raw: Raw<'a>,
    ) {
        let about = About {
            path: pair.path_within(root),
            field_id: &pair.target,
            code: pair.converter.code(failure),
            count: 1,
        };
        self.ignore(event, about, pair.converter.reason(failure), raw);
    }

    fn ignore_elements(
        &mut self,
        event: &RawEvent<'a>,
        root: &str,
        pair: &CompiledPair,
        left_out: &LeftOut<'a>,
    ) {
        for element in left_out.elements() {
            let about = About {
                path: pair.path_within(root),
                field_id: &pair.target,
                code: pair.converter.code(element.failure),
                count: element.count,
            };
            let reason = format!(
                "left out of the list, element {}: {}",
                element.index,
                pair.converter.reason(element.failure)
            );
            self.ignore(event, about, reason, element.raw);
        }
    }

    /// A mapped trait beats the location, where it was there and converted (semantics 2.7).
    /// How many values the location gives.
    fn locate(
        &mut self,
        event: &RawEvent<'a>,
        contact: &ContactMapping,
        location: Raw<'a>,
        out: &mut String,
    ) -> usize {
        let mut parts: [Option<Raw<'a>>; 4] = [None; 4];
        // Not an object: the edge would have said so; nothing is located then.
        let _ = weir_json::object(location, |key, value| {
            let known = contact.location.iter().position(|part| {
                key.len() == part.name.len() + 2 && &key[1..key.len() - 1] == part.name.as_bytes()
            });
            if let Some(index) = known {
                parts[index] = Some(value);
            }
            Ok(())
        });
        let mut values = 0;
        for (part, raw) in contact.location.iter().zip(parts) {
            let beaten = part
                .pair
                .is_some_and(|pair| self.written.get(pair) == Some(&true));
            let Some(raw) = raw.filter(|_| !beaten) else {
                continue;
            };
            let before = out.len();
            if before > 1 {
                out.push(',');
            }
            out.push('"');
            out.push_str(part.field);
            out.push_str("\":");
            // The client sends unknown parts as null or as an empty text.
            match part.converter.convert(raw, out, &mut LeftOut::default()) {
                Ok(Taken::Value) => values += 1,
                Ok(Taken::Null | Taken::Nothing) => out.truncate(before),
                Err(failure) => {
                    out.truncate(before);
                    let about = About {
                        path: format!("location.{}", part.name),
                        field_id: part.field,
                        code: part.converter.code(failure),
                        count: 1,
                    };
                    self.ignore(event, about, part.converter.reason(failure), raw);
                }
            }
        }
        values
    }

    /// A source keeps 500 lines: of a batch that has more, later ones would push out the first
    /// ones at once.
    fn ignore(&mut self, event: &RawEvent<'_>, about: About<'_>, reason: String, value: Raw<'_>) {
        if self.log.len() == MAX_LINES {
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
mod tests;
