//! The fold of what every stage said about an event into its one outcome (semantics 1).
//!
//! **Invariant:** total. Whatever was said, or not said, there is an outcome; where it does
//! not add up it is 500, because silence reads as success (semantics 1.1).

mod limits;

use std::borrow::Cow;

use weir_reasons::Reason;

use super::envelope::{Kind, MembershipUpdateMode};
use super::stages::{ActivitySaid, AudienceSaid, ContactSaid, Traits, UpdateSaid};
pub use limits::{Limit, Limits};

/// What one event is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: u16,
    /// None for a plain 200.
    pub code: Option<Reason>,
    /// Empty for a plain 200. Holds no value of the event.
    pub message: Cow<'static, str>,
}

impl Outcome {
    fn ok() -> Self {
        Self {
            status: 200,
            code: None,
            message: Cow::Borrowed(""),
        }
    }

    fn new(status: u16, code: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: Some(code),
            message: message.into(),
        }
    }
}

/// How an event began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Good,
    Echo,
    /// Why, and what the customer is told.
    Refused(Reason, String),
}

/// What mapping said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingVerdict {
    Mapped,
    Rejected(Reason, String),
}

/// How far an event came; `None` is a stage that did not speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub kind: Kind,
    pub start: Start,
    pub update: Option<MembershipUpdateMode>,
    /// It was stored, and is taken anew: free of charge, and nothing is made (semantics 7.5a).
    pub correction: bool,
    pub audience: Option<AudienceSaid>,
    pub mapping: Option<MappingVerdict>,
    pub traits: Traits,
    pub contact: Option<ContactSaid>,
    /// A value that kept the event from saying anything new: why, and of which field.
    pub held_up: Option<Box<(Reason, String)>>,
    pub activity: Option<ActivitySaid>,
    pub applied: Option<UpdateSaid>,
}

impl Progress {
    pub fn new(kind: Kind, start: Start, update: Option<MembershipUpdateMode>) -> Self {
        Self {
            kind,
            start,
            update,
            correction: false,
            audience: None,
            mapping: None,
            traits: Traits::None,
            contact: None,
            held_up: None,
            activity: None,
            applied: None,
        }
    }

    /// Whether it goes to the contacts: always, but for plain tracks (semantics 4.7) and
    /// identifies of which nothing is left (semantics 2.8).
    pub fn wants_contact(&self) -> bool {
        let says_something = match self.kind {
            Kind::Identify | Kind::Member => self.traits != Traits::AllIgnored,
            Kind::Track => matches!(
                self.traits,
                Traits::Values | Traits::Clears | Traits::ClearsRestIgnored
            ),
        };
        says_something || self.update.is_some()
    }

    /// Whether it looks for a contact, and neither makes nor changes one (semantics 4.7). Nulls
    /// change the one that is there.
    pub fn only_removes(&self) -> bool {
        self.kind == Kind::Track
            && matches!(self.traits, Traits::None | Traits::AllIgnored)
            && self.update == Some(MembershipUpdateMode::Remove)
    }

    /// Whether it makes no contact even of a new identifier: a null beside ignored traits is
    /// nothing where there is nobody (semantics 2.6, 2.8).
    pub fn never_creates(&self) -> bool {
        self.kind != Kind::Track
            && self.traits == Traits::ClearsRestIgnored
            && self.update.is_none()
    }

    /// Whether its activity is left out, since nothing of the event is to be stored, or it is to
    /// come again as a whole.
    pub fn leaves_no_activity(&self, limits: &Limits) -> bool {
        match self.contact {
            Some(
                ContactSaid::Deleted
                | ContactSaid::Unstorable
                | ContactSaid::Away
                | ContactSaid::Failed,
            ) => true,
            Some(ContactSaid::NotFunded) => limits.profile.is_in_flight,
            _ => false,
        }
    }
}

const OURS: &str = "an error of ours; send the event again";
const NOTHING_NEW: &str = "nothing valid or new to update the contact with";
const NOTHING_VALID: &str = "each of the mapped traits was ignored, since it is not valid for its \
                             field; the log of the data source says why";
const REFUSED: &str =
    "no such contact, and the merge settings of this data source allow no new ones";
const DEFERRED: &str = "it could not be reached, and is made up for by itself as soon as it can be";
const DELETED: &str = "the contact was deleted after this event happened";
const CONTACT_GONE: &str = "it was deleted, or never made, and a correction makes none";
const ACTIVITY_GONE: &str = "the activity that this event stored is not there any more";
const GONE: &str = "audience.id: the audience does not exist any more";
const UNSTORABLE: &str = "the database does not take a value of this event";

/// The outcome of one event.
pub fn outcome(progress: &Progress, limits: &Limits) -> Outcome {
    if let Start::Refused(code, message) = &progress.start {
        return Outcome::new(400, *code, message.clone());
    }
    match progress.audience {
        Some(AudienceSaid::Unknown) => {
            let message = "audience.id: no such audience in this account";
            return Outcome::new(400, Reason::AudienceUnknown, message);
        }
        Some(AudienceSaid::OtherOrigin) => {
            let message = "audience.id: this audience was not created by Segment (Actions), \
                           and can't be changed from there";
            return Outcome::new(400, Reason::AudienceOtherOrigin, message);
        }
        // An echo needs none.
        Some(AudienceSaid::Failed) if progress.start != Start::Echo => return audiences_away(),
        Some(AudienceSaid::Failed | AudienceSaid::Usable) | None => {}
    }
    if progress.start == Start::Echo {
        return Outcome::ok();
    }
    match &progress.mapping {
        Some(MappingVerdict::Rejected(code, message)) => {
            return Outcome::new(422, *code, message.clone());
        }
        Some(MappingVerdict::Mapped) => {}
        None => return ours(),
    }
    match progress.kind {
        Kind::Identify | Kind::Member => of_identify(progress, limits),
        Kind::Track => of_track(progress, limits),
    }
}

fn of_identify(progress: &Progress, limits: &Limits) -> Outcome {
    if !progress.wants_contact() {
        return Outcome::new(422, Reason::NothingValid, NOTHING_VALID);
    }
    match progress.contact {
        Some(ContactSaid::Stored | ContactSaid::Repeated) => of_update(progress),
        Some(ContactSaid::Kept) if progress.update == Some(MembershipUpdateMode::Remove) => {
            Outcome::ok()
        }
        Some(ContactSaid::NotFound) if progress.never_creates() => {
            Outcome::new(422, Reason::NothingValid, NOTHING_VALID)
        }
        Some(ContactSaid::NotFound) if progress.correction => {
            let message = format!("there is no contact to correct: {CONTACT_GONE}");
            Outcome::new(422, Reason::NothingToCorrect, message)
        }
        Some(ContactSaid::NothingNew) => nothing_new(progress),
        Some(ContactSaid::NotFunded) => match profile_limit(limits) {
            Some(why) => Outcome::new(429, Reason::ProfileLimit, why),
            None => units_in_flight(),
        },
        Some(ContactSaid::Refused) => Outcome::new(422, Reason::ExistingOnly, REFUSED),
        Some(said) => contact_fault(said).unwrap_or_else(ours),
        None => ours(),
    }
}

fn of_track(progress: &Progress, limits: &Limits) -> Outcome {
    if let Some(fault) = progress.contact.and_then(contact_fault) {
        return fault;
    }
    let contact_limit = match progress.contact {
        Some(ContactSaid::NotFunded) => match profile_limit(limits) {
            Some(why) => Some(why),
            // Neither is stored: it comes again as a whole.
            None => return units_in_flight(),
        },
        _ => None,
    };
    match progress.activity {
        Some(ActivitySaid::Stored | ActivitySaid::Backlogged | ActivitySaid::Repeated) => {}
        Some(ActivitySaid::Gone) => {
            return Outcome::new(422, Reason::NothingToCorrect, ACTIVITY_GONE);
        }
        Some(ActivitySaid::NotFunded) if limits.activity.is_in_flight => return units_in_flight(),
        Some(ActivitySaid::NotFunded) => {
            let why = limits.activity.reached("activity", limits.window_end);
            return Outcome::new(429, Reason::ActivityLimit, why);
        }
        Some(ActivitySaid::Deleted) => {
            return Outcome::new(422, Reason::ContactDeleted, DELETED);
        }
        Some(ActivitySaid::Unstorable) => {
            return Outcome::new(400, Reason::Unstorable, UNSTORABLE);
        }
        Some(ActivitySaid::Away) => {
            let message = "activities could not be reached; send the event again";
            return Outcome::new(500, Reason::ActivitiesAway, message);
        }
        Some(ActivitySaid::Failed) | None => return ours(),
    }
    if let Some(why) = contact_limit {
        return partial(Reason::ContactLimit, &why);
    }
    if !progress.wants_contact() {
        return match progress.traits {
            Traits::AllIgnored => partial(Reason::ContactNothingValid, NOTHING_VALID),
            _ => Outcome::ok(),
        };
    }
    match progress.contact {
        Some(ContactSaid::Stored | ContactSaid::Repeated | ContactSaid::NothingNew) => {
            of_update(progress)
        }
        // Without the nulls, nothing but ignored traits.
        Some(ContactSaid::NotFound)
            if progress.traits == Traits::ClearsRestIgnored && progress.update.is_none() =>
        {
            partial(Reason::ContactNothingValid, NOTHING_VALID)
        }
        // Nobody to remove or to clear a field of, so nothing is left undone.
        Some(ContactSaid::NotFound | ContactSaid::Kept)
            if progress.traits != Traits::Values
                && progress.update != Some(MembershipUpdateMode::Add) =>
        {
            Outcome::ok()
        }
        Some(ContactSaid::NotFound) if progress.correction => {
            partial(Reason::NothingToCorrect, CONTACT_GONE)
        }
        Some(ContactSaid::Refused) => partial(Reason::ContactExistingOnly, REFUSED),
        Some(ContactSaid::Deferred) => partial(Reason::ContactDeferred, DEFERRED),
        _ => ours(),
    }
}

/// Where the contact stage ended the event, be it a track or an identify.
fn contact_fault(said: ContactSaid) -> Option<Outcome> {
    Some(match said {
        ContactSaid::Deleted => Outcome::new(422, Reason::ContactDeleted, DELETED),
        ContactSaid::Unstorable => Outcome::new(400, Reason::Unstorable, UNSTORABLE),
        ContactSaid::Away => {
            let message = "contacts could not be reached; send the event again";
            Outcome::new(500, Reason::ContactsAway, message)
        }
        ContactSaid::Failed => ours(),
        _ => return None,
    })
}

fn of_update(progress: &Progress) -> Outcome {
    match (progress.update, progress.applied) {
        (None, _)
        | (Some(_), Some(UpdateSaid::Applied | UpdateSaid::HeldBack | UpdateSaid::Overtaken)) => {
            Outcome::ok()
        }
        (Some(_), Some(UpdateSaid::UnknownAudience)) => {
            Outcome::new(400, Reason::AudienceUnknown, GONE)
        }
        (Some(_), Some(UpdateSaid::Unstorable)) => {
            Outcome::new(400, Reason::Unstorable, UNSTORABLE)
        }
        (Some(_), Some(UpdateSaid::Failed)) => audiences_away(),
        (Some(_), None) => ours(),
    }
}

fn nothing_new(progress: &Progress) -> Outcome {
    let Some((code, field_id)) = progress.held_up.as_deref() else {
        return Outcome::new(422, Reason::NothingNew, NOTHING_NEW);
    };
    let why = code.meaning();
    let message = format!("{NOTHING_NEW}; {field_id} was ignored: {why}");
    Outcome::new(422, *code, message)
}

fn partial(code: Reason, why: &str) -> Outcome {
    let message = format!("the activity is stored, the contact is not: {why}");
    Outcome::new(206, code, message)
}

fn ours() -> Outcome {
    Outcome::new(500, Reason::Internal, OURS)
}

fn audiences_away() -> Outcome {
    let message = "audiences could not be reached; send the event again";
    Outcome::new(500, Reason::AudiencesAway, message)
}

/// The limit is said to be reached only where it is, by what is charged (semantics 6.4a).
fn profile_limit(limits: &Limits) -> Option<String> {
    let limit = &limits.profile;
    (!limit.is_in_flight).then(|| limit.reached("contact profile", limits.window_end))
}

fn units_in_flight() -> Outcome {
    let message = "the last free units are reserved by batches under way; send the event again";
    Outcome::new(500, Reason::UnitsInFlight, message)
}

#[cfg(test)]
mod tests;
