use proptest::prelude::*;

use super::*;
use crate::domain::envelope::MembershipUpdateMode;
use crate::domain::outcome::{Limits, outcome};

fn mapped(kind: Kind) -> Progress {
    let mut progress = Progress::new(kind, Start::Good, None);
    progress.mapping = Some(MappingVerdict::Mapped);
    progress.traits = Traits::Values;
    progress
}

/// The words of an event, each with its code.
fn told(progress: &Progress) -> Vec<(Stage, &'static str, Option<Reason>)> {
    let said = steps(progress, &outcome(progress, &Limits::default()));
    let each = said.iter().map(|step| (step.stage, step.said, step.code));
    each.collect()
}

/// Semantics 7.8.
#[test]
fn an_identify_that_is_stored_names_every_stage_that_it_went_through() {
    let mut progress = mapped(Kind::Identify);
    progress.update = Some(MembershipUpdateMode::Add);
    progress.audience = Some(AudienceSaid::Usable);
    progress.contact = Some(ContactSaid::Stored);
    progress.applied = Some(UpdateSaid::HeldBack);
    let expected = [
        (Stage::Accepted, "accepted", None),
        (Stage::Mapped, "mapped", None),
        (Stage::Identifiers, "found", None),
        (Stage::Units, "profile", None),
        (Stage::Contact, "stored", None),
        (Stage::Membership, "held_back", None),
    ];
    assert_eq!(told(&progress), expected);
}

#[test]
fn a_track_over_the_limit_of_contacts_says_where_it_was_stopped_and_what_is_stored() {
    let mut progress = mapped(Kind::Track);
    progress.contact = Some(ContactSaid::NotFunded);
    progress.activity = Some(ActivitySaid::Stored);
    let why = Some(Reason::ContactLimit);
    let expected = [
        (Stage::Accepted, "accepted", None),
        (Stage::Mapped, "mapped", None),
        (Stage::Units, "activity_only", why),
        (Stage::Contact, "no_unit", why),
        (Stage::Activity, "stored", None),
    ];
    assert_eq!(told(&progress), expected);
}

#[test]
fn a_refused_activity_lends_its_reason_to_no_other_stage() {
    let mut progress = mapped(Kind::Track);
    progress.contact = Some(ContactSaid::Refused);
    progress.activity = Some(ActivitySaid::Unstorable);
    let expected = [
        (Stage::Accepted, "accepted", None),
        (Stage::Mapped, "mapped", None),
        (Stage::Identifiers, "refused", None),
        (Stage::Activity, "unstorable", Some(Reason::Unstorable)),
    ];
    assert_eq!(told(&progress), expected);
}

#[test]
fn who_ends_early_names_no_later_stage() {
    let refusal = Start::Refused(Reason::TimestampUnreadable, "why".to_owned());
    let refused = Progress::new(Kind::Track, refusal, None);
    let code = Some(Reason::TimestampUnreadable);
    assert_eq!(told(&refused), [(Stage::Accepted, "refused", code)]);

    let mut unmapped = mapped(Kind::Track);
    let verdict = MappingVerdict::Rejected(Reason::NoMapping, "why".to_owned());
    unmapped.mapping = Some(verdict);
    let accepted = (Stage::Accepted, "accepted", None);
    let rejected = (Stage::Mapped, "rejected", Some(Reason::NoMapping));
    assert_eq!(told(&unmapped), [accepted, rejected]);

    let mut unknown = mapped(Kind::Identify);
    unknown.audience = Some(AudienceSaid::Unknown);
    let code = Some(Reason::AudienceUnknown);
    assert_eq!(told(&unknown), [(Stage::Accepted, "refused", code)]);

    let mut nothing = mapped(Kind::Identify);
    nothing.traits = Traits::AllIgnored;
    let nothing_valid = (Stage::Mapped, "nothing_valid", Some(Reason::NothingValid));
    assert_eq!(told(&nothing), [accepted, nothing_valid]);
}

#[test]
fn a_value_that_held_an_event_up_is_the_reason_that_its_contact_names() {
    let mut progress = mapped(Kind::Identify);
    progress.contact = Some(ContactSaid::NothingNew);
    let last = |progress: &Progress| told(progress).pop();
    let said = |code| Some((Stage::Contact, "nothing_new", Some(code)));
    assert_eq!(last(&progress), said(Reason::NothingNew));
    let held_up = (Reason::IdentifierTaken, "str::email".to_owned());
    progress.held_up = Some(Box::new(held_up));
    assert_eq!(last(&progress), said(Reason::IdentifierTaken));
}

/// Semantics 6.2, 7.8.
#[test]
fn the_units_of_an_event_say_what_it_was_charged() {
    use ActivitySaid::{Away, Backlogged, Failed, NotFunded, Repeated};
    let units = |contact, activity| {
        let mut progress = mapped(Kind::Track);
        (progress.contact, progress.activity) = (contact, activity);
        let told = told(&progress).into_iter();
        let mut said = told.filter(|(stage, ..)| *stage == Stage::Units);
        said.next().map(|(_, said, code)| (said, code))
    };
    let charged = |said| Some((said, None));
    let (new, again) = (Some(ContactSaid::Stored), Some(ContactSaid::Repeated));
    assert_eq!(units(None, Some(Backlogged)), charged("activity"));
    assert_eq!(units(again, Some(Backlogged)), charged("activity"));
    assert_eq!(
        units(new, Some(Backlogged)),
        charged("profile_and_activity")
    );
    // A replay makes up for the contact of a 206.
    assert_eq!(units(new, Some(Repeated)), charged("profile"));
    // Its retry pays for the activity alone.
    assert_eq!(units(new, Some(Failed)), charged("profile"));
    // A repeat, or a correction.
    assert_eq!(units(again, Some(Repeated)), None);
    assert_eq!(units(None, Some(Away)), None);
    let over = Some(("not_enough", Some(Reason::ActivityLimit)));
    assert_eq!(units(None, Some(NotFunded)), over);
    // It asked for none.
    assert_eq!(units(None, Some(NotFunded.of(true))), None);
}

/// Semantics 7.8.
#[test]
fn fifty_of_a_second_are_noted_of_each_source() {
    let mut sampler = Sampler::default();
    assert_eq!(sampler.take("a", 7, 30), 30);
    assert_eq!(sampler.take("a", 7, 30), 20);
    assert_eq!(sampler.take("a", 7, 30), 0);
    assert_eq!(sampler.take("b", 7, 500), 50);
    // A clock that is set back gives nobody more.
    assert_eq!(sampler.take("a", 6, 30), 0);
    assert_eq!(sampler.take("a", 8, 500), 50);
}

proptest! {
    #[test]
    fn as_many_are_noted_as_were_taken_and_they_are_spread(count in 1_usize..1_000, most in 0_usize..60) {
        let taken = most.min(count);
        let noted: Vec<usize> = (0..count).filter(|at| is_noted(*at, taken, count)).collect();
        prop_assert_eq!(noted.len(), taken);
        let widest = noted.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0);
        prop_assert!(taken == 0 || widest <= count.div_ceil(taken));
    }

    #[test]
    fn stages_speak_in_their_order_and_each_once(
        contact in 0_usize..13, activity in 0_usize..8, is_track: bool, applied: bool,
    ) {
        use ContactSaid::*;
        let contacts = [
            Stored, Repeated, NothingNew, NotFunded, Refused, NotFound, Kept, Deleted, Unstorable,
            Away, Deferred, Failed,
        ];
        let activities = [
            ActivitySaid::Stored, ActivitySaid::Backlogged, ActivitySaid::Repeated,
            ActivitySaid::NotFunded, ActivitySaid::Unstorable, ActivitySaid::Away,
            ActivitySaid::Failed,
        ];
        let mut progress = mapped(if is_track { Kind::Track } else { Kind::Identify });
        progress.contact = contacts.get(contact).copied();
        progress.activity = activities.get(activity).copied().filter(|_| is_track);
        progress.applied = applied.then_some(UpdateSaid::Applied);
        let stages: Vec<Stage> = told(&progress).iter().map(|(stage, ..)| *stage).collect();
        prop_assert!(stages.windows(2).all(|two| two[0] < two[1]), "{stages:?}");
    }
}
