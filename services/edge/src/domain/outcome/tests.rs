use proptest::prelude::*;

use super::*;

mod corrections;

const LIMITS: Limits = Limits {
    profile: Limit {
        value: 10,
        factors: (10, 1, None),
        is_in_flight: false,
    },
    activity: Limit {
        value: 5,
        factors: (5, 1, Some(1)),
        is_in_flight: false,
    },
    window_end: 1_752_192_000_000_000,
};

/// As [`LIMITS`], where batches under way hold what is left.
fn in_flight() -> Limits {
    let mut limits = LIMITS;
    limits.profile.is_in_flight = true;
    limits.activity.is_in_flight = true;
    limits
}

fn mapped(kind: Kind) -> Progress {
    let mut progress = Progress::new(kind, Start::Good, None);
    progress.mapping = Some(MappingVerdict::Mapped);
    progress
}

fn status(progress: &Progress) -> u16 {
    outcome(progress, &LIMITS).status
}

fn said(progress: &Progress) -> (u16, Option<Reason>) {
    let outcome = outcome(progress, &LIMITS);
    (outcome.status, outcome.code)
}

#[test]
fn an_identify_ends_as_its_contact_did() {
    for (contact, status, code) in [
        (Some(ContactSaid::Stored), 200, None),
        (Some(ContactSaid::Repeated), 200, None),
        (Some(ContactSaid::NothingNew), 422, Some(Reason::NothingNew)),
        (Some(ContactSaid::Refused), 422, Some(Reason::ExistingOnly)),
        (
            Some(ContactSaid::Deleted),
            422,
            Some(Reason::ContactDeleted),
        ),
        (Some(ContactSaid::Unstorable), 400, Some(Reason::Unstorable)),
        (
            Some(ContactSaid::NotFunded),
            429,
            Some(Reason::ProfileLimit),
        ),
        (Some(ContactSaid::Away), 500, Some(Reason::ContactsAway)),
        (Some(ContactSaid::Failed), 500, Some(Reason::Internal)),
        (Some(ContactSaid::NotFound), 500, Some(Reason::Internal)),
        (Some(ContactSaid::Kept), 500, Some(Reason::Internal)),
        (None, 500, Some(Reason::Internal)),
    ] {
        for kind in [Kind::Identify, Kind::Member] {
            let mut progress = mapped(kind);
            progress.contact = contact;
            assert_eq!(said(&progress), (status, code), "{contact:?}");
        }
    }
}

#[test]
fn an_identify_of_which_nothing_is_left_is_422_unless_it_has_an_update() {
    let mut progress = mapped(Kind::Identify);
    progress.traits = Traits::AllIgnored;
    assert!(!progress.wants_contact());
    assert_eq!(said(&progress), (422, Some(Reason::NothingValid)));
    progress.update = Some(MembershipUpdateMode::Add);
    assert!(progress.wants_contact());
    progress.update = Some(MembershipUpdateMode::Remove);
    progress.contact = Some(ContactSaid::Kept);
    assert_eq!(said(&progress), (200, None));
}

#[test]
fn what_kept_an_identify_from_saying_something_new_is_its_reason() {
    let mut progress = mapped(Kind::Identify);
    progress.contact = Some(ContactSaid::NothingNew);
    let taken = (Reason::IdentifierTaken, "str::email".to_owned());
    progress.held_up = Some(Box::new(taken));
    let outcome = outcome(&progress, &LIMITS);
    assert_eq!(
        (outcome.status, outcome.code),
        (422, Some(Reason::IdentifierTaken))
    );
    assert!(outcome.message.contains("str::email"), "{outcome:?}");
}

#[test]
fn a_plain_track_ends_as_its_activity_did() {
    for (activity, status, code) in [
        (Some(ActivitySaid::Stored), 200, None),
        (Some(ActivitySaid::Backlogged), 200, None),
        (Some(ActivitySaid::Repeated), 200, None),
        (
            Some(ActivitySaid::NotFunded),
            429,
            Some(Reason::ActivityLimit),
        ),
        (
            Some(ActivitySaid::Deleted),
            422,
            Some(Reason::ContactDeleted),
        ),
        (
            Some(ActivitySaid::Unstorable),
            400,
            Some(Reason::Unstorable),
        ),
        (Some(ActivitySaid::Away), 500, Some(Reason::ActivitiesAway)),
        (Some(ActivitySaid::Failed), 500, Some(Reason::Internal)),
        (None, 500, Some(Reason::Internal)),
    ] {
        let mut progress = mapped(Kind::Track);
        progress.activity = activity;
        assert_eq!(said(&progress), (status, code), "{activity:?}");
    }
}

#[test]
fn a_track_with_traits_is_206_where_only_the_activity_is_stored() {
    for (contact, status, code) in [
        (Some(ContactSaid::Stored), 200, None),
        (Some(ContactSaid::Repeated), 200, None),
        (Some(ContactSaid::NothingNew), 200, None),
        (
            Some(ContactSaid::NotFunded),
            206,
            Some(Reason::ContactLimit),
        ),
        (
            Some(ContactSaid::Refused),
            206,
            Some(Reason::ContactExistingOnly),
        ),
        (
            Some(ContactSaid::Deferred),
            206,
            Some(Reason::ContactDeferred),
        ),
        (Some(ContactSaid::Away), 500, Some(Reason::ContactsAway)),
        (
            Some(ContactSaid::Deleted),
            422,
            Some(Reason::ContactDeleted),
        ),
        (Some(ContactSaid::Unstorable), 400, Some(Reason::Unstorable)),
        (Some(ContactSaid::Failed), 500, Some(Reason::Internal)),
        (Some(ContactSaid::NotFound), 500, Some(Reason::Internal)),
        (None, 500, Some(Reason::Internal)),
    ] {
        let mut progress = mapped(Kind::Track);
        progress.traits = Traits::Values;
        progress.contact = contact;
        progress.activity = Some(ActivitySaid::Stored);
        assert_eq!(said(&progress), (status, code), "{contact:?}");
    }
}

#[test]
fn a_track_of_which_no_trait_is_valid_is_stored_as_a_plain_one() {
    let mut progress = mapped(Kind::Track);
    progress.traits = Traits::AllIgnored;
    progress.activity = Some(ActivitySaid::Stored);
    assert!(!progress.wants_contact());
    assert_eq!(said(&progress), (206, Some(Reason::ContactNothingValid)));
    progress.activity = Some(ActivitySaid::NotFunded);
    assert_eq!(said(&progress), (429, Some(Reason::ActivityLimit)));
}

#[test]
fn nulls_clear_what_is_there_and_need_nobody() {
    let mut progress = mapped(Kind::Track);
    progress.traits = Traits::Clears;
    progress.activity = Some(ActivitySaid::Backlogged);
    assert!(progress.wants_contact());
    for contact in [ContactSaid::Stored, ContactSaid::NotFound] {
        progress.contact = Some(contact);
        assert_eq!(status(&progress), 200, "{contact:?}");
    }
    progress.update = Some(MembershipUpdateMode::Remove);
    assert!(
        !progress.only_removes(),
        "somebody's field is to be cleared"
    );
    progress.contact = Some(ContactSaid::Kept);
    assert_eq!(status(&progress), 200);
}

#[test]
fn a_null_beside_ignored_traits_clears_what_is_there_and_is_nothing_to_nobody() {
    use ContactSaid::{Kept, NotFound, Stored};
    let nothing_valid = (422, Some(Reason::NothingValid));
    let partial = (206, Some(Reason::ContactNothingValid));
    let ok = (200, None);
    let (identify, track) = (Kind::Identify, Kind::Track);
    for (kind, update, contact, expected) in [
        (identify, None, NotFound, nothing_valid),
        (Kind::Member, None, NotFound, nothing_valid),
        (identify, None, Stored, ok),
        (identify, Some(MembershipUpdateMode::Add), Stored, ok),
        (identify, Some(MembershipUpdateMode::Remove), Kept, ok),
        (track, None, NotFound, partial),
        (track, None, Stored, ok),
        (track, Some(MembershipUpdateMode::Add), Stored, ok),
        (track, Some(MembershipUpdateMode::Remove), Kept, ok),
    ] {
        let mut progress = mapped(kind);
        progress.traits = Traits::ClearsRestIgnored;
        progress.update = update;
        progress.contact = Some(contact);
        progress.applied = update.map(|_| UpdateSaid::Applied);
        progress.activity = Some(ActivitySaid::Stored);
        assert!(progress.wants_contact() && !progress.only_removes());
        let never = kind != Kind::Track && update.is_none();
        assert_eq!(progress.never_creates(), never, "{kind:?} {update:?}");
        assert_eq!(said(&progress), expected, "{kind:?} {update:?} {contact:?}");
    }
}

#[test]
fn a_removal_is_never_lost_and_never_needs_somebody() {
    let mut progress = mapped(Kind::Track);
    progress.update = Some(MembershipUpdateMode::Remove);
    progress.activity = Some(ActivitySaid::Stored);
    for contact in [ContactSaid::NotFound, ContactSaid::Kept] {
        progress.contact = Some(contact);
        assert_eq!(status(&progress), 200);
    }
    progress.contact = Some(ContactSaid::Away);
    assert_eq!(status(&progress), 500);
    progress.contact = Some(ContactSaid::Stored);
    assert_eq!(
        status(&progress),
        500,
        "nobody said that the update was applied"
    );
    progress.applied = Some(UpdateSaid::HeldBack);
    assert_eq!(status(&progress), 200);
    progress.applied = Some(UpdateSaid::Failed);
    assert_eq!(said(&progress), (500, Some(Reason::AudiencesAway)));
    progress.applied = Some(UpdateSaid::Unstorable);
    assert_eq!(said(&progress), (400, Some(Reason::Unstorable)));
}

#[test]
fn a_429_says_which_limit_how_it_comes_about_and_until_when() {
    let mut progress = mapped(Kind::Identify);
    progress.contact = Some(ContactSaid::NotFunded);
    assert_eq!(
        outcome(&progress, &LIMITS).message,
        "the limit of 10 × 1 = 10 contact profile events in 24 hours is reached; \
         the window ends at 2025-07-11T00:00:00Z"
    );
}

#[test]
fn no_limit_is_said_to_be_reached_while_batches_under_way_hold_the_units() {
    let in_flight = in_flight();
    for kind in [Kind::Identify, Kind::Member, Kind::Track] {
        let mut progress = mapped(kind);
        progress.traits = Traits::Values;
        progress.contact = Some(ContactSaid::NotFunded);
        assert!(progress.leaves_no_activity(&in_flight));
        assert!(!progress.leaves_no_activity(&LIMITS), "a 206 stores it");
        let outcome = outcome(&progress, &in_flight);
        assert_eq!(
            (outcome.status, outcome.code),
            (500, Some(Reason::UnitsInFlight))
        );
    }
    let mut plain = mapped(Kind::Track);
    plain.activity = Some(ActivitySaid::NotFunded);
    let outcome = outcome(&plain, &in_flight);
    assert_eq!(outcome.code, Some(Reason::UnitsInFlight));
}

#[test]
fn an_echo_is_refused_for_its_own_faults_alone() {
    let mut echo = Progress::new(Kind::Track, Start::Echo, Some(MembershipUpdateMode::Add));
    for (audience, status) in [
        (None, 200),
        (Some(AudienceSaid::Usable), 200),
        (Some(AudienceSaid::Failed), 200),
        (Some(AudienceSaid::Unknown), 400),
        (Some(AudienceSaid::OtherOrigin), 400),
    ] {
        echo.audience = audience;
        assert_eq!(outcome(&echo, &LIMITS).status, status, "{audience:?}");
    }
}

const CONTACT: [ContactSaid; 12] = [
    ContactSaid::Stored,
    ContactSaid::Repeated,
    ContactSaid::NothingNew,
    ContactSaid::NotFunded,
    ContactSaid::Refused,
    ContactSaid::NotFound,
    ContactSaid::Kept,
    ContactSaid::Deleted,
    ContactSaid::Unstorable,
    ContactSaid::Away,
    ContactSaid::Deferred,
    ContactSaid::Failed,
];

const ACTIVITY: [ActivitySaid; 8] = [
    ActivitySaid::Stored,
    ActivitySaid::Backlogged,
    ActivitySaid::Repeated,
    ActivitySaid::NotFunded,
    ActivitySaid::Deleted,
    ActivitySaid::Unstorable,
    ActivitySaid::Away,
    ActivitySaid::Failed,
];

const APPLIED: [UpdateSaid; 6] = [
    UpdateSaid::Applied,
    UpdateSaid::HeldBack,
    UpdateSaid::Overtaken,
    UpdateSaid::UnknownAudience,
    UpdateSaid::Unstorable,
    UpdateSaid::Failed,
];

const AUDIENCE: [AudienceSaid; 4] = [
    AudienceSaid::Usable,
    AudienceSaid::Unknown,
    AudienceSaid::OtherOrigin,
    AudienceSaid::Failed,
];

fn anything() -> impl Strategy<Value = Progress> {
    use prop::option::of;
    use prop::sample::select;
    let start = [
        Start::Good,
        Start::Good,
        Start::Echo,
        Start::Refused(Reason::NotAnObject, "x".into()),
    ];
    let mapping = [
        MappingVerdict::Mapped,
        MappingVerdict::Rejected(Reason::NoMapping, "x".into()),
    ];
    let traits = [
        Traits::None,
        Traits::Values,
        Traits::Clears,
        Traits::AllIgnored,
        Traits::ClearsRestIgnored,
    ];
    (
        (
            select(vec![Kind::Identify, Kind::Member, Kind::Track]),
            any::<bool>(),
        ),
        select(start.to_vec()),
        of(select(vec![
            MembershipUpdateMode::Add,
            MembershipUpdateMode::Remove,
        ])),
        of(select(AUDIENCE.to_vec())),
        of(select(mapping.to_vec())),
        select(traits.to_vec()),
        of(select(CONTACT.to_vec())),
        of(select(ACTIVITY.to_vec())),
        of(select(APPLIED.to_vec())),
    )
        .prop_map(
            |(kind, start, update, audience, mapping, traits, contact, activity, applied)| {
                let (kind, correction) = kind;
                Progress {
                    kind,
                    start,
                    update,
                    correction,
                    audience,
                    mapping,
                    traits,
                    contact,
                    held_up: None,
                    activity,
                    applied,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Semantics 1.1.
    #[test]
    fn whatever_was_said_there_is_one_outcome_of_the_table(
        progress in anything(),
        flight: bool,
    ) {
        let outcome = outcome(&progress, &if flight { in_flight() } else { LIMITS });
        prop_assert!([200, 206, 400, 422, 429, 500].contains(&outcome.status));
        prop_assert_eq!(outcome.status == 200, outcome.message.is_empty());
        prop_assert_eq!(outcome.status == 200, outcome.code.is_none());
        let is_retried = [429, 500].contains(&outcome.status);
        prop_assert!(outcome.code.is_none_or(|code| code.is_retried() == is_retried));
        prop_assert!(outcome.status != 206 || progress.kind == Kind::Track);
    }

    #[test]
    fn success_is_said_only_of_what_is_stored(progress in anything()) {
        let status = outcome(&progress, &LIMITS).status;
        if status == 200 && progress.start == Start::Good {
            let kept = match progress.kind {
                Kind::Track => matches!(
                    progress.activity,
                    Some(ActivitySaid::Stored | ActivitySaid::Backlogged | ActivitySaid::Repeated)
                ),
                _ => matches!(
                    progress.contact,
                    Some(ContactSaid::Stored | ContactSaid::Repeated | ContactSaid::Kept)
                ),
            };
            prop_assert!(kept, "{:?}", progress);
        }
    }
}
