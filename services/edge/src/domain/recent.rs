//! What a source's recent events show: which of them, and what each stage said (semantics 7.8).

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use weir_reasons::Reason;

use super::envelope::Kind;
use super::outcome::{MappingVerdict, Outcome, Progress, Start};
use super::stages::{ActivitySaid, AudienceSaid, ContactSaid, Traits, UpdateSaid};

/// Of a source, of those that are answered in one second. What is over it costs a count.
pub const PER_SECOND: usize = 50;

/// How many events of each source were noted in the present second.
#[derive(Debug, Default)]
pub struct Sampler {
    second: i64,
    noted: HashMap<String, usize>,
}

impl Sampler {
    /// Of so many events that were answered together in this second, how many are to be noted.
    pub fn take(&mut self, source_id: &str, second: i64, count: usize) -> usize {
        if second > self.second {
            self.second = second;
            self.noted.clear();
        }
        if let Some(noted) = self.noted.get_mut(source_id) {
            let taken = count.min(PER_SECOND - *noted);
            *noted += taken;
            return taken;
        }
        let taken = count.min(PER_SECOND);
        self.noted.insert(source_id.to_owned(), taken);
        taken
    }
}

/// Whether the event at this place is one of the `taken` that are noted of `count`: they are
/// spread evenly, since a batch may begin with many of one kind.
pub fn is_noted(at: usize, taken: usize, count: usize) -> bool {
    count > 0 && (at + 1) * taken / count > at * taken / count
}

/// What one of them shows: ids, names and codes, and no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// Unix time in microseconds, as are the others.
    pub answered: i64,
    pub arrival: i64,
    pub batch_id: Arc<str>,
    pub index: u32,
    pub kind: Kind,
    /// Empty where it came without one.
    pub message_id: String,
    /// Of a track.
    pub event_name: String,
    pub event_time: Option<i64>,
    pub status: u16,
    pub code: Option<Reason>,
    pub steps: Vec<Step>,
    pub contact_id: ByteString,
    pub fields: usize,
    pub attributes: usize,
    pub ignored: usize,
    pub is_replay: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Accepted,
    Mapped,
    Identifiers,
    Units,
    Contact,
    Activity,
    Membership,
}

/// What a stage said, and why, where it refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub stage: Stage,
    pub said: &'static str,
    pub code: Option<Reason>,
}

/// What the stages said of an event that was answered with `outcome`, in their order. Those that
/// it did not come to, or does not need, say nothing.
pub fn steps(progress: &Progress, outcome: &Outcome) -> Vec<Step> {
    let mut steps = Steps {
        all: Vec::with_capacity(6),
        code: outcome.code,
    };
    if !accepted(progress, &mut steps) || !mapped(progress, &mut steps) {
        return steps.all;
    }
    let activity = progress.activity.map(activity);
    // An activity that was refused decides, whatever became of the contact.
    let is_decided = activity.is_some_and(|(_, is_refusal)| is_refusal);
    let of_contact = |(said, is_refusal): Said| (said, is_refusal && !is_decided);
    if let Some(said) = progress.contact.and_then(identifiers) {
        steps.take(Stage::Identifiers, of_contact(said));
    }
    if let Some(said) = units(progress, outcome) {
        steps.take(Stage::Units, said);
    }
    match progress.contact {
        Some(ContactSaid::NothingNew) => {
            let held_up = progress.held_up.as_deref().map(|(code, _)| *code);
            let nothing_new = steps.code.filter(|code| *code == Reason::NothingNew);
            steps.say(Stage::Contact, "nothing_new", held_up.or(nothing_new));
        }
        said => {
            if let Some(said) = said.and_then(contact) {
                steps.take(Stage::Contact, of_contact(said));
            }
        }
    }
    if let Some(said) = activity {
        steps.take(Stage::Activity, said);
    }
    if let Some(said) = progress.applied {
        steps.take(Stage::Membership, membership(said));
    }
    steps.all
}

struct Steps {
    all: Vec<Step>,
    /// Of the outcome: why the stage refused that decided it.
    code: Option<Reason>,
}

/// A word, and whether the event was not taken for it, or not whole.
type Said = (&'static str, bool);

impl Steps {
    fn take(&mut self, stage: Stage, (said, is_refusal): Said) {
        let code = self.code.filter(|_| is_refusal);
        self.say(stage, said, code);
    }

    fn say(&mut self, stage: Stage, said: &'static str, code: Option<Reason>) {
        self.all.push(Step { stage, said, code });
    }
}

/// Whether it goes on, as below.
fn mapped(progress: &Progress, steps: &mut Steps) -> bool {
    match &progress.mapping {
        None => return false,
        Some(MappingVerdict::Rejected(code, _)) => {
            steps.say(Stage::Mapped, "rejected", Some(*code));
            return false;
        }
        Some(MappingVerdict::Mapped) => {}
    }
    if progress.traits == Traits::AllIgnored {
        let codes = [Reason::NothingValid, Reason::ContactNothingValid];
        let code = steps.code.filter(|code| codes.contains(code));
        steps.say(Stage::Mapped, "nothing_valid", code);
    } else {
        steps.say(Stage::Mapped, "mapped", None);
    }
    true
}

fn accepted(progress: &Progress, steps: &mut Steps) -> bool {
    let is_echo = progress.start == Start::Echo;
    let (said, goes_on) = match (&progress.start, progress.audience) {
        (Start::Refused(..), _) | (_, Some(AudienceSaid::Unknown | AudienceSaid::OtherOrigin)) => {
            (("refused", true), false)
        }
        (_, Some(AudienceSaid::Failed)) if !is_echo => (("away", true), false),
        (Start::Echo, _) => (("echo", false), false),
        (Start::Good, _) => (("accepted", false), true),
    };
    steps.take(Stage::Accepted, said);
    goes_on
}

/// None where nobody looked, or it ended elsewhere.
fn identifiers(said: ContactSaid) -> Option<Said> {
    Some(match said {
        ContactSaid::Stored | ContactSaid::Repeated | ContactSaid::NothingNew => ("found", false),
        ContactSaid::NotFound => ("nobody", true),
        ContactSaid::Refused => ("refused", true),
        ContactSaid::Kept => ("kept", false),
        ContactSaid::Deleted => ("deleted", true),
        ContactSaid::Deferred => ("deferred", true),
        ContactSaid::Away => ("away", true),
        ContactSaid::Failed => ("failed", true),
        ContactSaid::NotFunded | ContactSaid::Unstorable => return None,
    })
}

/// What it was charged (semantics 6.2); none where nothing was to be.
fn units(progress: &Progress, outcome: &Outcome) -> Option<Said> {
    let is_short = progress.contact == Some(ContactSaid::NotFunded)
        || progress.activity == Some(ActivitySaid::NotFunded);
    let profile = progress.contact == Some(ContactSaid::Stored);
    let activity = matches!(
        progress.activity,
        Some(ActivitySaid::Stored | ActivitySaid::Backlogged)
    );
    Some(match (is_short, profile, activity) {
        (true, ..) if outcome.code == Some(Reason::UnitsInFlight) => ("in_flight", true),
        (true, _, true) => ("activity_only", true),
        (true, ..) => ("not_enough", true),
        (false, true, true) => ("profile_and_activity", false),
        (false, true, false) => ("profile", false),
        (false, false, true) => ("activity", false),
        (false, false, false) => return None,
    })
}

/// None where there was no contact to store anything of; what says nothing new is told before.
fn contact(said: ContactSaid) -> Option<Said> {
    Some(match said {
        ContactSaid::Stored => ("stored", false),
        ContactSaid::Repeated => ("repeated", false),
        ContactSaid::NotFunded => ("no_unit", true),
        ContactSaid::Unstorable => ("unstorable", true),
        ContactSaid::Deferred => ("deferred", true),
        ContactSaid::Away => ("away", true),
        ContactSaid::Failed => ("failed", true),
        ContactSaid::NothingNew
        | ContactSaid::NotFound
        | ContactSaid::Refused
        | ContactSaid::Kept
        | ContactSaid::Deleted => return None,
    })
}

fn activity(said: ActivitySaid) -> Said {
    match said {
        ActivitySaid::Stored => ("stored", false),
        ActivitySaid::Backlogged => ("backlogged", false),
        ActivitySaid::Repeated => ("repeated", false),
        ActivitySaid::NotFunded => ("no_unit", true),
        ActivitySaid::Gone => ("gone", true),
        ActivitySaid::Deleted => ("deleted", true),
        ActivitySaid::Unstorable => ("unstorable", true),
        ActivitySaid::Away => ("away", true),
        ActivitySaid::Failed => ("failed", true),
    }
}

fn membership(said: UpdateSaid) -> Said {
    match said {
        UpdateSaid::Applied => ("applied", false),
        UpdateSaid::HeldBack => ("held_back", false),
        UpdateSaid::Overtaken => ("overtaken", false),
        UpdateSaid::UnknownAudience => ("unknown_audience", true),
        UpdateSaid::Unstorable => ("unstorable", true),
        UpdateSaid::Failed => ("away", true),
    }
}

#[cfg(test)]
mod tests;
