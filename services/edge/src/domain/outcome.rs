//! The fold of what every stage said about an event into its one outcome (semantics 1).
//!
//! **Invariant:** total. Whatever was said, or not said, there is an outcome; where it does
//! not add up it is 500, because silence reads as success.

use std::borrow::Cow;

use super::envelope::{Kind, WishMode};
use super::stages::{ActivitySaid, AudienceSaid, ContactSaid, WishSaid};
use super::time;

/// What one event is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: u16,
    /// Empty for a plain 200. Holds no value of the event.
    pub message: Cow<'static, str>,
}

impl Outcome {
    fn ok() -> Self {
        Self::new(200, "")
    }

    fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// How an event began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Good,
    Echo,
    /// And what the customer is told.
    Refused(String),
}

/// What mapping said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingVerdict {
    Mapped,
    Rejected(String),
}

/// How far an event came; `None` is a stage that did not speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub kind: Kind,
    pub start: Start,
    pub wish: Option<WishMode>,
    pub audience: Option<AudienceSaid>,
    pub mapping: Option<MappingVerdict>,
    /// Whether a mapped trait converted.
    pub has_fields: bool,
    pub contact: Option<ContactSaid>,
    pub activity: Option<ActivitySaid>,
    pub applied: Option<WishSaid>,
}

impl Progress {
    pub fn new(kind: Kind, start: Start, wish: Option<WishMode>) -> Self {
        Self {
            kind,
            start,
            wish,
            audience: None,
            mapping: None,
            has_fields: false,
            contact: None,
            activity: None,
            applied: None,
        }
    }

    /// Whether a contact belongs to it: always, but to plain tracks (semantics 4.7).
    pub fn wants_contact(&self) -> bool {
        self.kind != Kind::Track || self.has_fields || self.wish.is_some()
    }

    /// Whether it looks for a contact but never makes one (semantics 4.7).
    pub fn only_removes(&self) -> bool {
        self.kind == Kind::Track && !self.has_fields && self.wish == Some(WishMode::Remove)
    }
}

/// The limits that stood when the batch was admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub profile: i64,
    pub activity: i64,
    /// Unix time in microseconds.
    pub window_end: i64,
}

const OURS: &str = "an error of ours; send the event again";
const NOTHING_NEW: &str = "nothing valid or new to update the contact with";
const REFUSED: &str =
    "no such contact, and the merge settings of this data source allow no new ones";
const DELETED: &str = "the contact was deleted after this event happened";
const GONE: &str = "audience.id: the audience does not exist any more";

/// The outcome of one event.
pub fn outcome(progress: &Progress, limits: &Limits) -> Outcome {
    match &progress.start {
        Start::Echo => return Outcome::ok(),
        Start::Refused(message) => return Outcome::new(400, message.clone()),
        Start::Good => {}
    }
    match progress.audience {
        Some(AudienceSaid::Unknown) => {
            return Outcome::new(400, "audience.id: no such audience in this account");
        }
        Some(AudienceSaid::OtherOrigin) => {
            let message = "audience.id: this audience was not created by Segment (Actions), \
                           and can't be changed from there";
            return Outcome::new(400, message);
        }
        Some(AudienceSaid::Failed) => return Outcome::new(500, OURS),
        Some(AudienceSaid::Usable) | None => {}
    }
    match &progress.mapping {
        Some(MappingVerdict::Rejected(message)) => return Outcome::new(422, message.clone()),
        Some(MappingVerdict::Mapped) => {}
        None => return Outcome::new(500, OURS),
    }
    match progress.kind {
        Kind::Identify | Kind::Member => of_identify(progress, limits),
        Kind::Track => of_track(progress, limits),
    }
}

fn of_identify(progress: &Progress, limits: &Limits) -> Outcome {
    match progress.contact {
        Some(ContactSaid::Stored | ContactSaid::Repeated) => of_wish(progress),
        Some(ContactSaid::NothingNew) => Outcome::new(422, NOTHING_NEW),
        Some(ContactSaid::NotFunded) => over("contact profile", limits.profile, limits),
        Some(ContactSaid::Refused) => Outcome::new(422, REFUSED),
        Some(ContactSaid::Deleted) => Outcome::new(422, DELETED),
        Some(ContactSaid::NotFound | ContactSaid::Failed) | None => Outcome::new(500, OURS),
    }
}

fn of_track(progress: &Progress, limits: &Limits) -> Outcome {
    if progress.contact == Some(ContactSaid::Deleted) {
        return Outcome::new(422, DELETED);
    }
    match progress.activity {
        Some(ActivitySaid::Stored | ActivitySaid::Backlogged | ActivitySaid::Repeated) => {}
        Some(ActivitySaid::NotFunded) => return over("activity", limits.activity, limits),
        Some(ActivitySaid::Failed) | None => return Outcome::new(500, OURS),
    }
    if !progress.wants_contact() {
        return Outcome::ok();
    }
    match progress.contact {
        Some(ContactSaid::Stored | ContactSaid::Repeated | ContactSaid::NothingNew) => {
            of_wish(progress)
        }
        // Nobody to remove, so nothing is left undone.
        Some(ContactSaid::NotFound) if progress.only_removes() => Outcome::ok(),
        Some(ContactSaid::NotFunded) => {
            let why = over("contact profile", limits.profile, limits).message;
            Outcome::new(
                206,
                format!("the activity is stored, the contact is not: {why}"),
            )
        }
        Some(ContactSaid::Refused) => Outcome::new(
            206,
            format!("the activity is stored, the contact is not: {REFUSED}"),
        ),
        // A 206 is final to Segment, and a removal must not get lost: it is sent again.
        Some(ContactSaid::Failed) if progress.only_removes() => Outcome::new(500, OURS),
        Some(ContactSaid::Failed) => Outcome::new(
            206,
            "the activity is stored, the contact may not be: contacts could not be reached",
        ),
        Some(ContactSaid::NotFound | ContactSaid::Deleted) | None => Outcome::new(500, OURS),
    }
}

fn of_wish(progress: &Progress) -> Outcome {
    match (progress.wish, progress.applied) {
        (None, _)
        | (Some(_), Some(WishSaid::Applied | WishSaid::HeldBack | WishSaid::Overtaken)) => {
            Outcome::ok()
        }
        (Some(_), Some(WishSaid::UnknownAudience)) => Outcome::new(400, GONE),
        (Some(_), Some(WishSaid::Failed) | None) => Outcome::new(500, OURS),
    }
}

fn over(what: &str, limit: i64, limits: &Limits) -> Outcome {
    let end = time::shown(limits.window_end);
    Outcome::new(
        429,
        format!(
            "the limit of {limit} {what} events in 24 hours is reached; the window ends at {end}"
        ),
    )
}

#[cfg(test)]
mod tests;
