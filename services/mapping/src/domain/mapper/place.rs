//! Where an event happened: its location, or the place of its address (semantics 2.7).

use weir_json::{Raw, write_text};
use weir_values::is_blank;

use super::{About, Mapper};
use crate::domain::convert::{LeftOut, MAX_TEXT, Taken};
use crate::domain::event::RawEvent;
use crate::domain::places::Place;
use crate::domain::snapshot::{LOCATION, LocationPart};

/// `{}` says nothing.
const EMPTY: usize = 2;

impl<'a> Mapper<'_, '_, 'a> {
    /// Whether the event may say where it happened.
    pub(super) fn has_place(&self, event: &RawEvent<'a>) -> bool {
        let located = event.location.is_some_and(|raw| raw.len() > EMPTY);
        located || (self.places.is_some() && !event.ip.is_empty())
    }

    /// Appends the parts of the event's location, or, where that gives no value, of the place of
    /// its address: never a part of each, which would be nowhere. What a row said of the same
    /// target beats both.
    ///
    /// How many values the location gives. Those of the address are nothing that was said of a
    /// contact: they are not among them.
    pub(super) fn locate(
        &mut self,
        event: &RawEvent<'a>,
        parts: &[LocationPart],
        out: &mut String,
    ) -> usize {
        let location = event.location.filter(|raw| raw.len() > EMPTY);
        let mut values = 0;
        if let Some(location) = location {
            values = self.locate_by(event, parts, location, out);
        }
        if values == 0
            && let Some(places) = self.places
            && let Some(place) = places.find(event.ip)
        {
            self.place(parts, &place, out);
        }
        values
    }

    fn is_beaten(&self, part: &LocationPart) -> bool {
        part.row
            .and_then(|row| self.said.get(row))
            .is_some_and(|said| said.counts())
    }

    fn locate_by(
        &mut self,
        event: &RawEvent<'a>,
        parts: &[LocationPart],
        location: Raw<'a>,
        out: &mut String,
    ) -> usize {
        let mut found: [Option<Raw<'a>>; LOCATION.len()] = [None; LOCATION.len()];
        // Not an object: the edge would have said so; nothing is located then.
        let _ = weir_json::object(location, |key, value| {
            let known = parts.iter().position(|part| {
                key.len() == part.name.len() + 2 && &key[1..key.len() - 1] == part.name.as_bytes()
            });
            if let Some(index) = known {
                found[index] = Some(value);
            }
            Ok(())
        });
        let mut values = 0;
        for (part, raw) in parts.iter().zip(found) {
            let Some(raw) = raw.filter(|_| !self.is_beaten(part)) else {
                continue;
            };
            let before = out.len();
            begin(part, out);
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

    /// Nobody is told apart by where an address is.
    fn place(&self, parts: &[LocationPart], place: &Place<'_>, out: &mut String) {
        for part in parts {
            let text = place.part(part.name).unwrap_or_default().trim();
            let fits = !is_blank(text) && text.chars().count() <= MAX_TEXT && !text.contains('\0');
            if fits && !part.tells_apart && !self.is_beaten(part) {
                begin(part, out);
                write_text(text, out);
            }
        }
    }
}

/// Appends what stands in front of the part's value.
fn begin(part: &LocationPart, out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push('"');
    out.push_str(part.field);
    out.push_str("\":");
}
