//! A dry run of a replay: what would become of a kept event now, as far as its envelope and the
//! mapping say (semantics 7.5).
//!
//! What only storing can tell is named, and never guessed.

use weir_reasons::Reason;

use super::event::{EventKind, RawEvent, Received};
use super::kept::Kept;
use super::log::LogEntry;
use super::mapper::{Mapper, NO_MAPPING, Outcome, Traits};
use super::parts::Parts;
use super::places::Places;
use super::snapshot::Snapshot;

/// What a dry run can't know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Whether units are left.
    Units,
    /// What the contact is, and whether it may be made.
    Contact,
    /// Whether the audience can be touched.
    Audience,
    /// Whether it was stored meanwhile.
    Repeat,
    /// Of a correction: whether what was stored is there still, and what newer events say.
    Stored,
}

/// What would become of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// 0 where it would be left out.
    pub status: u16,
    /// Empty for a plain 200.
    pub code: String,
    pub message: String,
    pub depends_on: Vec<Unknown>,
    /// JSON objects; empty where the mapping makes nothing.
    pub fields_json: String,
    pub attributes_json: String,
    /// What would be ignored.
    pub ignored: Vec<LogEntry>,
}

impl Prediction {
    fn of(status: u16, code: Reason, message: &str) -> Self {
        Self {
            status,
            code: code.code().to_owned(),
            message: message.to_owned(),
            ..Self::good()
        }
    }

    /// As what it counts: status and reason, of one that would be stored but for a value the reason
    /// of the first that would be ignored.
    pub fn counted(self) -> (u16, String) {
        let ignored = self.ignored.into_iter().map(|line| line.code.into_owned());
        let mut ignored = ignored.filter(|_| self.status == 200);
        (self.status, ignored.next().unwrap_or(self.code))
    }

    fn good() -> Self {
        Self {
            status: 200,
            code: String::new(),
            message: String::new(),
            depends_on: Vec::new(),
            fields_json: String::new(),
            attributes_json: String::new(),
            ignored: Vec::new(),
        }
    }
}

/// Tries one event under a mapping.
pub fn predict(snapshot: &Snapshot, places: Option<&Places>, kept: &Kept) -> Prediction {
    let parts = match whatever_is_mapped(kept) {
        Ok(parts) => parts,
        Err(predicted) => return *predicted,
    };
    let raw = raw_event(kept, &parts);
    let mut mapper = Mapper::new(snapshot, places);
    let outcome = mapper.map(&raw);
    let ignored = mapper.into_log();
    let predicted = match outcome {
        Outcome::NoMapping => return Prediction::of(422, Reason::NoMapping, NO_MAPPING),
        Outcome::PastRetention(message) => {
            return Prediction::of(422, Reason::PastRetention, &message);
        }
        Outcome::Mapped {
            fields_json,
            traits,
            activity,
        } => {
            let is_track = raw.kind == EventKind::Track;
            let attributes = activity.map(|activity| activity.attributes_json.to_string());
            Prediction {
                fields_json: fields_json.to_string(),
                attributes_json: attributes.unwrap_or_default(),
                ..of_mapped(is_track, traits, parts.has_audience, kept.is_stored())
            }
        }
    };
    Prediction {
        ignored,
        ..predicted
    }
}

/// What can be said of an event without a look at the mapping, or else what that looks at.
fn whatever_is_mapped(kept: &Kept) -> Result<Parts<'_>, Box<Prediction>> {
    let event = &kept.event;
    if kept.deferred {
        return Err(left_out(Reason::ContactDeferred));
    }
    // What its envelope is refused for stands in the event, and stays there.
    let is_refused = event.status == 400 && !Reason::of_code(&event.code).is_some_and(may_change);
    let text = std::str::from_utf8(&event.whole.raw).ok();
    let parts = text.and_then(Parts::of).filter(|_| !is_refused);
    parts.ok_or_else(|| {
        Box::new(Prediction {
            status: 400,
            code: event.code.clone(),
            message: event.message.clone(),
            ..Prediction::good()
        })
    })
}

/// Refusals of events whose envelope is good.
fn may_change(code: Reason) -> bool {
    matches!(
        code,
        Reason::AudienceUnknown | Reason::AudienceOtherOrigin | Reason::Unstorable
    )
}

fn left_out(why: Reason) -> Box<Prediction> {
    Box::new(Prediction::of(0, why, why.meaning()))
}

fn of_mapped(is_track: bool, traits: Traits, has_audience: bool, is_stored: bool) -> Prediction {
    let mut predicted = match traits.answered(is_track, has_audience) {
        (422, Some(why)) => return Prediction::of(422, why, why.meaning()),
        (status, Some(why)) => Prediction::of(status, why, why.meaning()),
        (_, None) => Prediction::good(),
    };
    if is_stored {
        // It is free of charge, and its audience knows its update already.
        predicted.depends_on.push(Unknown::Stored);
        if has_audience {
            predicted.depends_on.push(Unknown::Audience);
        }
        return predicted;
    }
    predicted.depends_on.push(Unknown::Units);
    let is_plain = matches!(traits, Traits::None | Traits::AllIgnored) && !has_audience;
    if !is_track || !is_plain {
        predicted.depends_on.push(Unknown::Contact);
    }
    if has_audience {
        predicted.depends_on.push(Unknown::Audience);
    }
    predicted.depends_on.push(Unknown::Repeat);
    predicted
}

fn raw_event<'a>(kept: &'a Kept, parts: &Parts<'a>) -> RawEvent<'a> {
    let event = &kept.event;
    let whole = &event.whole;
    RawEvent {
        received: Received {
            time: whole.receive_time,
            batch_id: "",
        },
        index: whole.index,
        kind: whole.kind,
        traits: parts.traits,
        properties: parts.properties,
        location: parts.location,
        ip: parts.ip,
        event_name: &event.event_name,
        event_time: event.event_time.unwrap_or(whole.receive_time),
        message_id: if whole.nameless {
            ""
        } else {
            &whole.message_id
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::kept::ToKeep;

    #[test]
    fn what_only_storing_can_tell_is_named() {
        use Unknown::*;
        let new = |is_track, traits, has_audience| of_mapped(is_track, traits, has_audience, false);
        let plain = new(true, Traits::None, false);
        assert_eq!((plain.status, plain.depends_on), (200, vec![Units, Repeat]));
        let whole = new(true, Traits::Values, true);
        assert_eq!(whole.depends_on, [Units, Contact, Audience, Repeat]);
        let partial = new(true, Traits::AllIgnored, false);
        assert_eq!(
            (partial.status, &*partial.code),
            (206, "CONTACT_NOTHING_VALID")
        );
        let refused = new(false, Traits::AllIgnored, false);
        assert_eq!((refused.status, &*refused.code), (422, "NOTHING_VALID"));
        assert!(refused.depends_on.is_empty(), "that is final");
        let correction = of_mapped(true, Traits::Values, true, true);
        assert_eq!(correction.depends_on, [Stored, Audience]);
        let worse = of_mapped(false, Traits::AllIgnored, false, true);
        assert_eq!((worse.status, &*worse.code), (422, "NOTHING_VALID"));
    }

    #[test]
    fn what_the_envelope_is_refused_for_stays() {
        let event = crate::domain::kept::tests::event(1, "EMAIL_INVALID", 0, "{}");
        let kept = |stored, deferred| Kept {
            event: ToKeep {
                stored,
                ..event.clone()
            },
            deferred,
            done_time: None,
        };
        let said = |kept: &Kept| {
            let said = whatever_is_mapped(kept).err();
            said.map(|said| (said.status, said.code, said.depends_on.len()))
        };
        let left_out = |code: &str| Some((0, code.to_owned(), 0));
        assert_eq!(said(&kept(true, false)), None);
        assert_eq!(said(&kept(false, true)), left_out("CONTACT_DEFERRED"));
        let mut refused = kept(false, false);
        assert_eq!(said(&refused), None);
        refused.event.status = 400;
        refused.event.code = "TIMESTAMP_UNREADABLE".into();
        assert_eq!(
            said(&refused),
            Some((400, "TIMESTAMP_UNREADABLE".into(), 0))
        );
        refused.event.code = "AUDIENCE_UNKNOWN".into();
        assert_eq!(said(&refused), None);
        refused.event.whole.raw = "[".into();
        assert_eq!(said(&refused), Some((400, "AUDIENCE_UNKNOWN".into(), 0)));
    }
}
